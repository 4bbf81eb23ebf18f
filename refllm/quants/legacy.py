"""The layouts of April and May 2023, from before GGUF: what is inside the old `ggml-model-q4_0.bin`.

Three changes lie between them and today. They are counted by the version of the file format, ggjt:

- version 1 keeps neighbours together: byte i holds the levels 2i and 2i+1, where today it holds i and i+16. Q4_0, Q4_1
  and Q8_0 have float32 scales. Q4_2 and Q4_3 are blocks of 16 with float16 scales; they lived for three weeks;
- version 2 (12 May 2023) has today's order, because reading neighbours apart is work for a processor, and no Q4_2 and
  Q4_3 any more;
- version 3 (19 May 2023) made the float32 scales float16. It is today's layout, and GGUF took it over.

`BY_VERSION` gives the scheme for the type numbers of each version. The blocks of files called `ggml` and `ggmf`, before
ggjt, are those of version 1: llama.cpp's converter of April 2023 read all three alike.

Encoding follows the reference functions that wrote the files in the first days of May 2023, as koboldcpp still carries
them (`ggml_v2-quants-legacy.c`). Before llama.cpp's change 729 (5 April 2023) Q4_0 divided by 7 and not by -8; such
files decode in the same way. Bits are not compared with a library of that time: none is at hand.

>>> import numpy as np
>>> weights = np.arange(32, dtype=np.float32)
>>> old, new = Q4_0_ggjt_v1.quantize(weights), Q4_0_ggjt_v2.quantize(weights)
>>> [[hex(byte) for byte in block["qs"][0, :3]] for block in (old, new)]
[['0x88', '0x77', '0x77'], ['0x48', '0x48', '0x37']]
>>> bool((Q4_0_ggjt_v1.dequantize(old) == Q4_0_ggjt_v2.dequantize(new)).all()), Q4_0_ggjt_v1.bits_per_weight
(True, 5.0)
"""

import numpy as np

from refllm.quants.bits import pack_neighbours, pack_nibbles, unpack_neighbours
from refllm.quants.floats import F16, F32, I8, I16, I32
from refllm.quants.rounding import round_half_away, to_int8
from refllm.quants.scaling import Rows, assembled, inverse, largest, raised, scaled, signed
from refllm.quants.scheme import Scheme
from refllm.quants.simple import (
    Q5_0,
    Q5_0_BLOCK,
    Q5_1,
    Q5_1_BLOCK,
    decode_q4_0,
    decode_q4_1,
    decode_q8_0,
    eight_bits,
    from_minimum,
    symmetric,
)

Q4_0_BLOCK = np.dtype([("d", "<f4"), ("qs", "u1", 16)])
Q4_1_BLOCK = np.dtype([("d", "<f4"), ("m", "<f4"), ("qs", "u1", 16)])
Q4_2_BLOCK = np.dtype([("d", "<f2"), ("qs", "u1", 8)])
Q4_3_BLOCK = np.dtype([("d", "<f2"), ("m", "<f2"), ("qs", "u1", 8)])
Q8_0_BLOCK = np.dtype([("d", "<f4"), ("qs", "i1", 32)])

# ---- version 1: neighbours share a byte ----


def decode_symmetric(block):
    return scaled(signed(unpack_neighbours(block["qs"], 4), 8), block["d"])


def decode_from_minimum(block):
    return raised(scaled(unpack_neighbours(block["qs"], 4), block["d"]), block["m"])


def decode_q5_0_v1(block):
    return scaled(signed(five_bits(block), 16), block["d"])


def decode_q5_1_v1(block):
    return raised(scaled(five_bits(block), block["d"]), block["m"])


def five_bits(block):
    return unpack_neighbours(block["qs"], 4) | (unpack_neighbours(block["qh"], 1) << np.uint8(4))


def encode_q4_0_v1(weights: Rows, importance=None) -> np.ndarray:
    """As today but for the rounding: halves away from zero, where today half a step is added and the rest cut off."""
    scale = largest(weights) / np.float32(-8)
    levels = np.minimum(to_int8(round_half_away(weights * inverse(scale))) + np.int8(8), 15)
    return assembled(Q4_0_BLOCK, d=scale[..., 0], qs=pack_neighbours(levels, 4))


def encode_q4_1_v1(weights: Rows, importance=None) -> np.ndarray:
    scale, minimum, levels = from_minimum(weights, None, highest=15)
    return assembled(Q4_1_BLOCK, d=scale, m=minimum, qs=pack_neighbours(levels, 4))


