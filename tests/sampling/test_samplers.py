"""What must hold of every sampler, whatever the logits: proven with random ones."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refllm import sampling

shares = st.floats(0, 1, width=32)
SAMPLERS = {  # name -> how to draw its numbers
    "top_k": st.tuples(st.integers(0, 60)),
    "top_p": st.tuples(shares, st.integers(1, 8)),
    "min_p": st.tuples(shares, st.integers(1, 8)),
    "typical": st.tuples(shares, st.integers(1, 8)),
    "tail_free": st.tuples(shares, st.integers(1, 8)),
    "top_n_sigma": st.tuples(st.floats(0, 4, width=32)),
    "xtc": st.tuples(shares, shares, shares, st.integers(1, 8)),
    "mirostat_1": st.tuples(st.floats(0.5, 12, width=32)),
    "mirostat_2": st.tuples(st.floats(0.5, 12, width=32)),
}
KEEPS_THE_BEST = {"top_k", "top_p", "min_p", "tail_free", "top_n_sigma", "mirostat_1", "mirostat_2"}
IDEMPOTENT = {"top_k", "min_p"}  # a second time, the others see another distribution
HAS_MIN_KEEP = {"top_p", "min_p", "typical", "tail_free", "xtc"}
EXAMPLES = np.array([1.0, 3.0, -np.inf, 2.0, 3.0, 0.0, -1.0, 0.5, 2.5, 1.5, -2.0, -0.5], np.float32)


@st.composite
def vectors(draw):
    """Logits of up to 50 candidates; some have been removed, some are equal."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    logits = rng.standard_normal(draw(st.integers(2, 50))).astype(np.float32) * np.float32(draw(st.floats(0.1, 8)))
    if draw(st.booleans()):
        logits = np.round(logits)
    if draw(st.booleans()):
        logits[rng.random(len(logits)) < 0.3] = -np.inf
        logits[rng.integers(len(logits))] = 1
    return logits


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_truncation(name):
    @settings(max_examples=60, deadline=None)
    @given(logits=vectors(), numbers=SAMPLERS[name])
    def holds(logits, numbers):
        sampler = functools.partial(getattr(sampling, name))
        cut = sampler(logits, *numbers)
        kept = cut > -np.inf
        assert kept.any() and cut.dtype == np.float32
        np.testing.assert_array_equal(cut[kept], logits[kept])  # what is kept is kept as it is, and in its place
        assert abs(sampling.softmax(cut).sum() - 1) < 1e-5
        if name in KEEPS_THE_BEST:
            assert kept[logits.argmax()]
            assert logits[kept].min() >= np.max(logits[~kept], initial=-np.inf)
        if name in IDEMPOTENT:
            np.testing.assert_array_equal(sampler(cut, *numbers), cut)
        if name in HAS_MIN_KEEP:
            assert kept.sum() >= min(numbers[-1], np.sum(logits > -np.inf))

    holds()


@settings(max_examples=60, deadline=None)
@given(logits=vectors(), t=st.floats(0.0625, 5, width=32))
def test_temperature_keeps_order_and_moves_entropy(logits, t):
    found = sampling.temperature(logits, t)
    rising = found[np.argsort(logits)]
    assert (rising[1:] >= rising[:-1]).all()
    before, after = (sampling.entropy(sampling.softmax(one)) for one in (logits, found))
    assert after <= before + 1e-4 if t <= 1 else after >= before - 1e-4


@settings(max_examples=60, deadline=None)
@given(logits=vectors(), t=st.floats(0.5, 2, width=32), spread=st.floats(0, 0.5, width=32))
def test_dynamic_temperature_lies_within_its_range(logits, t, spread):
    found = sampling.entropy(sampling.softmax(sampling.dynamic_temperature(logits, t, spread)))
    lowest, highest = (
        sampling.entropy(sampling.softmax(sampling.temperature(logits, t + d))) for d in (-spread, spread)
    )
    assert spread == t or lowest - 1e-4 <= found <= highest + 1e-4


@settings(max_examples=60, deadline=None)
@given(logits=vectors(), chance=st.floats(0, 1, width=32))
def test_a_draw_takes_a_candidate_that_is_left(logits, chance):
    assert logits[int(sampling.dist(logits, chance))] > -np.inf
    assert logits[int(sampling.greedy(logits))] == logits.max()


