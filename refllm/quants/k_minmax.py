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
from refllm.quants.k import Rows, by_block, emphasis, in_groups, in_rows, round_again, wrapped
from refllm.quants.rounding import nearest_int, sum_in_order
from refllm.quants.scheme import Scheme
from refllm.quants.search import Groups, fit_positive_scale, fit_scale_and_minimum, grid_offsets

Q2_K_BLOCK = np.dtype([("scales", "u1", 16), ("qs", "u1", 64), ("d", "<f2"), ("dmin", "<f2")])
Q4_K_BLOCK = np.dtype([("d", "<f2"), ("dmin", "<f2"), ("scales", "u1", 12), ("qs", "u1", 128)])
Q5_K_BLOCK = np.dtype([("d", "<f2"), ("dmin", "<f2"), ("scales", "u1", 12), ("qh", "u1", 32), ("qs", "u1", 128)])

FINE_GRIDS = grid_offsets(-0.9, 0.05, 36)  # tried where an importance is given: quality is wanted, time is not counted

Scales = UInt8[np.ndarray, "... groups"]


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
    scales = block["d"].astype(np.float32)[..., None] * scales.astype(np.float32)
    minimums = block["dmin"].astype(np.float32)[..., None] * minimums.astype(np.float32)
    levels = levels.reshape(*scales.shape, -1).astype(np.float32)
    return (scales[..., None] * levels - minimums[..., None]).reshape(*scales.shape[:-1], -1)


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
        d, scales, dmin, minimums = scale_by_largest(scales, minimums, 16, 15)
    else:
        weighting = emphasis(weights, importance, 16, factor=1)
        scales, minimums, levels = fit_scale_and_minimum(values, weighting, 3, FINE_GRIDS)
        d, scales, dmin, minimums = scale_by_search(scales, minimums, weighting, 15)
    block = np.empty(weights.shape[:-1], Q2_K_BLOCK)
    block["d"], block["dmin"] = d.reshape(block.shape), dmin.reshape(block.shape)
    block["scales"] = (scales | minimums << 4).T.reshape(*block.shape, -1)
    levels = round_on_stored(block, block["scales"] & 15, block["scales"] >> 4, values, levels, 3)
    block["qs"] = pack_runs(in_rows(levels, 16, weights.shape), 2, run=32)
    return block


def encode_q4_k(weights: Rows, importance=None) -> np.ndarray:
    block = np.empty(weights.shape[:-1], Q4_K_BLOCK)
    levels = encode_six_bit_scales(block, weights, importance, 15, grid_offsets(-1.0, 0.1, 20))
    block["qs"] = pack_runs(levels, 4, run=32)
    return block


def encode_q5_k(weights: Rows, importance=None) -> np.ndarray:
    block = np.empty(weights.shape[:-1], Q5_K_BLOCK)
    levels = encode_six_bit_scales(block, weights, importance, 31, grid_offsets(-0.5, 0.1, 15))
    block["qs"] = pack_runs(levels & 15, 4, run=32)
    block["qh"] = pack(levels >> 4, 1)
    return block


def encode_six_bit_scales(block, weights: Rows, importance, highest: int, offsets) -> UInt8[np.ndarray, "..."]:
    """Fill in everything of a Q4_K or Q5_K block but its levels, which are returned."""
    values = in_groups(weights, 32)
    if importance is None:
        typical = np.sqrt(sum_in_order(values * values) / np.float32(32))
        weighting = np.abs(values) + typical  # a large weight counts up to a few times more than a small one
        scales, minimums, levels = fit_scale_and_minimum(values, weighting, highest, offsets)
        d, scales, dmin, minimums = scale_by_largest(scales, minimums, 32, 63)
        scales, minimums = np.minimum(scales, 63), np.minimum(minimums, 63)
    else:
        weighting = emphasis(weights, importance, 32, factor=2)
        scales, minimums, levels = fit_scale_and_minimum(values, weighting, highest, FINE_GRIDS)
        d, scales, dmin, minimums = scale_by_search(scales, minimums, weighting, 63)
    block["d"], block["dmin"] = d.reshape(block.shape), dmin.reshape(block.shape)
    block["scales"] = pack_six_bits(scales.T, minimums.T).reshape(*block.shape, -1)
    levels = round_on_stored(block, *unpack_six_bits(block["scales"]), values, levels, highest)
    return in_rows(levels, 32, weights.shape)


def scale_by_largest(scales, minimums, size: int, highest: int):
    """Step 2, simple: the block's scale makes its largest group scale exactly `highest`, the others are rounded."""
    parts = []
    for numbers in by_block(scales, size), by_block(np.float32(0) - minimums, size):
        largest = numbers.max(axis=0, initial=0)
        inverse = np.where(largest > 0, np.float32(highest) / largest, np.float32(0))
        parts += [largest / np.float32(highest), wrapped(nearest_int(numbers * inverse), np.uint8)]
    return parts


def scale_by_search(scales, minimums, weighting: Groups, highest: int):
    """Step 2, with importance: a search for the block's two scales, where a group counts as much as its weights do."""
    parts = []
    size, total = len(weighting), sum_in_order(weighting)
    for numbers in scales, np.float32(0) - minimums:
        scale, levels = fit_positive_scale(by_block(numbers, size), by_block(total, size), highest)
        parts += [scale, levels.astype(np.uint8)]
    return parts


def round_on_stored(block, scales: Scales, minimums: Scales, values: Groups, levels: Groups, highest: int) -> Groups:
    """Steps 3 and 4: what a reader will make of the stored numbers, and the levels that suit it best."""
    scale = block["d"].astype(np.float32)[..., None] * scales.astype(np.float32)
    minimum = block["dmin"].astype(np.float32)[..., None] * minimums.astype(np.float32)
    per_group = [np.ascontiguousarray(x.reshape(-1, x.shape[-1]).T).reshape(-1) for x in (scale, minimum)]
    return round_again(values, *per_group, levels, 0, highest)


def pack_six_bits(scales: Scales, minimums: Scales) -> UInt8[np.ndarray, "... bytes"]:
    """The inverse of `unpack_six_bits`."""
    first = scales[..., :4] | scales[..., 4:] >> 4 << 6
    second = minimums[..., :4] | minimums[..., 4:] >> 4 << 6
    third = scales[..., 4:] & 15 | (minimums[..., 4:] & 15) << 4
    return join(first, second, third)


Q2_K = Scheme("Q2_K", Q2_K_BLOCK, decode_q2_k, encode_q2_k, id=10)
Q4_K = Scheme("Q4_K", Q4_K_BLOCK, decode_q4_k, encode_q4_k, id=12)
Q5_K = Scheme("Q5_K", Q5_K_BLOCK, decode_q5_k, encode_q5_k, id=13)
