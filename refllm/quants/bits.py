"""Taking small integers out of bytes and putting them back: the arithmetic that every block layout shares.

A field of a block holds numbers of 1, 2, 4, 6 ... bits. The functions here only shift, mask and reshape, and use only
what numpy and JAX arrays have in common, so that the same `decode` runs on a file's bytes and inside a jitted step.
What they do not do: they know nothing of scales or of any scheme.

>>> import numpy as np
>>> packed = np.array([[0x21, 0x43]], np.uint8)
>>> nibbles(packed)                       # all the low halves, then all the high halves
array([[1, 3, 2, 4]], dtype=uint8)
>>> bool((pack_nibbles(nibbles(packed)) == packed).all())
True
"""

import functools
import math

import numpy as np

from refllm.annotations import Integer, Shaped, UInt8

Bytes = UInt8[np.ndarray, "... bytes"]


def unpack(packed, bits: int, up: int = 0):
    """Split each byte into numbers of `bits` bits, lowest first: all the lowest, then all the next lowest ...

    With `up` the numbers are moved up by as many bits, to become the high bits of others.
    """
    words, masks = in_words(packed, (2**bits - 1) << up)
    return join(*(moved(words, up - place) & masks for place in range(0, 8, bits))).view(np.uint8)


def in_words(packed, mask: int):
    """The bytes as words as long as possible, and the mask for each byte of a word.

    numpy shifts a word of eight bytes as fast as one byte; what slides in from a neighbour is masked away.
    """
    size = math.gcd(packed.shape[-1], 8) if isinstance(packed, np.ndarray) else 1
    word = WORDS[size]
    return packed.view(word), word(int.from_bytes(bytes([mask]) * size))


WORDS = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}


def moved(words, up: int):
    word = words.dtype.type
    return words << word(up) if up >= 0 else words >> word(-up)


def pack(numbers: Integer[np.ndarray, "... count"], bits: int) -> Bytes:
    """The inverse of `unpack`."""
    planes = np.split(numbers.astype(np.uint8), 8 // bits, axis=-1)
    return functools.reduce(np.bitwise_or, (plane << bits * i for i, plane in enumerate(planes)))


def nibbles(packed):
    return unpack(packed, 4)


def pack_nibbles(numbers: Integer[np.ndarray, "... count"]) -> Bytes:
    return pack(numbers, 4)


def unpack_runs(packed, bits: int, run: int, up: int = 0):
    """As `unpack`, for bytes that fall into runs of `run` bytes: first the numbers of the first run, then the next."""
    return unpack(packed.reshape(*packed.shape[:-1], -1, run), bits, up).reshape(*packed.shape[:-1], -1)


def pack_runs(numbers: Integer[np.ndarray, "... count"], bits: int, run: int) -> Bytes:
    """The inverse of `unpack_runs`."""
    runs = numbers.reshape(*numbers.shape[:-1], -1, run * 8 // bits)
    return pack(runs, bits).reshape(*numbers.shape[:-1], -1)


def unpack_neighbours(packed, bits: int):
    """Split each byte into numbers of `bits` bits, lowest first, those of one byte side by side."""
    return lookup(numbers_of_every_byte(bits), packed).reshape(*packed.shape[:-1], -1)


@functools.cache
def numbers_of_every_byte(bits: int) -> UInt8[np.ndarray, "256 numbers"]:
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    return np.arange(256, dtype=np.uint8)[:, None] >> shifts & np.uint8(2**bits - 1)


def pack_neighbours(numbers: Integer[np.ndarray, "... count"], bits: int) -> Bytes:
    """The inverse of `unpack_neighbours`."""
    per_byte = numbers.astype(np.uint8).reshape(*numbers.shape[:-1], -1, 8 // bits)
    return functools.reduce(np.bitwise_or, (per_byte[..., i] << bits * i for i in range(8 // bits)))


def unpack_words(words, bits: int, count: int):
    """The lowest `count` numbers of `bits` bits of each word, on an axis of their own: words may be of 8 to 32 bits."""
    mask = words.dtype.type(2**bits - 1)
    parts = [(words >> words.dtype.type(bits * place)) & mask for place in range(count)]
    return words.__array_namespace__().stack(parts, axis=-1)


def pack_words(numbers: Integer[np.ndarray, "... count"], bits: int, word: type) -> Integer[np.ndarray, "..."]:
    """The inverse of `unpack_words`: a word for each run of numbers along the last axis."""
    shifts = np.arange(numbers.shape[-1], dtype=word) * word(bits)
    return np.bitwise_or.reduce(numbers.astype(word) << shifts, axis=-1)


def join(*parts):
    """The parts side by side along the last axis."""
    if not isinstance(parts[0], np.ndarray):
        return parts[0].__array_namespace__().concatenate(parts, axis=-1)
    # numpy copies one item of 16 bytes ten times as fast as 16 of one byte, so a run of numbers becomes one item.
    run = math.gcd(*(part.shape[-1] for part in parts)) * parts[0].itemsize
    item = np.dtype((np.void, run))
    return np.concatenate([np.ascontiguousarray(part).view(item) for part in parts], axis=-1).view(parts[0].dtype)


def lookup(table: Shaped[np.ndarray, "entries ..."], index):
    """`table[index]` for an index that may be a numpy array or a traced JAX array."""
    return index.__array_namespace__().take(table, index, axis=0)
