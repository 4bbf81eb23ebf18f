"""A tokenizer: text to ids and back.

What differs between the families (SentencePiece, byte pairs, WordPiece, RWKV) is two functions, made by the family's
module: one turns a run of ordinary text into ids, one turns a piece into the bytes it stands for. Everything else is
the same for all and lies here: special tokens, the tokens at the beginning and the end, decoding. What it does not do:
it reads no file (`from_gguf.py` makes tokenizers) and applies no chat template.

Ids are those of llama.cpp, with one exception: a text that begins with the token that is to begin it does not get a
second one, nor at the end. Decoding gives back the text as it was written: the space that the encoder itself put before
a text is dropped (llama.cpp keeps it behind a beginning-of-sequence token), and nothing is "cleaned up" (llama.cpp
takes spaces away before punctuation for some vocabularies).

>>> from refllm.tokenizers.vocabulary import Vocabulary, Kind, SpecialIds
>>> vocabulary = Vocabulary(["<s>", "a", "b"], [Kind.CONTROL, Kind.NORMAL, Kind.NORMAL], [0.0] * 3)
>>> letters = Tokenizer(
...     vocabulary, SpecialIds(bos=0), frozenset(), [], lambda text: [vocabulary.ids[letter] for letter in text],
...     str.encode, begins_with=0,
... )
>>> letters.encode("ab"), letters.decode([0, 1, 2]), letters.decode([0, 1, 2], special=True)
([0, 1, 2], 'ab', '<s>ab')
"""

import dataclasses
import operator
from collections.abc import Callable, Iterable
from typing import SupportsIndex

from refllm.tokenizers.special import Special, cut
from refllm.tokenizers.stream import Stream
from refllm.tokenizers.vocabulary import HIDDEN, SPECIAL, Kind, SpecialIds, TokenizerError, Vocabulary


@dataclasses.dataclass(frozen=True, repr=False)
class Tokenizer:
    """A vocabulary and how a text is spelled with it."""

    vocabulary: Vocabulary
    special_ids: SpecialIds
    end_ids: frozenset[int]  # any of these ends a generated text
    specials: list[Special]
    encode_text: Callable[[str], list[int]]  # a run of text without special tokens -> ids
    piece_bytes: Callable[[str], bytes]  # how a piece is spelled -> the bytes it stands for
    begins_with: int | None = None  # what `add_special` puts before the ids, and after them
    ends_with: int | None = None
    space_prefix: bool = False  # the encoder puts a space before a text

    def encode(self, text: str, add_special: bool = True, parse_special: bool = False) -> list[int]:
        """The ids of a text.

        `add_special` puts the tokens that begin and end a text around it, unless they are there already;
        `parse_special` takes "<s>" in the text for the token of that name, which text from strangers must not be.
        """
        fragments = cut(well_formed(text), self.specials, parse_special)
        parts = [part if isinstance(part, int) else self.encode_text(part) for part in fragments]
        parts = [part for part in parts if part != []]
        if add_special:
            begin = [] if self.begins_with in (None, *parts[:1]) else [self.begins_with]
            end = [] if self.ends_with in (None, *parts[-1:]) else [self.ends_with]
            parts = begin + parts + end
        return [id for part in parts for id in ([part] if isinstance(part, int) else part)]

    def decode(self, ids: Iterable[SupportsIndex], special: bool = False, continues: bool = False) -> str:
        """The text of ids. Bytes that are no UTF-8 become U+FFFD.

        `special` shows tokens like "<s>" too; `continues` says that the ids go on after others, so that a space at
        the beginning is part of the text.
        """
        data = b"".join(self.token_bytes(id, special) for id in ids)
        if self.space_prefix and not continues:
            data = data.removeprefix(b" ")
        return data.decode("utf-8", "replace")

    def stream(self, special: bool = False, continues: bool = False) -> Stream:
        """A decoder for ids that come one by one; together its texts are those of `decode`."""
        return Stream(lambda id: self.token_bytes(id, special), self.space_prefix and not continues)

    def pieces(self, ids: Iterable[SupportsIndex]) -> list[str]:
        r"""What each id stands for, special tokens too; bytes that are no character of their own as `\xe4`."""
        return [self.token_bytes(id).decode("utf-8", "backslashreplace") for id in ids]

    def token_bytes(self, id: SupportsIndex, special: bool = True) -> bytes:
        """The bytes of text that an id stands for."""
        id = operator.index(id)
        if not 0 <= id < self.vocab_size:
            raise TokenizerError(f"token id {id} is not in the vocabulary; expected 0 to {self.vocab_size - 1}")
        piece, kind = self.vocabulary.pieces[id], self.vocabulary.kinds[id]
        if kind in SPECIAL:
            return piece.encode("utf-8", "surrogateescape") if special or kind not in HIDDEN else b""
        if kind == Kind.BYTE:
            return bytes([int(piece[3:5], 16)])
        return self.piece_bytes(piece) if kind == Kind.NORMAL else b""

    @property
    def vocab_size(self) -> int:
        return len(self.vocabulary.pieces)

    @property
    def bos(self) -> int | None:
        """The id that begins a sequence; None: there is none. So with the ones below."""
        return self.special_ids.bos

    @property
    def eos(self) -> int | None:
        return self.special_ids.eos

    @property
    def eot(self) -> int | None:
        return self.special_ids.eot

    @property
    def unk(self) -> int | None:
        return self.special_ids.unk

    @property
    def pad(self) -> int | None:
        return self.special_ids.pad

    def __repr__(self) -> str:
        return f"Tokenizer({self.vocab_size} pieces, bos {self.bos}, eos {self.eos}, {len(self.specials)} special)"


def well_formed(text: str) -> str:
    """The text without lone surrogates, which UTF-8 cannot spell: pairs become their character, others U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
