"""MXFP4 and NVFP4: weights as floats of four bits, with scales of eight bits.

Four bits make a sign, two bits of exponent and one of mantissa: 0, 0.5, 1, 1.5, 2, 3, 4, 6 and their negatives (E2M1).
The steps grow with the value, which suits weights, most of which are small. The two schemes differ in their scales:

- MXFP4 (the OCP standard): per 32 weights a power of two, of which only the exponent is stored (E8M0);
- NVFP4: per 16 weights an unsigned float with four bits of exponent and three of mantissa (UE4M3), so the largest
  weight can be hit more closely. Models add one float32 scale per tensor, which is not part of the blocks.

As in ggml, the values are kept doubled, as whole numbers, and the scales halved. The encoder's scale of NVFP4 has a
leap: where it should be between 256 and 448 it becomes 448 at once.

>>> import numpy as np
>>> block = MXFP4.quantize(np.float32([0.75, -6.0, 2.4, 100.0] * 8))
>>> int(block["e"][0]), float(E8M0_HALVED[block["e"][0]])      # the largest weight is 1.56 * 2^6
(131, 8.0)
>>> MXFP4.dequantize(block)[:4]
array([ 0., -8.,  0., 96.], dtype=float32)
>>> NVFP4.dequantize(NVFP4.quantize(np.float32([0.75, -6.0, 2.4, 100.0] * 16)))[:4]
array([ 0., -8.,  0., 96.], dtype=float32)
"""

import numpy as np

from refllm.annotations import Float32, UInt8
from refllm.quants.bits import lookup, nibbles, pack_nibbles, pack_runs, unpack_runs
from refllm.quants.rounding import to_int8
from refllm.quants.scaling import Rows, assembled, largest
from refllm.quants.scheme import Scheme

MXFP4_BLOCK = np.dtype([("e", "u1"), ("qs", "u1", 16)])
NVFP4_BLOCK = np.dtype([("d", "u1", 4), ("qs", "u1", 32)])

MAGNITUDES = np.float32([0, 1, 2, 3, 4, 6, 8, 12])  # doubled
E2M1_DOUBLED = np.concatenate([MAGNITUDES, np.float32(0) - MAGNITUDES])
E8M0_HALVED = np.ldexp(np.float32(1), np.arange(256) - 128)


def ue4m3_halved() -> Float32[np.ndarray, "256"]:
    """What each byte means as a scale: bias 7, subnormals, no sign bit; 0x7F, which would be NaN, is zero."""
    code = np.arange(256)
    exponent, mantissa = code >> 3 & 15, (code & 7).astype(np.float32)
    values = np.where(exponent == 0, np.ldexp(mantissa, -9), np.ldexp(1 + mantissa / 8, exponent - 7))
    values[0x7F] = 0
    return (values / 2).astype(np.float32)


UE4M3_HALVED = ue4m3_halved()


def decode_mxfp4(block):
    return lookup(E2M1_DOUBLED, nibbles(block["qs"])) * lookup(E8M0_HALVED, block["e"])[..., None]


def decode_nvfp4(block):
    scale = lookup(UE4M3_HALVED, block["d"])
    values = lookup(E2M1_DOUBLED, unpack_runs(block["qs"], 4, run=8)).reshape(*scale.shape, 16)
    return (values * scale[..., None]).reshape(*scale.shape[:-1], 64)


def encode_mxfp4(weights: Rows, importance=None) -> np.ndarray:
    exponent = shared_exponent(np.abs(largest(weights))[..., 0])
    return assembled(MXFP4_BLOCK, e=exponent, qs=pack_nibbles(nearest(weights, E8M0_HALVED[exponent])))


def encode_nvfp4(weights: Rows, importance=None) -> np.ndarray:
    groups = weights.reshape(*weights.shape[:-1], 4, 16)
    scale = to_ue4m3(np.abs(largest(groups))[..., 0] / np.float32(6))
    codes = nearest(groups, UE4M3_HALVED[scale]).reshape(weights.shape)
    return assembled(NVFP4_BLOCK, d=scale, qs=pack_runs(codes, 4, run=8))


def shared_exponent(largest: Float32[np.ndarray, "*blocks"]) -> UInt8[np.ndarray, "*blocks"]:
    """The power of two that puts the largest weight of a block between 4 and 8, as it is stored.

    The logarithm is rounded to float32 before it is cut, so just below a power of two it is that power. For weights
    below 2^-125 there is no such exponent; the byte wraps round, as it does in ggml.
    """
    logarithm = np.log2(largest.astype(np.float64)).astype(np.float32)
    exponent = to_int8(np.floor(logarithm) + np.float32(127 - 2))
    return np.where(largest > 0, exponent, 0).astype(np.uint8)


def to_ue4m3(scale: Float32[np.ndarray, "*groups"]) -> UInt8[np.ndarray, "*groups"]:
    """The nearest unsigned float of 4 + 3 bits, halves upwards."""
    bits = np.minimum(scale, 448).astype(np.float32).view(np.uint32)
    bias = (127 - 7) << 3
    normal = ((bits + np.uint32(1 << 19)) >> 20).astype(np.int32) - bias  # rounding up may carry into the exponent
    normal = np.where(normal >= 15 << 3, 0x7E, normal)
    subnormal = np.minimum((scale * 512 + np.float32(0.5)).astype(np.int32), 7)
    return np.where(scale < 2**-6, subnormal, normal).astype(np.uint8)


def nearest(weights: Float32[np.ndarray, "... size"], scale: Float32[np.ndarray, "..."]):
    """The code of the value nearest to each weight; of two equally near ones the smaller magnitude."""
    magnitude = np.abs(weights)
    code, least = np.zeros(weights.shape, np.uint8), magnitude
    for candidate, value in enumerate(MAGNITUDES[1:], start=1):
        error = np.abs((value * scale)[..., None] - magnitude)
        code = np.maximum(code, (error < least) * np.uint8(candidate))  # candidates grow: a nearer one replaces
        least = np.minimum(error, least)
    sign = (weights < 0) & (code > 0)
    return code | sign.view(np.uint8) << np.uint8(3)


MXFP4 = Scheme("MXFP4", MXFP4_BLOCK, decode_mxfp4, encode_mxfp4, id=39)
NVFP4 = Scheme("NVFP4", NVFP4_BLOCK, decode_nvfp4, encode_nvfp4, id=40)

SCHEMES = (MXFP4, NVFP4)
