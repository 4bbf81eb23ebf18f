"""IQ1_S, IQ1_M: less than two bits per weight. Each weight is -1, 0 or 1, moved a little to one side.

A group of eight weights is one of 2048 of the 3^8 = 6561 patterns of -1, 0 and 1. That takes 11 bits. All weights of a
run share a scale and a shift of 1/8 up or down, which turns three values into six:

    weight = d * (2 scale + 1) * (level - 1 + shift)              with levels 0, 1, 2 and a shift of 1/8 or -1/8

| scheme | scale of 3 bits for each | shift for each | bits per weight with d |
|---|---|---|---|
| IQ1_S | 32 weights | 32 weights | 1.5625 |
| IQ1_M | 16 weights | 8 weights  | 1.75 |

With three levels the best scale need not be guessed, as it is in `iq_search.py`. Sort the values of a run: whatever the
scale, the best levels are 0 up to some place i, 1 from there to some place j, and 2 from there on. There are only 561
such pairs i <= j for 32 values, 153 for 16, so all are tried, with each shift. What a pair makes of the sums

    sum(w q v)  and  sum(w q q)                                  with q = level - 1 + shift

follows from sums over the first i and the first j sorted values, which are made once. Only then do the patterns enter:
a group whose levels are not among the 2048 takes the neighbour that costs least, and the scale is fitted once more.

Equal values keep their order when they are sorted, as in the C library's `qsort`: it merges, with the GNU C library.
The sums depend on it, for equal values may differ in importance.

>>> x = np.sin(np.arange(256, dtype=np.float32))
>>> block = IQ1_M.quantize(x)
>>> round(float(np.abs(IQ1_M.dequantize(block) - x).mean()), 3)
0.294
"""

from typing import NamedTuple

import numpy as np

from refllm.annotations import Bool, Float32, Int, UInt16
from refllm.quants import iq_grids
from refllm.quants.bits import lookup, pack_neighbours, pack_words, unpack_neighbours, unpack_words
from refllm.quants.iq_grids import load, position_of
from refllm.quants.iq_search import best_neighbours, by_group, in_block, overflow, scale_of_scales
from refllm.quants.k import BLOCK_SIZE, Rows, emphasis, in_groups
from refllm.quants.rounding import Lanes, sum_in_order
from refllm.quants.scaling import assembled
from refllm.quants.scheme import Scheme
from refllm.quants.search import Groups, PerGroup

IQ1_S_BLOCK = np.dtype([("d", "<f2"), ("qs", "u1", 32), ("qh", "<u2", 8)])
IQ1_M_BLOCK = np.dtype([("qs", "u1", 32), ("qh", "u1", 16), ("scales", "<u2", 4)])

SHIFT = np.float32(0.125)
UP = np.float32([-1, 0, 1]) + SHIFT
DOWN = np.float32([-1, 0, 1]) - SHIFT


# ---- reading ----


def decode_iq1_s(block):
    """For each 32 weights a word: the upper 3 bits of four patterns, the scale, and whether the shift is down."""
    words = block["qh"]
    entries = block["qs"].astype(np.uint16) | unpack_words(words, 3, 4).reshape(block["qs"].shape) << np.uint16(8)
    scales = ((words >> np.uint16(12)) & np.uint16(7)) * np.uint16(2) + np.uint16(1)
    scales = block["d"].astype(np.float32)[..., None] * scales.astype(np.float32)
    return shifted(scales, entries, words >> np.uint16(15))


def decode_iq1_m(block):
    """For each eight weights 4 bits: the upper 3 of their pattern, and whether the shift is down. d is in pieces."""
    high = unpack_neighbours(block["qh"], 4)
    entries = block["qs"].astype(np.uint16) | (high & np.uint8(7)).astype(np.uint16) << np.uint16(8)
    words = block["scales"]
    scales = unpack_words(words, 3, 4).reshape(*words.shape[:-1], 16) * np.uint16(2) + np.uint16(1)
    scales = float16_of_nibbles(words >> np.uint16(12)).astype(np.float32)[..., None] * scales.astype(np.float32)
    return shifted(scales, entries, high >> np.uint8(3))


