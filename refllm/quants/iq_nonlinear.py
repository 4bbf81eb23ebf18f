"""IQ4_NL, IQ4_XS: four bits per weight whose sixteen levels are not evenly spaced.

Weights of a trained matrix crowd around zero. Sixteen levels at equal distances spend as many on the few large values
as on the many small ones; these lie close together near zero and far apart at the ends:

    -127 -104 -83 -65 -49 -35 -22 -10   1 13 25 38 53 69 89 113

A block of IQ4_NL is 32 of such levels and a scale. A block of IQ4_XS has eight runs of 32, with integers of 6 bits for
the scales of the runs and one float16 `d` for all of them:

    IQ4_NL    weight = d * level                   4.5 bits per weight
    IQ4_XS    weight = d * (scale - 32) * level    4.25 bits per weight

The scale of a run is found by trying: the extreme weight becomes level -127, or one of the fourteen integers around it;
each time all weights are rounded to levels, the scale is refitted by least squares, and the best one is kept.
Which level is the nearest is looked up: the borders between levels are halves of integers, so all numbers with the same
`floor(2 x)` share one.

>>> block = IQ4_NL.quantize(np.linspace(-1, 1, 32, dtype=np.float32))
>>> LEVELS[block["qs"][0, :4] & 15]          # the first four of the block, in units of d
array([-127., -104., -104., -104.], dtype=float32)
"""

import functools

import numpy as np

from refllm.annotations import Float32, Int, Shaped, UInt8
from refllm.quants.bits import (
    lookup,
    pack_neighbours,
    pack_nibbles,
    pack_words,
    unpack_neighbours,
    unpack_words,
)
from refllm.quants.k import Rows
from refllm.quants.rounding import nearest_int, sum_in_order
from refllm.quants.scaling import assembled, inverse, scaled, signed
from refllm.quants.scheme import Scheme
from refllm.quants.search import ALL_ZERO, Groups, PerGroup, extreme_of

IQ4_NL_BLOCK = np.dtype([("d", "<f2"), ("qs", "u1", 16)])
IQ4_XS_BLOCK = np.dtype([("d", "<f2"), ("scales_h", "<u2"), ("scales_l", "u1", 4), ("qs", "u1", 128)])

LEVELS = np.float32([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113])
TRIES = range(-7, 8)


# ---- reading ----


def decode_iq4_nl(block):
    return scaled(levels_of(block["qs"]), block["d"])


def decode_iq4_xs(block):
    high = unpack_words(block["scales_h"], 2, 8).astype(np.uint8)
    scales = scaled(signed(unpack_neighbours(block["scales_l"], 4) | high << np.uint8(4), 32), block["d"])
    levels = levels_of(block["qs"].reshape(*scales.shape, 16))
    return scaled(levels, scales).reshape(*block["d"].shape, -1)


def levels_of(packed):
    """The levels of 16 bytes: those of all low nibbles, then those of all high ones. A table gives both of a byte."""
    return lookup(levels_of_every_byte(), packed).swapaxes(-1, -2).reshape(*packed.shape[:-1], 32)


@functools.cache
def levels_of_every_byte() -> Float32[np.ndarray, "256 2"]:
    every = np.arange(256)
    return LEVELS[np.stack([every & 15, every >> 4], axis=1)]


# ---- writing ----


def encode_iq4_nl(weights: Rows, importance=None) -> np.ndarray:
    runs, shape = in_runs(weights), weights.shape[:2]
    scale = fit_scale(runs, emphasis(weights, importance))
    codes = nearest_codes(runs * inverse(scale))
    return assembled(IQ4_NL_BLOCK, d=scale.reshape(shape), qs=pack_nibbles(codes.T).reshape(*shape, 16))


