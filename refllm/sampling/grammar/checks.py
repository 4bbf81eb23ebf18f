"""Is a grammar one that a text can be read with? Found out before the first token, not after an endless loop.

Refused, each with its reason: no rule `root`, a reference to a rule that is not there, a rule that begins with itself
(left recursion: it could be entered for ever without reading anything), a grammar that no finite text matches, and one
that is too large. What is unreachable by any finite text is taken out of the others, so that every beginning of a text
that the rules accept can be brought to an end.

>>> from refllm.sampling.grammar.gbnf import parse
>>> checked(parse('root ::= "a" | "(" endless\\nendless ::= "x" endless'))["root"]
Choice(options=(Literal(text='a'),))
>>> checked(parse('root ::= sum\\nsum ::= sum "+" [0-9] | [0-9]'))
Traceback (most recent call last):
    ...
refllm.sampling.grammar.rules.GrammarError: grammar: left recursion: rule 'sum' begins with 'sum'; expected rules that \
read something first
"""

import collections
import graphlib
from collections.abc import Callable, Iterator

from refllm.sampling.grammar.rules import (
    Characters,
    Choice,
    Expression,
    GrammarError,
    Literal,
    Reference,
    Repeat,
    Rules,
    Sequence,
    Token,
    parts,
)

MAX_PARTS = 200_000


def checked(rules: Rules, root: str = "root") -> Rules:
    """The rules without what no finite text reaches; an error if they cannot be used."""
    if root not in rules:
        raise GrammarError(f"grammar: no rule {root!r}; expected one, the whole text matches it")
    _refuse_missing(rules)
    _refuse_left_recursion(rules)
    finite = _rules_where(rules, _ends_by_itself)
    if root not in finite:
        raise GrammarError(f"grammar: no text of finite length matches rule {root!r}; expected one that does")
    return {name: _pruned(expression, finite) for name, expression in rules.items() if name in finite}


def walk(expression: Expression) -> Iterator[Expression]:
    """An expression and all its parts."""
    yield expression
    for part in parts(expression):
        yield from walk(part)


def _refuse_missing(rules: Rules) -> None:
    size = 0
    for name, expression in rules.items():
        for part in walk(expression):
            size += 1
            if isinstance(part, Reference) and part.name not in rules:
                raise GrammarError(f"grammar: rule {name!r} uses {part.name!r}, which is not defined")
    if size > MAX_PARTS:
        raise GrammarError(f"grammar: {size} parts; expected {MAX_PARTS} at most")


def _refuse_left_recursion(rules: Rules) -> None:
    empty = _rules_where(rules, _may_be_empty)
    begins_with = {name: set(_first_references(expression, empty)) for name, expression in rules.items()}
    try:
        graphlib.TopologicalSorter(begins_with).prepare()
    except graphlib.CycleError as error:
        path = " begins with ".join(map(repr, reversed(error.args[1])))
        raise GrammarError(f"grammar: left recursion: rule {path}; expected rules that read something first") from None


def _may_be_empty(part: Expression) -> bool:
    return part == Literal("") or (isinstance(part, Repeat) and part.least == 0)


def _ends_by_itself(part: Expression) -> bool:
    match part:
        case Literal() | Token():
            return True
        case Characters(ranges):
            return bool(ranges)
        case Repeat(least=0):
            return True
    return False


def _rules_where(rules: Rules, holds_alone: Callable[[Expression], bool]) -> set[str]:
    """The names of the rules for which something holds, when it holds for some parts by themselves, for a sequence if
    for all its items, for a choice if for one, for a repetition if for its item, for a reference if for its rule.

    Every part is looked at once, and once more when one of its own parts turns out to hold.
    """
    waiting = collections.defaultdict(list)  # a part or a rule's name -> the parts that wait for it
    missing = {}  # a part -> how many of its own parts it still waits for
    news = collections.deque()
    numbers = iter(range(MAX_PARTS + len(rules) + 1))  # equal parts in several places are told apart by number

    def enter(part: Expression, above: int | str) -> None:
        number = next(numbers)
        waiting[number].append(above)
        inside = parts(part)
        missing[number] = len(inside) if isinstance(part, Sequence) else 1
        if holds_alone(part) or missing[number] == 0:
            news.append(number)
        elif isinstance(part, Reference):
            waiting[part.name].append(number)
        for each in inside:
            enter(each, number)

    for name, expression in rules.items():
        missing[name] = 1
        enter(expression, name)
    found = set()
    while news:
        known = news.popleft()
        if known not in found:
            found.add(known)
            for above in waiting[known]:
                missing[above] -= 1
                news.extend([above] if missing[above] == 0 else [])
    return found & rules.keys()


def _first_references(expression: Expression, empty: set[str]) -> Iterator[str]:
    """The rules that may be entered before anything has been read."""
    if isinstance(expression, Reference):
        yield expression.name
    for part in parts(expression):
        yield from _first_references(part, empty)
        if isinstance(expression, Sequence) and not _is_empty(part, empty):
            break


def _is_empty(expression: Expression, empty: set[str]) -> bool:
    """Whether the empty text matches."""
    match expression:
        case Reference(name):
            return name in empty
        case Sequence(items):
            return all(_is_empty(item, empty) for item in items)
        case Choice(options):
            return any(_is_empty(option, empty) for option in options)
        case Repeat(item, least):
            return least == 0 or _is_empty(item, empty)
    return expression == Literal("")


def _pruned(expression: Expression, finite: set[str]) -> Expression:
    """The expression without the options that no finite text matches; `Choice()` if nothing is left."""
    match expression:
        case Reference(name):
            return expression if name in finite else Choice()
        case Characters(()):
            return Choice()
        case Choice(options):
            kept = (_pruned(option, finite) for option in options)
            return Choice(tuple(option for option in kept if option != Choice()))
        case Sequence(items):
            kept = tuple(_pruned(item, finite) for item in items)
            return Choice() if Choice() in kept else Sequence(kept)
        case Repeat(item, least, most):
            kept = _pruned(item, finite)
            if kept == Choice():
                return Sequence() if least == 0 else Choice()
            return Repeat(kept, least, most)
    return expression
