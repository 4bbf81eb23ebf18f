r"""Reads bytes by a grammar, and knows after each of them what may follow.

What is still to be read is a chain of steps, `Remaining`: this step, then that chain. A grammar can often be read in
several ways at once, so a *state* is the set of all chains that fit what was read so far, each unfolded until it begins
with a byte or a token; the chain None has nothing left, and a state that holds it may end. Reading a byte keeps the
chains that begin with it and unfolds what follows: with `root ::= "a" root "b" | "c"`, after `aa` the only state is
`{a root b b b ..., c b b}`. Because a reference at the end of a rule leaves nothing behind, lists of any length need no
longer chain; and a counted step carries its count (`x{2,5}` is `x`, then `x{1,4}`), so large counts cost nothing.

States get numbers and the way from one to the next is written into a table, which is filled in when it is asked for:
after a while reading is looking up numbers, for a whole vocabulary at once (`masks.py`). Bytes that no step of the
grammar tells apart share a column. An ambiguous grammar can have exponentially many chains: their number, the work for
one question and the size of the table have limits, and beyond the first two the answer is an error.

>>> from refllm.sampling.grammar.gbnf import parse
>>> pairs = Automaton(parse('root ::= "(" root ")" | [^()]'))
>>> [pairs.accepts(text) for text in ("((é))", "((é)", "", ")")]
[True, False, False, False]
"""

import dataclasses

import numpy as np
from jaxtyping import Int64

from refllm.sampling.grammar.checks import checked
from refllm.sampling.grammar.rules import GrammarError, Rules
from refllm.sampling.grammar.steps import (
    Again,
    AnyOf,
    InTurn,
    Nothing,
    OneByte,
    OneToken,
    Rule,
    Step,
    steps_of,
)

MAX_CHAINS = 20_000  # unfolded for one state
MAX_WORK = 1_000_000  # chains looked at for one question
MAX_KEPT = 1_000_000  # chains looked at, and
MAX_TABLE = 1 << 24  # entries of the table, before it is begun anew
UNKNOWN, DEAD = -1, 0  # entries of the table: not asked for yet; the state without chains


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Remaining:
    """What is still to be read: a step, then the rest (None: nothing)."""

    first: Step
    rest: "Remaining | None"


State = frozenset[Remaining | None]


