"""The searches behind the better schemes: which scale, and which integers, reproduce a group of weights best?

A group of 8 to 32 values shares one scale (and, in some schemes, one minimum). Each value v is replaced by a small
integer, its level l, and is read back as `scale * l` or as `scale * l + minimum`. What is minimised is the error summed
over the group, where `importance` (w in the formulas below) says how much an error in each value matters:

    sum of  importance * (scale * level + minimum - value)^2

For given levels the best scale is a least-squares fit, a formula. For a given scale the best levels are the nearest
ones, a rounding. Both together have many local optima, because moving the scale makes values jump from one level to the
next. ggml searches in two ways, and so do the functions here:

- *try grids*: take the obvious grid, the one that just spans the values, and a dozen or more that are a little finer or
  coarser; round to each, refit, keep the best  (`fit_scale_and_minimum`, `fit_symmetric_scale`);
- *descend*: start from one grid and move one level at a time while that helps  (`fit_symmetric_scale_by_descent`; after
  trying grids also `fit_positive_scale`).

Why can another grid be better than the one that spans the values? On that one the extreme values are exact and all
others carry the error. A coarser step lets the many profit at the cost of the extremes, which are clipped.

All groups are searched at once: arrays are `[values of a group, groups]`, so each numpy operation runs over thousands
of groups, and the sums over a group are taken in the order of C's loop. Nothing here knows of blocks or bits.

>>> values = np.float32([[-1.0], [0.1], [0.4], [2.0]])                       # one group of four
>>> scale, minimum, levels = fit_scale_and_minimum(values, np.ones_like(values), 3, grid_offsets(-0.5, 0.1, 10))
>>> levels[:, 0]
array([0., 1., 1., 3.], dtype=float32)
>>> (scale * levels + minimum)[:, 0].round(2)
array([-0.84,  0.13,  0.13,  2.08], dtype=float32)
"""

import numpy as np

from refllm.annotations import Float32, Int
from refllm.quants.rounding import nearest_int, sum_in_order

Groups = Float32[np.ndarray, "values groups"]
PerGroup = Float32[np.ndarray, " groups"]

ALL_ZERO = np.float32(1e-15)  # a group without any larger magnitude is stored as zeros
NO_STEP = np.float32(np.inf)  # as the width of such a group it makes a grid on which every value is at level 0


def grid_offsets(first: float, step: float, last: int) -> Float32[np.ndarray, " offsets"]:
    """first, first + step ... first + last * step: how many levels more than the obvious grid the tried ones have."""
    return np.float32(first) + np.float32(step) * np.arange(last + 1, dtype=np.float32)


# ---- one scale and one minimum: Q2_K, Q4_K, Q5_K, and Q4_1, Q5_1 with importance ----


def fit_scale_and_minimum(values: Groups, importance: Groups, highest: int, offsets, error=np.square):
    """Levels 0..highest with value = scale * level + minimum, minimum <= 0: ggml's make_qkx2 and make_qkx3_quants.

    Each offset makes a grid that spreads the group over `highest + offset` steps: values are rounded to it, scale and
    minimum refitted by least squares, and the line with the smallest error of all is kept. `error` measures a
    deviation: its square or its magnitude (`np.abs`). Returns scales, minimums and levels.
    """
    smallest, largest = smallest_of(values), values.max(axis=0)
    minimum = np.where(smallest > 0, np.float32(0), smallest)  # so that 0, the commonest weight, stays representable
    flat = largest == minimum
    largest = np.where(flat, NO_STEP, largest)
    sum_w, sum_x = sum_in_order(importance), sum_in_order(importance * values)

    inverse = np.float32(highest) / (largest - minimum)
    scale = 1 / inverse
    levels = levels_above(values, minimum, inverse, highest)
    least = deviation(values, levels, scale, minimum, importance, error)
    grid, origin = inverse.copy(), minimum.copy()  # where the best levels come from: they are made again at the end
    for offset in offsets:
        inverse = (offset + np.float32(highest)) / (largest - minimum)
        levels = levels_above(values, minimum, inverse, highest)
        new_scale, new_minimum, solvable = least_squares_line(values, levels, importance, sum_w, sum_x)
        new_error = deviation(values, levels, new_scale, new_minimum, importance, error)
        won = np.flatnonzero(solvable & (new_error < least))
        grid[won], origin[won] = inverse[won], minimum[won]
        least[won], scale[won], minimum[won] = new_error[won], new_scale[won], new_minimum[won]
    return np.where(flat, np.float32(0), scale), minimum, levels_above(values, origin, grid, highest)


def levels_above(values: Groups, minimum: PerGroup, inverse_scale: PerGroup, highest: int) -> Groups:
    """The nearest level of each value on the grid minimum, minimum + 1 / inverse_scale ..."""
    steps = values - minimum
    steps *= inverse_scale
    levels = nearest_int(steps)
    return np.clip(levels, 0, highest, out=levels)


