"""SentencePiece vocabularies from GGUF, tokenized by the `sentencepiece` library itself.

Two algorithms share the spelling (▁ for a space, `<0x0A>` for a byte): byte-pair merges ordered by score (LLaMA 1 and
2, Mistral, Gemma; GGUF calls it `llama`), and unigram, the most probable of all spellings (T5; `t5`), which first
rewrites the text with a character map. What it does not do: special tokens are cut out before (`special.py`); the
library would not see them in a text.

>>> from refllm.tokenizers.vocabulary import Kind, Vocabulary
>>> kinds = [Kind.UNKNOWN] + [Kind.NORMAL] * 5
>>> vocabulary = Vocabulary(["<unk>", "▁", "a", "b", "ab", "▁ab"], kinds, [0.0, -3.0, -4.0, -5.0, -1.0, -2.0])
>>> merge_encoder(vocabulary, unknown_id=0, space_prefix=True)("ab ab")
[5, 5]
"""

import dataclasses
import struct
from collections.abc import Callable

import numpy as np
import sentencepiece
from jaxtyping import UInt32

from refllm.tokenizers.sentencepiece_model import BPE, UNIGRAM, model_file
from refllm.tokenizers.vocabulary import SPACE, Kind, TokenizerError, Vocabulary


def merge_encoder(vocabulary: Vocabulary, unknown_id: int, *, space_prefix: bool) -> Callable[[str], list[int]]:
    """The function from a text without special tokens to ids, by merges in the order of their scores.

    Pieces that the vocabulary's maker defined are cut out of the text before; to the merges they are like any other,
    as in llama.cpp.
    """
    kinds = [Kind.NORMAL if kind == Kind.USER_DEFINED else kind for kind in vocabulary.kinds]
    processor = load(model_file(dataclasses.replace(vocabulary, kinds=kinds), BPE, unknown_id))
    return (lambda text: processor.encode(" " + text)) if space_prefix else processor.encode


def unigram_encoder(
    vocabulary: Vocabulary, unknown_id: int, *, space_prefix: bool, remove_extra_spaces: bool, character_map: bytes
) -> Callable[[str], list[int]]:
    """The function from a text without special tokens to ids, by the most probable spelling."""
    check_character_map(character_map)
    model = model_file(
        vocabulary,
        UNIGRAM,
        unknown_id,
        space_prefix=space_prefix,
        remove_extra_spaces=remove_extra_spaces,
        character_map=character_map,
    )
    return load(model).encode


def load(model: bytes) -> sentencepiece.SentencePieceProcessor:
    try:
        return sentencepiece.SentencePieceProcessor(model_proto=model)
    except RuntimeError as error:
        raise TokenizerError(f"sentencepiece does not take the vocabulary: {error}") from error


def piece_bytes(piece: str) -> bytes:
    """The bytes of text that a piece stands for."""
    return piece.replace(SPACE, " ").encode("utf-8", "surrogateescape")


def check_character_map(character_map: bytes) -> None:
    """Refuse a map that would lead the library out of its bounds, which it does not watch.

    The map is the size in bytes of a trie, the trie (a "double array" of 32-bit units), and the texts that it leads to,
    each ended by a zero. A unit's place XOR its offset is where its children lie; XOR a byte it is the child of that
    byte, and where the unit ends a match, the child of byte 0 says at which byte the text begins.
    """
    if not character_map:
        return
    size = struct.unpack_from("<I", character_map)[0] if len(character_map) >= 4 else -1
    if size < 1024 or size % 1024 or size >= len(character_map) - 4 or character_map[-1] != 0:
        raise TokenizerError("tokenizer.ggml.precompiled_charsmap is damaged; expected a trie and texts ended by zeros")
    units = np.frombuffer(character_map, "<u4", size // 4, offset=4)
    if not stays_inside(units, len(character_map) - 4 - size):
        raise TokenizerError("tokenizer.ggml.precompiled_charsmap points outside of itself")


def stays_inside(units: UInt32[np.ndarray, " units"], text_bytes: int) -> bool:
    offsets = (units >> 10) << ((units & 512) >> 6)
    children = np.arange(len(units), dtype=np.uint32) ^ offsets
    is_node = units >> 31 == 0
    is_node[0] = True  # the root is not asked
    if (children[is_node] | 255).max() >= len(units):
        return False
    ends = children[is_node & (units & 256 != 0)]
    return bool((units[ends] & 0x7FFFFFFF < text_bytes).all())