def float16_of_nibbles(nibbles):
    """IQ1_M hides its float16 d in the highest 4 bits of four words, the lowest nibble first."""
    low, mid, high, top = (nibbles[..., place] << np.uint16(4 * place) for place in range(4))
    return (low | mid | high | top).view(np.float16)


def nibbles_of_float16(d: Float32[np.ndarray, "rows blocks"]) -> UInt16[np.ndarray, "rows blocks 4"]:
    return unpack_words(d.astype(np.float16).view(np.uint16), 4, 4)


def shifted(scales, entries, down):
    """scale * (level - 1 + shift): a scale and a shift for each run, or for each part of one."""
    values = lookup(iq_grids.values("iq1", (-1, 0, 1)), entries).reshape(*down.shape, -1)
    shift = SHIFT - down.astype(np.float32) * np.float32(0.25)
    values = (values + shift[..., None]).reshape(*scales.shape, -1)
    return (scales[..., None] * values).reshape(*scales.shape[:-1], -1)


# ---- the best split of the sorted values ----


class Split(NamedTuple):
    """For each run the best split so far; `choice` tells which it is, -1 is none."""

    order: Int[np.ndarray, "run lanes"]  # the values of the run from the least to the greatest
    gain: PerGroup  # sum(w q v)^2 / sum(w q q): how much of the error goes away
    scale: PerGroup
    choice: Int[np.ndarray, " lanes"]  # ((first of level 1) * (run + 1) + first of level 2) * shifts + shift
    shifts: int  # 2: up or down; 4: up or down for each half of the run


def start(values: Groups, shifts: int) -> Split:
    lanes = values.shape[1]
    worst = np.full(lanes, -np.finfo(np.float32).max, np.float32)
    order = values.argsort(axis=0, kind="stable")
    return Split(order, worst, np.zeros(lanes, np.float32), np.full(lanes, -1), shifts)


def consider(best: Split, sum_qv, sum_q2, first_choice: int) -> None:
    """Keep this split, with the first of its shifts, where it takes away more of the error than the best one so far.

    The sums are [shifts, lanes]. The order matters: ggml compares products, and these are rounded.
    """
    square, possible = sum_qv * sum_qv, sum_q2 > 0
    scale = sum_qv / sum_q2
    gain = scale * sum_qv
    for shift in range(best.shifts):
        better = square[shift] > best.gain * sum_q2[shift]
        better &= possible[shift]
        np.copyto(best.scale, scale[shift], where=better)
        np.copyto(best.gain, gain[shift], where=better)
        np.copyto(best.choice, first_choice + shift, where=better)


def sums_of_first(terms: Lanes, order):
    """0, the first, the first two ... of the terms in sorted order."""
    terms = np.take_along_axis(terms, order, axis=0)
    return np.add.accumulate(np.concatenate([np.zeros_like(terms[:1]), terms]), axis=0)


def split_with_one_shift(values: Groups, weight: Groups) -> Split:
    best, run = start(values, shifts=2), len(values)
    sum_v, sum_w = sums_of_first(weight * values, best.order), sums_of_first(weight, best.order)
    q0, q1, q2 = np.stack([UP, DOWN], axis=1)[..., None]  # each [shifts, 1], to go with [lanes]
    low_qv, high_qv = sum_v[:, None] * q0, (sum_v[run] - sum_v)[:, None] * q2
    low_q2, high_q2 = sum_w[:, None] * q0 * q0, (sum_w[run] - sum_w)[:, None] * q2 * q2
    for i in range(run + 1):
        for j in range(i, run + 1):
            sum_qv = low_qv[i] + (sum_v[j] - sum_v[i]) * q1 + high_qv[j]
            sum_q2 = low_q2[i] + (sum_w[j] - sum_w[i]) * q1 * q1 + high_q2[j]
            consider(best, sum_qv, sum_q2, (i * (run + 1) + j) * best.shifts)
    return best


