"""TQ1_0 and TQ2_0: weights that are -1, 0 or 1 times the largest of their 256, for models trained to be so (BitNet).

Three values carry log2(3) = 1.58 bits. TQ2_0 spends 2 bits on each; TQ1_0 puts five of them into a byte, since
3^5 = 243 fits in 256: 1.69 bits per weight with the scale.

How does one get digits out of a byte without dividing? Read the byte as a fraction: v/243 with v = the five digits in
base 3 is stored as the byte q = ceil(256 v/243), so q/256 is just above v/243. Times 3, the whole part is the first
digit and the rest is again such a fraction. Bytes wrap at 256, so "the rest" is a plain multiplication of bytes.

>>> import numpy as np
>>> packed = pack_digits(np.uint8([[2], [0], [1], [1], [2]]))  # 2*81 + 0*27 + 1*9 + 1*3 + 2 = 176; times 256/243
>>> packed
array([186], dtype=uint8)
>>> [186 * 3 >> 8, 186 * 3 % 256 * 3 >> 8]                     # the first two digits
[2, 0]
>>> unpack_digits(packed, 5)
array([2, 0, 1, 1, 2], dtype=uint8)
"""

import numpy as np

from refllm.annotations import UInt8
from refllm.quants.bits import join, pack_runs, unpack_runs
from refllm.quants.rounding import round_half_away, to_int8
from refllm.quants.scaling import Rows, assembled, inverse, largest, scaled, signed
from refllm.quants.scheme import Scheme

TQ1_0_BLOCK = np.dtype([("qs", "u1", 48), ("qh", "u1", 4), ("d", "<f2")])
TQ2_0_BLOCK = np.dtype([("qs", "u1", 64), ("d", "<f2")])

THIRD, TWO_THIRDS = np.uint8(86), np.uint8(171)  # of 256: where a fraction's first digit in base 3 becomes 1 and 2


def decode_tq1_0(block):
    first, second = unpack_digits(block["qs"][..., :32], 5), unpack_digits(block["qs"][..., 32:], 5)
    return scaled(signed(join(first, second, unpack_digits(block["qh"], 4)), 1), block["d"])


def decode_tq2_0(block):
    return scaled(signed(unpack_runs(block["qs"], 2, run=32), 1), block["d"])


def unpack_digits(packed, count: int):
    """`count` digits in base 3 out of each byte: the first of every byte, then the second of every byte ..."""
    fractions = join(*(packed * np.uint8(3**place) for place in range(count)))
    return (fractions >= THIRD).astype(np.uint8) + (fractions >= TWO_THIRDS).astype(np.uint8)


def encode_tq1_0(weights: Rows, importance=None) -> np.ndarray:
    scale, digits = ternary(weights)
    first, second, rest = digits[..., :160], digits[..., 160:240], digits[..., 240:]
    runs = [pack_digits(part.reshape(*part.shape[:-1], 5, -1)) for part in (first, second)]
    return assembled(TQ1_0_BLOCK, d=scale, qs=join(*runs), qh=pack_digits(rest.reshape(*rest.shape[:-1], 4, 4)))


def encode_tq2_0(weights: Rows, importance=None) -> np.ndarray:
    scale, digits = ternary(weights)
    return assembled(TQ2_0_BLOCK, d=scale, qs=pack_runs(digits, 2, run=32))


def ternary(weights: Rows):
    """The largest magnitude, and for each weight 0, 1 or 2 for what is nearest: minus it, zero, or it."""
    scale = np.abs(largest(weights))
    return scale[..., 0], to_int8(round_half_away(weights * inverse(scale))) + np.int8(1)


def pack_digits(digits) -> UInt8[np.ndarray, "... bytes"]:
    """The inverse of `unpack_digits` for digits [..., places, bytes]; missing places count as zero."""
    powers = np.uint16([81, 27, 9, 3, 1])[: digits.shape[-2], None]
    value = (digits.astype(np.uint16) * powers).sum(-2, dtype=np.uint16)
    return ((value.astype(np.uint32) * 256 + 242) // 243).astype(np.uint8)


TQ1_0 = Scheme("TQ1_0", TQ1_0_BLOCK, decode_tq1_0, encode_tq1_0, id=34)
TQ2_0 = Scheme("TQ2_0", TQ2_0_BLOCK, decode_tq2_0, encode_tq2_0, id=35)

SCHEMES = (TQ1_0, TQ2_0)
