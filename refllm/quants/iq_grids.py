"""The grids of the IQ schemes: a few hundred patterns of magnitudes, and how to find the one nearest to some weights.

Stored one by one, eight magnitudes of three levels each (0, 1, 2, standing for 1, 3, 5) take 8 log2(3) = 12.7 bits. The
IQ schemes store the *number of a pattern* instead: 8 bits choose one of 256 patterns, out of the 3^8 = 6561 that there
are. That is vector quantization, and it is as good as its patterns are well spread. Those of IQ2_XXS, IQ2_XS, IQ2_S and
IQ3_XXS come from the two lattices that pack spheres most densely, E8 in eight dimensions and D4 in four. A point of a
dense lattice is far from all the others for the number of points there are, so hardly any pattern is wasted on almost
repeating another one. (IQ1 and IQ3_S choose theirs freely.)

Two things follow, and both are visible in the tables. E8 (shifted by a half) holds the points whose coordinates are
halves of odd numbers and have an even sum: so the levels of each of these patterns have an even sum. And turning the
sign of a coordinate k + 1/2 changes the sum by the odd number 2k + 1: so the sign patterns that stay in the lattice are
those with an *even number of minus signs*, and the eighth sign need not be stored. (IQ2_S stores all eight, and leaves
the lattice.)

Most positions are not in the grid. For each of those a list is kept of the grid points nearest to it, so that the
search looks at a handful of points instead of all. Nearest means: of the smallest distance, or of the smallest two or
three ("shells": a tie at a distance takes all of its points). They are only candidates. Which one wins depends on the
importance of each weight, and that is the search's business (`iq_search.py`).

This file does not know what number a level stands for in a scheme, and reads no table before it is asked to.

>>> grid = load("iq2_xxs")
>>> grid.points[2]                                  # the third pattern
array([1, 1, 0, 0, 0, 0, 0, 0], dtype=uint8)
>>> here = position_of(np.uint8([[1], [0], [0], [0], [0], [0], [0], [0]]), grid.levels)
>>> int(grid.entry_at[here[0]])                     # an odd sum: not in the grid
-1
>>> grid.nearby[:9, here[0]]                        # the first shell: that 1 made 0 or 2, or another coordinate made 1
array([  0,   1,   2,   5,  11,  21,  32,  72, 132], dtype=uint16)
"""

import functools
import importlib.resources
from typing import NamedTuple

import numpy as np

from refllm.annotations import Float32, Int16, Integer, Num, UInt8, UInt16

Lanes = Num[np.ndarray, "dims *lanes"]
Position = Integer[np.ndarray, "*lanes"]

LEVELS_AND_SHELLS = {
    "iq1": (3, 3),
    "iq2_xxs": (3, 2),
    "iq2_xs": (3, 2),
    "iq2_s": (3, 1),
    "iq3_xxs": (8, 2),
    "iq3_s": (8, 3),
}


class Grid(NamedTuple):
    """The patterns of a scheme. A *position* is any combination of levels, an *entry* the number of one in the grid."""

    points: UInt8[np.ndarray, "entries dims"]
    levels: int
    odd: Float32[np.ndarray, "entries dims"]  # the points once more, as the odd numbers that the levels stand for
    entry_at: Int16[np.ndarray, " positions"]  # -1 where no point of the grid is
    count: UInt16[np.ndarray, " positions"]  # how many neighbours a position has: none if it is in the grid
    nearby: UInt16[np.ndarray, "most positions"]  # these neighbours, best first; beyond the last one the first again


@functools.cache
def points(name: str) -> UInt8[np.ndarray, "entries dims"]:
    """The table of a grid: one line of digits per point."""
    text = importlib.resources.files("refllm.quants").joinpath("data", f"{name}.txt").read_text("ascii")
    return np.array([list(line) for line in text.split()], np.uint8)


@functools.cache
def load(name: str) -> Grid:
    table = points(name)
    levels, shells = LEVELS_AND_SHELLS[name]
    everywhere = all_positions(levels, table.shape[1])
    entry_at = np.full(len(everywhere), -1, np.int16)
    entry_at[position_of(table.T, levels)] = np.arange(len(table))
    odd = 2 * table.astype(np.float32) + 1
    return Grid(table, levels, odd, entry_at, *nearest_shells(everywhere, entry_at, table, shells))


def all_positions(levels: int, dims: int) -> UInt8[np.ndarray, "positions dims"]:
    """Every combination of levels, the first coordinate running fastest: row `position_of(levels)` is those levels."""
    return np.indices([levels] * dims, np.uint8).reshape(dims, -1)[::-1].T


def position_of(point: Lanes, levels: int) -> Position:
    """The number of a combination of levels: its digits are the levels, the first coordinate the lowest."""
    number = point[-1].astype(np.float32)  # exact, and quicker than integers: there are at most 3^8 or 8^4 positions
    for digit in point[-2::-1]:
        number = number * levels + digit
    return number.astype(np.intp)


def nearest_shells(everywhere, entry_at, table, shells: int):
    """For each position outside of the grid the entries in its nearest shells, ordered by distance, then by number."""
    off_grid = np.flatnonzero(entry_at < 0)
    distance = square_distances(everywhere[off_grid], table)
    reach = np.full((len(off_grid), 1), -1, np.int16)
    for _ in range(shells):  # from shell to shell: the smallest distance beyond the last one
        reach = np.where(distance > reach, distance, np.int16(np.iinfo(np.int16).max)).min(axis=1, keepdims=True)
    row, entry = np.nonzero(distance <= reach)
    order = np.argsort(row * 1024 + distance[row, entry], kind="stable")
    row, entry = row[order], entry[order]
    count = np.zeros(len(entry_at), np.uint16)
    count[off_grid] = np.bincount(row)
    place = np.arange(len(row)) - np.repeat(
        np.cumsum(count, dtype=np.intp) - count, count
    )  # first, second ... neighbour
    nearby = np.zeros((count.max(), len(count)), np.uint16)
    nearby[:, off_grid] = entry[place == 0]
    nearby[place, off_grid[row]] = entry
    return count, nearby


def square_distances(a: UInt8[np.ndarray, "n dims"], b: UInt8[np.ndarray, "m dims"]) -> Int16[np.ndarray, "n m"]:
    a, b = a.astype(np.float32), b.astype(np.float32)
    return ((a * a).sum(1)[:, None] + (b * b).sum(1) - 2 * a @ b.T).astype(np.int16)


@functools.cache
def values(name: str, level_values: tuple[int, ...]) -> Float32[np.ndarray, "entries dims"]:
    """A grid's points as numbers: each level replaced by what it stands for."""
    return np.float32(level_values)[points(name)]


@functools.cache
def signs() -> Float32[np.ndarray, "256 8"]:
    """For each byte eight factors: -1 where its bit is set, the lowest bit first."""
    return np.float32(1) - 2 * np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little")


@functools.cache
def even_signs() -> Float32[np.ndarray, "128 8"]:
    """For each 7 bits eight factors of which an even number is -1: the eighth sign makes it so."""
    seven = np.arange(128)
    return signs()[seven | np.bitwise_count(seven) % 2 << 7]
