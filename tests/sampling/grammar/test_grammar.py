"""Grammars at work: masks, tokens, ends, copies."""

import copy
import random

import numpy as np
import pytest

from refllm.sampling import TokenMask
from refllm.sampling.grammar import Grammar, GrammarError, parse
from refllm.sampling.grammar.automaton import Automaton
from tests.sampling.grammar.vocabularies import BYTES, CONTROL, JSON_PIECES, LETTERS, make
from tests.sampling.grammar.walks import walk

PIECES = [*BYTES, *JSON_PIECES, b"\xbd\xa0\xe5", b'a"}', b"aaaaaaaa"]
BEGIN, THINK, DONE, END = range(len(PIECES), len(PIECES) + len(CONTROL))


@pytest.fixture(scope="module")
def tokenizer():
    return make(PIECES)


def take(grammar: Grammar, *tokens: int | bytes) -> Grammar:
    for token in tokens:
        grammar.accept(PIECES.index(token) if isinstance(token, bytes) else token)
    return grammar


def allowed(grammar: Grammar) -> set:
    return {PIECES[id] if id < len(PIECES) else id for id in np.flatnonzero(grammar.mask()).tolist()}


def test_it_is_what_the_engine_asks_for(tokenizer):
    assert isinstance(Grammar.from_gbnf('root ::= "a"', tokenizer), TokenMask)


GRAMMARS = [
    'root ::= "{" (member ("," member)*)? "}"\nmember ::= "\\"" [^"\\x00-\\x1f]* "\\":" [0-9]{1,3}',
    "root ::= [^a]{2,4} | .{3} [é你]",
    'root ::= ("aa" | "aaa"){2,}',
    "root ::= [你-好]+ | (!<[3]> | <[5]>){2} root?",
]


@pytest.mark.parametrize("text", GRAMMARS)
def test_a_mask_holds_exactly_the_tokens_that_can_be_accepted(tokenizer, text):
    """Tokens are tried one by one, also on an automaton that has seen nothing else."""
    grammar, source = Grammar.from_gbnf(text, tokenizer), random.Random(text)
    for _ in range(5):
        mask, other = grammar.mask(), Automaton(parse(text))
        for id in source.sample(range(len(PIECES)), 60):
            trial = copy.copy(grammar)
            if mask[id]:
                trial.accept(id)
            else:
                assert not other.read(grammar.state, PIECES[id])
                with pytest.raises(GrammarError):
                    trial.accept(id)
        usable = np.flatnonzero(mask)
        if not usable.size or END in usable:
            break
        grammar.accept(int(source.choice(usable)))


def test_characters_cut_by_tokens(tokenizer):
    grammar = Grammar.from_gbnf("root ::= [你]{2} [^a]", tokenizer)
    assert allowed(grammar) == {b"\xe4"}  # the piece 你好 goes wrong in its second character
    take(grammar, b"\xe4")
    assert allowed(grammar) == {b"\xbd"}
    take(grammar, b"\xbd", b"\xa0", b"\xe4", b"\xbd", b"\xa0")
    assert b"\xc3" in allowed(grammar) and b"a" not in allowed(grammar)
    assert not allowed(grammar) & {bytes([byte]) for byte in (*range(0x80, 0xC2), *range(0xF5, 0x100))}
    take(grammar, b"\xc3")
    assert allowed(grammar) == {bytes([byte]) for byte in range(0x80, 0xC0)}


def test_a_token_may_end_one_character_and_begin_another(tokenizer):
    grammar = take(Grammar.from_gbnf('root ::= "你好"', tokenizer), b"\xe4", b"\xbd\xa0\xe5", b"\xa5", b"\xbd")
    assert grammar.finished


def test_tokens_as_a_whole(tokenizer):
    grammar = Grammar.from_gbnf("root ::= <think> !</think>* </think> [0-9]+", tokenizer)
    assert allowed(grammar) == {THINK}
    take(grammar, THINK)
    assert allowed(grammar) == {*PIECES, BEGIN, THINK, DONE}
    take(grammar, b"a", BEGIN, b"\xff", DONE)
    assert allowed(grammar) == {bytes([byte]) for byte in b"0123456789"} | {b"12", b"00"}


def test_control_tokens_are_no_text(tokenizer):
    grammar = Grammar.from_gbnf('root ::= "<s>" | .', tokenizer)
    assert not allowed(grammar) & {BEGIN, THINK, DONE, END}
    assert take(grammar, b"<", b"s", b">").finished


def test_the_end_is_allowed_where_the_text_is_complete(tokenizer):
    grammar = Grammar.from_gbnf('root ::= "a"*  "b"?', tokenizer)
    assert grammar.complete and not grammar.finished and END in allowed(grammar)
    take(grammar, b"b")
    assert grammar.finished and allowed(grammar) == {END}
    take(grammar, END)
    assert grammar.finished and allowed(grammar) == set()
    with pytest.raises(GrammarError, match="expected the end of the text"):
        take(grammar, END, b"a")
    unfinished = Grammar.from_gbnf('root ::= "a" "b"', tokenizer)
    assert END not in allowed(unfinished)
    with pytest.raises(
        GrammarError, match=r"token \d+ \('</s>'\) cannot come here; expected a token that the mask allows"
    ):
        take(unfinished, END)


def test_copies_go_their_own_ways(tokenizer):
    grammar = Grammar.from_gbnf('root ::= "a" ("b" | "c")', tokenizer)
    take(grammar, b"a")
    other = copy.copy(grammar)
    take(other, b"b", END)
    assert not grammar.finished and allowed(grammar) == {b"b", b"c"}


def test_a_mask_cannot_be_written_to(tokenizer):
    with pytest.raises(ValueError, match="read-only"):
        Grammar.from_gbnf('root ::= "a"', tokenizer).mask()[0] = True


def test_a_vocabulary_that_cannot_write_the_text():
    grammar = Grammar.from_gbnf('root ::= "é"', make(LETTERS))
    with pytest.raises(GrammarError, match="no token of the vocabulary can come here"):
        grammar.mask()


def test_unknown_tokens(tokenizer):
    with pytest.raises(GrammarError, match=r"rule 'root': no token 9999; expected 0 to \d+"):
        Grammar.from_gbnf("root ::= <[9999]>", tokenizer)
    with pytest.raises(GrammarError, match="<nothing> is not one token"):
        Grammar.from_gbnf("root ::= <nothing>", tokenizer)


def test_regular_expressions_and_schemas(tokenizer):
    assert walk(Grammar.from_regex("[ab]{3}c|12", tokenizer), 0) in {"12"} | {
        a + b + c + "c" for a in "ab" for b in "ab" for c in "ab"
    }
    assert (
        walk(Grammar.from_json_schema('{"const": [1, "é"]}', tokenizer), 0).replace(" ", "").replace("\n", "")
        == '[1,"é"]'
    )


def test_forgetting_changes_nothing(tokenizer, monkeypatch):
    text = GRAMMARS[2]
    expected = [walk(Grammar.from_gbnf(text, tokenizer), seed) for seed in range(2)]
    monkeypatch.setattr("refllm.sampling.grammar.automaton.MAX_KEPT", 30)
    monkeypatch.setattr("refllm.sampling.grammar.masks.MAX_REMEMBERED", 3 * tokenizer.vocab_size)
    forgetful = Grammar.from_gbnf(text, tokenizer)
    assert [walk(forgetful, seed) for seed in range(2)] == expected
    assert len(forgetful.masks.remembered) <= 3
