"""Sets of characters and their UTF-8, against Python's own."""

import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

from refllm.sampling.grammar.code_points import EVERY, LAST, complement, difference, intersection, spellings, union

EDGES = [0, 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xD800, 0xDFFF, 0xE000, 0xFFFF, 0x10000, 0xFFFFF, 0x100000, LAST]
codes = st.sampled_from(EDGES) | st.integers(0, LAST)
sets = st.lists(st.tuples(codes, codes).map(sorted).map(tuple), max_size=4).map(tuple)


def spelled(characters) -> re.Pattern:
    options = ["".join(f"[\\x{low:02x}-\\x{high:02x}]" for low, high in each) for each in spellings(characters)]
    return re.compile("|".join(options or ["(?!)"]).encode())


@settings(max_examples=80, deadline=None)
@given(sets, codes)
@example(((0, LAST),), 0xD800)
def test_spellings_are_those_of_the_members(characters, code):
    inside = any(low <= code <= high for low, high in characters) and not 0xD800 <= code <= 0xDFFF
    pattern = spelled(union(characters))
    assert bool(pattern.fullmatch(chr(code).encode("utf-8", "surrogatepass"))) == inside


@settings(max_examples=80, deadline=None)
@given(sets, sets, codes)
def test_sets(first, second, code):
    def has(characters):
        return any(low <= code <= high for low, high in characters)

    first, second = union(first), union(second)
    assert has(complement(first)) == (has(EVERY) and not has(first))
    assert has(union(first, second)) == (has(first) or has(second))
    assert has(intersection(first, second)) == (has(first) and has(second))
    assert has(difference(first, second)) == (has(first) and not has(second))
    assert all(low <= high for low, high in union(first, second))


def test_nothing_but_utf8_spells_a_character():
    every = spelled(EVERY)
    for wrong in (
        b"\xc0\x80",
        b"\xc1\xbf",
        b"\xe0\x80\x80",
        b"\xed\xa0\x80",
        b"\xf0\x80\x80\x80",
        b"\xf4\x90\x80\x80",
        b"\xff",
        b"\x80",
    ):
        assert not every.fullmatch(wrong)
