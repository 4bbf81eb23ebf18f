"""The drawings of lesson 04: hands at the angles of RoPE, pairs as the layers turn them, maps that the layers made."""

import jax.numpy as jnp
import numpy as np
import pytest

from refllm import plots
from refllm.engine import load
from refllm.layers import alibi, attention, rope
from refllm.models import cache, forward
from refllm.plots.rope import partners
from tests.models import tiny

FREQUENCY = rope.frequencies(16, 10_000.0)


def test_hands_point_where_rope_turns_to():
    axes = plots.clocks(FREQUENCY, (2,), 4).axes[0]
    tips = np.array([[line.get_xdata()[1], line.get_ydata()[1]] for line in axes.lines[1:]])
    start = jnp.zeros((4, 1, 16)).at[:, 0, 4].set(1.0)  # the first number of pair 2, with neighbours as pairs
    turned = rope.rotate_interleaved(start, rope.angles(jnp.arange(4), FREQUENCY))
    np.testing.assert_allclose(tips, turned[:, 0, 4:6], atol=1e-5)


@pytest.mark.parametrize(
    ("layout", "turn"), [("interleaved", rope.rotate_interleaved), ("half_split", rope.rotate_half_split)]
)
def test_partners_are_those_that_the_layers_mix(layout, turn):
    turns = rope.angles(jnp.arange(1, 2), FREQUENCY)
    reached = np.asarray(turn(jnp.eye(16)[:, None, :], jnp.repeat(turns, 16, axis=0)))[:, 0] != 0
    for first, second in partners(16, layout):
        assert np.flatnonzero(reached[first]).tolist() == [first, second]


def test_pairings_draw_every_number_once_in_each_layout():
    for axes in plots.pairings(8).axes:
        assert sorted(int(text.get_text()) for text in axes.texts) == list(range(8))
        assert len(axes.lines) == 4 + 8


def test_reach_shows_what_the_layers_add():
    rope_axes, alibi_axes = plots.reach(FREQUENCY, alibi.slopes(2), 10).axes
    assert rope_axes.lines[0].get_ydata()[0] == pytest.approx(1)
    added = alibi.bias(jnp.array([9]), jnp.arange(10), alibi.slopes(2))[:, 0, ::-1]
    np.testing.assert_allclose([line.get_ydata() for line in alibi_axes.lines], added, rtol=1e-6)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load(tiny.write("llama", tmp_path_factory.mktemp("model") / "tiny.gguf"), compute="exact")


def test_maps_are_what_the_model_computes(model, monkeypatch):
    ids, config, recorded = tiny.prompt(6), model.config, []
    plain = attention.attention_weights
    monkeypatch.setattr(attention, "attention_weights", lambda *given: recorded.append(plain(*given)) or recorded[-1])
    empty = cache.empty(config.layers, len(ids), config.kv_heads, config.head_dim)
    forward(config, model.weights, jnp.asarray(ids), empty)
    monkeypatch.undo()
    maps = plots.attention_maps(config, model.weights, ids)
    assert maps.shape == (config.layers, config.heads, 6, 6)
    np.testing.assert_allclose(maps, np.stack(recorded), atol=1e-6)


def test_a_heatmap_has_the_weights_and_a_label_for_each_token():
    weights = np.eye(3, dtype=np.float32)
    axes = plots.heatmap(weights, [" a", "猫", "b"], "a title").axes[0]
    np.testing.assert_array_equal(axes.images[0].get_array(), weights)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["·a", "\\u732b", "b"]


def test_the_framed_head_is_the_only_one_with_a_thick_frame():
    maps = np.tril(np.ones((2, 3, 4, 4), np.float32))
    figure = plots.all_heads(maps, framed=(1, 2))
    thick = [axes.get_title() for axes in figure.axes if axes.spines["left"].get_linewidth() > 1]
    assert thick == ["layer 1, head 2"]


def test_layouts_compared_has_the_given_bars():
    axes = plots.layouts_compared({"one": 2.0, "other": 80.0}).axes[0]
    assert [bar.get_width() for bar in axes.patches] == [2.0, 80.0]
    assert {"2.0", "80.0"} <= {text.get_text() for text in axes.texts}
