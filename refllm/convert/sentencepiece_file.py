"""Reading a SentencePiece model, `tokenizer.model`: its pieces, their scores and kinds, and how text is prepared.

The `sentencepiece` library does not tell a user-defined piece from an ordinary one, and a converter has to. The file is
one protobuf message (`refllm.tokenizers.sentencepiece_model` explains the encoding); this reads the few fields that a
GGUF file has a place for. It does not tokenize.

>>> from refllm.tokenizers import sentencepiece_model
>>> from refllm.tokenizers.vocabulary import Vocabulary
>>> vocabulary = Vocabulary(["<unk>", "<s>", "▁a", "[x]"], [2, 3, 1, 4], [0.0, 0.0, -1.5, 0.0])
>>> model = parse(sentencepiece_model.model_file(vocabulary, sentencepiece_model.BPE, 0, space_prefix=True), "demo")
>>> model.pieces, model.kinds, model.scores[2], model.space_prefix
(['<unk>', '<s>', '▁a', '[x]'], [2, 3, 1, 4], -1.5, True)
"""

import dataclasses
import os
import pathlib
import struct
from collections.abc import Iterator

from refllm.errors import RefllmError
from refllm.tokenizers import sentencepiece_model as fields

UNKNOWN_ID, BEGIN_ID, END_ID, PADDING_ID = fields.TRAINER_UNKNOWN_ID, 41, 42, 43
FIXED_64 = 1


@dataclasses.dataclass
class SentencePiece:
    """What a model file says; the defaults are those of the format."""

    pieces: list[str] = dataclasses.field(default_factory=list)
    scores: list[float] = dataclasses.field(default_factory=list)
    kinds: list[int] = dataclasses.field(default_factory=list)
    algorithm: int = fields.UNIGRAM
    space_prefix: bool = True
    remove_extra_spaces: bool = True
    character_map: bytes = b""
    special_ids: dict[int, int] = dataclasses.field(
        default_factory=lambda: {UNKNOWN_ID: 0, BEGIN_ID: 1, END_ID: 2, PADDING_ID: -1}
    )

    def special(self, field: int) -> int | None:
        """The id of a special piece; None where the model has none."""
        id = self.special_ids[field]
        return id if 0 <= id < len(self.pieces) else None


def read(path: str | os.PathLike) -> SentencePiece:
    return parse(pathlib.Path(path).read_bytes(), os.fspath(path))


def parse(data: bytes, name: str) -> SentencePiece:
    """The model in the bytes of a file called `name`."""
    model = SentencePiece()
    try:
        for field, value in message(data):
            if field == fields.PIECES:
                add_piece(model, dict(message(value)))
            elif field == fields.TRAINER:
                add_trainer(model, dict(message(value)))
            elif field == fields.NORMALIZER:
                add_normalizer(model, dict(message(value)))
    except (ValueError, IndexError, TypeError, AttributeError, struct.error) as error:
        raise RefllmError(f"{name}: is no SentencePiece model: {error}") from error
    if not model.pieces:
        raise RefllmError(f"{name}: is no SentencePiece model: it has no pieces")
    return model


def add_piece(model: SentencePiece, values: dict) -> None:
    model.pieces.append(values.get(fields.PIECE_TEXT, b"").decode("utf-8", "surrogateescape"))
    model.scores.append(struct.unpack("<f", values.get(fields.PIECE_SCORE, bytes(4)))[0])
    model.kinds.append(values.get(fields.PIECE_KIND, 1))


def add_trainer(model: SentencePiece, values: dict) -> None:
    model.algorithm = values.get(fields.TRAINER_ALGORITHM, fields.UNIGRAM)
    for field in model.special_ids:
        if field in values:
            model.special_ids[field] = values[field] - (values[field] >> 63 << 64)  # -1 is written as 64 ones


def add_normalizer(model: SentencePiece, values: dict) -> None:
    model.space_prefix = bool(values.get(fields.NORMALIZER_SPACE_PREFIX, True))
    model.remove_extra_spaces = bool(values.get(fields.NORMALIZER_REMOVE_EXTRA_SPACES, True))
    model.character_map = values.get(fields.NORMALIZER_CHARACTER_MAP, b"")


def message(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message: number and value, which is a number, or bytes."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        kind = tag & 7
        if kind == fields.VARINT:
            value, at = varint(data, at)
        elif kind in (fields.BYTES, fields.FLOAT, FIXED_64):
            size = {fields.FLOAT: 4, FIXED_64: 8}.get(kind)
            if size is None:
                size, at = varint(data, at)
            if size > len(data) - at:
                raise ValueError(f"a field of {size} bytes; {len(data) - at} are left")
            value, at = data[at : at + size], at + size
        else:
            raise ValueError(f"a field of kind {kind}")
        yield tag >> 3, value


def varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of seven bits per byte, the lowest first, and where the next thing begins."""
    number = 0
    for shift in range(0, 70, 7):
        byte, at = data[at], at + 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
    raise ValueError("a number longer than 10 bytes")
