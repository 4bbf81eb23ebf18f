"""A grammar as data: rules by name, and what a rule may be made of.

`gbnf.py` reads them from text, `checks.py` judges them, `automaton.py` reads texts with them. Nothing here decides
anything. Recursion goes through names: a `Reference` stands for the rule of that name, so an expression itself is a
finite tree.

>>> digits = Repeat(Characters(((48, 57),)), 1)
>>> {"root": Sequence((Literal("0x"), digits))}
{'root': Sequence(items=(Literal(text='0x'), Repeat(item=Characters(ranges=((48, 57),)), least=1, most=None)))}
"""

import dataclasses

from refllm.errors import RefllmError

Ranges = tuple[tuple[int, int], ...]  # code points: first and last of each range


class GrammarError(RefllmError):
    """A grammar that cannot be used, or a token that it does not allow; the text says which and why."""


@dataclasses.dataclass(frozen=True)
class Literal:
    """Exactly this text."""

    text: str


@dataclasses.dataclass(frozen=True)
class Characters:
    """One character out of ranges of code points."""

    ranges: Ranges


@dataclasses.dataclass(frozen=True)
class Token:
    """One token of the vocabulary as a whole, or any but that one."""

    id: int
    negated: bool = False


@dataclasses.dataclass(frozen=True)
class Reference:
    """What the rule of this name matches."""

    name: str


@dataclasses.dataclass(frozen=True)
class Sequence:
    """One after the other; without items: the empty text."""

    items: tuple["Expression", ...] = ()


@dataclasses.dataclass(frozen=True)
class Choice:
    """Any one of these; without options: no text at all."""

    options: tuple["Expression", ...] = ()


@dataclasses.dataclass(frozen=True)
class Repeat:
    """Again and again, from `least` to `most` times; most None: without end."""

    item: "Expression"
    least: int = 0
    most: int | None = None


Expression = Literal | Characters | Token | Reference | Sequence | Choice | Repeat
Rules = dict[str, Expression]


def parts(expression: Expression) -> tuple[Expression, ...]:
    """What an expression is made of, directly."""
    match expression:
        case Sequence(items):
            return items
        case Choice(options):
            return options
        case Repeat(item):
            return (item,)
    return ()
