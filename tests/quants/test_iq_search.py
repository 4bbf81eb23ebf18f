"""The search among grid points: signs, candidates and scales against brute force, and where ggml gives up."""

import itertools
import os
import subprocess
import sys

import numpy as np
import pytest

from refllm.quants import QuantError, get, iq1, iq2, iq3, iq_grids, iq_nonlinear, iq_search
from tests.quants import ggml

IMPORTANCE = np.random.default_rng(9).uniform(0.2, 1, 256).astype(np.float32)
LATTICE_SCHEMES = ["IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S"]


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


# ---- signs ----


@pytest.mark.parametrize("even", [False, True])
def test_magnitudes_and_signs_give_the_values_back(even):
    values, weight = normal(32, 50), np.abs(normal(32, 50, seed=1))
    magnitude, signs = iq_search.split_signs(values, weight, even)
    factors = iq_grids.signs()[signs].swapaxes(1, 2).reshape(values.shape)  # [eights, lanes, 8] to [run, lanes]
    assert (magnitude * factors == values).all()
    assert (magnitude >= 0).all() != even


def test_the_value_that_is_turned_costs_least():
    values, weight = normal(32, 50), np.abs(normal(32, 50, seed=1))
    magnitude, signs = iq_search.split_signs(values, weight, even=True)
    assert not (np.bitwise_count(signs) % 2).any()
    cost = (weight * values**2).reshape(4, 8, 50)
    turned = (magnitude < 0).reshape(4, 8, 50)
    assert (turned.sum(axis=1) == ((values < 0).reshape(4, 8, 50).sum(axis=1) % 2)).all()
    assert (turned <= (cost == cost.min(axis=1, keepdims=True))).all()


# ---- points ----


@pytest.mark.parametrize("name", ["iq2_xxs", "iq2_xs", "iq2_s", "iq3_xxs", "iq3_s"])
def test_the_best_neighbour_is_found(name):
    grid = iq_grids.load(name)
    dims = grid.points.shape[1]
    magnitude, weight = np.abs(normal(dims, 300)) * 4, np.abs(normal(dims, 300, seed=1))
    scale = np.full(300, 1.3, np.float32)
    entries, on_grid = iq_search.nearest_points(grid, magnitude.T, weight.T, 1 / scale, scale)
    levels = np.clip(np.rint((magnitude / scale - 1) / 2), 0, grid.levels - 1)
    assert (on_grid == (grid.points[entries] == levels.T).all(axis=1)).all() and not on_grid.all()
    position = iq_grids.position_of(levels, grid.levels)
    for group in np.flatnonzero(~on_grid)[:50]:
        candidates = grid.nearby[: grid.count[position[group]], position[group]]
        errors = (weight[:, group] * (scale[group] * grid.odd[candidates] - magnitude[:, group]) ** 2).sum(axis=1)
        assert entries[group] == candidates[errors.argmin()]


def test_of_equal_neighbours_the_first_is_taken():
    grid = iq_grids.load("iq2_s")
    position = np.flatnonzero(grid.count > 1)
    nothing = np.zeros((len(position), 8), np.float32)
    everyone = np.arange(len(position))
    found = iq_search.best_neighbours(grid, grid.odd, everyone, position, nothing, nothing, nothing[:, 0])
    assert (found == grid.nearby[0, position]).all()


# ---- scales ----


RECIPES = [iq2.XXS, iq2.XS, iq2.S, iq3.XXS, iq3.S]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.grid)
def test_trying_scales_lessens_the_error(recipe):
    values, weight = normal(32, 200), np.abs(normal(32, 200, seed=1))
    tried, guessed = (
        error(recipe, iq_search.search(choices, values, weight), values, weight)
        for choices in (recipe, recipe._replace(offsets=np.float32([0])))
    )
    assert tried.sum() < 0.97 * guessed.sum()
    assert (tried <= guessed * 1.0001).mean() > 0.9  # a refinement may end a little worse than it began


def error(recipe, found, values, weight):
    """The sum that is minimised, in float64."""
    points = iq_grids.load(recipe.grid).odd[found.entries]  # [groups, lanes, dims]
    factors = iq_grids.signs()[found.signs | (np.bitwise_count(found.signs) % 2 << 7 if recipe.even_signs else 0)]
    magnitudes, factors = (part.swapaxes(1, 2).reshape(values.shape).astype(float) for part in (points, factors))
    return (weight * (found.scale * magnitudes * factors - values) ** 2).sum(axis=0)


def test_scales_are_odd_multiples_of_one_number():
    scale = np.float32([[31, 1], [3.2, 2.8], [0.9, 0.0]]).reshape(3, 2)
    d, levels, some = iq_search.scale_of_scales(scale.ravel(), 31, 15, (1, 2))
    assert d.tolist() == [[1.0, np.float32(2.8) / np.float32(31)]] and some.all()
    assert levels.tolist() == [[[15, 1, 0], [5, 15, 0]]]


