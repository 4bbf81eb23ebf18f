"""Regular expressions, against Python's own on the same texts."""

import random
import re

import pytest

from refllm.sampling.grammar import GrammarError, matches, parse, regex_to_gbnf
from refllm.sampling.grammar.automaton import Automaton
from refllm.sampling.grammar.regular_expressions import NotExpressible

TEXTS = ["", "a", "b", "ab", "aab", "abc", "xx", "é", "0", "12", ".*\\", '"\n', "]", "-", "^", "_", "a b", "\t", "你好"]


@pytest.mark.parametrize(
    "pattern",
    [
        *("a|b", "(a|b)*c", "(?:x){2}", r"[^a-c\d]+", r"\.\*\\", "", "a||ab", "(|a)b", "^a$|^b$", r"[\]\-^]", '"\n'),
        *(
            "()*a",
            "((a))+",
            "[a-z]{3}?",
            "(?P<name>a)b?",
            "(a|a)*",
            "(ab c|ab)+",
            r"\x61\u0062?",
            r"[\x00-\x7f]*",
            "x{2,}",
        ),
        *(r"\t|\n", "[a-]", r"[\w-]+", "a{0}", "[^é]", "(a(b(c)?)?)?", r"\-"),
    ],
)
def test_as_python_has_it(pattern):
    automaton = Automaton(parse(regex_to_gbnf(pattern)))
    for text in TEXTS:
        assert automaton.accepts(text) == bool(re.fullmatch(pattern, text, re.ASCII)), text


def test_random_expressions():
    source = random.Random(3)

    def made(depth: int) -> str:
        kind = source.randrange(6 if depth else 2)
        if kind < 2:
            return source.choice(["a", "b", "[ab]", "[^a]", "é", "."])
        if kind == 2:
            return f"({made(depth - 1)}|{made(depth - 1)})"
        if kind == 3:
            return f"({made(depth - 1)}){source.choice(['*', '+', '?', '{2}', '{1,3}', '{2,}'])}"
        return made(depth - 1) + made(depth - 1)

    for _ in range(30):
        pattern = made(3)
        automaton = Automaton(parse(regex_to_gbnf(pattern)))
        for _ in range(20):
            text = "".join(source.choices("aabbéc", k=source.randrange(7)))
            assert automaton.accepts(text) == bool(re.fullmatch(pattern, text)), (pattern, text)


def test_ecmascript_where_python_differs():
    assert not matches(regex_to_gbnf("."), "\u2028") and not matches(regex_to_gbnf("."), "\r")
    assert matches(regex_to_gbnf(r"\s+"), "\ufeff\u00a0 ")
    assert matches(regex_to_gbnf(r"\u{1F642}\/"), "🙂/")
    assert not matches(regex_to_gbnf(r"\d"), "٣")


@pytest.mark.parametrize(
    "pattern", ["(?=a)b", "(?!a)", "(?<=a)b", r"\bword", r"(a)\1", r"\p{L}", "(^a)", "a$b", "(?i)a"]
)
def test_what_a_grammar_cannot_say(pattern):
    with pytest.raises(NotExpressible, match=r"character [0-9]+: .*expected"):
        regex_to_gbnf(pattern)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(a", "the text ends; expected )"),
        ("(a$", "the text ends; expected )"),
        ("a)", "found ) without ("),
        ("[a", "the text ends; expected ]"),
        ("[]", "an empty class"),
        ("[z-a]", "a range whose end"),
        ("*a", "nothing to repeat"),
        ("{2}", "nothing to repeat"),
        ("a{3,2}", "count {3,2}"),
        ("a{9999999999}", "count"),
        ("a\\", "escape"),
        (r"\uD800", "U+D800 is no character"),
        ("(" * 60 + ")" * 60, "more than 25 groups"),
        ("a" * 10_001, "10001 characters"),
    ],
)
def test_errors(pattern, message):
    with pytest.raises(GrammarError, match=re.escape(message)):
        regex_to_gbnf(pattern)