def least_squares_line(values: Groups, levels: Groups, importance: Groups, sum_w: PerGroup, sum_x: PerGroup):
    """The straight line value = scale * level + minimum with the least weighted square error, with minimum <= 0.

    The third result, `solvable`, is false where all levels are equal: they determine no line.
    """
    weighted = importance * levels
    sum_l, sum_xl = sum_in_order(weighted), sum_in_order(weighted * values)
    weighted *= levels
    sum_l2 = sum_in_order(weighted)
    determinant = sum_w * sum_l2 - sum_l * sum_l
    scale = (sum_w * sum_xl - sum_x * sum_l) / determinant
    minimum = (sum_l2 * sum_x - sum_l * sum_xl) / determinant
    positive = np.flatnonzero(minimum > 0)  # not allowed: there the best line through the origin takes its place
    scale[positive], minimum[positive] = sum_xl[positive] / sum_l2[positive], 0
    return scale, minimum, determinant > 0


def deviation(
    values: Groups, levels: Groups, scale: PerGroup, minimum: PerGroup, importance: Groups, error
) -> PerGroup:
    """The error of each group, as the module's formula has it."""
    difference = levels * scale
    difference += minimum
    difference -= values
    error(difference, out=difference)
    difference *= importance
    return sum_in_order(difference)


# ---- one signed scale: Q6_K, and with importance also Q3_K, Q4_0, Q5_0 ----


def fit_symmetric_scale(values: Groups, importance: Groups, highest: int):
    """Levels -highest..highest-1 with value = scale * level: ggml's make_qx_quants (its rmse_type 1).

    There is one negative level more than there are positive ones, so the scale gets the sign that sends the value of
    largest magnitude to the lowest level. With the levels fixed, the best scale is sum(w l v) / sum(w l l), and it
    lessens the error by sum(w l v)^2 / sum(w l l): the gain by which the nineteen grids are compared.

    Returns scales, and levels raised by `highest` so that they are not negative; a group of zeros has raised levels 0.
    """
    extreme, zero = width_of(values)
    weighted = importance * values
    grid = np.float32(-highest) / extreme
    sum_lx, sum_l2 = moments(signed_levels(values, grid, highest), weighted, importance)
    scale = np.where(sum_l2 == 0, np.float32(0), sum_lx / sum_l2)
    gain = scale * sum_lx
    for offset in np.float32(0.1) * np.float32([*range(-9, 0), *range(1, 10)]):
        inverse = -(np.float32(highest) + offset) / extreme
        sum_lx, sum_l2 = moments(signed_levels(values, inverse, highest), weighted, importance)
        won = np.flatnonzero((sum_l2 > 0) & (sum_lx * sum_lx > gain * sum_l2))
        grid[won], scale[won] = inverse[won], sum_lx[won] / sum_l2[won]
        gain[won] = scale[won] * sum_lx[won]
    raised = signed_levels(values, grid, highest) + np.float32(highest)
    return np.where(zero, np.float32(0), scale), np.where(zero, np.float32(0), raised)


def fit_symmetric_scale_by_descent(values: Groups, highest: int):
    """As `fit_symmetric_scale` with importance v^2, but found level by level: ggml's make_q3_quants.

    With as few as eight levels even a slightly different grid moves many values at once, a coarse search; moving them
    one at a time is a finer one.
    """
    extreme, zero = width_of(values)
    importance = values * values
    levels = signed_levels(values, np.float32(-highest) / extreme, highest)
    sums = moments(levels, importance * values, importance)
    levels, sum_lx, sum_l2 = descend(values, levels, importance, *sums, lowest=-highest, highest=highest - 1)
    scale = np.where(sum_l2 > 0, sum_lx / sum_l2, np.float32(0))
    return scale, np.where(zero, np.float32(0), levels + np.float32(highest))


def width_of(values: Groups):
    """The value that decides how wide a group's grid is, and which groups are all zeros."""
    extreme = extreme_of(values)
    zero = np.abs(extreme) < ALL_ZERO
    return np.where(zero, NO_STEP, extreme), zero


def signed_levels(values: Groups, inverse_scale: PerGroup, highest: int) -> Groups:
    levels = nearest_int(values * inverse_scale)
    return np.clip(levels, -highest, highest - 1, out=levels)


def moments(levels: Groups, weighted_values: Groups, importance: Groups) -> tuple[PerGroup, PerGroup]:
    """sum(w v l) and sum(w l l), from which follow the best scale and its gain."""
    squares = importance * levels
    squares *= levels
    return sum_in_order(weighted_values * levels), sum_in_order(squares)


# ---- one positive scale, for scales: with importance Q2_K, Q4_K, Q5_K; also IQ2_XXS ----


