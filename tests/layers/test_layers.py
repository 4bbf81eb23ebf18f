"""Each layer against a few lines of plain numpy in float64, written from the formula."""

import jax.numpy as jnp
import numpy as np
import pytest

from refllm.layers import alibi, attention, feed_forward, masks, norms, rope

RNG = np.random.default_rng(0)


def random(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def close(actual, expected, tolerance=1e-5):
    np.testing.assert_allclose(np.asarray(actual), expected, rtol=tolerance, atol=tolerance)


def test_rms_norm():
    x, weight = random(5, 3, 8), random(8)
    wide = x.astype(np.float64)
    close(
        norms.rms_norm(jnp.array(x), jnp.array(weight), 1e-6),
        wide / np.sqrt((wide**2).mean(-1, keepdims=True) + 1e-6) * weight,
    )


@pytest.mark.parametrize("with_bias", [True, False])
def test_layer_norm(with_bias):
    x, weight, bias = random(5, 8), random(8), random(8)
    wide = x.astype(np.float64)
    centred = wide - wide.mean(-1, keepdims=True)
    expected = centred / np.sqrt(wide.var(-1, keepdims=True) + 1e-5) * weight + (bias if with_bias else 0)
    close(norms.layer_norm(jnp.array(x), jnp.array(weight), jnp.array(bias) if with_bias else None, 1e-5), expected)


def as_complex(x, interleaved):
    first, second = (x[..., ::2], x[..., 1::2]) if interleaved else np.split(x, 2, -1)
    return first + 1j * second


@pytest.mark.parametrize("interleaved", [True, False])
@pytest.mark.parametrize("dims", [8, 6])
def test_rope_is_a_rotation_in_the_complex_plane(interleaved, dims):
    x, positions = random(4, 2, 8), np.array([0, 1, 7, 100])
    frequency = rope.frequencies(dims, 10000.0)
    rotate = rope.rotate_interleaved if interleaved else rope.rotate_half_split
    actual = np.asarray(rotate(jnp.array(x), rope.angles(jnp.array(positions), frequency)))
    turned = as_complex(x[..., :dims], interleaved) * np.exp(1j * positions[:, None, None] * frequency.astype(float))
    close(as_complex(actual[..., :dims], interleaved), turned, 2e-5)
    assert (actual[..., dims:] == x[..., dims:]).all()


@pytest.mark.parametrize("rotate", [rope.rotate_interleaved, rope.rotate_half_split])
def test_rope_scores_depend_on_the_distance_only(rotate):
    query, key = jnp.array(random(1, 1, 16)), jnp.array(random(1, 1, 16))
    frequency = rope.frequencies(16, 10000.0)

    def score(at_query, at_key):
        turned = [rotate(x, rope.angles(jnp.array([at]), frequency)) for x, at in ((query, at_query), (key, at_key))]
        return float((turned[0] * turned[1]).sum())

    assert score(7, 3) == pytest.approx(score(107, 103), abs=1e-4)
    assert score(7, 3) != pytest.approx(score(7, 4), abs=1e-2)


def test_the_two_layouts_are_a_permutation_of_each_other():
    """Permuting the rows of q and k makes one layout out of the other: what converters do."""
    x = random(3, 2, 8)
    permutation = np.arange(8).reshape(2, 4).T.reshape(-1)  # 0 4 1 5 2 6 3 7
    turns = rope.angles(jnp.arange(3), rope.frequencies(8, 10000.0))
    half = rope.rotate_half_split(jnp.array(x), turns)
    interleaved = rope.rotate_interleaved(jnp.array(x[..., permutation]), turns)
    close(interleaved, np.asarray(half)[..., permutation], 1e-6)


def test_linear_and_ntk_scaling():
    plain = rope.frequencies(64, 10000.0)
    close(rope.linear_scaling(plain, 4.0), plain / 4)
    stretched = rope.frequencies(64, rope.ntk_base(10000.0, 64, 4.0))
    assert stretched[0] == plain[0] and stretched[-1] == pytest.approx(plain[-1] / 4, rel=1e-5)


def test_llama3_scaling_by_its_published_cases():
    """Wave lengths under 8192/4 are kept, over 8192/1 divided by 8, between them in between."""
    plain = rope.frequencies(128, 500000.0)
    scaled = rope.llama3_scaling(plain, 8.0, 1.0, 4.0, 8192)
    wave = 2 * np.pi / plain.astype(float)
    expected = []
    for length, frequency in zip(wave, plain, strict=True):
        smooth = (8192 / length - 1) / (4 - 1)
        between = (1 - smooth) * frequency / 8 + smooth * frequency
        expected.append(frequency if length < 8192 / 4 else frequency / 8 if length > 8192 else between)
    close(scaled, expected, 1e-6)


def test_yarn_keeps_fast_pairs_and_slows_slow_ones():
    plain = rope.frequencies(128, 10000.0)
    scaled = rope.yarn_scaling(plain, 8.0, 4096, 10000.0)
    assert (scaled[:20] == plain[:20]).all()
    close(scaled[-10:], plain[-10:] / 8, 1e-6)
    assert (np.diff(scaled) < 0).all()


def test_two_dimensional_rope_turns_the_halves_apart():
    x = jnp.array(random(3, 2, 16))
    frequency = rope.frequencies(8, 10000.0)
    turns, still = rope.angles(jnp.array([0, 1, 2]), frequency), rope.angles(jnp.zeros(3, int), frequency)
    turned = rope.rotate_two_dimensional(x, turns, still)
    close(turned[..., 8:], x[..., 8:], 1e-6)
    close(turned[..., :8], rope.rotate_half_split(x[..., :8], turns), 1e-6)


def test_alibi_slopes_for_heads_that_are_no_power_of_two():
    close(alibi.slopes(8), [2.0**-n for n in range(1, 9)])
    close(alibi.slopes(12), [2.0**-n for n in range(1, 9)] + [2.0 ** -(n + 0.5) for n in range(4)])


@pytest.mark.parametrize(("heads", "kv_heads"), [(4, 4), (4, 2), (4, 1)])
@pytest.mark.parametrize("softcap", [None, 5.0])
@pytest.mark.parametrize("with_bias", [True, False])
def test_attention(heads, kv_heads, softcap, with_bias):
    query, key, value = random(3, heads, 8), random(5, kv_heads, 8), random(5, kv_heads, 6)
    mask = masks.causal(jnp.arange(2, 5), jnp.arange(5))
    bias = alibi.bias(jnp.arange(2, 5), jnp.arange(5), alibi.slopes(heads)) if with_bias else None
    actual = attention.attention(*map(jnp.array, (query, key, value)), mask, 0.3, bias, softcap)
    for head in range(heads):
        group = head // (heads // kv_heads)
        scores = query[:, head].astype(float) @ key[:, group].T * 0.3
        scores = scores if softcap is None else softcap * np.tanh(scores / softcap)
        scores = scores + (0 if bias is None else np.asarray(bias[head]))
        weights = np.where(mask, np.exp(scores), 0)
        close(actual[:, head], weights / weights.sum(-1, keepdims=True) @ value[:, group])


def test_a_query_that_sees_nothing_gives_numbers():
    mask = jnp.zeros((2, 3), bool)
    result = attention.attention(jnp.ones((2, 1, 4)), jnp.ones((3, 1, 4)), jnp.ones((3, 1, 4)), mask, 1.0)
    assert np.isfinite(result).all()


def test_the_window_counts_the_token_itself():
    seen = masks.within(jnp.array([9]), jnp.arange(10), 4)[0]
    assert np.flatnonzero(seen).tolist() == [6, 7, 8, 9]


def silu(x):
    return x / (1 + np.exp(-x))


def test_gated_and_plain_feed_forward():
    x, gate, up, down = random(3, 4), random(6, 4), random(6, 4), random(4, 6)
    up_bias, down_bias = random(6), random(4)
    jx, jgate, jup, jdown = map(jnp.array, (x, gate, up, down))
    close(feed_forward.gated(jx, jgate, jup, jdown, "silu"), silu(x @ gate.T) * (x @ up.T) @ down.T, 1e-4)
    plain = feed_forward.plain(jx, jup, jdown, "relu", jnp.array(up_bias), jnp.array(down_bias))
    close(plain, np.maximum(x @ up.T + up_bias, 0) @ down.T + down_bias, 1e-4)


@pytest.mark.parametrize("renormalise", [True, False])
def test_mixture_of_experts(renormalise):
    x, router = random(5, 4), random(3, 4)
    gate, up, down = random(3, 6, 4), random(3, 6, 4), random(3, 4, 6)
    actual = feed_forward.mixture(*map(jnp.array, (x, router, gate, up, down)), "silu", 2, renormalise)
    for token, row in enumerate(x):
        share = np.exp(row @ router.T) / np.exp(row @ router.T).sum()
        best = np.argsort(-share)[:2]
        weights = share[best] / share[best].sum() if renormalise else share[best]
        outputs = [silu(row @ gate[e].T) * (row @ up[e].T) @ down[e].T for e in best]
        close(actual[token], (weights[:, None] * outputs).sum(0), 1e-4)
