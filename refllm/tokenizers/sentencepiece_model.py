"""A SentencePiece model file written by hand from pieces, scores and kinds.

A `.model` file is one protobuf message, and protobuf is small: a message is a run of fields, a field is a number (its
name and how its value is stored) and the value, and numbers are varints, seven bits to a byte, the lowest first, the
eighth bit saying "more follows". GGUF holds everything that matters in such a file, so the `sentencepiece` library can
tokenize with a model that only ever existed as metadata. Nothing here reads a `.model` file.

>>> varint(300).hex()
'ac02'
>>> number_field(3, 1).hex(), bytes_field(1, "▁a".encode()).hex()
('1801', '0a04e2968161')
"""

import functools
import struct

from refllm.tokenizers.vocabulary import Kind, TokenizerError, Vocabulary

UNIGRAM, BPE = 1, 2  # the two algorithms

# The numbers of the fields, from sentencepiece's src/sentencepiece_model.proto.
PIECES, TRAINER, NORMALIZER = 1, 2, 3
PIECE_TEXT, PIECE_SCORE, PIECE_KIND = 1, 2, 3
TRAINER_ALGORITHM, TRAINER_VOCABULARY_SIZE, TRAINER_BYTE_FALLBACK, TRAINER_UNKNOWN_ID = 3, 4, 35, 40
NORMALIZER_CHARACTER_MAP, NORMALIZER_SPACE_PREFIX, NORMALIZER_REMOVE_EXTRA_SPACES = 2, 3, 4

VARINT, BYTES, FLOAT = 0, 2, 5  # how a value is stored

SCORE_AND_KIND = struct.Struct("<BfBB")
SCORE_TAG, KIND_TAG = PIECE_SCORE << 3 | FLOAT, PIECE_KIND << 3 | VARINT


def model_file(
    vocabulary: Vocabulary,
    algorithm: int,
    unknown_id: int,
    *,
    space_prefix: bool = False,
    remove_extra_spaces: bool = False,
    character_map: bytes = b"",
) -> bytes:
    """The bytes of a `.model` file with this vocabulary."""
    pieces = map(piece, vocabulary.pieces, vocabulary.scores, kinds(vocabulary, unknown_id))
    trainer = [
        number_field(TRAINER_ALGORITHM, algorithm),
        number_field(TRAINER_VOCABULARY_SIZE, len(vocabulary.pieces)),
        number_field(TRAINER_BYTE_FALLBACK, int(has_bytes(vocabulary))),
        number_field(TRAINER_UNKNOWN_ID, unknown_id),
    ]
    normalizer = [
        bytes_field(NORMALIZER_CHARACTER_MAP, character_map),
        number_field(NORMALIZER_SPACE_PREFIX, int(space_prefix)),
        number_field(NORMALIZER_REMOVE_EXTRA_SPACES, int(remove_extra_spaces)),
    ]
    return b"".join(
        [
            *(bytes_field(PIECES, one) for one in pieces),
            bytes_field(TRAINER, b"".join(trainer)),
            bytes_field(NORMALIZER, b"".join(normalizer)),
        ]
    )


def kinds(vocabulary: Vocabulary, unknown_id: int) -> list[int]:
    """The kinds as SentencePiece wants them, with exactly one unknown piece (Phi-3 types its 52 fillers so, too)."""
    known = {Kind.NORMAL, Kind.CONTROL, Kind.USER_DEFINED, Kind.BYTE}
    only = [kind if kind in known else Kind.UNUSED for kind in vocabulary.kinds]
    only[unknown_id] = Kind.UNKNOWN
    return only


def has_bytes(vocabulary: Vocabulary) -> bool:
    """Whether characters without a piece are spelled in bytes; then all 256 must be there."""
    present = {piece for piece, kind in zip(vocabulary.pieces, vocabulary.kinds, strict=True) if kind == Kind.BYTE}
    missing = sorted({f"<0x{byte:02X}>" for byte in range(256)} - present)
    if present and missing:
        raise TokenizerError(
            f"{len(missing)} byte pieces are missing, the first {missing[0]}; expected all 256 or none"
        )
    return bool(present)


def piece(text: str, score: float, kind: int) -> bytes:
    encoded = text.encode("utf-8", "surrogateescape")
    return bytes_field(PIECE_TEXT, encoded) + SCORE_AND_KIND.pack(SCORE_TAG, score, KIND_TAG, kind)


def bytes_field(number: int, value: bytes) -> bytes:
    return varint(number << 3 | BYTES) + varint(len(value)) + value


def number_field(number: int, value: int) -> bytes:
    return varint(number << 3 | VARINT) + varint(value)


@functools.cache
def varint(number: int) -> bytes:
    low = []
    while number > 127:
        low.append(number & 127 | 128)
        number >>= 7
    return bytes([*low, number])
