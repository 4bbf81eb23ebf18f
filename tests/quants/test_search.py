"""The searches: against brute force on small groups, one group at a time against many, and what they must never do."""

import itertools

import numpy as np
import pytest

from refllm.quants import search
from refllm.quants.rounding import nearest_int, sum_in_order

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # 0/0 and overflow are carried and masked


def random_groups(size, count, seed=0):
    """Groups of very different magnitude and shape, some flat, some zero, some with one outlier."""
    random = np.random.default_rng(seed)
    values = random.standard_normal((size, count)) * np.exp(4 * random.standard_normal(count))
    values += random.integers(-1, 2, count) * np.abs(values).max(axis=0) * (random.random(count) < 0.3)
    values[0, random.random(count) < 0.1] *= 100
    values[:, random.random(count) < 0.05] = 0.0
    values[:, random.random(count) < 0.05] = -1.5
    importance = random.random((size, count)) * (random.random((size, count)) < 0.9)
    return values.astype(np.float32), importance.astype(np.float32)


def square_error(values, importance, levels, scale, minimum=0.0):
    values, importance, levels = (x.astype(np.float64) for x in (values, importance, levels))
    return (importance * (np.float64(scale) * levels + np.float64(minimum) - values) ** 2).sum(axis=0)


# ---- rounding ----


def test_nearest_int_rounds_halves_to_even_up_to_its_limit():
    x = np.float32([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.49999997, 4194303.0, -4194303.0])
    assert nearest_int(x).tolist() == [-2, -2, 0, 0, 2, 2, 0, 4194303, -4194303]


def test_nearest_int_wraps_round_beyond_its_limit():
    x = np.float32([np.inf, -np.inf, np.nan, 2**22, 2**22 + 2, 1.0])
    assert nearest_int(x).tolist() == [-(2**22), -(2**22), 0, -(2**22), -(2**22) + 1, 1]


@pytest.mark.parametrize("shape", [(32, 1), (32, 2), (17, 3), (16, 999), (256, 1), (8, 4, 1)])
@pytest.mark.parametrize("order", "CF")
def test_sums_are_taken_one_after_the_other(shape, order):
    random = np.random.default_rng(1)
    terms = np.asarray(
        random.standard_normal(shape) * np.exp(5 * random.standard_normal(shape)), np.float32, order=order
    )
    total = np.zeros(shape[1:], np.float32)
    for term in terms:
        total = total + term
    assert (sum_in_order(terms).view(np.uint32) == total.view(np.uint32)).all()


def test_a_sum_of_negative_zeros_is_zero_as_it_starts_from_zero():
    for lanes in 1, 2:
        assert not np.signbit(sum_in_order(np.full((4, lanes), -0.0, np.float32))).any()


# ---- every search gives each group what it would get alone ----

SEARCHES = {
    "scale and minimum": lambda v, w: search.fit_scale_and_minimum(v, w, 15, search.grid_offsets(-1.0, 0.1, 20)),
    "by magnitude": lambda v, w: search.fit_scale_and_minimum(v, w, 3, search.grid_offsets(-0.5, 0.1, 15), np.abs),
    "symmetric": lambda v, w: search.fit_symmetric_scale(v, w, 32),
    "by descent": lambda v, w: search.fit_symmetric_scale_by_descent(v, 4),
    "positive": lambda v, w: search.fit_positive_scale(np.abs(v), w, 63),
}


@pytest.mark.parametrize("name", SEARCHES)
def test_a_group_gets_the_same_in_company_and_alone(name):
    values, importance = random_groups(16, 60)
    together = SEARCHES[name](values, importance)
    for group in range(values.shape[1]):
        alone = SEARCHES[name](values[:, group : group + 1], importance[:, group : group + 1])
        for many, one in zip(together, alone, strict=True):
            assert (many[..., group].view(np.uint32) == one[..., 0].view(np.uint32)).all()


# ---- scale and minimum ----


