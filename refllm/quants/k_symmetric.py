"""Q3_K, Q6_K: weight = scale * level, with levels of both signs and a scale for every 16 weights.

The scales of the 16 groups are integers again, of 6 bits (Q3_K) or 8 bits (Q6_K), and of both signs: a group's scale is
negative when its largest magnitude is positive, since there is one negative level more. `k.py` tells the common story,
`search.py` finds the scales.

>>> weights = np.sin(np.arange(256, dtype=np.float32) / 9)
>>> block = Q6_K.quantize(weights)
>>> block["scales"][0]
array([-128, -121,  123,  101, -127,  113,  124, -128, -122,  123,  112,
       -127,  104,  124, -127, -127], dtype=int8)
>>> float(abs(Q6_K.dequantize(block) - weights).max()).__round__(3)
0.016
"""

import numpy as np

from refllm.annotations import Float32, UInt8
from refllm.quants.bits import join, pack, pack_runs, unpack, unpack_runs
from refllm.quants.k import (
    Numbers,
    Rows,
    as_read,
    by_block,
    emphasis,
    for_every_row,
    in_fields,
    in_groups,
    in_half,
    in_rows,
    round_again,
    wrapped,
)
from refllm.quants.rounding import nearest_int, sum_in_order
from refllm.quants.scaling import assembled, scaled, signed
from refllm.quants.scheme import Scheme
from refllm.quants.search import (
    ALL_ZERO,
    Groups,
    extreme_of,
    fit_symmetric_scale,
    fit_symmetric_scale_by_descent,
)

Q3_K_BLOCK = np.dtype([("hmask", "u1", 32), ("qs", "u1", 64), ("scales", "u1", 12), ("d", "<f2")])
Q6_K_BLOCK = np.dtype([("ql", "u1", 128), ("qh", "u1", 64), ("scales", "i1", 16), ("d", "<f2")])

# ---- reading ----


def decode_q3_k(block):
    scales = unpack_signed_scales(block["scales"])
    levels = unpack_runs(block["qs"], 2, run=32) | unpack(block["hmask"], 1, up=2)
    return on_grids(block, scales, signed(levels, 4))


def decode_q6_k(block):
    levels = unpack_runs(block["ql"], 4, run=64) | unpack_runs(block["qh"], 2, run=32, up=4)
    return on_grids(block, block["scales"], signed(levels, 32))


def on_grids(block, scales, levels):
    """Each level on the grid of its group: (d * scale) * level."""
    scales = scaled(scales, block["d"])
    return scaled(levels.reshape(*scales.shape, -1), scales).reshape(*scales.shape[:-1], -1)


def unpack_signed_scales(packed):
    """Sixteen scales from -32 to 31 out of 12 bytes: eight bytes of low nibbles, then four of high bit pairs."""
    return (unpack(packed[..., :8], 4) | unpack(packed[..., 8:], 2, up=4)).view(np.int8) - np.int8(32)


# ---- writing ----


def encode_q3_k(weights: Rows, importance=None) -> np.ndarray:
    values, shape = in_groups(weights, 16), weights.shape[:-1]
    if importance is None:
        scales, levels = fit_symmetric_scale_by_descent(values, 4)
        d, scales = share_of_extreme(by_block(scales, 16), 32)
        scales = np.where(d == 0, 0, np.clip(wrapped(scales, np.int8), -32, 31) + np.int8(32))
    else:
        weighting = emphasis(weights, importance, 16, factor=2)
        scales, levels = fit_symmetric_scale(values, weighting, 4)
        d, scales = fit_symmetric_scale(by_block(scales, 16), by_block(sum_in_order(weighting), 16), 32)
    d, packed = in_half(d, shape), pack_signed_scales(in_fields(scales.astype(np.uint8), shape))
    levels = round_on_stored(values, levels, d, unpack_signed_scales(packed), 4)
    levels = in_rows(levels, 16, weights.shape)
    low, high = pack_runs(levels & 3, 2, run=32), pack(levels >> 2, 1)
    return assembled(Q3_K_BLOCK, hmask=high, qs=low, scales=packed, d=d)


def encode_q6_k(weights: Rows, importance=None) -> np.ndarray:
    values, shape = in_groups(weights, 16), weights.shape[:-1]
    # With importance, ggml takes it as it is here: an error in a large weight does not count more.
    weighting = values * values if importance is None else for_every_row(importance, weights.shape, 16)
    best_scales, levels = fit_symmetric_scale(values, weighting, 32)
    d, scales = share_of_extreme(by_block(best_scales, 16), 128)
    d, scales = in_half(d, shape), in_fields(wrapped(np.minimum(scales, 127), np.int8), shape)
    levels = in_rows(round_on_stored(values, levels, d, scales, 32), 16, weights.shape)
    low, high = pack_runs(levels & 15, 4, run=64), pack_runs(levels >> 4, 2, run=32)
    block = assembled(Q6_K_BLOCK, ql=low, qh=high, scales=scales, d=d)
    zero = np.abs(extreme_of(by_block(best_scales, 16))) < ALL_ZERO
    block[zero.reshape(shape)] = np.zeros((), Q6_K_BLOCK)
    return block


def share_of_extreme(scales: Float32[np.ndarray, "groups_of_a_block blocks"], highest: int):
    """Step 2, simple: the scale that makes a block's largest scale exactly -highest, and the nearest integers on it."""
    extreme = extreme_of(scales)
    inverse = np.where(extreme == 0, np.float32(0), np.float32(-highest) / extreme)
    return np.where(extreme == 0, np.float32(0), 1 / inverse), nearest_int(scales * inverse)


def round_on_stored(values: Groups, levels: Groups, d, scales: Numbers, highest: int) -> Groups:
    """Step 4: the levels on the grids that a reader will see, raised by `highest` as they were."""
    unraised = levels - np.float32(highest)
    return round_again(values, as_read(d, scales), unraised, -highest, highest - 1) + np.float32(highest)


def pack_signed_scales(raised: UInt8[np.ndarray, "... groups_of_a_block"]) -> UInt8[np.ndarray, "... bytes"]:
    """The inverse of `unpack_signed_scales`, for scales raised by 32."""
    return join(pack(raised & 15, 4), pack(raised >> 4, 2))


Q3_K = Scheme("Q3_K", Q3_K_BLOCK, decode_q3_k, encode_q3_k, id=11)
Q6_K = Scheme("Q6_K", Q6_K_BLOCK, decode_q6_k, encode_q6_k, id=14)
