"""The pieces of a vocabulary as a tree of their bytes, level by level, so that a grammar can be tried on all at once.

A node is a beginning that one or more pieces share. The nodes of a level lie side by side and know their parents, so
going one level down is a matter of array indices. Only pieces that put text into the answer are in the tree: control
tokens are not, whatever their names look like, nor are the tokens that end a text.

>>> tree = PieceTree.of_pieces([b"a", b"ab", b"ac", b"", b"b"])
>>> tree.node_of_token, tree.byte, tree.parent
(array([ 1,  3,  4, -1,  2]), array([ 0, 97, 98, 98, 99], dtype=uint8), array([0, 0, 0, 1, 1]))
>>> tree.levels
[slice(1, 3, None), slice(3, 5, None)]
"""

import dataclasses
import weakref

import numpy as np
from jaxtyping import Bool, Int64, UInt8

from refllm.tokenizers import Tokenizer


@dataclasses.dataclass(frozen=True, eq=False)
class PieceTree:
    """Node 0 is the empty beginning; -1 is the node of tokens without text."""

    node_of_token: Int64[np.ndarray, " vocab"]
    byte: UInt8[np.ndarray, " nodes"]  # the last byte of each beginning
    parent: Int64[np.ndarray, " nodes"]
    levels: list[slice]  # the nodes of one byte, of two bytes, and so on

    @classmethod
    def of_pieces(cls, pieces: list[bytes]) -> "PieceTree":
        spelled = sorted({piece for piece in pieces if piece})
        data = np.frombuffer(b"".join(spelled), np.uint8)
        lengths = np.array([len(piece) for piece in spelled], np.int64)
        starts = np.cumsum(lengths) - lengths
        node = np.zeros(len(spelled), np.int64)  # of each piece's beginning, one level further down each round
        byte, parent, levels, nodes = [np.zeros(1, np.uint8)], [np.zeros(1, np.int64)], [], 1
        for level in range(int(lengths.max(initial=0))):
            rows = np.flatnonzero(lengths > level)
            above, letter = node[rows], data[starts[rows] + level]
            new = np.append(True, (above[1:] != above[:-1]) | (letter[1:] != letter[:-1]))  # not as in the piece before
            byte.append(letter[new])
            parent.append(above[new])
            node[rows] = nodes - 1 + np.cumsum(new)
            levels.append(slice(nodes, nodes := nodes + int(new.sum())))
        node_of = dict(zip(spelled, node.tolist(), strict=True))
        node_of_token = np.array([node_of.get(piece, -1) for piece in pieces], np.int64)
        return cls(node_of_token, np.concatenate(byte), np.concatenate(parent), levels)


@dataclasses.dataclass(frozen=True, eq=False)
class Pieces:
    """What a grammar has to know of a vocabulary."""

    tree: PieceTree
    may_be_named: Bool[np.ndarray, " vocab"]  # the tokens that `<text>` and `!<text>` in a grammar may stand for

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> "Pieces":
        """Made once for each tokenizer: it takes a while, and grammars come and go."""
        if id(tokenizer) not in _known:
            _known[id(tokenizer)] = cls.made_for(tokenizer)
            weakref.finalize(tokenizer, _known.pop, id(tokenizer))
        return _known[id(tokenizer)]

    @classmethod
    def made_for(cls, tokenizer: Tokenizer) -> "Pieces":
        ids, ends = range(tokenizer.vocab_size), tokenizer.end_ids
        texts = [b"" if id in ends else tokenizer.token_bytes(id, special=False) for id in ids]
        named = [
            id not in ends and (text or tokenizer.token_bytes(id)) != b"" for id, text in zip(ids, texts, strict=True)
        ]
        return cls(PieceTree.of_pieces(texts), np.array(named, bool))


_known: dict[int, Pieces] = {}