def encode_iq4_xs(weights: Rows, importance=None) -> np.ndarray:
    runs, shape = in_runs(weights), weights.shape[:2]
    scales = fit_scale(runs, emphasis(weights, importance)).reshape(-1, 8).T
    d = -extreme_of(scales) / np.float32(32)
    scales = np.clip(nearest_int(inverse(d) * scales), -32, 31)
    codes = nearest_codes(runs * inverse(d * scales).T.ravel())  # with the scale before d is rounded to float16
    raised = (scales + 32).astype(np.uint8).T.reshape(*shape, 8)
    return assembled(
        IQ4_XS_BLOCK,
        d=d.reshape(shape),
        scales_h=pack_words(raised >> 4, 2, np.uint16),
        scales_l=pack_neighbours(raised & 15, 4),
        qs=pack_nibbles(codes.T).reshape(*shape, 128),
    )


def in_runs(weights: Shaped[np.ndarray, "rows blocks block_size"]) -> Groups:
    """[32, runs]: first all runs of the first block, then those of the second ..."""
    return np.ascontiguousarray(weights.reshape(-1, 32).T)


def emphasis(weights: Rows, importance) -> Groups:
    """How much an error in each weight matters: its square, or its column's importance as in `k.emphasis`."""
    squares = weights * weights
    if importance is None:
        return in_runs(squares)
    size = weights.shape[-1]
    mean_square = sum_in_order(squares.reshape(-1, size).T) * np.float32(2 / size)
    return in_runs(importance * np.sqrt(mean_square.reshape(*weights.shape[:-1], 1) + squares))


def fit_scale(values: Groups, weight: Groups) -> PerGroup:
    """The scale of each run: of sixteen that are tried, the one after whose refit least of the error is left."""
    extreme = extreme_of(values)
    zero = np.abs(extreme) < ALL_ZERO
    extreme = np.where(zero, np.float32(1), extreme)
    sum_lx, sum_l2 = moments(values * (1 / (-extreme / LEVELS[0])), values, weight)
    scale = np.where(sum_l2 > 0, sum_lx / sum_l2, np.float32(0))
    gain = scale * sum_lx
    for offset in TRIES:
        sum_lx, sum_l2 = moments(values * ((LEVELS[0] + np.float32(offset)) / extreme), values, weight)
        better = (sum_l2 > 0) & (sum_lx * sum_lx > gain * sum_l2)
        scale = np.where(better, sum_lx / sum_l2, scale)
        gain = np.where(better, scale * sum_lx, gain)
    return np.where(zero, np.float32(0), scale)


def moments(steps: Groups, values: Groups, weight: Groups) -> tuple[PerGroup, PerGroup]:
    """sum(w l v) and sum(w l l) over each run, l being the level nearest to a step."""
    levels = LEVELS[codes_by_half()][half_steps(steps)]
    weighted = weight * levels
    levels *= weighted
    weighted *= values
    return sum_in_order(weighted), sum_in_order(levels)


# ---- the nearest level ----

FARTHEST = 160  # the largest magnitude that the table is made for: trying scales, 134 is reached


@functools.cache
def codes_by_half() -> UInt8[np.ndarray, " halves"]:
    """The number of the level nearest to x, for each floor(2 x) from -2 FARTHEST on; x in the middle goes up."""
    halves = np.arange(-2 * FARTHEST, 2 * FARTHEST) / 2
    return np.searchsorted((LEVELS[1:] + LEVELS[:-1]) / 2, halves, side="right").astype(np.uint8)


def half_steps(steps: Groups) -> Int[np.ndarray, "values groups"]:
    """Where a number no farther from 0 than FARTHEST stands in `codes_by_half`. Doubling is exact, so is floor."""
    halves = steps + steps
    np.floor(halves, out=halves)
    halves += 2 * FARTHEST
    return halves.astype(np.intp)


def nearest_codes(steps: Groups) -> UInt8[np.ndarray, "values groups"]:
    """The number of the level nearest to any number; the highest for NaN, which a scale too small to invert gives."""
    return codes_by_half()[half_steps(np.fmax(np.fmin(steps, LEVELS[-1]), LEVELS[0]))]


IQ4_NL = Scheme("IQ4_NL", IQ4_NL_BLOCK, decode_iq4_nl, encode_iq4_nl, id=20)
IQ4_XS = Scheme("IQ4_XS", IQ4_XS_BLOCK, decode_iq4_xs, encode_iq4_xs, id=23)

SCHEMES = (IQ4_NL, IQ4_XS)
