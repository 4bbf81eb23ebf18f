"""Which tokens a grammar allows in a state: one walk down the tree of all pieces, remembered for the next time.

The walk goes level by level, one lookup in the automaton's table for all nodes of a level, until the grammar can read
none of them. Tokens that the grammar names as a whole (`<think>`) are added; they match where a token begins and
nowhere else.

>>> from refllm.sampling.grammar.gbnf import parse
>>> from refllm.sampling.grammar.pieces import PieceTree
>>> digits = Automaton(parse('root ::= [0-9]+ "." | <[4]> "."'))
>>> masks = Masks(digits, Pieces(PieceTree.of_pieces([b"1", b"12.", b"1a", b".", b""]), np.ones(5, bool)))
>>> masks.allowed(digits.start)
array([ True,  True, False, False,  True])
>>> masks.allowed(masks.after(digits.start, 4, b""))
array([False, False, False,  True, False])
"""

import numpy as np
from jaxtyping import Bool

from refllm.sampling.grammar.automaton import DEAD, Automaton, State
from refllm.sampling.grammar.pieces import Pieces
from refllm.sampling.grammar.steps import OneToken

MAX_REMEMBERED = 1 << 26  # bytes of masks


class Masks:
    """A grammar applied to a vocabulary."""

    def __init__(self, automaton: Automaton, pieces: Pieces):
        self.automaton = automaton
        self.pieces = pieces
        self.column = automaton.column_of_byte[pieces.tree.byte]
        self.remembered: dict[State, Bool[np.ndarray, " vocab"]] = {}

    def allowed(self, state: State) -> Bool[np.ndarray, " vocab"]:
        """True for the tokens that may come next; not to be written to."""
        if state not in self.remembered:
            if (len(self.remembered) + 1) * self.pieces.tree.node_of_token.size > MAX_REMEMBERED:
                self.remembered.clear()
            self.automaton.begin_question()
            mask = self.readable(state)[self.pieces.tree.node_of_token]
            for step in _tokens(state):
                mask |= self.pieces.may_be_named & ((np.arange(mask.size) == step.id) != step.negated)
            mask.flags.writeable = False
            self.remembered[state] = mask
        return self.remembered[state]

    def readable(self, state: State) -> Bool[np.ndarray, " nodes_and_one"]:
        """True for the nodes whose bytes the grammar can read from here; the last, for tokens without text, is not."""
        tree = self.pieces.tree
        numbers = np.full(tree.byte.size + 1, DEAD)
        numbers[0] = self.automaton.number(state)
        for level in tree.levels:
            numbers[level] = self.automaton.step(numbers[tree.parent[level]], self.column[level])
            if not numbers[level].any():
                break
        return numbers != DEAD

    def after(self, state: State, token: int, text: bytes) -> State:
        """The state after a token and the text that it stands for."""
        self.automaton.begin_question()
        read = self.automaton.read(state, text) if text else frozenset()
        whole = [
            chain.rest
            for chain in state
            if chain is not None
            and isinstance(chain.first, OneToken)
            and (chain.first.id == token) != chain.first.negated
        ]
        return read | self.automaton.state(whole)


def _tokens(state: State) -> set[OneToken]:
    return {chain.first for chain in state if chain is not None and isinstance(chain.first, OneToken)}
