"""The drawings of lesson 07 show the numbers that they were given."""

import numpy as np
import pytest

from refllm import plots
from refllm.plots import engine


def test_without_a_cache_every_step_reads_everything_before():
    assert plots.passes(2, 3, cached=False).astype(int).tolist() == [[1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]]
    assert plots.passes(2, 3, cached=True).astype(int).tolist() == [[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]


@pytest.mark.parametrize(("prompt", "answer"), [(1, 1), (6, 8), (10, 5)])
def test_with_a_cache_every_token_passes_once(prompt, answer):
    assert plots.passes(prompt, answer, cached=True).sum() == prompt + answer - 1
    assert plots.passes(prompt, answer, cached=False).sum() == sum(range(prompt, prompt + answer))


def test_the_drawing_counts_what_it_shows():
    figure = plots.passes_drawn(6, 8)
    assert [axes.get_title() for axes in figure.axes] == [
        "without a cache: 76 tokens go through the model",
        "with a cache: 13 tokens go through the model",
    ]


def test_the_cache_is_drawn_token_by_token():
    keys = np.arange(24, dtype=np.float32).reshape(6, 4)
    figure = plots.cache_drawn(keys, -keys, length=5)
    assert figure.axes[0].images[0].get_array().tolist() == keys.T.tolist()
    assert figure.axes[1].images[0].get_array().tolist() == (-keys.T).tolist()
    assert figure.axes[0].lines[0].get_xdata()[0] == 4.5


def test_times_are_points_over_their_numbers():
    axes = plots.times_over((8, 32), {"a": [1.0, 2.0], "b": [3.0, 9.0]}, "tokens", "ms").axes[0]
    assert [line.get_ydata().tolist() for line in axes.lines] == [[1.0, 2.0], [3.0, 9.0]]
    assert plots.times_over((8, 32), {"a": [1.0, 2.0]}, "tokens", "ms", log=True).axes[0].get_xscale() == "log"


def test_sizes_are_in_mebibytes():
    axes = plots.cache_sizes({"MHA": {"F32": 2**22, "F16": 2**21}, "MQA": {"F32": 2**21, "F16": 2**20}}).axes[0]
    assert [bar.get_width() for bar in axes.patches] == [4, 2, 2, 1]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["MHA", "MQA"]


def test_a_shift_shows_who_stayed_who_went_and_who_moved():
    figure = plots.shift_drawn([0, 1, 2, 3, 4], [0, 3, 4], keep=1, context=5)
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts] == ["0", "1", "2", "3", "4", "0", "3", "4"]
    shown = axes.images[0].get_array()
    colours = {name: engine.rgb(getattr(engine, name)).tolist() for name in ("KEPT", "MOVED", "DROPPED", "EMPTY")}
    assert [colour.tolist() for colour in shown[0]] == [colours[n] for n in ("KEPT", *["DROPPED"] * 2, *["MOVED"] * 2)]
    assert [colour.tolist() for colour in shown[1]] == [colours[n] for n in ("KEPT", *["MOVED"] * 2, *["EMPTY"] * 2)]


def test_turns_stand_on_each_other():
    axes = plots.turns_drawn([0, 10], [6, 4], [4, 5]).axes[0]
    tops = [bar.get_y() + bar.get_height() for bar in axes.patches]
    assert tops == [0, 10, 6, 14, 10, 19]


def test_programs_are_counted_over_the_prompts():
    axes = plots.compiled_drawn((3, 5), {"padded": [1, 1], "as they come": [1, 2]}).axes[0]
    assert [line.get_ydata().tolist() for line in axes.lines] == [[1, 1], [1, 2]]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["3", "5"]
