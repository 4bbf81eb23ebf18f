"""The blocks of the IQ schemes, read byte by byte in plain Python, give what the vectorised readers give."""

import struct

import numpy as np
import pytest

from refllm.quants import bits, get, iq_grids

LAYOUTS = [
    ("IQ1_S", 256, 1.5625),
    ("IQ1_M", 256, 1.75),
    ("IQ2_XXS", 256, 2.0625),
    ("IQ2_XS", 256, 2.3125),
    ("IQ2_S", 256, 2.5625),
    ("IQ3_XXS", 256, 3.0625),
    ("IQ3_S", 256, 3.4375),
    ("IQ4_XS", 256, 4.25),
    ("IQ4_NL", 32, 4.5),
]


@pytest.mark.parametrize(("name", "size", "bits_per_weight"), LAYOUTS)
def test_block_size_and_bits_per_weight(name, size, bits_per_weight):
    assert (get(name).block_size, get(name).bits_per_weight) == (size, bits_per_weight)


# ---- readers for one weight, number i of a block ----


def sign(bit_field: int, i: int) -> int:
    return -1 if bit_field >> i & 1 else 1


def seven_signs(word: int, i: int) -> int:
    seven = word & 127
    return sign(seven | seven.bit_count() % 2 << 7, i)


def level(grid: str, entry: int, i: int) -> int:
    return int(iq_grids.points(grid)[entry, i])


def iq2_xxs(data, i):
    d, *words = struct.unpack("<e16I", data)
    patterns, signs = words[i // 32 * 2 : i // 32 * 2 + 2]
    group = i % 32 // 8
    magnitude = (8, 25, 43)[level("iq2_xxs", patterns >> 8 * group & 255, i % 8)]
    return d * ((signs >> 28) + 0.5) / 4 * magnitude * seven_signs(signs >> 7 * group, i % 8)


def iq2_xs(data, i):
    d, *words = struct.unpack("<e32H8B", data)
    word, scales = words[i // 8], words[32 + i // 32]
    magnitude = (8, 25, 43)[level("iq2_xs", word & 511, i % 8)]
    return d * ((scales >> 4 * (i // 16 % 2) & 15) + 0.5) / 4 * magnitude * seven_signs(word >> 9, i % 8)


def iq2_s(data, i):
    d, *numbers = struct.unpack("<e80B", data)
    qs, signs, qh, scales = numbers[:32], numbers[32:64], numbers[64:72], numbers[72:]
    entry = qs[i // 8] | (qh[i // 32] >> 2 * (i // 8 % 4) & 3) << 8
    magnitude = (8, 25, 43)[level("iq2_s", entry, i % 8)]
    return d * ((scales[i // 32] >> 4 * (i // 16 % 2) & 15) + 0.5) / 4 * magnitude * sign(signs[i // 8], i % 8)


def iq3_xxs(data, i):
    d, *numbers = struct.unpack("<e64B8I", data)
    word = numbers[64 + i // 32]
    magnitude = (4, 12, 20, 28, 36, 44, 52, 62)[level("iq3_xxs", numbers[i // 4], i % 4)]
    return d * ((word >> 28) + 0.5) / 2 * magnitude * seven_signs(word >> 7 * (i // 8 % 4), i % 8)


def iq3_s(data, i):
    d, *numbers = struct.unpack("<e108B", data)
    qs, qh, signs, scales = numbers[:64], numbers[64:72], numbers[72:104], numbers[104:]
    entry = qs[i // 4] | (qh[i // 32] >> i // 4 % 8 & 1) << 8
    scale = scales[i // 64] >> 4 * (i // 32 % 2) & 15
    return d * (2 * scale + 1) * (2 * level("iq3_s", entry, i % 4) + 1) * sign(signs[i // 8], i % 8)


def iq1_s(data, i):
    d, *numbers = struct.unpack("<e32B8H", data)
    word = numbers[32 + i // 32]
    entry = numbers[i // 8] | (word >> 3 * (i // 8 % 4) & 7) << 8
    return d * (2 * (word >> 12 & 7) + 1) * (level("iq1", entry, i % 8) - 1 + sign(word, 15) / 8)


def iq1_m(data, i):
    *numbers, w0, w1, w2, w3 = struct.unpack("<48B4H", data)
    (d,) = struct.unpack("<e", struct.pack("<H", w0 >> 12 | w1 >> 12 << 4 | w2 >> 12 << 8 | w3 >> 12 << 12))
    scale = (w0, w1, w2, w3)[i // 64] >> 3 * (i // 16 % 4) & 7
    high = numbers[32 + i // 16] >> 4 * (i // 8 % 2)
    entry = numbers[i // 8] | (high & 7) << 8
    return d * (2 * scale + 1) * (level("iq1", entry, i % 8) - 1 + sign(high, 3) / 8)


IQ4_LEVELS = (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)


def iq4_nl(data, i):
    d, *qs = struct.unpack("<e16B", data)
    return d * IQ4_LEVELS[qs[i % 16] >> 4 * (i // 16) & 15]


def iq4_xs(data, i):
    d, high, *numbers = struct.unpack("<eH132B", data)
    run = i // 32
    scale = numbers[run // 2] >> 4 * (run % 2) & 15 | (high >> 2 * run & 3) << 4
    return d * (scale - 32) * IQ4_LEVELS[numbers[4 + 16 * run + i % 16] >> 4 * (i // 16 % 2) & 15]


@pytest.mark.parametrize("reader", [iq1_s, iq1_m, iq2_xxs, iq2_xs, iq2_s, iq3_xxs, iq3_s, iq4_nl, iq4_xs])
def test_every_weight_read_alone_is_the_weight_of_the_block(reader):
    scheme = get(reader.__name__.upper())
    random = np.random.default_rng(0)
    for _ in range(5):
        data = bytearray(random.bytes(scheme.block_bytes))
        if "d" in scheme.layout:
            data[:2] = struct.pack("<e", random.standard_normal())
        else:
            data[-1] &= 0x3F  # the upper byte of IQ1_M's d: neither infinite nor NaN
        weights = scheme.dequantize(np.frombuffer(bytes(data), scheme.dtype))
        assert weights.tolist() == [reader(bytes(data), i) for i in range(scheme.block_size)]


def test_words_hold_numbers_of_any_width():
    numbers = np.random.default_rng(0).integers(0, 128, (3, 5, 4), np.uint8)
    words = bits.pack_words(numbers, 7, np.uint32)
    assert words.shape == (3, 5) and words.max() < 2**28
    assert (bits.unpack_words(words, 7, 4) == numbers).all()
    assert int(words[0, 0]) == sum(int(number) << 7 * place for place, number in enumerate(numbers[0, 0]))
