"""The vocabulary of a tokenizer: its pieces, what kind each of them is, and which ids have a special meaning.

A piece is kept as the file spells it (`▁Hello`, `Ġworld`, `<0x0A>`, `<|im_end|>`); which text it stands for is the
business of the tokenizer's family (`spm.py`, `bpe.py` ...). Nothing here reads a file or splits a text.

>>> vocabulary = Vocabulary(["<unk>", "<s>", "▁a"], [Kind.UNKNOWN, Kind.CONTROL, Kind.NORMAL], [0.0, 0.0, -1.0])
>>> vocabulary.ids["▁a"]
2
>>> Vocabulary(["a", "a"], [Kind.NORMAL] * 2, [0.0] * 2)
Traceback (most recent call last):
    ...
refllm.tokenizers.vocabulary.TokenizerError: pieces 0 and 1 are both 'a'; expected every piece once
"""

import dataclasses
import enum
import re

from refllm.errors import RefllmError

BYTE_PIECE = re.compile("<0x[0-9A-Fa-f]{2}>")
SPACE = "▁"  # U+2581: how SentencePiece spells a space


class TokenizerError(RefllmError):
    """A vocabulary that no tokenizer can be made of, or an id that it does not have; the text says which."""


class Kind(enum.IntEnum):
    """The kinds of pieces, numbered as SentencePiece and GGUF number them."""

    NORMAL = 1
    UNKNOWN = 2  # what a text becomes that has no pieces
    CONTROL = 3  # steers the model; text spelled like it is not taken for it unless that is asked for
    USER_DEFINED = 4  # always taken as a whole
    UNUSED = 5
    BYTE = 6  # <0x00> ... <0xFF>


HIDDEN = frozenset({Kind.CONTROL, Kind.UNKNOWN})  # no text for the reader
SPECIAL = HIDDEN | {Kind.USER_DEFINED}  # looked for in a text before it is split


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """The pieces in the order of their ids; `scores` matters to SentencePiece only."""

    pieces: list[str]
    kinds: list[int]
    scores: list[float]
    ids: dict[str, int] = dataclasses.field(default_factory=dict)  # the id of each piece; filled in here

    def __post_init__(self):
        self.ids.update({piece: id for id, piece in enumerate(self.pieces)} if not self.ids else {})
        if len(self.ids) < len(self.pieces):
            first = next(id for id, piece in enumerate(self.pieces) if self.ids[piece] != id)
            piece = self.pieces[first]
            raise TokenizerError(f"pieces {first} and {self.ids[piece]} are both {piece!r}; expected every piece once")
        for id, kind in enumerate(self.kinds):
            if kind == Kind.BYTE and not BYTE_PIECE.fullmatch(self.pieces[id]):
                raise TokenizerError(f"piece {id} is {self.pieces[id]!r}, a byte; expected <0x00> to <0xFF>")


@dataclasses.dataclass(frozen=True)
class SpecialIds:
    """The ids with a meaning of their own; None: the vocabulary has no such token."""

    bos: int | None = None
    eos: int | None = None
    eot: int | None = None  # end of a turn
    eom: int | None = None  # end of a message that waits for a tool's answer
    unk: int | None = None
    sep: int | None = None
    pad: int | None = None
    mask: int | None = None
    fim_prefix: int | None = None  # "fill in the middle": what stands before the gap, after it, and the gap
    fim_suffix: int | None = None
    fim_middle: int | None = None
    fim_pad: int | None = None
    fim_repository: int | None = None
    fim_file: int | None = None
