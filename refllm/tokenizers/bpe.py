"""Byte-pair encoding: a word falls apart into characters, and neighbours are joined again in the order of the merges.

A text becomes ids in four steps: the pre-tokenizer cuts it into words (`pre_tokenizers.py`), each byte of a word
becomes one printable letter (so that a vocabulary of strings can spell any bytes; the space is `Ġ`), the merges join
the letters into pieces, and each piece has an id. A merge has a rank, its place in the file; the best rank goes first.

What it does not do: special tokens are cut out before (`special.py`), and no merges are learnt here. A letter that has
no piece of its own is left out, as in llama.cpp; the vocabularies that models come with have all 256.

>>> ranks = merge_ranks(["l o", "lo w", "e r"])
>>> merge("lower", ranks)
['low', 'er']
>>> spell_bytes(" 你")
'Ġä½ł'
"""

import functools
import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator

from refllm.tokenizers.pre_tokenizers import PreTokenizer
from refllm.tokenizers.vocabulary import SPACE, Vocabulary

CACHED_WORDS = 1 << 16
LONGEST_CACHED = 64  # letters; what is longer hardly comes twice

Ranks = dict[str, int]  # a merge as the file has it, its two halves with a space between: its place in the file


def encoder(vocabulary: Vocabulary, ranks: Ranks, pre: PreTokenizer) -> Callable[[str], list[int]]:
    """The function from a text without special tokens to ids."""

    ids = vocabulary.ids

    def encode_word(word: str) -> tuple[int, ...]:
        letters = spell_bytes(word) if pre.byte_letters else word
        is_whole = pre.ignore_merges or (pre.keeps_newlines and not letters.strip("\n"))
        pieces = [letters] if is_whole and letters in ids else merge(letters, ranks)
        known = [[ids[piece]] if piece in ids else spelled_ids(piece, ids, pre.byte_letters) for piece in pieces]
        return tuple(itertools.chain.from_iterable(known))

    cached = functools.lru_cache(CACHED_WORDS)(encode_word)

    def encode(text: str) -> list[int]:
        found = []
        for word in pre.split(text.replace(" ", SPACE) if pre.visible_spaces else text):
            found += cached(word) if len(word) <= LONGEST_CACHED else encode_word(word)
        return found

    return encode


def merge_ranks(merges: list[str]) -> Ranks:
    """The rank of each merge. Read from the end, so that of equal ones the first counts; no half of a pair is empty."""
    last = len(merges) - 1
    return {pair: last - back for back, pair in enumerate(reversed(merges)) if pair == pair.strip(" ")}


def merge(letters: Iterable[str], ranks: Ranks) -> list[str]:
    """Join neighbours, the pair of the best rank first and the leftmost among equals, until no pair has a rank.

    A heap gives the pairs by rank. A join makes some pairs in it outdated: they are known by their rank, which is not
    that of the pair that stands there now.
    """
    symbols = [*letters, ""]  # the empty symbol at the end, which is also symbols[-1], joins with nothing
    following = [*range(1, len(symbols)), -1]
    preceding = [-1, *range(len(symbols) - 1)]

    def rank(left):
        return ranks.get(f"{symbols[left]} {symbols[following[left]]}")

    heap = [(found, left) for left in range(len(symbols) - 1) if (found := rank(left)) is not None]
    heapq.heapify(heap)
    while heap:
        best, left = heapq.heappop(heap)
        if rank(left) != best:
            continue
        right = following[left]
        symbols[left] += symbols[right]
        symbols[right] = ""
        following[left] = following[right]
        preceding[following[left]] = left
        for start in (preceding[left], left):
            if (found := rank(start)) is not None:
                heapq.heappush(heap, (found, start))
    return [symbol for symbol in symbols if symbol]


def spelled_ids(piece: str, ids: dict[str, int], byte_letters: bool) -> list[int]:
    """The ids that spell a piece which has none itself."""
    parts = piece if byte_letters else [f"<0x{byte:02X}>" for byte in piece.encode()]
    return [ids[part] for part in parts if part in ids]


def spell_bytes(text: str) -> str:
    """The text with each of its UTF-8 bytes as one printable letter."""
    return text.encode().decode("latin-1").translate(BYTE_TO_LETTER)


def piece_bytes(piece: str, pre: PreTokenizer) -> bytes:
    """The bytes of text that a piece stands for; a character that is no byte's letter stands for itself."""
    if pre.visible_spaces:
        piece = piece.replace(SPACE, " ")
    if not pre.byte_letters:
        return piece.encode("utf-8", "surrogateescape")
    return b"".join(LETTER_TO_BYTE.get(letter) or letter.encode("utf-8", "surrogateescape") for letter in piece)


def letters() -> Iterator[tuple[int, str]]:
    """Each byte with its letter: itself where that is printable, else the next of the letters from 256 on."""
    spare = iter(range(256, 512))
    for byte in range(256):
        printable = 0x21 <= byte <= 0x7E or 0xA1 <= byte <= 0xAC or 0xAE <= byte <= 0xFF
        yield byte, chr(byte if printable else next(spare))


BYTE_TO_LETTER = dict(letters())
LETTER_TO_BYTE = {letter: bytes([byte]) for byte, letter in letters()}
