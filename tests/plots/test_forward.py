"""The drawings of lesson 05 show what they were given, in letters that the fonts have."""

import numpy as np
import pytest

from refllm import plots, quants
from refllm.plots import forward
from tests.models import tiny


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    from refllm import gguf, models

    path = tiny.write("llama", tmp_path_factory.mktemp("page") / "tiny.gguf")
    return models.read_config(gguf.open(path).metadata)


def texts(figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_the_page_has_the_sizes_of_its_model(config):
    found = texts(plots.one_page(config, tokens=5))
    assert f"{config.layers} times" in found
    assert f"{config.vocab_size} x {config.dim}" in found and f"{config.dim} x {config.vocab_size}" in found
    assert f"{config.heads} heads, {config.kv_heads} kv" in found
    assert f"{config.dim} to {config.hidden_dim} and back" in found
    assert found.count(f"5 x {config.dim}") == 2 and f"5 x {config.vocab_size}" in found


def test_no_text_on_the_page_is_wider_than_its_box(config):
    figure = plots.one_page(config, tokens=5)
    figure.canvas.draw()  # lays it out
    renderer = figure.canvas.get_renderer()
    axes = figure.axes[0]
    boxes = [patch.get_window_extent(renderer) for patch in axes.patches]
    for text in axes.texts:
        shown = text.get_window_extent(renderer)
        middle = (shown.x0 + shown.x1) / 2, (shown.y0 + shown.y1) / 2
        around = [box for box in boxes if box.contains(*middle)]
        smallest = min(around, key=lambda box: box.width, default=None)
        if smallest is not None and text.get_zorder() > 3:
            assert smallest.x0 - 1 <= shown.x0 and shown.x1 <= smallest.x1 + 1, text.get_text()


def test_what_is_added_has_a_bar_for_each_half_and_the_stream():
    (axes,) = plots.what_is_added([1.0, 2.0], [3.0, 4.0], [5.0, 6.0]).axes
    assert [bar.get_height() for bar in axes.patches] == [1, 2, 3, 4, 5, 6]


def test_differences_are_lines_above_a_place_for_each_layer():
    figure = plots.layer_differences({"ours": [0.0, 1e-7], "spoiled": [0.0, 0.5]}, tolerance=1e-5)
    (axes,) = figure.axes
    ours, spoiled, tolerance = axes.lines
    assert ours.get_ydata()[1] == 1e-7 and spoiled.get_ydata()[1] == 0.5
    assert set(tolerance.get_ydata()) == {1e-5}
    assert [label.get_text() for label in axes.get_xticklabels()] == ["embedding", "layer 0"]
    assert (np.asarray(ours.get_ydata()) > 0).all(), "nothing at zero: the axis is logarithmic"


def test_next_tokens_stand_in_the_order_given():
    (axes,) = plots.next_tokens([b" Paris", "猫".encode()], [0.75, 0.25]).axes
    assert [bar.get_width() for bar in axes.patches] == [0.75, 0.25]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["·Paris", "U+732B"]
    assert axes.yaxis_inverted()


def test_the_lens_has_a_cell_for_each_layer_and_token():
    shares = np.array([[0.1, 0.9], [0.5, 0.7], [1.0, 0.2]])
    pieces = [[b"a", b" longer than a cell"], ["猫".encode(), b"\xe7\x8c"], [b"e", b"\n"]]
    axes = plots.logit_lens([b"x", b"\t"], pieces, shares).axes[0]
    assert np.array_equal(axes.images[0].get_array(), shares)
    assert [text.get_text() for text in axes.texts] == ["a", "·longer…", "U+732B", "e7 8c", "e", "\\n"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["x", "09"]
    assert not axes.yaxis_inverted(), "the embedding is at the bottom"


def test_work_per_byte_is_tokens_over_the_bytes_of_a_weight():
    figure = plots.work_per_byte(["F16", "Q4_0"], machine=20.0, most=8)
    half, four_bits, machine = figure.axes[0].lines
    assert half.get_ydata().tolist() == [0.5, 1, 2, 4]
    bits = quants.get("Q4_0").bits_per_weight
    assert four_bits.get_ydata() == pytest.approx(np.array([1, 2, 4, 8]) * 8 / bits)
    assert set(machine.get_ydata()) == {20}


def test_everything_drawn_is_printable():
    for byte in range(256):
        assert forward.drawable(bytes([byte])).isprintable()
