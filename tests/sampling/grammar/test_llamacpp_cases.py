"""The cases of llama.cpp's own tests (`tests/golden/grammar_cases.py` names the files), and its grammars live.

Two of its conversions are not ours: `prefixItems` that is no list is refused here (JSON Schema says a list), and a
schema's properties keep their order.
"""

import ctypes
import functools
import json
import pathlib
import random
import warnings

import numpy as np
import pytest

from refllm.sampling.grammar import Grammar, GrammarError, json_schema_to_gbnf, parse
from refllm.sampling.grammar.automaton import Automaton, State
from refllm.sampling.grammar.masks import Masks
from refllm.sampling.grammar.pieces import Pieces, PieceTree
from refllm.tokenizers import from_gguf
from tests.tokenizers import llamacpp

CASES = json.loads((pathlib.Path(__file__).parents[2] / "golden" / "grammar_cases.json").read_text())
NOT_A_LIST = '"prefixItems": { "type": "string" }'


def gbnf_of(schema: str) -> str:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "JSON schema: not enforced")
        return json_schema_to_gbnf(schema)


@pytest.mark.parametrize("case", CASES["matching"], ids=lambda case: case["name"] or "unnamed")
def test_matching(case):
    """A text comes as tokens of one character each, which is how llama.cpp's test reads it."""
    automaton = Automaton(parse(gbnf_of(case["given"]) if case["kind"] == "schema" else case["given"]))
    masks = Masks(automaton, Pieces(PieceTree.of_pieces([b"x"] * 32), np.ones(32, bool)))

    def after(state: State, token: int | str) -> State:
        return masks.after(state, token, b"") if isinstance(token, int) else masks.after(state, 0, token.encode())

    def matched(text: list[str | int]) -> bool:
        tokens = [token for part in text for token in (part if isinstance(part, str) else [part])]
        return None in functools.reduce(after, tokens, automaton.start)

    assert [text for text in case["yes"] if not matched(text)] == []
    assert [text for text in case["no"] if matched(text)] == []


@pytest.mark.parametrize("case", CASES["converted"], ids=lambda case: case["name"])
def test_the_same_schemas_can_be_converted(case):
    possible = case["grammar"] is not None and NOT_A_LIST not in case["schema"]
    if possible:
        Automaton(parse(gbnf_of(case["schema"])))
        Automaton(parse(case["grammar"]))
    else:
        with pytest.raises(GrammarError):
            gbnf_of(case["schema"])


class Live:
    """A grammar as llama.cpp applies it to a vocabulary."""

    def __init__(self, vocabulary: llamacpp.Vocabulary, grammar: str):
        self.vocabulary = vocabulary  # lives as long as the sampler that points to it
        self.lib = vocabulary.lib
        self.size = len(vocabulary)
        self.sampler = self.lib.llama_sampler_init_grammar(vocabulary.vocab, grammar.encode(), b"root")
        assert self.sampler

    def mask(self) -> np.ndarray:
        candidates = (self.lib.llama_token_data * self.size)()
        for id in range(self.size):
            candidates[id].id = id
        array = self.lib.llama_token_data_array(candidates, self.size, -1, False)
        self.lib.llama_sampler_apply(self.sampler, ctypes.byref(array))
        return np.array([candidate.logit != -np.inf for candidate in candidates])

    def accept(self, token: int) -> None:
        self.lib.llama_sampler_accept(self.sampler, token)


@pytest.mark.conformance
@pytest.mark.parametrize(
    "text",
    [
        'root ::= "{" (pair ("," pair)*)? "}"\npair ::= "\\"" [^"\\x00-\\x1f]{1,9} "\\":" ([0-9]{1,3} | root)',
        "root ::= [你-好é]+ [^a-z]{2,3} .",
    ],
)
def test_masks_are_those_of_llama_cpp(fixtures, text):
    """But for what it takes for text: control tokens, and bytes that no UTF-8 holds; byte 0 it never lets pass."""
    no_text = {bytes([byte]) for byte in range(0xF5, 0x100)} | {b"<s>", b"<unk>"}
    path = fixtures / "tokenizers" / "ggml-vocab-llama-spm.gguf"
    live, grammar = Live(llamacpp.Vocabulary(path), text), Grammar.from_gbnf(text, from_gguf(path))
    source, tokenizer = random.Random(text), grammar.tokenizer
    for _ in range(3):
        ours, theirs = grammar.mask(), live.mask()
        assert {tokenizer.token_bytes(id) for id in np.flatnonzero(ours & ~theirs)} <= {b"\0"}
        assert {tokenizer.token_bytes(id) for id in np.flatnonzero(theirs & ~ours)} <= no_text
        usable = [id for id in np.flatnonzero(ours & theirs).tolist() if id not in tokenizer.end_ids]
        if not usable:
            break
        chosen = source.choice(usable)
        grammar.accept(chosen)
        live.accept(chosen)