def encode_q4_2(weights: Rows, importance=None) -> np.ndarray:
    scale, levels = symmetric(weights, None, highest=8)
    return assembled(Q4_2_BLOCK, d=scale, qs=pack_neighbours(levels, 4))


def encode_q4_3(weights: Rows, importance=None) -> np.ndarray:
    scale, minimum, levels = from_minimum(weights, None, highest=15)
    return assembled(Q4_3_BLOCK, d=scale, m=minimum, qs=pack_neighbours(levels, 4))


def encode_q5_0_v1(weights: Rows, importance=None) -> np.ndarray:
    scale, levels = symmetric(weights, None, highest=16)
    return assembled(Q5_0_BLOCK, d=scale, qs=pack_neighbours(levels & 15, 4), qh=pack_neighbours(levels >> 4, 1))


def encode_q5_1_v1(weights: Rows, importance=None) -> np.ndarray:
    scale, minimum, levels = from_minimum(weights, None, highest=31)
    low, high = pack_neighbours(levels & 15, 4), pack_neighbours(levels >> 4, 1)
    return assembled(Q5_1_BLOCK, d=scale, m=minimum, qs=low, qh=high)


# ---- version 2: today's order, float32 scales ----


def encode_q4_0_v2(weights: Rows, importance=None) -> np.ndarray:
    scale, levels = symmetric(weights, None, highest=8)
    return assembled(Q4_0_BLOCK, d=scale, qs=pack_nibbles(levels))


def encode_q4_1_v2(weights: Rows, importance=None) -> np.ndarray:
    scale, minimum, levels = from_minimum(weights, None, highest=15)
    return assembled(Q4_1_BLOCK, d=scale, m=minimum, qs=pack_nibbles(levels))


def encode_q8_0(weights: Rows, importance=None) -> np.ndarray:
    scale, levels = eight_bits(weights)
    return assembled(Q8_0_BLOCK, d=scale, qs=levels)


Q4_2 = Scheme("Q4_2", Q4_2_BLOCK, decode_symmetric, encode_q4_2)
Q4_3 = Scheme("Q4_3", Q4_3_BLOCK, decode_from_minimum, encode_q4_3)
Q4_0_ggjt_v1 = Scheme("Q4_0_ggjt_v1", Q4_0_BLOCK, decode_symmetric, encode_q4_0_v1)
Q4_1_ggjt_v1 = Scheme("Q4_1_ggjt_v1", Q4_1_BLOCK, decode_from_minimum, encode_q4_1_v1)
Q5_0_ggjt_v1 = Scheme("Q5_0_ggjt_v1", Q5_0_BLOCK, decode_q5_0_v1, encode_q5_0_v1)
Q5_1_ggjt_v1 = Scheme("Q5_1_ggjt_v1", Q5_1_BLOCK, decode_q5_1_v1, encode_q5_1_v1)
Q4_0_ggjt_v2 = Scheme("Q4_0_ggjt_v2", Q4_0_BLOCK, decode_q4_0, encode_q4_0_v2)
Q4_1_ggjt_v2 = Scheme("Q4_1_ggjt_v2", Q4_1_BLOCK, decode_q4_1, encode_q4_1_v2)
Q8_0_ggjt_v2 = Scheme("Q8_0_ggjt_v2", Q8_0_BLOCK, decode_q8_0, encode_q8_0)  # of version 1 too: it has no nibbles

SCHEMES = (
    *(Q4_2, Q4_3, Q4_0_ggjt_v1, Q4_1_ggjt_v1, Q5_0_ggjt_v1, Q5_1_ggjt_v1),
    *(Q4_0_ggjt_v2, Q4_1_ggjt_v2, Q8_0_ggjt_v2),
)

_NUMBERS = {0: F32, 1: F16, 10: I8, 11: I16, 12: I32}
_VERSION_1 = {2: Q4_0_ggjt_v1, 3: Q4_1_ggjt_v1, 4: Q4_2, 5: Q4_3, 6: Q5_0_ggjt_v1, 7: Q5_1_ggjt_v1, 8: Q8_0_ggjt_v2}
_VERSION_2 = {2: Q4_0_ggjt_v2, 3: Q4_1_ggjt_v2, 6: Q5_0, 7: Q5_1, 8: Q8_0_ggjt_v2}
BY_VERSION: dict[int, dict[int, Scheme]] = {1: _NUMBERS | _VERSION_1, 2: _NUMBERS | _VERSION_2}