def one_group_at_a_time(values, importance, highest, offsets):
    """The search of `fit_scale_and_minimum` in the plainest words, in float64, as an error to compare with."""
    errors = []
    for v, w in zip(values.T.astype(np.float64), importance.T.astype(np.float64), strict=True):
        minimum = min(v.min(), 0.0)
        best = ((w * (np.rint((v - minimum) / (v.max() - minimum) * highest) * (v.max() - minimum) / highest
                      + minimum - v) ** 2).sum(), minimum)  # fmt: skip
        for offset in offsets:
            levels = np.clip(np.rint((v - best[1]) / (v.max() - best[1]) * (highest + offset)), 0, highest)
            design = np.stack([levels, np.ones_like(levels)], axis=1)
            if np.unique(levels[w > 0]).size < 2:
                continue
            scale, minimum = np.linalg.lstsq(design * np.sqrt(w)[:, None], v * np.sqrt(w), rcond=None)[0]
            if minimum > 0:
                scale, minimum = (w * levels * v).sum() / (w * levels * levels).sum(), 0.0
            error = (w * (scale * levels + minimum - v) ** 2).sum()
            if error < best[0]:
                best = error, minimum
        errors.append(best[0])
    return np.array(errors)


def test_scale_and_minimum_is_as_good_as_a_plain_search_in_float64():
    random = np.random.default_rng(2)
    values = random.standard_normal((32, 40)).astype(np.float32) + np.float32(0.3)
    importance = random.random((32, 40)).astype(np.float32) + np.float32(0.1)
    offsets = search.grid_offsets(-0.9, 0.05, 36)
    scale, minimum, levels = search.fit_scale_and_minimum(values, importance, 15, offsets)
    found = square_error(values, importance, levels, scale, minimum)
    assert np.median(found / one_group_at_a_time(values, importance, 15, offsets)) == pytest.approx(1, abs=1e-3)
    assert np.mean(np.abs(found / one_group_at_a_time(values, importance, 15, offsets) - 1) < 1e-3) > 0.9


def test_scale_and_minimum_is_never_worse_than_the_obvious_grid_and_never_better_than_the_best():
    """The best of all 4^5 ways to give five values levels from 0 to 3, each with its least-squares line."""
    values, importance = random_groups(5, 30, seed=3)
    importance += np.float32(0.01)
    scale, minimum, levels = search.fit_scale_and_minimum(values, importance, 3, search.grid_offsets(-0.9, 0.05, 36))
    found = square_error(values, importance, levels, scale, minimum)
    nowhere = search.fit_scale_and_minimum(values, importance, 3, search.grid_offsets(0.0, 0.0, -1))
    obvious = square_error(values, importance, nowhere[2], nowhere[0], nowhere[1])
    assert (found <= obvious * (1 + 1e-5) + 1e-30).all() and (found < 0.9 * obvious).sum() > 10
    for group in range(values.shape[1]):
        v, w = values[:, group].astype(np.float64), importance[:, group].astype(np.float64)
        best = min(best_line_error(v, w, np.array(levels)) for levels in itertools.product(range(4), repeat=5))
        assert found[group] >= best * (1 - 1e-4) - 1e-6 * (w * v * v).sum()


def best_line_error(v, w, levels):
    """The least error with these levels and any minimum that is not positive."""
    if levels.min() == levels.max():
        candidates = [(0.0, min((w * v).sum() / w.sum(), 0.0))]
        if levels[0]:
            candidates.append(((w * v).sum() / w.sum() / levels[0], 0.0))
    else:
        root = np.sqrt(w)
        line = np.linalg.lstsq(np.stack([levels, np.ones(5)], axis=1) * root[:, None], v * root, rcond=None)[0]
        candidates = [line] if line[1] <= 0 else [((w * levels * v).sum() / (w * levels * levels).sum(), 0.0)]
    return min((w * (scale * levels + minimum - v) ** 2).sum() for scale, minimum in candidates)


def test_values_on_a_grid_are_found_exactly():
    levels = np.float32([[0, 3, 1, 2, 3], [3, 0, 0, 1, 2], [1, 1, 3, 3, 0]]).T
    values = levels * np.float32(0.5) - np.float32(0.75)
    ones = np.ones_like(values)
    scale, minimum, found = search.fit_scale_and_minimum(values, ones, 3, search.grid_offsets(-0.5, 0.1, 15))
    assert scale.tolist() == [0.5] * 3 and minimum.tolist() == [-0.75] * 3 and (found == levels).all()


def test_a_flat_group_has_no_scale_and_a_positive_one_starts_at_zero():
    values = np.float32([[-2, 5], [-2, 6], [-2, 7]])
    scale, minimum, levels = search.fit_scale_and_minimum(
        values, np.ones_like(values), 3, search.grid_offsets(0.0, 0.1, 5)
    )
    assert scale[0] == 0 and minimum[0] == -2 and (levels[:, 0] == 0).all()
    assert scale[1] > 0 and minimum[1] == 0 and (levels[:, 1] > 0).all()


