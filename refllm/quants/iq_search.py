"""The search behind IQ2 and IQ3: which scale, which signs and which grid points reproduce a run of weights best?

A run is 16 or 32 weights that share one scale. It is cut into groups of 8 (IQ2) or 4 (IQ3), and each group is stored as
signs plus the number of one point of a grid (`iq_grids.py`). With odd magnitudes 1, 3, 5 ... for the levels 0, 1, 2 ...
what is minimised is, over the run,

    sum of  weight * (scale * sign * (2 level + 1) - value)^2

where the levels of a group are not free: they must be a point of the grid. As everywhere (`search.py`) the best scale
for given points is a formula, the best points for a given scale are a search, and both together are found by trying:

1. *Signs.* They are those of the values, and then only magnitudes matter. If only seven are stored, the eighth follows
   because the number of minus signs is even (why: `iq_grids.py`). Where the values have an odd number of them, the one
   is turned that costs least, and its magnitude counts as negative from then on.
2. *Scales.* A dozen or more are tried around the one that spans the run. For each one every group is rounded to the
   nearest levels; where these are not a point of the grid, the position's neighbours are compared one by one.
   The scale is then refitted, and what takes away most of the error is kept.
3. *Refinement.* With the refitted scale groups are rounded once more, and the scale is fitted a last time.

The scales of a block are in turn stored as odd integers times one float16, d (`scale_of_scales`). Before it is stored,
ggml multiplies d by a number near 1, another one for each scheme: 1.033 for IQ3_S, 0.9875 for IQ2_S ... These fudge
factors (so it calls them) were found by experiment with whole models, and its authors say that they do not know why
they help. It is not by lessening the error that is minimised here: all but that of IQ2_S make it larger, as a test of
this project shows.

All runs are searched at the same time: arrays are `[weights of a run, runs]`, and in the search for points
`[groups, coordinates of a group]`. Bits and bytes of a block are not known here (`iq2.py`, `iq3.py`).

>>> values = np.float32([[0.9], [-2.9], [3.1], [1.0], [1.1], [-1.0], [0.8], [4.8]] * 2)  # a run of two groups
>>> recipe = Recipe("iq2_s", offsets=np.float32([-0.1, 0, 0.1]), zero_below=ANY)
>>> found = search(recipe, values, np.ones_like(values))
>>> found.scale.round(2), found.signs[:, 0]
(array([0.98], dtype=float32), array([34, 34], dtype=uint8))
>>> load("iq2_s").points[found.entries[0, 0]]
array([0, 1, 1, 0, 0, 0, 0, 2], dtype=uint8)
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from refllm.annotations import Bool, Float32, Int, Shaped, UInt8
from refllm.quants.iq_grids import Grid, load, position_of
from refllm.quants.rounding import nearest_int, sum_in_order
from refllm.quants.search import fit_positive_scale, moments

Runs = Float32[np.ndarray, "run lanes"]
PerRun = Float32[np.ndarray, " lanes"]
Groups = Float32[np.ndarray, "groups dims"]
PerGroup = Float32[np.ndarray, " groups"]
Positions = Int[np.ndarray, " groups"]

PAIRS_AT_ONCE = 1 << 13  # of a group and a neighbour: few enough to stay in a core's cache
ANY = np.nextafter(np.float32(0), np.float32(1))  # only what is smaller than this is zero


# ---- what distinguishes the five schemes ----


def spanning(magnitude: Runs, weight: Runs, top: np.float32) -> tuple[PerRun, PerRun]:
    """The first guess of a scale: the largest magnitude becomes the highest level. Returns both."""
    largest = magnitude.max(axis=0)
    return largest, largest / top


def fitted(magnitude: Runs, weight: Runs, top: np.float32) -> tuple[PerRun, PerRun]:
    """The first guess of IQ2_XXS: the scale of a fit with plain levels 0 to 4, and three times that as the largest."""
    scale, _ = fit_positive_scale(magnitude, weight, 4)
    return scale * np.float32(3), scale


class Recipe(NamedTuple):
    """The choices that each scheme makes; the rest of the search is the same for all."""

    grid: str
    offsets: Float32[np.ndarray, " tries"]  # the tried scales give the largest magnitude `top + offset`, not `top`
    zero_below: np.float32  # a run whose largest magnitude is smaller is stored as zeros
    guess: Callable = spanning
    even_signs: bool = False  # only seven of eight signs are stored
    refined: Callable = np.logical_not  # from what is on the grid already: which groups are rounded once more
    on_grid_at_first: bool = True  # what is taken for granted in a run for which no tried scale was any good


class Found(NamedTuple):
    scale: PerRun
    entries: Int[np.ndarray, "groups_of_run lanes"]
    signs: UInt8[np.ndarray, "eights lanes"]  # of each eight weights, the lowest bit first


class Problem(NamedTuple):
    """What is to be reproduced, laid out twice: by runs for fitting scales, by groups for finding points.

    ggml finds points with the root of the weight: what matters little for the scale still counts for the pattern.
    """

    grid: Grid
    weight: Runs
    weighted_magnitude: Runs
    magnitude: Groups
    root_weight: Groups


def search(recipe: Recipe, values: Runs, weight: Runs) -> Found:
    grid = load(recipe.grid)
    top = np.float32(2 * grid.levels - 1)
    magnitude, signs = split_signs(values, weight, recipe.even_signs)
    span, scale = recipe.guess(magnitude, weight, top)
    zero = span < recipe.zero_below
    span, magnitude = np.where(zero, np.float32(1), span), np.where(zero, np.float32(0), magnitude)

    groups = (by_group(part, grid.points.shape[1]) for part in (magnitude, np.sqrt(weight)))
    problem = Problem(grid, weight, weight * magnitude, *groups)
    scale, entries, on_grid = try_scales(problem, recipe, span, scale)
    scale, entries = refine(problem, recipe.refined(on_grid), scale, entries)

    signs = np.where(scale < 0, ~signs, signs)  # possible only where a turned weight outweighs all the others
    if recipe.even_signs:
        signs &= 127
    scale = np.abs(scale)
    if np.isnan(scale[~zero]).any():
        raise overflow()
    return Found(*(np.where(zero, part.dtype.type(0), part) for part in (scale, entries, signs)))


def overflow() -> OverflowError:
    """Where no candidate has a finite error, or a scale is not a number. ggml ends the whole process there."""
    return OverflowError("the search overflows a float32: weights or importances are too large")


# ---- signs ----


def split_signs(values: Runs, weight: Runs, even: bool):
    """Magnitudes, and a byte of signs for each eight; with `even`, one magnitude may have to be negative for that."""
    eights = values.reshape(-1, 8, values.shape[1])
    negative = ~(eights >= 0)
    magnitude = np.where(negative, -eights, eights)
    if even:
        odd = np.bitwise_xor.reduce(negative, axis=1)
        turned = odd[:, None] & (np.arange(8)[:, None] == cheapest(weight.reshape(eights.shape), eights)[:, None])
        magnitude, negative = np.where(turned, -magnitude, magnitude), negative ^ turned
    signs = np.packbits(negative, axis=1, bitorder="little")[:, 0]
    return magnitude.reshape(values.shape), signs


def cheapest(weight, values):
    """In each eight the first index with the least weight * value^2. (Not argmin, which would stop at a NaN.)"""
    cost = weight * values * values
    least, index = cost[:, 0].copy(), np.zeros(cost[:, 0].shape, np.intp)
    for i in range(1, 8):
        cheaper = cost[:, i] < least
        np.copyto(least, cost[:, i], where=cheaper)
        np.copyto(index, i, where=cheaper)
    return index


# ---- scales ----


def try_scales(problem: Problem, recipe: Recipe, span: PerRun, scale: PerRun):
    """Of all tried scales the best, refitted, with its points, and with whether these were found without neighbours.

    What a scale refitted as sum(w q m) / sum(w q q) takes away from the error is sum(w q m)^2 / sum(w q q): the gain.
    """
    top = np.float32(2 * problem.grid.levels - 1)
    groups_of_run = len(problem.magnitude) // len(span)
    gain = np.zeros_like(span)
    entries = np.zeros((groups_of_run, len(span)), np.intp)
    on_grid = np.full(entries.shape, recipe.on_grid_at_first)
    for offset in recipe.offsets:
        inverse = np.tile((top + offset) / span, groups_of_run)
        tried, exact = nearest_points(problem.grid, problem.magnitude, problem.root_weight, inverse, 1 / inverse)
        tried, exact = tried.reshape(entries.shape), exact.reshape(entries.shape)
        sum_qm, sum_q2 = fit(problem, tried)
        better = (sum_q2 > 0) & (sum_qm * sum_qm > gain * sum_q2)
        scale = np.where(better, sum_qm / sum_q2, scale)
        gain = np.where(better, scale * sum_qm, gain)
        np.copyto(entries, tried, where=better)
        np.copyto(on_grid, exact, where=better)
    return scale, entries, on_grid


def refine(problem: Problem, again: Bool[np.ndarray, "groups_of_run lanes"], scale: PerRun, entries):
    """Round some groups once more, with the refitted scale, and fit the scale of their runs again."""
    again = again & (scale > 0)
    chosen = np.flatnonzero(again)
    groups = (part.take(chosen, axis=0) for part in (problem.magnitude, problem.root_weight))
    now = np.broadcast_to(scale, again.shape)[again]
    entries[again], _ = nearest_points(problem.grid, *groups, 1 / now, now)
    sum_qm, sum_q2 = fit(problem, entries)
    return np.where(again.any(axis=0) & (sum_q2 > 0), sum_qm / sum_q2, scale), entries


def fit(problem: Problem, entries) -> tuple[PerRun, PerRun]:
    """sum(w q m) and sum(w q q) over each run, q being the odd numbers of its grid points."""
    odd = np.empty((len(entries), problem.grid.odd.shape[1], entries.shape[1]), np.float32)
    for i, coordinate in enumerate(problem.grid.odd.T):
        odd[:, i] = coordinate[entries]
    return moments(odd.reshape(problem.weight.shape), problem.weighted_magnitude, problem.weight)


# ---- points ----


def by_group(runs: Runs, dims: int) -> Groups:
    """[weights of a run, runs] as [groups, coordinates of a group]: the first group of all runs, then the second ..."""
    return runs.reshape(-1, dims, runs.shape[1]).swapaxes(1, 2).reshape(-1, dims)


def nearest_points(grid: Grid, magnitude: Groups, root_weight: Groups, inverse: PerGroup, scale: PerGroup):
    """For each group the entry of a grid point near magnitude / scale, and whether rounding alone led to it."""
    steps = np.multiply(magnitude.T, inverse, order="C")
    steps -= 1
    steps *= np.float32(0.5)  # (odd - 1) / 2 is the level
    levels = nearest_int(steps)
    position = position_of(np.clip(levels, 0, grid.levels - 1, out=levels), grid.levels)
    entries = grid.entry_at[position].astype(np.intp)
    on_grid = entries >= 0
    off_grid = np.flatnonzero(~on_grid)
    entries[off_grid] = best_neighbours(grid, grid.odd, off_grid, position, magnitude, root_weight, scale)
    return entries, on_grid


def best_neighbours(
    grid: Grid,
    points: Float32[np.ndarray, "entries dims"],
    off_grid: Int[np.ndarray, " some"],
    position: Positions,
    target: Groups,
    weight: Groups,
    scale: PerGroup,
) -> Int[np.ndarray, " some"]:
    """For each group off the grid the first neighbour with the least sum of weight * (scale * point - target)^2.

    `points` [entries, dims] says which numbers the grid's points stand for. Groups that have about as many neighbours
    are compared together, as a rectangle of so many neighbours by so many groups.
    """
    count = grid.count[position[off_grid]]
    order = np.argsort(count.max(initial=0) - count, kind="stable")  # most neighbours first
    off_grid, count = off_grid[order], count[order]
    position, scale = position[off_grid], scale[off_grid]
    found = np.empty(len(order), np.intp)
    start = 0
    while start < len(order):
        most = int(count[start])
        some = slice(start, start + 1 + PAIRS_AT_ONCE // most)
        candidates = grid.nearby[:most].take(position[some], axis=1)
        targets, weights = (part.take(off_grid[some], axis=0) for part in (target, weight))
        errors = square_errors(points, candidates, targets, weights, scale[some])
        groups = errors.shape[1]
        winner = errors.argmin(axis=0) * groups + np.arange(groups)
        if not (errors.take(winner) < np.finfo(np.float32).max).all():
            raise overflow()
        found[some] = candidates.take(winner)
        start = some.stop
    best = np.empty_like(found)
    best[order] = found
    return best


def square_errors(points, candidates, target: Groups, weight: Groups, scale: PerGroup):
    """The weighted square error of each candidate [neighbours, groups] as an answer to its group."""
    dims = points.shape[1]
    difference = points.take(candidates, axis=0).reshape(len(candidates), -1)  # long rows: quick in numpy
    difference *= np.repeat(scale, dims)
    difference -= target.ravel()
    terms = weight.ravel() * difference
    terms *= difference
    return sum_in_order(terms.reshape(-1, dims).T).reshape(candidates.shape)


# ---- blocks ----


def scale_of_scales(scale: PerRun, steps: int, highest: int, shape: tuple[int, int]):
    """The scales of each block as odd multiples 2 l + 1 of a number d.

    Returns d [rows, blocks], the levels l [rows, blocks, runs] from 0 to `highest`, and whether any scale is not 0.
    """
    scales = scale.reshape(-1, *shape)
    largest = scales.max(axis=0)
    d = largest / np.float32(steps)
    levels = nearest_int(np.float32(0.5) * ((1 / d) * scales - 1))
    return d, np.clip(levels, 0, highest).astype(np.uint8).transpose(1, 2, 0), largest != 0


def in_block(found: Shaped[np.ndarray, "parts lanes"], shape: tuple[int, int]):
    """What was found for the parts of each run, in the order of the file: [rows, blocks, runs, parts]."""
    rows, blocks = shape
    return found.reshape(len(found), -1, rows, blocks).transpose(2, 3, 1, 0)
