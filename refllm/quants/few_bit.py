"""Q1_0 and Q2_0: one and two bits per weight, for models that were trained with them in mind.

Q1_0 keeps only the sign of a weight; what all 128 share is their mean magnitude. Q2_0 has the levels -1, 0, 1 and 2
times the largest magnitude of 64. (That magnitude itself is level 1 or -1, so encoding never chooses level 2; a model
trained for this scheme does.) Neighbours share a byte, unlike in the older schemes.

>>> import numpy as np
>>> block = Q1_0.quantize(np.float32([0.5, -1.5] * 64))
>>> block["qs"][0, :2], float(block["d"][0])
(array([85, 85], dtype=uint8), 1.0)
>>> Q2_0.dequantize(Q2_0.quantize(np.float32([0.4, -0.9, 0.7, 1.0] * 16)))[:4]
array([ 0., -1.,  1.,  1.], dtype=float32)
"""

import numpy as np

from refllm.quants.bits import pack_neighbours, unpack_neighbours
from refllm.quants.rounding import round_half_away, sum_in_order
from refllm.quants.scaling import Rows, assembled, inverse, largest, scaled, signed
from refllm.quants.scheme import Scheme

Q1_0_BLOCK = np.dtype([("d", "<f2"), ("qs", "u1", 16)])
Q2_0_BLOCK = np.dtype([("d", "<f2"), ("qs", "u1", 16)])


def decode_q1_0(block):
    signs = unpack_neighbours(block["qs"], 1) << np.uint8(1)
    return scaled(signed(signs, 1), block["d"])


def encode_q1_0(weights: Rows, importance=None) -> np.ndarray:
    total = sum_in_order(np.abs(weights).reshape(-1, weights.shape[-1]).T).reshape(weights.shape[:2])
    bits = pack_neighbours((weights >= 0).astype(np.uint8), 1)
    return assembled(Q1_0_BLOCK, d=total / np.float32(weights.shape[-1]), qs=bits)


def decode_q2_0(block):
    return scaled(signed(unpack_neighbours(block["qs"], 2), 1), block["d"])


def encode_q2_0(weights: Rows, importance=None) -> np.ndarray:
    scale = np.abs(largest(weights))
    steps = round_half_away(weights * inverse(scale)).astype(np.int32)  # from an infinite inverse: a huge negative step
    return assembled(Q2_0_BLOCK, d=scale[..., 0], qs=pack_neighbours(np.clip(steps + 1, 0, 3), 2))


Q1_0 = Scheme("Q1_0", Q1_0_BLOCK, decode_q1_0, encode_q1_0, id=41)
Q2_0 = Scheme("Q2_0", Q2_0_BLOCK, decode_q2_0, encode_q2_0, id=42)

SCHEMES = (Q1_0, Q2_0)
