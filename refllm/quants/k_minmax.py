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

from refllm.annotations import Float32, UInt8
from refllm.quants.bits import join, pack, pack_runs, unpack, unpack_runs
from refllm.quants.k import (
    Levels,
    Numbers,
    Rows,
    as_read,
    by_block,
    emphasis,
    in_fields,
    in_groups,
    in_half,
    in_rows,
    round_again,
    wrapped,
)
from refllm.quants.rounding import nearest_int, sum_in_order
from refllm.quants.scaling import assembled, lowered, scaled
from refllm.quants.scheme import Scheme
from refllm.quants.search import Groups, PerGroup, fit_positive_scale, fit_scale_and_minimum, grid_offsets

Q2_K_BLOCK = np.dtype([("scales", "u1", 16), ("qs", "u1", 64), ("d", "<f2"), ("dmin", "<f2")])
Q4_K_BLOCK = np.dtype([("d", "<f2"), ("dmin", "<f2"), ("scales", "u1", 12), ("qs", "u1", 128)])
Q5_K_BLOCK = np.dtype([("d", "<f2"), ("dmin", "<f2"), ("scales", "u1", 12), ("qh", "u1", 32), ("qs", "u1", 128)])

FINE_GRIDS = grid_offsets(-0.9, 0.05, 36)  # tried where an importance is given: quality is wanted, time is not counted


# ---- reading ----


def decode_q2_k(block):
    levels = unpack_runs(block["qs"], 2, run=32)
    return on_grids(block, block["scales"] & np.uint8(15), block["scales"] >> np.uint8(4), levels)


def decode_q4_k(block):
    return on_grids(block, *unpack_six_bits(block["scales"]), unpack_runs(block["qs"], 4, run=32))


def decode_q5_k(block):
    levels = unpack_runs(block["qs"], 4, run=32) | unpack(block["qh"], 1, up=4)
    return on_grids(block, *unpack_six_bits(block["scales"]), levels)


def on_grids(block, scales, minimums, levels):
    """Each level on the grid of its group: (d * scale) * level - (dmin * minimum)."""
    scales, minimums = scaled(scales, block["d"]), scaled(minimums, block["dmin"])
    weights = lowered(scaled(levels.reshape(*scales.shape, -1), scales), minimums)
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
        found = fit_scale_and_minimum(values, np.abs(values), 3, grid_offsets(-0.5, 0.1, 15), error=np.abs)
        total = None
    else:
        weighting = emphasis(weights, importance, 16, factor=1)
        found = fit_scale_and_minimum(values, weighting, 3, FINE_GRIDS)
        total = sum_in_order(weighting)
    scales, minimums, levels = found
    d, scales, dmin, minimums = scales_of_blocks(scales, minimums, total, 16, 15, weights.shape[:-1])
    packed = scales | minimums << 4
    levels = round_on_stored(values, levels, d, packed & 15, dmin, packed >> 4, 3)
    levels = in_rows(levels, 16, weights.shape)
    return assembled(Q2_K_BLOCK, scales=packed, qs=pack_runs(levels, 2, run=32), d=d, dmin=dmin)


def encode_q4_k(weights: Rows, importance=None) -> np.ndarray:
    # With importance ggml does not clamp here: where a group's scale is negative, its byte (255, say) spills into the
    # bits of another group. That is what its files contain, so it is what ours contain.
    clamp = 63 if importance is None else 255
    fields, levels = encode_six_bits(weights, importance, 15, grid_offsets(-1.0, 0.1, 20), clamp)
    return assembled(Q4_K_BLOCK, **fields, qs=pack_runs(levels, 4, run=32))


def encode_q5_k(weights: Rows, importance=None) -> np.ndarray:
    fields, levels = encode_six_bits(weights, importance, 31, grid_offsets(-0.5, 0.1, 15), clamp=63)
    return assembled(Q5_K_BLOCK, **fields, qh=pack(levels >> 4, 1), qs=pack_runs(levels & 15, 4, run=32))


def encode_six_bits(weights: Rows, importance, highest: int, offsets, clamp: int) -> tuple[dict, Levels]:
    """What Q4_K and Q5_K have in common: the fields of the scales, and the levels."""
    values = in_groups(weights, 32)
    if importance is None:
        typical = np.sqrt(sum_in_order(values * values) / np.float32(32))
        weighting = np.abs(values) + typical  # a large weight counts up to a few times more than a small one
        total = None
    else:
        offsets = FINE_GRIDS
        weighting = emphasis(weights, importance, 32, factor=2)
        total = sum_in_order(weighting)
    scales, minimums, levels = fit_scale_and_minimum(values, weighting, highest, offsets)
    d, scales, dmin, minimums = scales_of_blocks(scales, minimums, total, 32, 63, weights.shape[:-1])
    packed = pack_six_bits(np.minimum(scales, clamp), np.minimum(minimums, clamp))
    scales, minimums = unpack_six_bits(packed)
    levels = round_on_stored(values, levels, d, scales, dmin, minimums, highest)
    return {"d": d, "dmin": dmin, "scales": packed}, in_rows(levels, 32, weights.shape)


def scales_of_blocks(scales: PerGroup, minimums: PerGroup, total: PerGroup | None, size: int, highest: int, shape):
    """Steps 2 and 3, for scales and for minimums: a block's own scale as float16, and its groups' integers.

    `total` is the importance of each group. With it, a search finds the block's scale; without, the largest group gets
    the integer `highest`.
    """
    found = []
    for numbers in scales, np.float32(0) - minimums:  # stored is how far below zero; 0 - 0 is 0, but -0 has a sign
        numbers = by_block(numbers, size)
        if total is None:
            scale, integers = share_of_largest(numbers, highest)
        else:
            scale, integers = fit_positive_scale(numbers, by_block(total, size), highest)
        found += [in_half(scale, shape), in_fields(wrapped(integers, np.uint8), shape)]
    return found


def share_of_largest(numbers: Float32[np.ndarray, "groups_of_a_block blocks"], highest: int):
    """The scale that makes a block's largest number exactly `highest`, and the nearest integers on it."""
    largest = numbers.max(axis=0, initial=0)
    inverse = np.where(largest > 0, np.float32(highest) / largest, np.float32(0))
    return largest / np.float32(highest), nearest_int(numbers * inverse)


def round_on_stored(values: Groups, levels: Groups, d, scales: Numbers, dmin, minimums: Numbers, highest: int):
    """Step 4: the levels on the grids that a reader will see."""
    return round_again(values + as_read(dmin, minimums), as_read(d, scales), levels, 0, highest)


def pack_six_bits(scales: Numbers, minimums: Numbers) -> UInt8[np.ndarray, "rows blocks bytes"]:
    """The inverse of `unpack_six_bits`."""
    first = scales[..., :4] | scales[..., 4:] >> 4 << 6
    second = minimums[..., :4] | minimums[..., 4:] >> 4 << 6
    third = scales[..., 4:] & 15 | (minimums[..., 4:] & 15) << 4
    return join(first, second, third)


Q2_K = Scheme("Q2_K", Q2_K_BLOCK, decode_q2_k, encode_q2_k, id=10)
Q4_K = Scheme("Q4_K", Q4_K_BLOCK, decode_q4_k, encode_q4_k, id=12)
Q5_K = Scheme("Q5_K", Q5_K_BLOCK, decode_q5_k, encode_q5_k, id=13)
