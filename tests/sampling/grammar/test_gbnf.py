"""GBNF as text: what it means, what is refused and where, and that no text whatsoever does harm."""

import pathlib
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refllm.sampling.grammar import GrammarError, gbnf, matches, parse
from refllm.sampling.grammar.automaton import Automaton
from refllm.sampling.grammar.code_points import EVERY, complement
from refllm.sampling.grammar.rules import Characters, Choice, Literal, Reference, Repeat, Sequence, Token


def root(text: str):
    return parse(f"root ::= {text}")["root"]


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ('"a"', Literal("a")),
        (r'"\x41\u00e9\U0001F642\n\r\t\\\"\[\]\-"', Literal('Aé🙂\n\r\t\\"[]-')),
        ("[a-c_]", Characters(((95, 95), (97, 99)))),
        ("[a-]", Characters(((45, 45), (97, 97)))),
        (r"[\]\-\\]", Characters(((45, 45), (92, 93)))),
        ("[^a]", Characters(complement(((97, 97),)))),
        ("[^^]", Characters(complement(((94, 94),)))),
        ("[ぁ-ゟ]", Characters(((0x3041, 0x309F),))),
        (".", Characters(EVERY)),
        ("a-1 B", Sequence((Reference("a-1"), Reference("B")))),
        ('"a" | | "b"', Choice((Literal("a"), Sequence(), Literal("b")))),
        ('("a" | "b") "c"', Sequence((Choice((Literal("a"), Literal("b"))), Literal("c")))),
        ('( # why\n "a"\n\n | "b" )', Choice((Literal("a"), Literal("b")))),
        ('"a" |\n "b" # end', Choice((Literal("a"), Literal("b")))),
        ('\n "a"', Literal("a")),
        ('"a"* "b"+ "c"?', Sequence((Repeat(Literal("a")), Repeat(Literal("b"), 1), Repeat(Literal("c"), 0, 1)))),
        ("x{2}", Repeat(Reference("x"), 2, 2)),
        ("x{ 2 , }", Repeat(Reference("x"), 2)),
        ("x{2,5}", Repeat(Reference("x"), 2, 5)),
        ("x{1000000}", Repeat(Reference("x"), 1_000_000, 1_000_000)),
        ("x+?", Repeat(Repeat(Reference("x"), 1), 0, 1)),
        ("<[12]> !<[0]>*", Sequence((Token(12), Repeat(Token(0, negated=True))))),
    ],
)
def test_meaning(text, meaning):
    assert root(text) == meaning


def test_tokens_by_name():
    rules = parse("root ::= <think> !</think>", {"<think>": 7, "</think>": 8}.get)
    assert rules["root"] == Sequence((Token(7), Token(8, negated=True)))
    with pytest.raises(GrammarError, match="line 1, column 10: <nothing> is not one token of the vocabulary"):
        parse("root ::= <nothing>", {}.get)


def test_rules_end_with_a_line_of_any_kind():
    assert list(parse('a ::= "1"\r\nb ::= "2"\rc ::= "3"\n\n # note\n d ::= "4"')) == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('root "a"', "column 6: found '\"a\"'; expected ::="),
        ("root ::= )", "column 10: found ')'; expected a new line"),
        ('root ::= "a', 'column 12: the text ends; expected the closing "'),
        ("root ::= [a", "column 12: the text ends; expected the closing ]"),
        ("root ::= []", "column 10: a class without characters"),
        ("root ::= [z-a]", "a range from 'z' down to 'a'"),
        (r'root ::= "\q"', "column 11: found '\\\\q\"'; expected an escape"),
        (r'root ::= "\x1"', "expected an escape"),
        (r'root ::= "\uD800"', "column 11: U+D800 is no character"),
        (r'root ::= "\UFFFFFFFF"', "is no character"),
        ("root ::= *", "column 10: nothing to repeat"),
        ("root ::= a{x}", "column 11: found '{x}'; expected a count"),
        ("root ::= a{3,1}", "at least 3 times and at most 1"),
        ("root ::= a{1000001}", "a count above 1000000"),
        ("root ::= a????", "more than 3 counts"),
        ("root ::= <think>", "needs a vocabulary"),
        ("root ::= !a", "expected a token"),
        ("root ::= (a", "the text ends; expected )"),
        ("root ::= " + "(" * 200, "more than 50 groups"),
        ('root ::= "a"\nroot ::= "b"', "line 2, column 1: rule 'root' is defined a second time"),
        ("ro_ot ::= a", "column 3: found '_ot ::= a'; expected ::="),
        (" " * (gbnf.MAX_TEXT + 1), "expected 1048576 at most"),
    ],
)
def test_errors_say_where(text, message):
    with pytest.raises(GrammarError, match=re.escape(message)):
        parse(text)


SEEDS = [
    'root ::= "a" ( [^b-d]{2,3} | . rest )* # note\nrest ::= "\\u00e9"+ <[3]> | !<[4]>?\n',
    'root ::= item ("," item){0,5}\nitem ::= [0-9]+ | "[" root "]" | ""\n',
    'root ::= a a a\na ::= b b\nb ::= "x"? | "y" | a-b\na-b ::= "z" root?\n',
]
SIGNS = [
    '"',
    "[",
    "]",
    "^",
    "(",
    ")",
    "{",
    "}",
    "2",
    ",",
    "*",
    "+",
    "?",
    "|",
    ".",
    "::=",
    "\n",
    "root",
    "a",
    "\\",
    "<[1]>",
    "é",
    " ",
]


def survives(text: str) -> None:
    """The text is refused with an error of ours, or a grammar that reads texts; in either case soon."""
    try:
        automaton = Automaton(parse(text))
        for tried in ("", "a", "aé", "1,[2,]", "xxxxxxxx"):
            automaton.begin_question()
            automaton.accepts(tried)
    except GrammarError:
        pass


@settings(max_examples=100, deadline=None)
@given(st.text(st.sampled_from('rot:= "a[]^-(){}1,*+?|.<>!#\n\\é'), max_size=40))
def test_any_text_is_survived(text):
    survives("root ::= " + text)
    survives(text)


def test_mutated_grammars_are_survived():
    source = random.Random(5)
    for _ in range(250):
        text = source.choice(SEEDS)
        for _ in range(source.randint(1, 4)):
            at = source.randrange(len(text))
            text = text[:at] + source.choice([*SIGNS, ""]) + text[at + source.randrange(3) :]
        survives(text)


def test_a_grammar_for_json():
    grammar = (pathlib.Path(__file__).parent / "json.gbnf").read_text()
    for text in ('{"a": [1, -2.5e3, "é\\n", {}, [], null]}', "[]", '{ "k" : true }'):
        assert matches(grammar, text)
    for text in ('{"a": }', "[1,]", "'a'", '{"a" 1}', '"\n"'):
        assert not matches(grammar, text)
