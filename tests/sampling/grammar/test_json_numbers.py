"""Numbers between bounds, against comparing the numbers."""

import random
from decimal import Decimal

import pytest

from refllm.sampling.grammar import GrammarError, notation, parse
from refllm.sampling.grammar.automaton import Automaton
from refllm.sampling.grammar.json_numbers import integers, numbers, whole_bounds


def reader(expression: str) -> Automaton | None:
    """None for an expression that matches nothing."""
    try:
        return Automaton(parse(notation.rule("root", expression) + "\n" + notation.NOTHING_RULE))
    except GrammarError as error:
        assert "no text of finite length" in str(error)
        return None


def test_integers():
    source = random.Random(1)
    for _ in range(20):
        low, high = (source.choice([None, source.randint(-300, most)]) for most in (300, 3000))
        automaton = reader(integers(low, high))
        near = [each + step for each in (low, high) if each is not None for step in (-1, 0, 1)]
        for value in [*range(-320, 321, 7), *near, 2999, 3001, 10**9, -(10**9)]:
            inside = (low is None or value >= low) and (high is None or value <= high)
            assert (automaton is not None and automaton.accepts(str(value))) == inside, (low, high, value)
            assert automaton is None or not automaton.accepts(f"0{value}")


def test_numbers():
    source = random.Random(2)

    def drawn() -> Decimal:
        return Decimal(source.randint(-2500, 2500)).scaleb(-source.randint(0, 3))

    for _ in range(25):
        low, high = (source.choice([None, drawn()]) for _ in range(2))
        above, below = (source.random() < 0.5 for _ in range(2))
        automaton = reader(numbers(low, high, above, below))
        for value in [*(drawn() for _ in range(25)), *(each for each in (low, high) if each is not None)]:
            inside = low is None or (value > low if above else value >= low)
            inside = inside and (high is None or (value < high if below else value <= high))
            plain = f"{value:f}"
            for text in {plain, plain + "0" if "." in plain else plain + ".0", f"{value.normalize():f}"}:
                if value != 0 or text[0] != "-":
                    assert (automaton is not None and automaton.accepts(text)) == inside, (
                        low,
                        high,
                        above,
                        below,
                        text,
                    )


@pytest.mark.parametrize(
    ("bounds", "whole"),
    [
        (("1.5", "4.5", False, False), (2, 4)),
        (("1", "4", True, True), (2, 3)),
        (("-1.5", "-0.5", True, True), (-1, -1)),
    ],
)
def test_integers_between_numbers(bounds, whole):
    low, high, above, below = bounds
    assert whole_bounds(Decimal(low), Decimal(high), above, below) == whole


def test_long_numbers_come_to_an_end():
    automaton = reader(integers(2, None))
    assert automaton.accepts("9" * 16) and not automaton.accepts("9" * 17)
    assert reader(integers(10**20, None)).accepts(str(10**20 + 1))
