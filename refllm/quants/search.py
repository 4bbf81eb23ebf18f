"""The searches behind the better schemes: which scale, and which integers, reproduce a group of weights best?

A group of 8 to 32 values shares one scale (and, in some schemes, one minimum). Each value v is replaced by a small
integer, its level l, and is read back as `scale * l` or as `scale * l + minimum`. What is minimised is the error summed
over the group, weighted by how much each value matters:

    sum of  importance * (scale * level + minimum - value)^2

For given levels the best scale is a least-squares fit, a formula. For a given scale the best levels are the nearest
ones, a rounding. Both together is a problem with many local optima, because moving the scale makes values jump from one
level to the next. The searches here are the three answers that ggml gives:

- try a dozen or more grids, each a little finer or coarser than the obvious one (the one that just spans the values):
  round to the grid, refit, keep the best  (`fit_scale_and_minimum`, `fit_symmetric_scale`);
- start from the obvious grid and move one level at a time while that helps  (`fit_symmetric_scale_by_descent`);
- both, one after the other (`fit_positive_scale`).

All groups are searched at the same time: arrays are `[values of a group, groups]`, so that each numpy operation runs
over thousands of groups, and sums over a group are taken in the order of C's loop. Nothing here knows of blocks or bits.

>>> values = np.float32([[-1.0], [0.1], [0.4], [2.0]])                       # one group of four
>>> scale, minimum, levels = fit_scale_and_minimum(values, np.ones_like(values), 3, grid_offsets(-0.5, 0.1, 10))
>>> levels[:, 0]
array([0., 1., 1., 3.], dtype=float32)
>>> (levels * scale + minimum)[:, 0].round(2)
array([-0.84,  0.13,  0.13,  2.08], dtype=float32)
"""

import numpy as np
from jaxtyping import Float32

from refllm.quants.rounding import nearest_int, sum_in_order

Groups = Float32[np.ndarray, "values groups"]
PerGroup = Float32[np.ndarray, " groups"]

ALL_ZERO = np.float32(1e-15)  # a group without any larger magnitude is stored as zeros


def grid_offsets(first: float, step: float, last: int) -> Float32[np.ndarray, " offsets"]:
    """first, first + step ... first + last * step: by how many levels the tried grids are finer than the obvious one."""
    return np.float32(first) + np.float32(step) * np.arange(last + 1, dtype=np.float32)


# ---- one scale and one minimum: Q2_K, Q4_K, Q5_K, and Q4_1, Q5_1 with importance ----


def fit_scale_and_minimum(values: Groups, importance: Groups, highest: int, offsets, error=np.square):
    """Levels 0..highest with value = scale * level + minimum and minimum <= 0: ggml's make_qkx2 and make_qkx3_quants.

    Each offset makes a grid that spreads the group over `highest + offset` steps instead of `highest`: values are
    rounded to it, scale and minimum refitted by least squares, and what has the smallest error of all is kept. Why try?
    On the obvious grid the two extreme values are exact and all others carry the error; a coarser one lets the many
    profit at the cost of the extremes.

    `error` measures a deviation: its square, or its magnitude (`np.abs`). Returns scale, minimum and levels.
    """
    largest = values.max(axis=0)
    smallest = first_of(values, values.argmin(axis=0))
    minimum = np.where(smallest > 0, np.float32(0), smallest)  # 0 must be representable: a minimum is never positive
    flat = largest == minimum
    sum_w = sum_in_order(importance)
    sum_x = sum_in_order(importance * values)

    inverse = np.float32(highest) / np.where(flat, np.float32(1), largest - minimum)
    scale, origin = 1 / inverse, minimum
    levels = levels_above(values, origin, inverse, highest)
    least = deviation(levels, scale, minimum, values, importance, error)
    grid, start = inverse.copy(), origin.copy()  # the best grid so far: its levels can be had again from these two
    for offset in offsets:
        inverse = (offset + np.float32(highest)) / np.where(flat, np.float32(1), largest - minimum)
        levels = levels_above(values, minimum, inverse, highest)
        new_scale, new_minimum, solvable = least_squares_line(levels, values, importance, sum_w, sum_x)
        new_error = deviation(levels, new_scale, new_minimum, values, importance, error)
        better = solvable & (new_error < least)
        least = np.where(better, new_error, least)
        grid, start = np.where(better, inverse, grid), np.where(better, minimum, start)
        scale, minimum = np.where(better, new_scale, scale), np.where(better, new_minimum, minimum)
    levels = levels_above(values, start, grid, highest)
    return (
        np.where(flat, np.float32(0), scale),
        minimum,
        np.where(flat, np.float32(0), levels),
    )