def fit_positive_scale(values: Groups, importance: Groups, highest: int):
    """Levels 0..highest with value = scale * level for values that are not negative: ggml's make_qp_quants.

    Nine grids are compared by their error, and from the best one the levels are improved one at a time. ggml keeps the
    levels in unsigned bytes: if a value is negative after all (as a group's scale is when no column but one matters to
    it, and that one is negative), its level wraps round.
    """
    largest = values.max(axis=0, initial=0)
    largest = np.where(largest < ALL_ZERO, NO_STEP, largest)
    grid = np.float32(highest) / largest
    least = square_error(values, as_byte(nearest_int(values * grid)), 1 / grid, importance)
    for offset in np.float32(0.1) * np.float32([-4, -3, -2, -1, 1, 2, 3, 4]):
        inverse = (offset + np.float32(highest)) / largest
        new_error = square_error(values, np.minimum(nearest_int(values * inverse), highest), 1 / inverse, importance)
        won = np.flatnonzero(new_error < least)
        least[won], grid[won] = new_error[won], inverse[won]
    levels = np.minimum(nearest_int(values * grid), highest)
    sums = moments(levels, importance * values, importance)
    levels, sum_lx, sum_l2 = descend(values, as_byte(levels), importance, *sums, lowest=None, highest=highest)
    return np.where(sum_l2 > 0, sum_lx / sum_l2, np.float32(0)), levels


def square_error(values: Groups, levels: Groups, scale: PerGroup, importance: Groups) -> PerGroup:
    difference = values - scale * levels
    return sum_in_order(importance * difference * difference)


def as_byte(levels):
    """What an unsigned byte keeps of a level: -1 becomes 255."""
    return np.mod(levels, np.float32(256))


# ---- one level at a time ----


def descend(values: Groups, levels: Groups, importance: Groups, sum_lx: PerGroup, sum_l2: PerGroup, lowest, highest):
    """Move single levels for as long as that lessens the error, at most five times through the group.

    `sum_lx` and `sum_l2` are the `moments` of the levels; all three are returned as they are in the end. With `lowest`
    None the levels are unsigned bytes.
    """
    levels, sum_lx, sum_l2 = levels.copy(), sum_lx.copy(), sum_l2.copy()
    everywhere = np.arange(levels.shape[1])
    moving = slice(None)  # the groups in which the last pass moved something, at first all: the others are done
    for _ in range(5):
        part = levels[:, moving], sum_lx[moving], sum_l2[moving]
        moved = descend_once(values[:, moving], importance[:, moving], *part, lowest, highest)
        levels[:, moving], sum_lx[moving], sum_l2[moving] = part
        moving = everywhere[moving][moved]
        if not moving.size:
            break
    return levels, sum_lx, sum_l2


def descend_once(values, importance, levels, sum_lx, sum_l2, lowest, highest):
    """One pass over the values of each group, changing levels and sums in place; returns where anything moved.

    Without one of the values, the two sums give the scale that all the others would choose. The value's nearest level
    on *that* grid is the candidate, and it is taken if the gain sum(w l v)^2 / sum(w l l) grows.
    """
    moved = np.zeros(levels.shape[1], bool)
    for v, w, wv, level in zip(values, importance, importance * values, levels, strict=True):
        rest_lx = sum_lx - wv * level
        rest_l2 = sum_l2 - w * level * level
        candidate = np.clip(nearest_int(v * rest_l2 / rest_lx), lowest, highest)
        possible = (rest_lx > 0) & (candidate != level)
        if lowest is None:
            possible &= rest_l2 > 0
        at = np.flatnonzero(possible)  # few: what follows is done for them alone
        if not at.size:
            continue
        new, old_lx, old_l2 = candidate[at], sum_lx[at], sum_l2[at]
        new_lx = rest_lx[at] + wv[at] * new
        new_l2 = rest_l2[at] + w[at] * new * new
        gains = (new_l2 > 0) & (new_lx * new_lx * old_l2 > old_lx * old_lx * new_l2)
        at = at[gains]
        sum_lx[at], sum_l2[at] = new_lx[gains], new_l2[gains]
        level[at] = new[gains] if lowest is not None else as_byte(new[gains])
        moved[at] = True
    return moved


# ---- extreme values ----


def smallest_of(values: Groups) -> PerGroup:
    """The smallest value of each group; of 0 and -0, equal but not the same bits, the one that comes first."""
    smallest = values.min(axis=0)
    return first_of(values, values.argmin(axis=0)) if (smallest == 0).any() else smallest


def extreme_of(values: Groups) -> PerGroup:
    """The value of largest magnitude in each group, with its sign; the first of several; NaN does not count."""
    largest, smallest = values.max(axis=0), values.min(axis=0)
    extreme = np.where(largest > -smallest, largest, smallest)
    if np.isnan(extreme).any():  # huge weights overflow to infinity, and from there to NaN
        return extreme_of(np.where(np.isnan(values), np.float32(0), values))
    tied = np.flatnonzero(largest == -smallest)
    extreme[tied] = first_of(values[:, tied], np.abs(values[:, tied]).argmax(axis=0))
    return extreme


def first_of(values: Groups, index: Int[np.ndarray, " groups"]) -> PerGroup:
    """From each group the value at its index."""
    return np.take_along_axis(values, index[None], axis=0)[0]
