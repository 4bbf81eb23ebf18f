"""The tables of the IQ schemes are what `iq_grids.py` says of them, and the lists of neighbours are the nearest."""

import itertools
import subprocess
import sys

import numpy as np
import pytest

from refllm.quants import iq_grids

SIZES = {
    "iq1": (2048, 8),
    "iq2_xxs": (256, 8),
    "iq2_xs": (512, 8),
    "iq2_s": (1024, 8),
    "iq3_xxs": (256, 4),
    "iq3_s": (512, 4),
}
LATTICES = ["iq2_xxs", "iq2_xs", "iq2_s", "iq3_xxs"]


@pytest.mark.parametrize("name", SIZES)
def test_a_grid_has_its_size_and_no_point_twice(name):
    grid = iq_grids.load(name)
    assert grid.points.shape == SIZES[name]
    assert grid.points.max() == grid.levels - 1
    assert len(np.unique(grid.points, axis=0)) == len(grid.points)
    assert not grid.points[0].any()  # runs for which nothing was found rely on it: pattern 0 is all zeros


@pytest.mark.parametrize("name", SIZES)
def test_points_are_sorted_with_the_last_coordinate_foremost(name):
    points = [tuple(point[::-1]) for point in iq_grids.points(name).tolist()]
    assert points == sorted(points)


@pytest.mark.parametrize("name", LATTICES)
def test_levels_have_an_even_sum(name):
    assert not (iq_grids.points(name).sum(axis=1) % 2).any()


@pytest.mark.parametrize("name", ["iq1", "iq3_s"])
def test_the_other_grids_are_no_lattice(name):
    assert set(iq_grids.points(name).sum(axis=1) % 2) == {0, 1}


@pytest.mark.parametrize("name", ["iq2_xxs", "iq2_xs"])
def test_an_even_number_of_minus_signs_stays_in_e8(name):
    coordinates = (iq_grids.load(name).odd / 2)[:, None] * iq_grids.even_signs()
    assert not (coordinates.sum(axis=-1) % 2).any()  # halves of odd numbers with an even sum
    one_sign = np.float32([-1] + [1] * 7)
    assert ((coordinates * one_sign).sum(axis=-1) % 2 == 1).all()


def test_signs_are_the_bits_of_a_byte():
    assert iq_grids.signs()[0b10000010].tolist() == [1, -1, 1, 1, 1, 1, 1, -1]


def test_the_eighth_sign_makes_their_number_even():
    signs = iq_grids.even_signs()
    assert (signs[:, :7] == iq_grids.signs()[:128, :7]).all()
    assert (signs.prod(axis=1) == 1).all()


@pytest.mark.parametrize("name", SIZES)
def test_positions_and_entries_find_each_other(name):
    grid = iq_grids.load(name)
    everywhere = iq_grids.all_positions(grid.levels, grid.points.shape[1])
    assert (iq_grids.position_of(everywhere.T, grid.levels) == np.arange(len(everywhere))).all()
    assert (grid.entry_at[iq_grids.position_of(grid.points.T, grid.levels)] == np.arange(len(grid.points))).all()
    assert (grid.entry_at >= 0).sum() == len(grid.points)
    assert ((grid.count == 0) == (grid.entry_at >= 0)).all()


@pytest.mark.parametrize("name", SIZES)
def test_neighbours_are_the_nearest_shells_in_order(name):
    grid = iq_grids.load(name)
    _, shells = iq_grids.LEVELS_AND_SHELLS[name]
    points = grid.points.astype(int)
    everywhere = iq_grids.all_positions(grid.levels, points.shape[1]).astype(int)
    off_grid = np.flatnonzero(grid.entry_at < 0)
    for position in np.random.default_rng(0).choice(off_grid, 40, replace=False):
        distances = ((points - everywhere[position]) ** 2).sum(axis=1).tolist()
        reach = sorted(set(distances))[shells - 1]
        expected = sorted((distance, entry) for entry, distance in enumerate(distances) if distance <= reach)
        assert grid.nearby[: grid.count[position], position].tolist() == [entry for _, entry in expected]


@pytest.mark.parametrize("name", SIZES)
def test_who_has_fewer_neighbours_than_others_sees_the_first_again(name):
    grid = iq_grids.load(name)
    place = np.arange(len(grid.nearby))[:, None]
    beyond = (place >= grid.count) & (grid.entry_at < 0)
    assert (grid.nearby == grid.nearby[0])[beyond].all()


def test_all_positions_lists_every_combination_once():
    assert iq_grids.all_positions(3, 2).tolist() == [[a, b] for b, a in itertools.product(range(3), repeat=2)]


def test_importing_the_schemes_reads_no_table():
    code = "from refllm.quants import iq_grids; print(iq_grids.points.cache_info().misses)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "0\n"
