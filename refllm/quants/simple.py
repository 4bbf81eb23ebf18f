"""The schemes with one scale per 32 weights: Q4_0, Q4_1, Q5_0, Q5_1, Q8_0.

A block keeps 32 small integers, the levels, and a float16 scale `d`. In the schemes that end in _0 a weight is
`d * level` with levels around zero; in those that end in _1 it is `d * level + m` with levels from zero upwards and the
minimum `m` of the block. A fifth bit per level is kept apart from the nibbles, in `qh`.

The scale that is *stored* is rounded to float16, but the levels are found with the scale *before* rounding, as the C
library does: encoding twice may differ from encoding once. With an importance for every column, scale and levels come
from the searches of `search.py`; Q8_0 is good enough without.

>>> import numpy as np
>>> block = Q4_0.quantize(np.arange(32, dtype=np.float32))
>>> float(block["d"][0])              # the largest value, 31, becomes the level -8: so the scale is negative
-3.875
>>> Q4_0.dequantize(block)[:4]
array([-0.   , -0.   ,  3.875,  3.875], dtype=float32)
"""

import numpy as np

from refllm.annotations import Float32
from refllm.quants.bits import nibbles, pack_neighbours, pack_nibbles, unpack_neighbours
from refllm.quants.rounding import round_half_away, to_int8
from refllm.quants.scaling import Rows, assembled, first_of, inverse, largest, raised, scaled, signed
from refllm.quants.scheme import Scheme
from refllm.quants.search import fit_scale_and_minimum, fit_symmetric_scale, grid_offsets

Q4_0_BLOCK = np.dtype([("d", "<f2"), ("qs", "u1", 16)])
Q4_1_BLOCK = np.dtype([("d", "<f2"), ("m", "<f2"), ("qs", "u1", 16)])
Q5_0_BLOCK = np.dtype([("d", "<f2"), ("qh", "u1", 4), ("qs", "u1", 16)])
Q5_1_BLOCK = np.dtype([("d", "<f2"), ("m", "<f2"), ("qh", "u1", 4), ("qs", "u1", 16)])
Q8_0_BLOCK = np.dtype([("d", "<f2"), ("qs", "i1", 32)])

# ---- blocks to weights ----


def decode_q4_0(block):
    return scaled(signed(nibbles(block["qs"]), 8), block["d"])


def decode_q4_1(block):
    return raised(scaled(nibbles(block["qs"]), block["d"]), block["m"])


def decode_q5_0(block):
    return scaled(signed(five_bits(block), 16), block["d"])


def decode_q5_1(block):
    return raised(scaled(five_bits(block), block["d"]), block["m"])


def decode_q8_0(block):
    return scaled(block["qs"], block["d"])


def five_bits(block):
    return nibbles(block["qs"]) | (unpack_neighbours(block["qh"], 1) << np.uint8(4))


# ---- weights to blocks ----


def encode_q4_0(weights: Rows, importance=None) -> np.ndarray:
    scale, levels = symmetric(weights, importance, highest=8)
    return assembled(Q4_0_BLOCK, d=scale, qs=pack_nibbles(levels))


def encode_q4_1(weights: Rows, importance=None) -> np.ndarray:
    scale, minimum, levels = from_minimum(weights, importance, highest=15)
    return assembled(Q4_1_BLOCK, d=scale, m=minimum, qs=pack_nibbles(levels))


def encode_q5_0(weights: Rows, importance=None) -> np.ndarray:
    scale, levels = symmetric(weights, importance, highest=16)
    return assembled(Q5_0_BLOCK, d=scale, **low_and_high(levels))


def encode_q5_1(weights: Rows, importance=None) -> np.ndarray:
    scale, minimum, levels = from_minimum(weights, importance, highest=31)
    return assembled(Q5_1_BLOCK, d=scale, m=minimum, **low_and_high(levels))


def encode_q8_0(weights: Rows, importance=None) -> np.ndarray:
    scale, levels = eight_bits(weights)
    return assembled(Q8_0_BLOCK, d=scale, qs=levels)


def low_and_high(levels) -> dict:
    """Levels of five bits as nibbles and, apart from them, the fifth bits."""
    return {"qs": pack_nibbles(levels & 15), "qh": pack_neighbours(levels >> 4, 1)}


def symmetric(weights: Rows, importance, highest: int):
    """Scale and levels 0..2*highest-1 of blocks without a minimum; the level `highest` means 0.

    There is one negative level more than there are positive ones. So that it is of use, the weight with the largest
    magnitude gets it, and the scale gets the sign that makes this right.
    """
    if importance is not None:
        return in_groups(fit_symmetric_scale, weights, importance, highest)
    scale = largest(weights) / np.float32(-highest)
    shifted = weights * inverse(scale) + np.float32(highest + 0.5)
    return scale[..., 0], np.minimum(to_int8(shifted), 2 * highest - 1)


def from_minimum(weights: Rows, importance, highest: int):
    """Scale, minimum and levels 0..highest of blocks with a minimum."""
    if importance is not None:
        return in_groups(fit_scale_and_minimum, weights, importance, highest, grid_offsets(-0.9, 0.05, 36))
    minimum, maximum = first_of(weights, weights.argmin(-1)), first_of(weights, weights.argmax(-1))
    scale = (maximum - minimum) / np.float32(highest)
    levels = to_int8((weights - minimum) * inverse(scale) + np.float32(0.5))
    return scale[..., 0], minimum[..., 0], np.minimum(levels, highest)


def eight_bits(weights: Rows):
    """Scale and levels -127..127."""
    scale = np.abs(largest(weights)) / np.float32(127)
    return scale[..., 0], to_int8(round_half_away(weights * inverse(scale)))


def in_groups(fit, weights: Rows, importance, *options):
    """Run a search from `search.py`, which wants [values of a group, groups], over the blocks as groups."""
    lanes = [array.reshape(-1, weights.shape[-1]).T for array in (weights, emphasis(weights, importance))]
    *per_block, levels = fit(*map(np.ascontiguousarray, lanes), *options)
    levels = levels.T.astype(np.uint8).reshape(weights.shape)
    return *(number.reshape(weights.shape[:2]) for number in per_block), levels


def emphasis(weights: Rows, importance: Float32[np.ndarray, "blocks block_size"]) -> Rows:
    """How much an error in each weight matters: more in an important column, more if the weight itself is large.

    The mean square of the row keeps the small weights from being forgotten altogether.
    """
    squares = weights * weights
    row_sum = np.add.accumulate(squares.reshape(len(weights), -1), axis=-1)[:, -1]  # in the order of C's loop
    mean = row_sum / np.float32(weights[0].size)
    return importance * np.sqrt(mean[:, None, None] + squares)


Q4_0 = Scheme("Q4_0", Q4_0_BLOCK, decode_q4_0, encode_q4_0, id=2)
Q4_1 = Scheme("Q4_1", Q4_1_BLOCK, decode_q4_1, encode_q4_1, id=3)
Q5_0 = Scheme("Q5_0", Q5_0_BLOCK, decode_q5_0, encode_q5_0, id=6)
Q5_1 = Scheme("Q5_1", Q5_1_BLOCK, decode_q5_1, encode_q5_1, id=7)
Q8_0 = Scheme("Q8_0", Q8_0_BLOCK, decode_q8_0, encode_q8_0, id=8)

SCHEMES = (Q4_0, Q4_1, Q5_0, Q5_1, Q8_0)