def test_draws_have_the_probabilities_they_should():
    """40,000 draws with a fixed seed; chi-square over 9 candidates stays below its 99.9 % quantile for 8 degrees."""
    probabilities = np.array([0.3, 0.0, 0.2, 0.15, 0.1, 0.1, 0.05, 0.05, 0.03, 0.02], np.float32)
    logits = np.log(probabilities, out=np.full(10, -np.inf, np.float32), where=probabilities > 0)
    chances = jax.random.uniform(jax.random.key(7), (40_000,))
    drawn = jax.jit(jax.vmap(sampling.dist, in_axes=(None, 0)))(jnp.asarray(logits), chances)
    counts = np.bincount(drawn, minlength=10)
    expected = 40_000 * probabilities[probabilities > 0]
    assert counts[1] == 0
    assert ((counts[probabilities > 0] - expected) ** 2 / expected).sum() < 26.1
    assert ((counts[probabilities > 0][::-1] - expected) ** 2 / expected).sum() > 26.1  # and would tell another one


def test_equal_candidates_are_cut_from_the_end():
    assert (sampling.top_k(np.ones(5, np.float32), 2) > -np.inf).tolist() == [True, True, False, False, False]


def test_removed_candidates_count_nowhere():
    """Every sampler says the same of some candidates alone as of them among removed ones."""
    alone = EXAMPLES[-np.inf < EXAMPLES]
    calls = {"top_p": (0.7,), "typical": (0.6,), "tail_free": (0.9,), "top_n_sigma": (1.0,), "mirostat_2": (3.0,)}
    calls |= {"xtc": (1.0, 0.05, 0.5), "dynamic_temperature": (1.0, 0.5)}
    for name, numbers in calls.items():
        among = getattr(sampling, name)(EXAMPLES, *numbers)[-np.inf < EXAMPLES]
        np.testing.assert_allclose(among, getattr(sampling, name)(alone, *numbers), rtol=1e-6, err_msg=name)


def test_the_same_lines_compiled_by_jax():
    """All of them in one program, beside numpy's results."""
    recent = np.array([-1, 3, 1, 2, 3, 1])

    def everything(logits, recent, n):
        counts, lengths = sampling.count_tokens(recent, len(logits)), sampling.repeats(recent, len(logits))
        yield sampling.penalties(logits, counts, n["repeat"], n["rate"], n["rate"])
        yield sampling.dry(logits, lengths, n["rate"], n["repeat"], 1)
        yield sampling.guide(logits, logits[::-1], n["repeat"])
        for name in ("top_p", "min_p", "typical", "tail_free", "top_n_sigma", "mirostat_1", "mirostat_2"):
            yield getattr(sampling, name)(logits, n["share"] * (5 if "mirostat" in name else 1))
        yield sampling.top_k(logits, 4)
        yield sampling.xtc(logits, n["share"], 0.1, 0.5)
        yield sampling.dynamic_temperature(logits, n["share"], n["rate"], 2.0)
        yield sampling.temperature(logits, 0.0)

    numbers = {"repeat": 1.5, "rate": 0.25, "share": 0.7}
    compiled = jax.jit(lambda *arguments: list(everything(*arguments)))(EXAMPLES, recent, numbers)
    with np.errstate(invalid="ignore"):  # minus infinity less minus infinity, in guidance
        expected = list(everything(EXAMPLES, recent, numbers))
    for here, there in zip(compiled, expected, strict=True):
        np.testing.assert_allclose(here, there, rtol=2e-6)


def test_guidance_of_one_changes_nothing():
    wanted, other = np.random.default_rng(1).standard_normal((2, 30)).astype(np.float32)
    np.testing.assert_allclose(
        sampling.softmax(sampling.guide(wanted, other, 1.0)), sampling.softmax(wanted), atol=1e-6
    )


@pytest.mark.parametrize("version", [sampling.mirostat_1, sampling.mirostat_2])
def test_mirostat_reaches_the_surprise_it_was_told(version):
    """On Zipf's distribution over 5,000 words, the mean of the last 400 surprises comes near tau."""
    logits = -1.1 * np.log(np.arange(1, 5001, dtype=np.float32))
    rng, mu, bits = np.random.default_rng(5), 8.0, []
    for _ in range(500):
        cut = version(logits, mu)
        token = sampling.dist(cut, rng.random())
        bits.append(-np.log2(sampling.softmax(cut)[token]))
        mu = sampling.learn(mu, bits[-1], tau=4.0, eta=0.1)
    assert abs(np.mean(bits[100:]) - 4.0) < 0.15