def levels_above(values: Groups, minimum: PerGroup, inverse_scale: PerGroup, highest: int) -> Groups:
    """The nearest level of each value on the grid minimum, minimum + 1 / inverse_scale ..."""
    steps = values - minimum
    steps *= inverse_scale
    levels = nearest_int(steps)
    return np.clip(levels, 0, highest, out=levels)


def least_squares_line(levels: Groups, values: Groups, importance: Groups, sum_w: PerGroup, sum_x: PerGroup):
    """The straight line value = scale * level + minimum with the least weighted square error, with minimum <= 0.

    `solvable` is false where all levels are equal: no line is determined.
    """
    weighted = importance * levels
    sum_l = sum_in_order(weighted)
    sum_xl = sum_in_order(weighted * values)
    weighted *= levels
    sum_l2 = sum_in_order(weighted)
    determinant = sum_w * sum_l2 - sum_l * sum_l
    scale = (sum_w * sum_xl - sum_x * sum_l) / determinant
    minimum = (sum_l2 * sum_x - sum_l * sum_xl) / determinant
    through_zero = minimum > 0  # not allowed: then the best line through the origin
    scale = np.where(through_zero, sum_xl / sum_l2, scale)
    minimum = np.where(through_zero, np.float32(0), minimum)
    return scale, minimum, determinant > 0


def deviation(levels: Groups, scale: PerGroup, minimum: PerGroup, values: Groups, importance: Groups, error):
    """The weighted error of a group's levels, scale and minimum."""
    difference = levels * scale
    difference += minimum
    difference -= values
    error(difference, out=difference)
    difference *= importance
    return sum_in_order(difference)


def first_of(values: Groups, index) -> PerGroup:
    """From each group the value at its index: with argmin or argmax the first of the extreme ones, sign of zero kept."""
    return np.take_along_axis(values, index[None], axis=0)[0]


def extreme_of(values: Groups) -> PerGroup:
    """The value of the largest magnitude in each group, its sign kept; the first of several; NaN does not count."""
    extreme = first_of(values, np.abs(values).argmax(axis=0))  # argmax stops at a NaN: huge weights overflow to it
    if np.isnan(extreme).any():
        return extreme_of(np.where(np.isnan(values), np.float32(0), values))
    return extreme


# ---- one signed scale: Q3_K, Q6_K, and Q4_0, Q5_0 with importance ----


def fit_symmetric_scale(values: Groups, importance: Groups, highest: int):
    """Levels -highest..highest-1 with value = scale * level: ggml's make_qx_quants (its rmse_type 1).

    There is one negative level more than there are positive ones, so the scale gets the sign that gives the largest
    magnitude to the lowest level. With levels fixed, the best scale is sum(w l v) / sum(w l l), and what it takes away
    from the error is sum(w l v)^2 / sum(w l l): the gain that the nineteen tried grids are compared by.

    Returns the scale and the levels raised by `highest`, as they are stored.
    """
    extreme = extreme_of(values)
    zero = np.abs(extreme) < ALL_ZERO
    weighted_values = importance * values

    grid = np.float32(-highest) / np.where(zero, np.float32(1), extreme)
    sum_lx, sum_l2 = moments(signed_levels(values, grid, highest), weighted_values, importance)
    scale = np.where(sum_l2 == 0, np.float32(0), sum_lx / sum_l2)
    gain = scale * sum_lx
    for offset in np.float32(0.1) * np.float32([*range(-9, 0), *range(1, 10)]):
        inverse = -(np.float32(highest) + offset) / np.where(zero, np.float32(1), extreme)
        sum_lx, sum_l2 = moments(signed_levels(values, inverse, highest), weighted_values, importance)
        better = (sum_l2 > 0) & (sum_lx * sum_lx > gain * sum_l2)
        grid = np.where(better, inverse, grid)
        scale = np.where(better, sum_lx / sum_l2, scale)
        gain = np.where(better, scale * sum_lx, gain)
    stored = signed_levels(values, grid, highest) + np.float32(highest)
    return np.where(zero, np.float32(0), scale), np.where(zero, np.float32(0), stored)


def signed_levels(values: Groups, inverse_scale: PerGroup, highest: int) -> Groups:
    levels = nearest_int(values * inverse_scale)
    return np.clip(levels, -highest, highest - 1, out=levels)


def moments(levels: Groups, weighted_values: Groups, importance: Groups) -> tuple[PerGroup, PerGroup]:
    """sum(w v l) and sum(w l l), from which follow the best scale and its error."""
    squares = importance * levels
    squares *= levels
    return sum_in_order(weighted_values * levels), sum_in_order(squares)