def test_the_sign_of_zero_is_the_first_ones():
    values = np.float32([[0.0, -0.0], [-0.0, 0.0], [1.0, 1.0]])
    assert np.signbit(search.smallest_of(values)).tolist() == [False, True]


# ---- one signed scale ----


def test_symmetric_scale_is_between_the_obvious_grid_and_the_best():
    """All 4^5 ways to give five values levels from -2 to 1, each with its best scale."""
    values, importance = random_groups(5, 30, seed=4)
    importance += np.float32(0.01)
    scale, raised = search.fit_symmetric_scale(values, importance, 2)
    found = square_error(values, importance, raised - 2, scale)
    all_levels = np.array(list(itertools.product(range(-2, 2), repeat=5)), np.float64)
    for group in np.flatnonzero(np.abs(values).max(axis=0) > 0):
        v, w = values[:, group].astype(np.float64), importance[:, group].astype(np.float64)
        gains = (all_levels @ (w * v)) ** 2 / np.maximum(all_levels**2 @ w, 1e-300)
        extreme = v[np.abs(v).argmax()]
        obvious = np.clip(np.rint(v / extreme * -2), -2, 1)
        total, gain = (w * v * v).sum(), (w * v * obvious).sum() ** 2 / (w * obvious * obvious).sum()
        assert total - gains.max() - 1e-5 * total <= found[group] <= total - gain + 1e-5 * total


def test_the_extreme_value_decides_the_sign_and_the_first_of_two_counts():
    values = np.float32([[1, -1, 0, np.nan], [-3, 3, 0, -2], [3, -3, 0, 1]])
    assert search.extreme_of(values).tolist() == [-3, 3, 0, -2]
    scale, raised = search.fit_symmetric_scale(values[:, :3], np.ones((3, 3), np.float32), 4)
    assert np.sign(scale).tolist() == [1, -1, 0] and raised[1].tolist() == [1, 1, 0] and (raised[:, 2] == 0).all()


def test_descent_never_makes_it_worse_and_mostly_makes_it_better():
    values, _ = random_groups(16, 200, seed=5)
    importance = values.astype(np.float64) ** 2
    scale, raised = search.fit_symmetric_scale_by_descent(values, 4)
    extreme = search.width_of(values)[0]
    start = search.signed_levels(values, np.float32(-4) / extreme, 4)
    sums = search.moments(start, (values * values) * values, values * values)
    start_error = square_error(values, importance, start, np.where(sums[1] > 0, sums[0] / sums[1], 0))
    found = square_error(values, importance, raised - 4, scale)
    total = (importance * values.astype(np.float64) ** 2).sum(axis=0)
    assert (found <= start_error + 1e-5 * total).all() and (found < 0.99 * start_error).sum() > 20


# ---- one positive scale ----


def test_positive_multiples_are_found_exactly():
    levels = np.random.default_rng(6).integers(0, 63, (8, 50)).astype(np.float32)
    levels[0] = 63
    scale, found = search.fit_positive_scale(levels * np.float32(0.25), np.ones_like(levels), 63)
    assert (found == levels).all() and np.allclose(scale, 0.25, rtol=1e-6)


def test_positive_scale_beats_dividing_by_the_largest_where_the_largest_does_not_matter():
    random = np.random.default_rng(7)
    values = random.random((16, 100)).astype(np.float32)
    values[0] = 1.0
    importance = np.ones_like(values)
    importance[0] = 1e-3
    scale, levels = search.fit_positive_scale(values, importance, 15)
    simple = square_error(values, importance, np.rint(values * 15), 1 / 15)
    assert (square_error(values, importance, levels, scale) <= simple * (1 + 1e-5)).all()
    assert square_error(values, importance, levels, scale).mean() < 0.95 * simple.mean()


def test_a_negative_value_wraps_round_as_in_a_byte():
    values = np.float32([[1.0], [0.5], [-0.1]])
    levels = search.fit_positive_scale(values, np.float32([[1.0], [1.0], [0.0]]), 15)[1]
    assert levels[:2, 0].tolist() == [15, 8] and levels[2, 0] > 250
