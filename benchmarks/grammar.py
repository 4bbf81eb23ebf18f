"""Masks of a grammar: milliseconds per token for vocabularies of 32,000 and 128,000 pieces.

A JSON text is given token by token to a grammar that matches it; before each token the mask of all that may come is
asked for. `cold` is the first time such a text is read, `known states` the second time but with the masks forgotten,
`warm` the third time. `accept` is going on by a token. Real vocabularies where the files of shared/fixtures are at
hand, otherwise one of 32,000 random pieces.
"""

import copy
import json
import pathlib
import random
import statistics
import time

from refllm import tokenizers
from refllm.sampling.grammar import Grammar
from refllm.tokenizers import Tokenizer

FIXTURES = pathlib.Path(__file__).parents[2] / "shared" / "fixtures" / "tokenizers"
PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 60},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "tags": {"type": "array", "items": {"type": "string"}},
        "note": {"type": "string"},
        "when": {"type": "string", "format": "date-time"},
    },
    "required": ["name", "age"],
}
VALUE = {
    "name": "Zoë Müller 你好 the 3rd",
    "age": 42,
    "tags": ["a", "a longer tag of several words", "三"],
    "note": 'Some text that goes on for a while, with "quotes" in it\nand a second line.',
    "when": "2024-02-29T10:00:00Z",
}


def run() -> list[dict]:
    return [measure(name, tokenizer, what, schema) for name, tokenizer in vocabularies() for what, schema in
            (("any JSON", {}), ("a schema", PERSON))]  # fmt: skip


def vocabularies() -> list[tuple[str, Tokenizer]]:
    if FIXTURES.is_dir():
        return [
            (name, tokenizers.from_gguf(FIXTURES / f"ggml-vocab-{name}.gguf")) for name in ("llama-spm", "llama-bpe")
        ]
    source = random.Random(0)
    pieces = {chr(code) for code in range(0x20, 0x7F)} | set("ëü你好三")
    while len(pieces) < 32_000:
        pieces.add("".join(source.choices("etaoinshrdlu ETA0123.,", k=source.randint(2, 8))))
    metadata = {"tokenizer.ggml.model": "rwkv", "tokenizer.ggml.tokens": sorted(pieces)}
    return [("random", tokenizers.from_metadata(metadata))]


def measure(name: str, tokenizer: Tokenizer, what: str, schema: dict) -> dict:
    ids = tokenizer.encode("\n" + json.dumps(VALUE, ensure_ascii=False), add_special=False)
    start = next(at for at, id in enumerate(ids) if tokenizer.token_bytes(id).startswith(b"{"))
    grammar = Grammar.from_json_schema(schema, tokenizer)
    cold, _ = read(grammar, ids[start:])
    grammar.masks.remembered.clear()
    known, _ = read(grammar, ids[start:])
    warm, accept = read(grammar, ids[start:])
    row = {"vocabulary": f"{name} {tokenizer.vocab_size}", "grammar": what, "tokens": len(ids) - start}
    row |= {
        f"{kind} ms": statistics.mean(times)
        for kind, times in (("cold", cold), ("known states", known), ("warm", warm))
    }
    return row | {"warm worst ms": max(warm), "accept ms": statistics.mean(accept)}


def read(grammar: Grammar, ids: list[int]) -> tuple[list[float], list[float]]:
    """Milliseconds for each mask, and for each token accepted."""
    grammar, masks, accepts = copy.copy(grammar), [], []
    for id in ids:
        begin = time.perf_counter()
        mask = grammar.mask()
        between = time.perf_counter()
        assert mask[id]
        grammar.accept(id)
        masks.append(1e3 * (between - begin))
        accepts.append(1e3 * (time.perf_counter() - between))
    assert grammar.complete
    return masks, accepts
