"""IQ3_XXS, IQ3_S: three bits and a little per weight, four magnitudes at a time from a grid of four dimensions.

A block of 256 weights has 64 groups of four. The magnitudes of a group are one of 256 or 512 patterns of eight levels,
and each weight has a sign:

    IQ3_XXS    weight = d * (scale + 1/2) / 2 * magnitude * sign      with magnitudes 4, 12, 20 ... 52, 62
    IQ3_S      weight = d * (2 scale + 1) * magnitude * sign          with magnitudes 1, 3, 5 ... 15

| scheme | bits of a pattern | signs of eight weights | a scale of 4 bits for each | bits per weight with d |
|---|---|---|---|---|
| IQ3_XXS | 8 | 7 | 32 weights | 3.0625 |
| IQ3_S   | 9 | 8 | 32 weights | 3.4375 |

IQ3_XXS takes its patterns from the lattice D4, IQ3_S does not. How patterns, signs and scales are found is told in
`iq_search.py`, why seven signs are enough in `iq_grids.py`.

>>> x = np.sin(np.arange(256, dtype=np.float32))
>>> for scheme in IQ3_XXS, IQ3_S:
...     print(scheme.name, np.abs(scheme.dequantize(scheme.quantize(x)) - x).mean().round(3))
IQ3_XXS 0.107
IQ3_S 0.085
"""

import numpy as np

from refllm.annotations import Float32
from refllm.quants import iq_grids
from refllm.quants.bits import lookup, pack_neighbours, pack_words, unpack_neighbours, unpack_words
from refllm.quants.iq_search import ANY, Found, Recipe, in_block, scale_of_scales, search
from refllm.quants.k import Rows, emphasis, in_groups
from refllm.quants.scaling import assembled
from refllm.quants.scheme import Scheme

IQ3_XXS_BLOCK = np.dtype([("d", "<f2"), ("qs", "u1", 64), ("scales_and_signs", "<u4", 8)])
IQ3_S_BLOCK = np.dtype([("d", "<f2"), ("qs", "u1", 64), ("qh", "u1", 8), ("signs", "u1", 32), ("scales", "u1", 4)])

XXS_MAGNITUDES = (4, 12, 20, 28, 36, 44, 52, 62)  # four times 1, 3, 5 ..., the last one drawn out a little
S_MAGNITUDES = (1, 3, 5, 7, 9, 11, 13, 15)
FIFTHS = np.float32(0.2) * np.arange(-15, 16, dtype=np.float32)

XXS = Recipe("iq3_xxs", FIFTHS, np.float32(1e-8), even_signs=True)


def all_of_an_imperfect_run(on_grid):
    """IQ3_S rounds a run again as a whole as soon as one of its groups needed a neighbour."""
    return np.broadcast_to(~on_grid.all(axis=0), on_grid.shape)


S = Recipe("iq3_s", FIFTHS[6:-6], ANY, refined=all_of_an_imperfect_run, on_grid_at_first=False)


# ---- reading ----


def decode_iq3_xxs(block):
    """Eight patterns for each 32 weights, and a word with four times seven signs and the scale."""
    words = block["scales_and_signs"]
    scales = (words >> np.uint32(28)).astype(np.float32) + np.float32(0.5)
    scales = (block["d"].astype(np.float32)[..., None] * scales) * np.float32(0.5)
    magnitudes = lookup(iq_grids.values("iq3_xxs", XXS_MAGNITUDES), block["qs"])
    return in_runs(scales, magnitudes, lookup(iq_grids.even_signs(), unpack_words(words, 7, 4)))


def decode_iq3_s(block):
    """Patterns of 8 + 1 bits, and all eight signs."""
    entries = block["qs"].astype(np.uint16) | unpack_neighbours(block["qh"], 1).astype(np.uint16) << np.uint16(8)
    scales = unpack_neighbours(block["scales"], 4) * np.uint8(2) + np.uint8(1)
    scales = block["d"].astype(np.float32)[..., None] * scales.astype(np.float32)
    magnitudes = lookup(iq_grids.values("iq3_s", S_MAGNITUDES), entries)
    return in_runs(scales, magnitudes, lookup(iq_grids.signs(), block["signs"]))


def in_runs(scales, magnitudes, signs):
    """scale * magnitude * sign, each scale for a run of 32 weights."""
    run = (*scales.shape, -1)
    weights = scales[..., None] * magnitudes.reshape(run) * signs.reshape(run)
    return weights.reshape(*scales.shape[:-1], -1)


# ---- writing ----


def encode_iq3_xxs(weights: Rows, importance=None) -> np.ndarray:
    found, shape = find(XXS, weights, importance), weights.shape[:2]
    d, scales, some = scale_of_scales(found.scale, 31, 15, shape)
    entries = in_block(found.entries, shape).reshape(*shape, 64)
    words = pack_words(in_block(found.signs, shape), 7, np.uint32) | scales.astype(np.uint32) << 28
    some = some[..., None]
    return assembled(IQ3_XXS_BLOCK, d=d * np.float32(1.0125), qs=some * entries, scales_and_signs=some * words)


def encode_iq3_s(weights: Rows, importance=None) -> np.ndarray:
    found, shape = find(S, weights, importance), weights.shape[:2]
    d, scales, _ = scale_of_scales(found.scale, 31, 15, shape)
    entries, signs = in_block(found.entries, shape), in_block(found.signs, shape)
    moved = places_in_ggml(weights)
    return assembled(
        IQ3_S_BLOCK,
        d=d * np.float32(1.033),
        qs=np.take_along_axis(entries & 255, moved, axis=2).reshape(*shape, 64),
        qh=pack_neighbours((entries >> 8).reshape(*shape, 64), 1),
        signs=np.take_along_axis(signs, moved, axis=2).reshape(*shape, 32),
        scales=pack_neighbours(scales, 4),
    )


def places_in_ggml(weights: Rows):
    """For each place in a block the run that ggml writes there: a run of zeros leaves no gap.

    This is a slip of ggml's encoder, kept because the bytes shall be the same. When it meets 32 zeros it goes on
    without moving its pointers, so the patterns and signs of all later runs of the block land one run too early, while
    their scales and ninth bits do not: such a block reads back wrong. A trained matrix hardly ever has 32 exact zeros
    among other weights; a pruned one may.
    """
    zeros = ~weights.reshape(*weights.shape[:2], 8, 32).any(axis=3)
    return zeros.argsort(axis=2, kind="stable")[..., None]


def find(recipe: Recipe, weights: Rows, importance: Float32[np.ndarray, "blocks block_size"] | None) -> Found:
    values = in_groups(weights, 32)
    weight = values * values if importance is None else emphasis(weights, importance, 32, factor=2)
    return search(recipe, values, weight)


IQ3_XXS = Scheme("IQ3_XXS", IQ3_XXS_BLOCK, decode_iq3_xxs, encode_iq3_xxs, id=18)
IQ3_S = Scheme("IQ3_S", IQ3_S_BLOCK, decode_iq3_s, encode_iq3_s, id=21)

SCHEMES = (IQ3_XXS, IQ3_S)
