"""Sets of characters as ranges of code points, and the bytes that spell them in UTF-8.

A set is a sorted tuple of ranges that neither touch nor overlap. Only what UTF-8 can spell counts as a character, so
the surrogates (U+D800 to U+DFFF) are in no set.

>>> complement(((0, 0x60), (0x7B, 0x10FFFF))) == ranges("az")
True
>>> [[(hex(low), hex(high)) for low, high in sequence] for sequence in spellings(((0x41, 0x5A), (0xE9, 0xE9)))]
[[('0x41', '0x5a')], [('0xc3', '0xc3'), ('0xa9', '0xa9')]]
"""

from refllm.sampling.grammar.rules import Ranges

LAST = 0x10FFFF
SURROGATES = (0xD800, 0xDFFF)
LAST_OF_LENGTH = (0x7F, 0x7FF, 0xFFFF, LAST)  # the last code points that one, two, three, four bytes can spell


def ranges(*pairs: str) -> Ranges:
    """A set from texts of its first and last characters: `ranges("az", "__")`."""
    return union(tuple((ord(pair[0]), ord(pair[-1])) for pair in pairs))


def union(*sets: Ranges) -> Ranges:
    """The characters of all sets, in the form described above."""
    joined: list[tuple[int, int]] = []
    for low, high in sorted(pair for each in sets for pair in each):
        if joined and low <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return _gaps(_gaps(joined))


def complement(characters: Ranges) -> Ranges:
    """Every character that is not in the set."""
    return _gaps(sorted(characters))


def intersection(first: Ranges, second: Ranges) -> Ranges:
    return complement(union(complement(first), complement(second)))


def difference(first: Ranges, second: Ranges) -> Ranges:
    return intersection(first, complement(second))


def _gaps(sorted_ranges: Ranges | list) -> Ranges:
    """The characters between the ranges."""
    found, start = [], 0
    for low, high in sorted([*sorted_ranges, SURROGATES, (LAST + 1, LAST + 1)]):
        if start < low:
            found.append((start, low - 1))
        start = max(start, high + 1)
    return tuple(found)


EVERY = complement(())


def spellings(characters: Ranges) -> list[list[tuple[int, int]]]:
    """The UTF-8 of a set: lists of byte ranges, one byte out of each range after the other."""
    found = []
    for low, high in characters:
        for last in LAST_OF_LENGTH:
            if low <= min(high, last):
                found += _between(chr(low).encode(), chr(min(high, last)).encode())
                low = last + 1
    return found


def _between(low: bytes, high: bytes) -> list[list[tuple[int, int]]]:
    """Byte ranges for the spellings from `low` to `high`, which are equally long."""
    if len(low) == 1:
        return [[(low[0], high[0])]]
    lowest, highest = b"\x80" * (len(low) - 1), b"\xbf" * (len(low) - 1)
    if low[0] == high[0]:
        return [[(low[0], low[0]), *rest] for rest in _between(low[1:], high[1:])]
    if low[1:] != lowest:
        first_kept = low[:1] + highest
        return _between(low, first_kept) + _between(bytes([low[0] + 1]) + lowest, high)
    if high[1:] != highest:
        last_kept = bytes([high[0] - 1]) + highest
        return _between(low, last_kept) + _between(high[:1] + lowest, high)
    return [[(low[0], high[0])] + [(0x80, 0xBF)] * (len(low) - 1)]
