"""The drawings of lesson 02 show what is there: checked on the numbers behind them and on what stands in the figure."""

import itertools

import numpy as np
import pytest

from refllm import plots, quants
from refllm.plots import blocks, floats, rounding

RNG = np.random.default_rng(0)
WEIGHTS = RNG.normal(size=(8, 512)).astype(np.float32)


@pytest.mark.parametrize("scheme", rounding.weight_schemes(), ids=lambda scheme: scheme.name)
def test_every_weight_of_a_block_answers_to_some_bit(scheme):
    changed = plots.influence(scheme)
    assert changed.shape == (8 * scheme.block_bytes, scheme.block_size)
    assert changed.any(axis=0).all()


def test_influence_finds_the_known_layout_of_q5_0():
    changed = plots.influence(quants.get("Q5_0"))
    assert changed[:15].any(axis=1).all(), "the scale: every bit of it but, perhaps, its sign"
    for weight in range(32):
        fifth = 16 + weight  # bit `weight` of the four bytes of `qh`
        nibble = 48 + 8 * (weight % 16) + 4 * (weight // 16)
        for bit in (fifth, *range(nibble, nibble + 4)):
            assert np.flatnonzero(changed[bit]).tolist() == [weight]


def test_a_block_map_has_a_box_for_each_bit_and_a_name_for_each_field():
    figure = plots.block_map(quants.get("Q4_K"))
    axes = figure.axes[0]
    assert len(axes.patches) == 8 * 144
    assert [text.get_text() for text in axes.texts if text.get_text()] == ["d", "dmin", "scales", "qs"]
    assert axes.get_title(loc="left") == "Q4_K: 144 bytes for 256 weights"


def test_colours_tell_shared_bits_from_those_of_one_weight():
    changed = np.array([[True, True], [True, False], [False, True], [False, False]])
    shared, first, second, nobody = blocks.colours_of(changed)
    assert shared == blocks.SHARED and nobody == "white" and tuple(first) != tuple(second)


def test_float_bits_are_those_in_memory():
    assert "".join(floats.parts(np.float16(0.1))) == f"{0x2E66:016b}"
    assert "".join(floats.parts(np.float32(-2))) == f"{0xC0000000:032b}"
    sign, exponent, mantissa = (int(part, 2) for part in floats.parts(np.float16(-3.25)))
    assert (-1) ** sign * 2.0 ** (exponent - 15) * (1 + mantissa / 1024) == -3.25


def test_stairs_have_as_many_steps_as_levels():
    figure = plots.stairs(["Q4_0", "Q8_0"], WEIGHTS[0, :32])
    read_back = [axes.lines[1].get_ydata() for axes in figure.axes]
    assert len(np.unique(read_back[0])) <= 16 < len(np.unique(read_back[1]))


def test_relative_error_is_the_formula():
    scheme = quants.get("Q4_1")
    back = plots.round_trip(scheme, WEIGHTS)
    expected = np.linalg.norm((back - WEIGHTS).astype(float)) / np.linalg.norm(WEIGHTS.astype(float))
    assert plots.relative_error(scheme, WEIGHTS) == pytest.approx(expected, rel=1e-6)


def test_histograms_count_every_weight_on_one_axis():
    figure = plots.error_histograms(["Q4_0", "Q8_0"], WEIGHTS)
    counted = [sum(bar.get_height() for bar in axes.patches) for axes in figure.axes[:2]]
    assert counted == [WEIGHTS.size] * 2
    assert figure.axes[0].patches[0].get_x() == figure.axes[1].patches[0].get_x()


def test_size_against_error_names_every_scheme_once_in_each_panel():
    names = ["Q4_0", "Q8_0", "Q4_K", "IQ4_NL", "MXFP4"]
    errors = {(kind, name): 0.1 / (1 + at) for kind in ("a", "b") for at, name in enumerate(names)}
    figure = plots.size_against_error({"a": WEIGHTS, "b": WEIGHTS}, errors)
    for axes in figure.axes:
        assert sorted(text.get_text() for text in axes.texts) == sorted(names)
    heights = [text.get_position()[1] for text in figure.axes[0].texts]
    assert all(above / below >= rounding.LINE * 0.999 for above, below in itertools.pairwise(heights))


def test_the_worst_block_is_the_one_with_the_outlier():
    weights = WEIGHTS.copy()
    weights[5, 70] = 300
    figure = plots.worst_block(quants.get("Q4_0"), weights)
    assert figure.axes[0].get_title() == "Q4_0: row 5, columns 64 to 95"