class Automaton:
    """A grammar, its states as far as they have been met, and the ways between them."""

    def __init__(self, rules: Rules, root: str = "root"):
        self.rules = {name: steps_of(expression) for name, expression in checked(rules, root).items()}
        self.column_of_byte, self.byte_of_column = _columns(list(self.rules.values()))
        self.chains: dict[tuple[Step, Remaining | None], Remaining] = {}
        self.counted: dict[tuple[Step, int, int | None], Again] = {}
        self.begin_anew()
        self.start = self.state([self.chain(self.rules[root], None)])

    def accepts(self, text: str | bytes) -> bool:
        """Whether the grammar matches the whole text. Tokens, which no text can spell, never match."""
        return None in self.read(self.start, text.encode() if isinstance(text, str) else text)

    def read(self, state: State, data: bytes) -> State:
        """The state after reading these bytes; the empty set: they do not fit."""
        number = self.number(state)
        for column in self.column_of_byte[list(data)].tolist():
            if self.table[number, column] == UNKNOWN:
                self.fill_in(number, column)
            number = int(self.table[number, column])
        return self.states[number]

    def step(self, numbers: Int64[np.ndarray, " n"], columns: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
        """The numbers of the states that follow, one byte further on."""
        entries = numbers * self.table.shape[1] + columns
        after = self.table.take(entries)
        unknown = after == UNKNOWN
        if unknown.any():
            for entry in np.unique(entries[unknown]):
                self.fill_in(*divmod(int(entry), self.table.shape[1]))
            after = self.table.take(entries)
        return after.astype(np.int64)

    def fill_in(self, number: int, column: int) -> None:
        byte = self.byte_of_column[column]
        state = self.states[number]
        self.spend(len(state))
        fitting = [chain.rest for chain in state if _begins_with(chain, byte)]
        after = self.number(self.state(fitting))  # may make the table grow: only then is it written to
        self.table[number, column] = after

    def number(self, state: State) -> int:
        """The row of a state in the table."""
        if state not in self.numbers:
            self.numbers[state] = len(self.states)
            self.states.append(state)
            if len(self.states) > len(self.table):
                more = np.full_like(self.table, UNKNOWN)
                self.table = np.concatenate([self.table, more])
        return self.numbers[state]

    def begin_question(self) -> None:
        """What follows may cost `MAX_WORK`. Numbers handed out before may be worthless now; states never are."""
        self.kept += self.work
        self.work = 0
        if self.kept > MAX_KEPT or self.table.size > MAX_TABLE:
            self.begin_anew()

    def begin_anew(self) -> None:
        self.work = self.kept = 0
        self.table = np.full((64, len(self.byte_of_column)), UNKNOWN, np.int32)
        self.table[DEAD] = DEAD
        self.states: list[State] = [frozenset()]
        self.numbers: dict[State, int] = {frozenset(): DEAD}
        self.chains.clear()
        self.counted.clear()

    def spend(self, work: int) -> None:
        self.work += work
        if self.work > MAX_WORK:
            raise GrammarError("grammar: too many ways to read a text; expected a grammar that is less ambiguous")

    def state(self, chains: list[Remaining | None]) -> State:
        """The chains, unfolded until each begins with a byte or a token."""
        seen, ready, todo = set(), set(), chains
        while todo:
            chain = todo.pop()
            if chain in seen:
                continue
            seen.add(chain)
            if chain is None or isinstance(chain.first, OneByte | OneToken):
                ready.add(chain)
            else:
                todo += self.unfold(chain.first, chain.rest)
            if len(seen) > MAX_CHAINS:
                self.spend(MAX_WORK + 1)
        self.spend(len(seen))
        return frozenset(ready)

    def unfold(self, first: Step, rest: Remaining | None) -> list[Remaining | None]:
        match first:
            case Nothing():
                return [rest]
            case InTurn(step, then):
                return [self.chain(step, self.chain(then, rest))]
            case AnyOf(options):
                return [self.chain(option, rest) for option in options]
            case Rule(name):
                return [self.chain(self.rules[name], rest)]
            case Again(item, least, most):
                once_more = [] if most == 0 else [self.chain(item, self.chain(self.one_less(first), rest))]
                return once_more + ([rest] if least == 0 else [])

    def one_less(self, step: Again) -> Again:
        least, most = max(step.least - 1, 0), None if step.most is None else step.most - 1
        return self.counted.setdefault((step.item, least, most), Again(step.item, least, most))

    def chain(self, first: Step, rest: Remaining | None) -> Remaining:
        """The chain of these two, the same object every time."""
        key = (first, rest)
        found = self.chains.get(key)
        if found is None:
            found = self.chains[key] = Remaining(first, rest)
        return found


def _begins_with(chain: Remaining | None, byte: int) -> bool:
    return chain is not None and isinstance(chain.first, OneByte) and byte in chain.first.bytes


def _columns(steps: list[Step]) -> tuple[Int64[np.ndarray, "256"], list[int]]:
    """The column of each byte, and one byte of each column: bytes in exactly the same sets share one."""
    sets = {each.bytes for step in steps for each in _inside(step) if isinstance(each, OneByte)}
    column_of_byte = np.zeros(256, np.int64)
    for members in sets:
        inside = np.isin(np.arange(256), list(members))
        _, column_of_byte = np.unique(column_of_byte * 2 + inside, return_inverse=True)
    _, first = np.unique(column_of_byte, return_index=True)
    return column_of_byte, first.tolist()


def _inside(step: Step) -> list[Step]:
    """A step and all its parts."""
    found = [step]
    for each in found:
        match each:
            case InTurn(first, then):
                found += [first, then]
            case AnyOf(options):
                found += options
            case Again(item):
                found.append(item)
    return found
