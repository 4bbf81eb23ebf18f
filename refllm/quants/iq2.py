"""IQ2_XXS, IQ2_XS, IQ2_S: two bits and a little per weight, eight magnitudes at a time from a grid of the lattice E8.

A block of 256 weights has 32 groups of eight. The magnitudes of a group are one of 256, 512 or 1024 patterns, and each
weight has a sign:

    weight = d * (scale + 1/2) / 4 * magnitude * sign             with magnitudes 8, 25 or 43

| scheme | bits of a pattern | of its signs | a scale of 4 bits for each | bits per weight with d |
|---|---|---|---|---|
| IQ2_XXS | 8 | 7 | 32 weights | 2.0625 |
| IQ2_XS  | 9 | 7 | 16 weights | 2.3125 |
| IQ2_S   | 10 | 8 | 16 weights | 2.5625 |

How patterns, signs and scales are found is told in `iq_search.py`, why seven signs are enough in `iq_grids.py`. With so
few bits the mean over all columns is no guide: IQ2_XXS and IQ2_XS cannot be encoded without an importance.

>>> x = np.sin(np.arange(256, dtype=np.float32))
>>> block = IQ2_S.quantize(x)
>>> round(float(np.abs(IQ2_S.dequantize(block) - x).mean()), 3)
0.137
"""

import numpy as np

from refllm.quants import iq_grids
from refllm.quants.bits import lookup, pack_neighbours, pack_words, unpack_neighbours, unpack_words
from refllm.quants.iq_search import ANY, Recipe, fitted, in_block, scale_of_scales, search
from refllm.quants.k import Rows, emphasis, in_groups
from refllm.quants.rounding import sum_in_order
from refllm.quants.scaling import assembled
from refllm.quants.scheme import Scheme
from refllm.quants.search import Groups

IQ2_XXS_BLOCK = np.dtype([("d", "<f2"), ("qs", "<u4", (8, 2))])
IQ2_XS_BLOCK = np.dtype([("d", "<f2"), ("qs", "<u2", 32), ("scales", "u1", 8)])
IQ2_S_BLOCK = np.dtype([("d", "<f2"), ("qs", "u1", 32), ("signs", "u1", 32), ("qh", "u1", 8), ("scales", "u1", 8)])

MAGNITUDES = (8, 25, 43)  # what the levels 0, 1, 2 stand for: eight times 1, 3, 5, the upper ones drawn out a little
TENTHS = np.float32(0.1) * np.arange(-9, 10, dtype=np.float32)

XXS = Recipe("iq2_xxs", TENTHS[3:-3], ANY, guess=fitted, even_signs=True, refined=np.ones_like)
XS = Recipe("iq2_xs", TENTHS, np.float32(1e-15), even_signs=True)
S = Recipe("iq2_s", TENTHS, np.float32(1e-8))


# ---- reading ----


def decode_iq2_xxs(block):
    """Two words for each 32 weights: four patterns of 8 bits; four times seven signs, then the scale."""
    patterns, signs = block["qs"][..., 0], block["qs"][..., 1]
    entries, signs_of_7 = unpack_words(patterns, 8, 4), unpack_words(signs, 7, 4)
    return from_grid("iq2_xxs", block["d"], signs >> np.uint32(28), entries, lookup(iq_grids.even_signs(), signs_of_7))


def decode_iq2_xs(block):
    """A word for each eight weights: a pattern of 9 bits and seven signs."""
    entries, signs_of_7 = block["qs"] & np.uint16(511), block["qs"] >> np.uint16(9)
    scales = unpack_neighbours(block["scales"], 4)
    return from_grid("iq2_xs", block["d"], scales, entries, lookup(iq_grids.even_signs(), signs_of_7))


def decode_iq2_s(block):
    """Patterns of 8 + 2 bits, and all eight signs."""
    entries = block["qs"].astype(np.uint16) | unpack_neighbours(block["qh"], 2).astype(np.uint16) << np.uint16(8)
    scales = unpack_neighbours(block["scales"], 4)
    return from_grid("iq2_s", block["d"], scales, entries, lookup(iq_grids.signs(), block["signs"]))


def from_grid(name, d, scales, entries, signs):
    """d * (scale + 1/2) / 4 * magnitude * sign, in this order."""
    scales = (d.astype(np.float32)[..., None] * (scales.astype(np.float32) + np.float32(0.5))) * np.float32(0.25)
    magnitudes = lookup(iq_grids.values(name, MAGNITUDES), entries)
    run = (*scales.shape, -1)
    weights = scales[..., None] * magnitudes.reshape(run) * signs.reshape(run)
    return weights.reshape(*d.shape, -1)


# ---- writing ----


def encode_iq2_xxs(weights: Rows, importance) -> np.ndarray:
    found, shape = search(XXS, in_groups(weights, 32), emphasis(weights, importance, 32, factor=1)), weights.shape[:2]
    d, scales, some = scale_of_scales(found.scale, 31, 15, shape)
    entries, signs = in_block(found.entries, shape), in_block(found.signs, shape)
    patterns, signs = pack_words(entries, 8, np.uint32), pack_words(signs, 7, np.uint32)
    words = np.stack([patterns, signs | scales.astype(np.uint32) << 28], axis=-1)
    return assembled(IQ2_XXS_BLOCK, d=d, qs=some[..., None, None] * words)


def encode_iq2_xs(weights: Rows, importance) -> np.ndarray:
    found, shape = search(XS, in_groups(weights, 16), emphasis(weights, importance, 16, factor=1)), weights.shape[:2]
    d, scales, some = scale_of_scales(found.scale, 31, 15, shape)
    entries, signs = in_block(found.entries, shape), in_block(found.signs, shape)
    words = (entries | signs.astype(np.uint16) << 9).reshape(*shape, 32)
    return assembled(IQ2_XS_BLOCK, d=d, qs=some[..., None] * words, scales=pack_neighbours(scales, 4))


def encode_iq2_s(weights: Rows, importance=None) -> np.ndarray:
    values, shape = in_groups(weights, 16), weights.shape[:2]
    weight = softened_squares(values) if importance is None else emphasis(weights, importance, 16, factor=2)
    found = search(S, values, weight)
    d, scales, _ = scale_of_scales(found.scale, 31, 15, shape)
    entries = in_block(found.entries, shape).reshape(*shape, 32)
    return assembled(
        IQ2_S_BLOCK,
        d=d * np.float32(0.9875),
        qs=entries & 255,
        qh=pack_neighbours(entries >> 8, 2),
        signs=in_block(found.signs, shape).reshape(*shape, 32),
        scales=pack_neighbours(scales, 4),
    )


def softened_squares(values: Groups) -> Groups:
    """Without an importance: the square of each weight and half the mean square of its block."""
    squares = values * values
    by_block = squares.reshape(16, 16, -1).swapaxes(0, 1).reshape(256, -1)
    mean_square = np.float32(2) * sum_in_order(by_block) / np.float32(256)
    return np.float32(0.25) * np.tile(mean_square, 16) + squares


IQ2_XXS = Scheme("IQ2_XXS", IQ2_XXS_BLOCK, decode_iq2_xxs, encode_iq2_xxs, id=16, needs_importance=True)
IQ2_XS = Scheme("IQ2_XS", IQ2_XS_BLOCK, decode_iq2_xs, encode_iq2_xs, id=17, needs_importance=True)
IQ2_S = Scheme("IQ2_S", IQ2_S_BLOCK, decode_iq2_s, encode_iq2_s, id=22)

SCHEMES = (IQ2_XXS, IQ2_XS, IQ2_S)
