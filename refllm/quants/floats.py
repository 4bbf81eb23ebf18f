"""Weights stored one by one: floats of 16, 32 and 64 bits, and the integers a GGUF file may hold.

There is no block and no scale here, so a "block" is one number and the layout a plain numpy dtype: what lies in the
file is an ordinary array. Only BF16 is unknown to numpy: it is the upper half of a float32, kept as a uint16.

Everything becomes float32, so F64 and the wide integers may lose digits on the way. Integers hold whole numbers
(tables, indices), never scaled weights: encoding rounds to the nearest and refuses what does not fit. NaN and infinity
pass through the floats unharmed; the block schemes refuse them.

>>> import numpy as np
>>> BF16.quantize(np.float32([1.0, 1.00390625, 1.01171875])).tolist()      # halves go to the even neighbour
[16256, 16256, 16258]
>>> BF16.dequantize(np.uint16([16256, 16258]))
array([1.      , 1.015625], dtype=float32)
>>> F16.bits_per_weight, I8.quantize(np.float32([2.5, -3.0]))
(16.0, array([ 2, -3], dtype=int8))
"""

import functools

import numpy as np

from refllm.annotations import Float32, UInt16
from refllm.quants.scheme import QuantError, Scheme

Rows = Float32[np.ndarray, "rows blocks one"]


def decode_number(block):
    return block["value"].astype(np.float32)[..., None]


def encode_float(dtype: np.dtype, weights: Rows, importance=None) -> np.ndarray:
    return weights[..., 0].astype(dtype)


def encode_integer(dtype: np.dtype, weights: Rows, importance=None) -> np.ndarray:
    """The nearest whole numbers."""
    whole = np.rint(weights[..., 0].astype(np.float64))  # float64 can hold the limits of int32; float32 cannot
    limits = np.iinfo(dtype)
    outside = ~((whole >= limits.min) & (whole < float(limits.max) + 1))
    if outside.any():
        raise QuantError(f"I{8 * dtype.itemsize}: {whole[outside][0]} is not between {limits.min} and {limits.max}")
    return whole.astype(dtype)


def decode_bf16(block):
    return (block["value"].astype(np.uint32) << np.uint32(16)).view(np.float32)[..., None]


def encode_bf16(weights: Rows, importance=None) -> UInt16[np.ndarray, "rows blocks"]:
    """The upper 16 bits, rounded to nearest, halves to even. A NaN keeps its upper bits and becomes a quiet one."""
    bits = weights[..., 0].view(np.uint32)
    upper = bits >> np.uint32(16)
    rounded = (bits + np.uint32(0x7FFF) + (upper & np.uint32(1))) >> np.uint32(16)
    return np.where(np.isnan(weights[..., 0]), upper | np.uint32(64), rounded).astype(np.uint16)


def number(name: str, type_id: int, dtype: str, encode) -> Scheme:
    layout = np.dtype(dtype)
    return Scheme(name, layout, decode_number, functools.partial(encode, layout), id=type_id)


F32 = number("F32", 0, "<f4", encode_float)
F16 = number("F16", 1, "<f2", encode_float)
I8 = number("I8", 24, "i1", encode_integer)
I16 = number("I16", 25, "<i2", encode_integer)
I32 = number("I32", 26, "<i4", encode_integer)
I64 = number("I64", 27, "<i8", encode_integer)
F64 = number("F64", 28, "<f8", encode_float)
BF16 = Scheme("BF16", np.dtype("<u2"), decode_bf16, encode_bf16, id=30)

SCHEMES = (F32, F16, I8, I16, I32, I64, F64, BF16)
