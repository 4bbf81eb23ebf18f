"""Q2_K, Q4_K, Q5_K: weight = scale * level - minimum, with scales and minimums that are quantized in turn.

A group of 16 (Q2_K) or 32 weights need not be centred on zero: besides its scale it has a minimum that is subtracted.
Both are integers of 4 bits (Q2_K) or 6 bits, and the block has a float16 for each kind: `d` times the small integer is
the group's scale, `dmin` times the other one its minimum. `k.py` tells the common story, `search.py` finds the scales.

>>> weights = np.sin(np.arange(256, dtype=np.float32) / 9)
>>> block = Q4_K.quantize(weights)
>>> block.dtype.itemsize, float(block["d"][0]).__round__(5), float(block["dmin"][0]).__round__(5)
(144, 0.00208, 0.01582)
>>> scales, minimums = unpack_six_bits(block["scales"][0])
>>> scales
array([43, 51, 59, 63, 62, 59, 51, 39], dtype=uint8)
>>> float(abs(Q4_K.dequantize(block) - weights).max()).__round__(3)
0.065
"""

import numpy as np
from jaxtyping import UInt8

from refllm.quants.bits import join, pack, pack_runs, unpack, unpack_runs
from refllm.quants.k import (
    Levels,
    Rows,
    as_stored,
    by_block,
    emphasis,
    in_fields,
    in_groups,
    in_rows,
    round_again,
    wrapped,
)
from refllm.quants.rounding import nearest_int, sum_in_order
from refllm.quants.scaling import raised, scaled
from refllm.quants.scheme import Scheme
from refllm.quants.search import Groups, PerGroup, fit_positive_scale, fit_scale_and_minimum, grid_offsets

Q2_K_BLOCK = np.dtype([("scales", "u1", 16), ("qs", "u1", 64), ("d", "<f2"), ("dmin", "<f2")])
Q4_K_BLOCK = np.dtype([("d", "<f2"), ("dmin", "<f2"), ("scales", "u1", 12), ("qs", "u1", 128)])
Q5_K_BLOCK = np.dtype([("d", "<f2"), ("dmin", "<f2"), ("scales", "u1", 12), ("qh", "u1", 32), ("qs", "u1", 128)])

FINE_GRIDS = grid_offsets(-0.9, 0.05, 36)  # tried where an importance is given: quality is wanted, time is not counted

Numbers = UInt8[np.ndarray, "... groups_of_a_block"]


# ---- reading ----


def decode_q2_k(block):
    levels = unpack_runs(block["qs"], 2, run=32)
    return on_grids(block, block["scales"] & np.uint8(15), block["scales"] >> np.uint8(4), levels)


def decode_q4_k(block):
    return on_grids(block, *unpack_six_bits(block["scales"]), unpack_runs(block["qs"], 4, run=32))


def decode_q5_k(block):
    levels = unpack_runs(block["qs"], 4, run=32) | unpack(block["qh"], 1) << np.uint8(4)
    return on_grids(block, *unpack_six_bits(block["scales"]), levels)


def on_grids(block, scales, minimums, levels):
    """Each level on the grid of its group: (d * scale) * level - (dmin * minimum)."""
    scales, minimums = scaled(scales, block["d"]), scaled(minimums, block["dmin"])
    weights = raised(scaled(levels.reshape(*scales.shape, -1), scales), -minimums)
    return weights.reshape(*scales.shape[:-1], -1)


def unpack_six_bits(packed):
    """Eight scales and eight minimums of 6 bits each out of 12 bytes.

    Bytes 0-3 hold the first four scales, bytes 4-7 the first four minimums, and the two bits left over in each of them
    are the high bits of the last four, whose low nibbles share bytes 8-11.
    """
    first, second, third = packed[..., 0:4], packed[..., 4:8], packed[..., 8:12]
    low, high = np.uint8(15), np.uint8(4)
    scales = join(first & np.uint8(63), third & low | first >> np.uint8(6) << high)
    minimums = join(second & np.uint8(63), third >> high | second >> np.uint8(6) << high)
    return scales, minimums


# ---- writing ----


def encode_q2_k(weights: Rows, importance=None) -> np.ndarray:
    values = in_groups(weights, 16)
    if importance is None:
        offsets = grid_offsets(-0.5, 0.1, 15)
        scales, minimums, levels = fit_scale_and_minimum(values, np.abs(values), 3, offsets, error=np.abs)
        d, scales, dmin, minimums = scales_of_largest(scales, minimums, 16, highest=15)
    else:
        weighting = emphasis(weights, importance, 16, factor=1)
        scales, minimums, levels = fit_scale_and_minimum(values, weighting, 3, FINE_GRIDS)
        d, scales, dmin, minimums = scales_of_search(scales, minimums, weighting, highest=15)
    block = np.empty(weights.shape[:-1], Q2_K_BLOCK)
    block["d"], block["dmin"] = d.reshape(block.shape), dmin.reshape(block.shape)
    block["scales"] = in_fields(scales | minimums << 4, block.shape)
    levels = round_on_stored(block, block["scales"] & 15, block["scales"] >> 4, values, levels, 3)
    block["qs"] = pack_runs(in_rows(levels, 16, weights.shape), 2, run=32)
    return block