def fit_symmetric_scale_by_descent(values: Groups, highest: int):
    """As `fit_symmetric_scale` with importance v^2, but found level by level: ggml's make_q3_quants.

    With eight levels a better grid changes almost every level, so here the levels are improved one at a time instead.
    """
    extreme = extreme_of(values)
    zero = np.abs(extreme) < ALL_ZERO
    importance = values * values
    weighted_values = importance * values
    levels = signed_levels(values, np.float32(-highest) / np.where(zero, np.float32(1), extreme), highest)
    sums = moments(levels, weighted_values, importance)
    levels, sum_lx, sum_l2 = descend(levels, *sums, values, importance, -highest, highest - 1)
    scale = np.where(sum_l2 > 0, sum_lx / sum_l2, np.float32(0))
    return np.where(zero, np.float32(0), scale), np.where(zero, np.float32(0), levels + np.float32(highest))


# ---- the scale of scales: with importance, Q2_K, Q4_K, Q5_K; also IQ2_XXS ----


def fit_positive_scale(values: Groups, importance: Groups, highest: int):
    """Levels 0..highest with value = scale * level for values that are not negative: ggml's make_qp_quants.

    Nine grids are compared by their error, and from the best one the levels are improved one at a time.
    """
    largest = values.max(axis=0, initial=0)
    zero = largest < ALL_ZERO
    largest = np.where(zero, np.float32(1), largest)
    grid = np.float32(highest) / largest
    least = square_error(as_byte(nearest_int(values * grid)), 1 / grid, values, importance)
    for offset in np.float32(0.1) * np.float32([-4, -3, -2, -1, 1, 2, 3, 4]):
        inverse = (offset + np.float32(highest)) / largest
        new_error = square_error(np.minimum(nearest_int(values * inverse), highest), 1 / inverse, values, importance)
        better = new_error < least
        least, grid = np.where(better, new_error, least), np.where(better, inverse, grid)
    levels = np.minimum(nearest_int(values * grid), highest)
    sums = moments(levels, importance * values, importance)
    levels, sum_lx, sum_l2 = descend(as_byte(levels), *sums, values, importance, None, highest)
    scale = np.where(sum_l2 > 0, sum_lx / sum_l2, np.float32(0))
    return np.where(zero, np.float32(0), scale), np.where(zero, np.float32(0), levels)


def square_error(levels: Groups, scale: PerGroup, values: Groups, importance: Groups) -> PerGroup:
    difference = values - scale * levels
    return sum_in_order(importance * difference * difference)


def as_byte(levels):
    """What is left of a level in an unsigned byte, where ggml keeps it: a negative level wraps round to 256 + level."""
    return np.mod(levels, np.float32(256))


# ---- one level at a time ----


def descend(levels: Groups, sum_lx: PerGroup, sum_l2: PerGroup, values: Groups, importance: Groups, lowest, highest):
    """Move single levels for as long as that lessens the error, at most five times through the group.

    Taking one value out of the two sums gives the scale that the others alone would choose; the nearest level on *that*
    grid is the candidate, and it stays if sum(w l v)^2 / sum(w l l) grows. `lowest` None: levels are unsigned bytes.
    Returns the levels and the two sums that belong to them.
    """
    levels, sum_lx, sum_l2 = levels.copy(), sum_lx.copy(), sum_l2.copy()
    moving = np.arange(levels.shape[1])  # the groups where the last pass moved something: the others are done
    for _ in range(5):
        state = levels[:, moving], sum_lx[moving], sum_l2[moving]
        state, moved = descend_once(*state, values[:, moving], importance[:, moving], lowest, highest)
        levels[:, moving], sum_lx[moving], sum_l2[moving] = state
        moving = moving[moved]
        if not moving.size:
            break
    return levels, sum_lx, sum_l2


def descend_once(levels, sum_lx, sum_l2, values, importance, lowest, highest):
    moved = np.zeros(levels.shape[1], bool)
    for level, value, weight in zip(levels, values, importance, strict=True):
        weighted_value = weight * value
        rest_lx = sum_lx - weighted_value * level
        rest_l2 = sum_l2 - weight * level * level
        possible = rest_lx > 0
        if lowest is None:
            possible &= rest_l2 > 0
        candidate = nearest_int(np.where(possible, value * rest_l2 / rest_lx, np.float32(0)))
        candidate = np.clip(candidate, lowest, highest)
        new_lx = rest_lx + weighted_value * candidate
        new_l2 = rest_l2 + weight * candidate * candidate
        gains = new_lx * new_lx * sum_l2 > sum_lx * sum_lx * new_l2
        better = possible & (candidate != level) & (new_l2 > 0) & gains
        level[...] = np.where(better, candidate if lowest is not None else as_byte(candidate), level)
        sum_lx, sum_l2 = np.where(better, new_lx, sum_lx), np.where(better, new_l2, sum_l2)
        moved |= better
    return (levels, sum_lx, sum_l2), moved
