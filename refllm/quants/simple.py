"""The schemes with one scale per 32 weights: Q4_0, Q8_0 and their family.

A block keeps a float16 scale `d` (some also a minimum `m`) and 32 small integers. The scale that is *stored* is rounded
to float16, but the integers are found with the scale *before* rounding, as the C library does: so encoding twice may
differ from encoding once.

>>> import numpy as np
>>> block = Q4_0.quantize(np.arange(32, dtype=np.float32))
>>> float(block["d"][0])              # the largest value, 31, becomes the integer -8
-3.875
>>> Q4_0.dequantize(block)[:4]
array([-0.   , -0.   ,  3.875,  3.875], dtype=float32)
"""

import numpy as np
from jaxtyping import Float32

from refllm.quants.bits import nibbles, pack_nibbles
from refllm.quants.scheme import Scheme

Q4_0_BLOCK = np.dtype([("d", "<f2"), ("qs", "u1", 16)])
Q8_0_BLOCK = np.dtype([("d", "<f2"), ("qs", "i1", 32)])

Rows = Float32[np.ndarray, "rows blocks block_size"]


def decode_q4_0(block):
    quants = nibbles(block["qs"]).astype(np.int8) - np.int8(8)
    return quants.astype(np.float32) * block["d"].astype(np.float32)[..., None]


def encode_q4_0(weights: Rows, importance=None) -> np.ndarray:
    extreme = np.take_along_axis(weights, np.abs(weights).argmax(-1)[..., None], -1)  # the largest, with its sign
    scale = extreme / np.float32(-8)
    shifted = weights * inverse(scale) + np.float32(8.5)
    block = np.empty(weights.shape[:-1], Q4_0_BLOCK)
    block["d"] = scale[..., 0].astype(np.float16)
    block["qs"] = pack_nibbles(np.minimum(shifted.astype(np.int8), 15))
    return block


def decode_q8_0(block):
    return block["qs"].astype(np.float32) * block["d"].astype(np.float32)[..., None]


def encode_q8_0(weights: Rows, importance=None) -> np.ndarray:
    scale = np.abs(weights).max(-1, keepdims=True) / np.float32(127)
    block = np.empty(weights.shape[:-1], Q8_0_BLOCK)
    block["d"] = scale[..., 0].astype(np.float16)
    block["qs"] = round_half_away(weights * inverse(scale)).astype(np.int8)
    return block


def inverse(scale):
    """1/scale, and 0 for a block of zeros."""
    return np.where(scale == 0, np.float32(0), np.float32(1) / scale)


def round_half_away(x):
    """C's roundf: to the nearest integer, halves away from zero."""
    whole = np.floor(np.abs(x))
    return np.copysign(whole + (np.abs(x) - whole >= 0.5), x)


Q4_0 = Scheme("Q4_0", Q4_0_BLOCK, decode_q4_0, encode_q4_0, id=2)
Q8_0 = Scheme("Q8_0", Q8_0_BLOCK, decode_q8_0, encode_q8_0, id=8)
