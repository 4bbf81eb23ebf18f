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
from jaxtyping import Float32, Int8, UInt8

from refllm.quants.bits import join, pack, pack_runs, unpack, unpack_runs
from refllm.quants.k import (
    Rows,
    as_stored,
    by_block,
    emphasis,
    for_every_row,
    in_fields,
    in_groups,
    in_rows,
    round_again,
    wrapped,
)
from refllm.quants.rounding import nearest_int, sum_in_order
from refllm.quants.scaling import scaled, signed
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
    levels = unpack_runs(block["qs"], 2, run=32) | unpack(block["hmask"], 1) << np.uint8(2)
    return on_grids(block, scales, signed(levels, 4))


def decode_q6_k(block):
    levels = unpack_runs(block["ql"], 4, run=64) | unpack_runs(block["qh"], 2, run=32) << np.uint8(4)
    return on_grids(block, block["scales"], signed(levels, 32))


def on_grids(block, scales, levels):
    """Each level on the grid of its group: (d * scale) * level."""
    scales = scaled(scales, block["d"])
    return scaled(levels.reshape(*scales.shape, -1), scales).reshape(*scales.shape[:-1], -1)


def unpack_signed_scales(packed):
    """Sixteen scales from -32 to 31 out of 12 bytes: eight bytes of low nibbles, then four of high bit pairs."""
    return (unpack(packed[..., :8], 4) | unpack(packed[..., 8:], 2) << np.uint8(4)).view(np.int8) - np.int8(32)


# ---- writing ----


def encode_q3_k(weights: Rows, importance=None) -> np.ndarray:
    values = in_groups(weights, 16)
    if importance is None:
        scales, levels = fit_symmetric_scale_by_descent(values, 4)
        d, scales = scales_of_extreme(by_block(scales, 16), 32)
        scales = np.where(d == 0, 0, np.clip(wrapped(scales, np.int8), -32, 31) + np.int8(32))
    else:
        weighting = emphasis(weights, importance, 16, factor=2)
        scales, levels = fit_symmetric_scale(values, weighting, 4)
        d, scales = fit_symmetric_scale(by_block(scales, 16), by_block(sum_in_order(weighting), 16), 32)
    block = np.empty(weights.shape[:-1], Q3_K_BLOCK)
    block["d"] = d.reshape(block.shape)
    block["scales"] = pack_signed_scales(in_fields(scales.astype(np.uint8), block.shape))
    levels = round_on_stored(block["d"], unpack_signed_scales(block["scales"]), values, levels, 4)
    levels = in_rows(levels, 16, weights.shape)
    block["qs"] = pack_runs(levels & 3, 2, run=32)
    block["hmask"] = pack(levels >> 2, 1)
    return block


def encode_q6_k(weights: Rows, importance=None) -> np.ndarray:
    values = in_groups(weights, 16)
    # With importance, ggml takes it as it is here: an error in a large weight does not count more.
    weighting = values * values if importance is None else for_every_row(importance, weights.shape, 16)
    group_scales, levels = fit_symmetric_scale(values, weighting, 32)
    d, scales = scales_of_extreme(by_block(group_scales, 16), 128)
    block = np.empty(weights.shape[:-1], Q6_K_BLOCK)
    block["d"] = d.reshape(block.shape)
    block["scales"] = in_fields(wrapped(np.minimum(scales, 127), np.int8), block.shape)
    levels = in_rows(round_on_stored(block["d"], block["scales"], values, levels, 32), 16, weights.shape)
    block["ql"] = pack_runs(levels & 15, 4, run=64)
    block["qh"] = pack_runs(levels >> 4, 2, run=32)
    zero = np.abs(extreme_of(by_block(group_scales, 16))) < ALL_ZERO
    block[zero.reshape(block.shape)] = np.zeros((), Q6_K_BLOCK)
    return block


def scales_of_extreme(scales: Float32[np.ndarray, "groups_of_a_block blocks"], highest: int):
    """Step 2, simple: a block's scale makes the group scale of largest magnitude exactly -highest."""
    extreme = extreme_of(scales)
    inverse = np.where(extreme == 0, np.float32(0), np.float32(-highest) / extreme)
    return np.where(extreme == 0, np.float32(0), 1 / inverse), nearest_int(scales * inverse)


def round_on_stored(
    d, scales: Int8[np.ndarray, "... groups_of_a_block"], values: Groups, levels: Groups, highest: int
) -> Groups:
    """Steps 3 and 4: the levels on the grids that a reader will see, raised by `highest` as they were."""
    signed = levels - np.float32(highest)
    return round_again(values, as_stored(d, scales), signed, -highest, highest - 1) + np.float32(highest)


def pack_signed_scales(raised: UInt8[np.ndarray, "... groups_of_a_block"]) -> UInt8[np.ndarray, "... bytes"]:
    """The inverse of `unpack_signed_scales`, for scales raised by 32."""
    return join(pack(raised & 15, 4), pack(raised >> 4, 2))


Q3_K = Scheme("Q3_K", Q3_K_BLOCK, decode_q3_k, encode_q3_k, id=11)
Q6_K = Scheme("Q6_K", Q6_K_BLOCK, decode_q6_k, encode_q6_k, id=14)
