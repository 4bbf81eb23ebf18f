"""The drawings of lesson 06 show the numbers that they were given."""

import numpy as np
import pytest

from refllm import plots, sampling
from refllm.engine import View

WORDS = ["a", "b", "c"]
LOGITS = np.log(np.array([0.5, 0.3, 0.2], np.float32))


def widths(axes) -> list[float]:
    return [round(bar.get_width(), 3) for bar in axes.patches]


def test_small_multiples_have_what_was_given_behind_what_is_left():
    figure = plots.small_multiples(WORDS, {"all": [0.5, 0.3, 0.2], "two": [0.625, 0.375, 0], "one": [1, 0, 0]})
    assert [axes.get_title() for axes in figure.axes] == ["all", "two", "one"]
    assert widths(figure.axes[0]) == [0.5, 0.3, 0.2]
    assert widths(figure.axes[2]) == [0.5, 0.3, 0.2, 1, 0, 0]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == WORDS


def test_in_a_chain_each_panel_was_given_what_the_one_before_left():
    figure = plots.small_multiples(WORDS, {"all": [0.5, 0.3, 0.2], "two": [0.6, 0.4, 0], "one": [1, 0, 0]}, chain=True)
    assert widths(figure.axes[2]) == [0.6, 0.4, 0, 1, 0, 0]


def test_panels_that_are_not_needed_are_not_seen():
    figure = plots.small_multiples(WORDS, {str(number): [0.5, 0.3, 0.2] for number in range(5)}, columns=3)
    assert [axes.get_visible() for axes in figure.axes] == [True] * 5 + [False]


def test_views_become_panels_in_the_models_order():
    views = [View("model", 900, [(7, "b", 0.3), (4, " a", 0.6)]), View("top_k", 1, [(4, " a", 1.0)])]
    labels, panels = plots.of_views(views)
    assert labels == [" a", "b"]
    assert panels == {"model: 900 left": [0.6, 0.3], "top_k: 1 left": [1.0, 0.0]}


def test_pieces_that_no_font_has_are_shown_by_their_numbers():
    figure = plots.small_multiples(["猫", " a"], {"all": [0.6, 0.4]})
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["U+732B", "·a"]


def test_the_line_is_as_long_as_the_probabilities_and_has_every_chance():
    figure = plots.line_of_chance(WORDS, [0.5, 0.3, 0.2], [0.25, 0.9])
    axes = figure.axes[0]
    assert widths(axes) == [0.5, 0.3, 0.2]
    assert [text.get_text() for text in axes.texts] == [*WORDS, "0.25", "0.9"]


def test_temperatures_show_probabilities_and_entropy():
    figure = plots.temperatures(WORDS, LOGITS, (0.5, 1.0))
    left, right = figure.axes
    assert left.lines[1].get_ydata() == pytest.approx([0.5, 0.3, 0.2])
    assert right.lines[1].get_ydata()[0] == pytest.approx(plots.bits_at(LOGITS, 1.0))


def test_entropy_in_bits_is_the_formula():
    shares = np.array([0.5, 0.3, 0.2])
    assert plots.bits_at(LOGITS, 1.0) == pytest.approx(-(shares * np.log2(shares)).sum(), abs=1e-5)


def searched(ids: list[int], end: int) -> int:
    """The longest piece before `end` that begins earlier too, found by trying all."""
    for length in range(end - 1, 0, -1):
        if any(ids[at : at + length] == ids[end - length : end] for at in range(end - length)):
            return length
    return 0


def test_repeat_lengths_are_those_of_a_search():
    rng = np.random.default_rng(0)
    for letters in (2, 3, 8):
        ids = rng.integers(0, letters, 60).tolist()
        assert plots.repeat_lengths(ids) == [searched(ids, end) for end in range(1, len(ids) + 1)]


def test_strips_have_a_row_per_answer():
    figure = plots.repetition_strips({"one": [1, 2, 1, 2], "two": [1, 2, 3]})
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["one", "two"]
    table = figure.axes[0].collections[0].get_array().reshape(2, 4)
    assert table[0].tolist() == [0, 0, 1, 2]


def test_surprise_is_drawn_with_its_mean_and_the_wish():
    bits = np.array([1.0, 3.0, 5.0])
    axes = plots.surprise_over_time({"a": bits}, tau=2.0, smoothing=2).axes[0]
    assert [line.get_ydata()[-1] for line in axes.lines] == [5.0, 4.0, 2.0]


def test_what_is_drawn_for_the_toy_is_what_sampling_leaves():
    shares = sampling.softmax(sampling.top_k(LOGITS, 2))
    figure = plots.small_multiples(WORDS, {"k": shares})
    assert widths(figure.axes[0]) == [0.625, 0.375, 0]