def encode_q4_k(weights: Rows, importance=None) -> np.ndarray:
    # With importance ggml does not clamp here: a negative scale, a byte of 253 or so, spills over. So be it.
    clamp = 63 if importance is None else 255
    block = np.empty(weights.shape[:-1], Q4_K_BLOCK)
    levels = encode_six_bit_scales(block, weights, importance, 15, grid_offsets(-1.0, 0.1, 20), clamp)
    block["qs"] = pack_runs(levels, 4, run=32)
    return block


def encode_q5_k(weights: Rows, importance=None) -> np.ndarray:
    block = np.empty(weights.shape[:-1], Q5_K_BLOCK)
    levels = encode_six_bit_scales(block, weights, importance, 31, grid_offsets(-0.5, 0.1, 15), clamp=63)
    block["qs"] = pack_runs(levels & 15, 4, run=32)
    block["qh"] = pack(levels >> 4, 1)
    return block


def encode_six_bit_scales(block, weights: Rows, importance, highest: int, offsets, clamp: int) -> Levels:
    """Fill in everything of Q4_K or Q5_K blocks but the levels, which are returned."""
    values = in_groups(weights, 32)
    if importance is None:
        typical = np.sqrt(sum_in_order(values * values) / np.float32(32))
        weighting = np.abs(values) + typical  # a large weight counts up to a few times more than a small one
        scales, minimums, levels = fit_scale_and_minimum(values, weighting, highest, offsets)
        d, scales, dmin, minimums = scales_of_largest(scales, minimums, 32, highest=63)
    else:
        weighting = emphasis(weights, importance, 32, factor=2)
        scales, minimums, levels = fit_scale_and_minimum(values, weighting, highest, FINE_GRIDS)
        d, scales, dmin, minimums = scales_of_search(scales, minimums, weighting, highest=63)
    scales, minimums = (in_fields(np.minimum(numbers, clamp), block.shape) for numbers in (scales, minimums))
    block["d"], block["dmin"] = d.reshape(block.shape), dmin.reshape(block.shape)
    block["scales"] = pack_six_bits(scales, minimums)
    levels = round_on_stored(block, *unpack_six_bits(block["scales"]), values, levels, highest)
    return in_rows(levels, 32, weights.shape)


def scales_of_largest(scales: PerGroup, minimums: PerGroup, size: int, highest: int):
    """Step 2, simple: a block's scale makes the largest of its group scales exactly `highest`; so too the minimums."""
    found = []
    for numbers in by_block(scales, size), by_block(below_zero(minimums), size):
        largest = numbers.max(axis=0, initial=0)
        inverse = np.where(largest > 0, np.float32(highest) / largest, np.float32(0))
        found += [largest / np.float32(highest), wrapped(nearest_int(numbers * inverse), np.uint8)]
    return found


def scales_of_search(scales: PerGroup, minimums: PerGroup, weighting: Groups, highest: int):
    """Step 2, with importance: a search finds the block's scales, where a group counts as much as all its weights."""
    found = []
    size, total = len(weighting), sum_in_order(weighting)
    for numbers in scales, below_zero(minimums):
        scale, levels = fit_positive_scale(by_block(numbers, size), by_block(total, size), highest)
        found += [scale, levels.astype(np.uint8)]
    return found


def below_zero(minimums: PerGroup) -> PerGroup:
    """How far the minimums lie below zero: that is what is stored. (0 - 0 is 0, while -0 would have a sign.)"""
    return np.float32(0) - minimums


def round_on_stored(block, scales: Numbers, minimums: Numbers, values: Groups, levels: Groups, highest: int):
    """Steps 3 and 4: the levels on the grids that a reader will see."""
    raised = values + as_stored(block["dmin"], minimums)
    return round_again(raised, as_stored(block["d"], scales), levels, 0, highest)


def pack_six_bits(scales: Numbers, minimums: Numbers) -> UInt8[np.ndarray, "... bytes"]:
    """The inverse of `unpack_six_bits`."""
    first = scales[..., :4] | scales[..., 4:] >> 4 << 6
    second = minimums[..., :4] | minimums[..., 4:] >> 4 << 6
    third = scales[..., 4:] & 15 | (minimums[..., 4:] & 15) << 4
    return join(first, second, third)


Q2_K = Scheme("Q2_K", Q2_K_BLOCK, decode_q2_k, encode_q2_k, id=10)
Q4_K = Scheme("Q4_K", Q4_K_BLOCK, decode_q4_k, encode_q4_k, id=12)
Q5_K = Scheme("Q5_K", Q5_K_BLOCK, decode_q5_k, encode_q5_k, id=13)