FUDGE = {"IQ1_S": 1.125, "IQ2_S": 0.9875, "IQ3_XXS": 1.0125, "IQ3_S": 1.033}


@pytest.mark.parametrize("name", FUDGE)
def test_the_fudge_factor_does_not_lessen_the_error_except_in_iq2_s(name):
    scheme, weights = get(name), normal(128, 256)
    read = scheme.dequantize(scheme.quantize(weights, IMPORTANCE))
    with_factor = (IMPORTANCE * (read - weights) ** 2).sum()
    without = (IMPORTANCE * (read / np.float32(FUDGE[name]) - weights) ** 2).sum()
    assert (with_factor < without) == (name == "IQ2_S")


# ---- IQ1: every split of the sorted values ----


@pytest.mark.parametrize("run", [16, 32])
def test_the_best_split_is_found(run):
    values, weight = normal(run, 6), np.abs(normal(run, 6, seed=1))
    halves = 1 if run == 32 else 2
    with np.errstate(over="ignore"):  # the first gain is -infinity, or nearly
        split = (iq1.split_with_one_shift if run == 32 else iq1.split_with_two_shifts)(values, weight)
    for lane in range(6):
        order = np.argsort(values[:, lane])
        gains = []
        for i, j in itertools.combinations_with_replacement(range(run + 1), 2):
            levels = np.repeat([-1, 0, 1], [i, j - i, run - j])[np.argsort(order)]
            for shifts in itertools.product([0.125, -0.125], repeat=halves):
                q = levels + np.repeat(shifts, run // halves)
                gains.append((weight[:, lane] * q * values[:, lane]).sum() ** 2 / (weight[:, lane] * q * q).sum())
        assert split.gain[lane] == pytest.approx(max(gains), rel=1e-5)


# ---- IQ4: the nearest level ----


def test_the_nearest_level_is_found_and_the_middle_goes_up():
    levels = iq_nonlinear.LEVELS
    middles = (levels[1:] + levels[:-1]) / 2
    below, above = np.nextafter(middles, np.float32(-np.inf)), np.nextafter(middles, np.float32(np.inf))
    for steps, expected in ((below, np.arange(15)), (middles, np.arange(1, 16)), (above, np.arange(1, 16))):
        assert iq_nonlinear.nearest_codes(steps[:, None])[:, 0].tolist() == expected.tolist()
    far = np.float32([[-1e30], [-128], [127], [np.inf], [np.nan]])
    assert iq_nonlinear.nearest_codes(far)[:, 0].tolist() == [0, 0, 15, 15, 15]


# ---- what ggml does that nobody would guess ----


def test_iq3_s_moves_runs_up_over_runs_of_zeros():
    weights = normal(1, 256)
    weights[0, 32:64] = 0
    block = get("IQ3_S").quantize(weights)[0]
    assert not block["qs"][0, 56:].any() and not block["signs"][0, 28:].any()
    full = get("IQ3_S").quantize(np.where(weights == 0, weights[0, 0], weights))[0]
    assert (block["signs"][0, 4:8] == full["signs"][0, 8:12]).all()


@pytest.mark.parametrize("name", [*LATTICE_SCHEMES, "IQ1_S", "IQ1_M"])
def test_an_importance_of_nothing_but_zeros_is_taken(name):
    block = get(name).quantize(normal(2, 256), np.zeros(256, np.float32))
    assert np.isfinite(get(name).dequantize(block)).all()


HUGE = [("IQ3_XXS", 1e8), ("IQ3_XXS", 1e16)]  # ggml prepares this scheme fastest
QUANTIZE = """
import numpy as np
from tests.quants import ggml
weights, importance = np.load("huge.npy"), np.load("importance.npy")
ggml.quantize({id}, weights, importance).tofile("blocks.bin")
"""


@pytest.mark.conformance
@pytest.mark.parametrize(("name", "factor"), HUGE)
def test_huge_weights_are_refused_where_ggml_aborts(name, factor, tmp_path):
    ggml.library()
    weights = (normal(1, 256) * factor).astype(np.float32)
    np.save(tmp_path / "huge.npy", weights)
    np.save(tmp_path / "importance.npy", IMPORTANCE)
    environment = os.environ | {"GGML_NO_BACKTRACE": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    code = QUANTIZE.format(id=get(name).id)
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, check=False)
    blocks = tmp_path / "blocks.bin"
    if blocks.exists():
        assert get(name).quantize(weights, IMPORTANCE).tobytes() == blocks.read_bytes()
    else:
        with pytest.raises(QuantError, match=f"{name}: the search overflows a float32"):
            get(name).quantize(weights, IMPORTANCE)
