"""Rules as what a reader does next: read one byte, read one token, or go on to parts.

The expressions of `rules.py` speak of characters; a model writes tokens, which may end in the middle of one. So
characters become the bytes that spell them: `é` is the step of byte 0xC3, then that of 0xA9, and a text that ends
between the two is simply not finished. Steps are compared by identity: each is made once.

>>> step = steps_of(Characters(((0x41, 0x5A), (0xE9, 0xE9))))
>>> [sorted(option.bytes)[:2] if isinstance(option, OneByte) else option.first.bytes for option in step.options]
[[65, 66], frozenset({195})]
"""

import dataclasses
import functools

from refllm.sampling.grammar.code_points import spellings
from refllm.sampling.grammar.rules import (
    Characters,
    Choice,
    Expression,
    Literal,
    Ranges,
    Reference,
    Repeat,
    Sequence,
    Token,
)

step = dataclasses.dataclass(frozen=True, eq=False, slots=True)


@step
class OneByte:
    bytes: frozenset[int]


@step
class OneToken:
    id: int
    negated: bool


@step
class Nothing:
    """Goes on without reading."""


@step
class InTurn:
    first: "Step"
    then: "Step"


@step
class AnyOf:
    options: tuple["Step", ...]


@step
class Again:
    item: "Step"
    least: int
    most: int | None


@step
class Rule:
    name: str


Step = OneByte | OneToken | Nothing | InTurn | AnyOf | Again | Rule
NOTHING = Nothing()


def steps_of(expression: Expression) -> Step:
    match expression:
        case Literal(text):
            return in_turn([OneByte(frozenset([byte])) for byte in text.encode()])
        case Characters(ranges):
            return _one_character(ranges)
        case Token(id, negated):
            return OneToken(id, negated)
        case Reference(name):
            return Rule(name)
        case Sequence(items):
            return in_turn([steps_of(item) for item in items])
        case Choice(options):
            return AnyOf(tuple(steps_of(option) for option in options))
        case Repeat(item, least, most):
            return Again(steps_of(item), least, most)


def in_turn(steps: list[Step]) -> Step:
    """One step that is all of these, one after the other."""
    return functools.reduce(lambda then, first: InTurn(first, then), reversed(steps)) if steps else NOTHING


@functools.lru_cache(1000)  # the same few classes come again and again, and some have many spellings
def _one_character(ranges: Ranges) -> Step:
    sequences = spellings(ranges)
    single = frozenset(byte for (low, high), *more in sequences if not more for byte in range(low, high + 1))
    longer = [
        in_turn([OneByte(frozenset(range(low, high + 1))) for low, high in sequence])
        for sequence in sequences
        if len(sequence) > 1
    ]
    options = ([OneByte(single)] if single else []) + longer
    return options[0] if len(options) == 1 else AnyOf(tuple(options))
