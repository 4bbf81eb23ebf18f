"""Grammars that cannot work are refused, soon and with the reason."""

import pytest

from refllm.sampling.grammar import GrammarError, matches, parse
from refllm.sampling.grammar import checks as checks_module
from refllm.sampling.grammar.automaton import Automaton
from refllm.sampling.grammar.checks import checked


@pytest.mark.parametrize(
    ("grammar", "message"),
    [
        ('rot ::= "a"', "no rule 'root'"),
        ("root ::= expr\nexpr ::= missing", "rule 'expr' uses 'missing', which is not defined"),
        ('root ::= "a" | root "a"', "left recursion: rule 'root' begins with 'root'"),
        ('root ::= x\nx ::= "a" | y "b"\ny ::= "c" | x "d"', "left recursion: rule '[xy]' begins with '[xy]' begins"),
        ('root ::= x\nx ::= "a" | y "b"\ny ::= e x "d" | "e"\ne ::= "blah" |', "left recursion"),
        ('root ::= e root "x"\ne ::= f f\nf ::= "b"*', "left recursion: rule 'root'"),
        ('root ::= root* "a"', "left recursion"),
        ('root ::= "a"\nother ::= other', "left recursion: rule 'other'"),
        ('root ::= "a" root', "no text of finite length matches rule 'root'"),
        ('root ::= "(" x ")"\nx ::= "a" y\ny ::= "b" x', "no text of finite length"),
        ('root ::= x{2,}\nx ::= "a" x', "no text of finite length"),
    ],
)
def test_refused(grammar, message):
    with pytest.raises(GrammarError, match=message):
        checked(parse(grammar))


def test_what_never_ends_is_never_begun():
    automaton = Automaton(parse('root ::= "a" endless | "ab" | endless? "c" endless*\nendless ::= "x" endless'))
    assert automaton.accepts("ab") and automaton.accepts("c")
    assert not automaton.read(automaton.start, b"ax") and not automaton.read(automaton.start, b"x")


def test_right_recursion_and_empty_loops_are_fine():
    assert matches('root ::= "a" root | "b"', "aaaab")
    assert matches('root ::= ([x]*)* ("" | "y"?){3}', "xxyy")
    assert matches('root ::= ("a"?){1000} "b"', "aab")


@pytest.mark.parametrize("count", [8, 60])
def test_exponential_grammars_end_in_an_error_or_an_answer(count):
    """Each rule doubles the ways on: 2 to the power of `count` before the first letter."""
    doubling = "\n".join(f'r{n} ::= r{n + 1} "a" | r{n + 1} "b"' for n in range(count))
    grammar = f'root ::= r0\n{doubling}\nr{count} ::= "x"'
    if count == 8:
        assert matches(grammar, "x" + "ab" * 4)
    else:
        with pytest.raises(GrammarError, match="too many ways to read a text"):
            matches(grammar, "x")


def test_ambiguity_that_grows_with_the_text_ends_in_an_error():
    grammar = 'root ::= "x" root "y" | "x" root "z" | "q"'
    assert matches(grammar, "xxxxqyzyz")
    with pytest.raises(GrammarError, match="too many ways"):
        matches(grammar, "x" * 40 + "q")


def test_memory_has_a_limit_however_long_the_text(monkeypatch):
    monkeypatch.setattr("refllm.sampling.grammar.automaton.MAX_KEPT", 200)
    automaton = Automaton(parse('root ::= "(" root ")" | "x"'))
    state, most = automaton.start, 0
    for _ in range(300):
        automaton.begin_question()
        state = automaton.read(state, b"(((((")
        most = max(most, len(automaton.states), len(automaton.chains))
    assert most < 300
    automaton.begin_question()
    state = automaton.read(state, b"x" + b")" * 1499)
    assert state and None not in state
    assert None in automaton.read(state, b")")


def test_large_grammars_are_refused_and_long_chains_of_rules_are_not(monkeypatch):
    chain = "\n".join(f'r{n} ::= r{n + 1} | "a" r{n}' for n in range(500))
    assert matches(f'root ::= r0\n{chain}\nr500 ::= "b"', "aab")
    monkeypatch.setattr(checks_module, "MAX_PARTS", 50)
    with pytest.raises(GrammarError, match="parts; expected 50 at most"):
        checked(parse("root ::= " + '"a" ' * 60))