def split_with_two_shifts(values: Groups, weight: Groups) -> Split:
    """As before, with a shift for each half of the run: the sums are kept by halves and put together in four ways.

    As q grows by 1 from level to level, sum(q v) = q2 sum(v) - (sum of the first i) - (sum of the first j).
    """
    best, run = start(values, shifts=4), len(values)
    half = np.arange(run)[:, None, None] // (run // 2) == np.arange(2)[:, None]  # [run, 2, 1]: which half a place is in
    order = best.order[:, None]
    sum_v = sums_of_first(np.where(half, (weight * values)[:, None], np.float32(0)), order)
    sum_w = sums_of_first(np.where(half, weight[:, None], np.float32(0)), order)
    q0, q1, q2 = np.stack([UP, DOWN], axis=1)[..., None, None]  # each [shifts, 1, 1], to go with [halves, lanes]
    total_qv, total_q2 = sum_v[run] * q2, sum_w[run] * q2 * q2
    for i in range(run + 1):
        first_q2 = total_q2 + sum_w[i] * (q0 * q0 - q1 * q1)
        for j in range(i, run + 1):
            sum_qv = total_qv - (sum_v[i] + sum_v[j])  # [shifts, halves, lanes]
            sum_q2 = first_q2 + sum_w[j] * (q1 * q1 - q2 * q2)
            all_four = ((part[:, None, 0] + part[None, :, 1]).reshape(4, -1) for part in (sum_qv, sum_q2))
            consider(best, *all_four, (i * (run + 1) + j) * best.shifts)
    return best


