"""Q8_1 and Q8_K: what activations become before they meet quantized weights. No file holds them.

A product of two blocks of integers needs the activations as integers too. Both schemes keep, beside 8-bit levels, sums
that such a product needs again and again: with weights d*q + m the product with activations x is d*(q.x) + m*sum(x), so
Q8_1 stores s = d times the sum of its 32 levels, and Q8_K the sum of every 16 of its 256.

The largest activation of a Q8_K block becomes -127, whatever its sign, and its scale stays a float32.

>>> import numpy as np
>>> block = Q8_K.quantize(np.arange(256, dtype=np.float32))
>>> block["qs"][0, -3:], block["bsums"][0, -2:], float(block["d"][0])
(array([-126, -127, -127], dtype=int8), array([-1848, -1976], dtype=int16), -2.007874011993408)
"""

import numpy as np

from refllm.quants.rounding import nearest_int, to_int8
from refllm.quants.scaling import Rows, assembled, largest, scaled
from refllm.quants.scheme import Scheme
from refllm.quants.simple import eight_bits

Q8_1_BLOCK = np.dtype([("d", "<f2"), ("s", "<f2"), ("qs", "i1", 32)])
Q8_K_BLOCK = np.dtype([("d", "<f4"), ("qs", "i1", 256), ("bsums", "<i2", 16)])


def decode(block):
    return scaled(block["qs"], block["d"])


def encode_q8_1(weights: Rows, importance=None) -> np.ndarray:
    scale, levels = eight_bits(weights)
    total = levels.sum(-1, dtype=np.int32).astype(np.float32)
    return assembled(Q8_1_BLOCK, d=scale, s=total * scale, qs=levels)


def encode_q8_k(weights: Rows, importance=None) -> np.ndarray:
    extreme = largest(weights)
    per_unit = np.where(extreme == 0, np.float32(0), np.float32(-127) / extreme)
    levels = to_int8(np.minimum(nearest_int(weights * per_unit), 127))
    scale = np.where(extreme == 0, np.float32(0), 1 / per_unit)
    sums = levels.reshape(*levels.shape[:-1], 16, 16).sum(-1, dtype=np.int16)
    return assembled(Q8_K_BLOCK, d=scale[..., 0], qs=levels, bsums=sums)


Q8_1 = Scheme("Q8_1", Q8_1_BLOCK, decode, encode_q8_1, id=9)
Q8_K = Scheme("Q8_K", Q8_K_BLOCK, decode, encode_q8_k, id=15)

SCHEMES = (Q8_1, Q8_K)