def levels_of_split(values: Groups, split: Split, zero: Bool[np.ndarray, " lanes"]):
    """The level of each value, and for each eight whether they are shifted down."""
    run = len(values)
    places, shift = np.divmod(np.maximum(split.choice, 0), split.shifts)
    i, j = np.divmod(places, run + 1)
    place = np.arange(run)[:, None]
    levels = np.empty_like(values)
    np.put_along_axis(levels, split.order, (place >= i).astype(np.float32) + (place >= j), axis=0)
    negative = split.scale < 0  # then turn everything round
    levels = np.where(negative, 2 - levels, levels)
    shift = np.where(negative, split.shifts - 1 - shift, shift)
    if split.shifts == 4:
        shift = np.stack([shift // 2, shift % 2])
    down = np.broadcast_to(shift == 1, (run // 8, values.shape[1]))
    return np.where(zero, np.float32(0), levels), down & ~zero


# ---- writing ----


def encode_iq1_s(weights: Rows, importance) -> np.ndarray:
    values, weight = in_groups(weights, 32), emphasis(weights, importance, 32, factor=2)
    split = split_with_one_shift(values, weight)
    found, shape = find_patterns(values, weight, split, zero_below=np.float32(1e-12)), weights.shape[:2]
    d, scales, some = scale_of_scales(found.scale, 15, 7, shape)
    entries, down = in_block(found.entries, shape), in_block(found.down, shape)[..., 0]
    scales_and_shift = some[..., None] * (scales | down << 3).astype(np.uint16)
    words = pack_words(entries >> 8, 3, np.uint16) | scales_and_shift << 12
    return assembled(IQ1_S_BLOCK, d=d * np.float32(1.125), qs=(entries & 255).reshape(*shape, 32), qh=words)


def encode_iq1_m(weights: Rows, importance=None) -> np.ndarray:
    values, shape = in_groups(weights, 16), weights.shape[:2]
    weight = values * values if importance is None else emphasis(weights, importance, 16, factor=2)
    found = find_patterns(values, weight, split_with_two_shifts(values, weight), zero_below=np.float32(1e-7))
    d, scales, some = scale_of_scales(found.scale, 15, 7, shape)
    d = np.where(some, fit_block(values, weight, found, scales, d) * np.float32(1.1125), np.float32(0))
    entries, down = (in_block(part, shape).reshape(*shape, 32) for part in (found.entries, found.down))
    return assembled(
        IQ1_M_BLOCK,
        qs=entries & 255,
        qh=pack_neighbours(entries >> 8 | (some[..., None] & down) << 3, 4),
        scales=pack_words(scales.reshape(*shape, 4, 4), 3, np.uint16) | nibbles_of_float16(d) << 12,
    )


class Found(NamedTuple):
    scale: PerGroup
    entries: Int[np.ndarray, "eights lanes"]
    down: Bool[np.ndarray, "eights lanes"]  # whether the shift of these eight weights is down


def find_patterns(values: Groups, weight: Groups, split: Split, zero_below: np.float32) -> Found:
    """The scale, patterns and shifts of each run, from the best split of its sorted values."""
    grid = load("iq1")
    zero = (np.abs(values).max(axis=0) < zero_below) | (split.choice < 0)
    levels, down = levels_of_split(values, split, zero)
    scale = np.where(zero, np.float32(0), np.abs(split.scale))

    position = position_of(by_group(levels, 8).T, grid.levels)
    entries = grid.entry_at[position].astype(np.intp)
    off_grid = np.flatnonzero(entries < 0)
    every = by_group(values, 8), by_group(weight, 8), np.tile(scale, len(down))
    for numbers, chosen in ((UP, ~down), (DOWN, down)):
        groups = off_grid[chosen.ravel()[off_grid]]
        entries[groups] = best_neighbours(grid, numbers[grid.points], groups, position, *every)

    some_off_grid = (grid.entry_at[position] < 0).reshape(down.shape).any(axis=0)
    entries = entries.reshape(down.shape)
    sum_qv, sum_q2 = moments(numbers_of(entries, down), values, weight)
    scale = np.where(some_off_grid & (sum_qv > 0) & (sum_q2 > 0), sum_qv / sum_q2, scale)
    if np.isnan(scale).any():
        raise overflow()
    return Found(scale, entries, down)


def numbers_of(entries, down: Bool[np.ndarray, "eights lanes"]) -> Groups:
    """level - 1 + shift for all weights of each run."""
    levels = load("iq1").points.T[:, entries].swapaxes(0, 1)
    shift = np.where(down, -SHIFT, SHIFT)[:, None]
    return (levels.astype(np.float32) - np.float32(1) + shift).reshape(-1, down.shape[1])


def moments(numbers: Groups, values: Groups, weight: Groups) -> tuple[PerGroup, PerGroup]:
    """sum(w q v) and sum(w q q)."""
    weighted = weight * numbers
    return sum_in_order(weighted * values), sum_in_order(weighted * numbers)


def fit_block(values: Groups, weight: Groups, found: Found, scales, d):
    """The best d of each block of IQ1_M, now that its scales are integers."""
    odd = (2 * scales.astype(np.float32) + 1).reshape(d.size, -1).T.ravel()  # in the order of the runs
    in_blocks = (by_block(part) for part in (numbers_of(found.entries, found.down) * odd, values, weight))
    sum_qv, sum_q2 = (part.reshape(d.shape) for part in moments(*in_blocks))
    return np.where(sum_q2 > 0, sum_qv / sum_q2, d)


def by_block(runs: Groups) -> Float32[np.ndarray, "weights_of_block blocks"]:
    """[weights of a run, runs] as [weights of a block, blocks]."""
    size = len(runs)
    return runs.reshape(size, BLOCK_SIZE // size, -1).swapaxes(0, 1).reshape(BLOCK_SIZE, -1)


IQ1_S = Scheme("IQ1_S", IQ1_S_BLOCK, decode_iq1_s, encode_iq1_s, id=19, needs_importance=True)
IQ1_M = Scheme("IQ1_M", IQ1_M_BLOCK, decode_iq1_m, encode_iq1_m, id=29)

SCHEMES = (IQ1_S, IQ1_M)
