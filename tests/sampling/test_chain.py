"""The chain as a whole: the same as its samplers one after the other, and compiled once for many numbers."""

import jax.numpy as jnp
import numpy as np
import pytest

from refllm import sampling
from refllm.errors import UsageError

LOGITS = np.random.default_rng(2).standard_normal(300).astype(np.float32) * 3


def chosen(count=1, logits=LOGITS, prompt=(1, 2, 3), **given):
    """The tokens that a chain chooses from the same logits again and again."""
    settings = sampling.settings(**given)
    plan, tokens = sampling.make_plan(settings, context=128), []
    numbers, past = sampling.numbers(settings), sampling.begin(plan, settings, list(prompt))
    for _ in range(count):
        token, logprob, past, _ = sampling.choose(plan, jnp.asarray(logits), numbers, past)
        tokens.append(int(token))
        assert abs(float(logprob) - np.log(sampling.softmax(logits)[tokens[-1]])) < 1e-5
    return tokens


def test_numbers_change_without_compiling_again():
    chosen(temperature=0.7)
    before = sampling.choose._cache_size()
    for temperature in (0.1, 0.5, 0.9, 1.5):
        chosen(temperature=temperature, top_k=int(40 * temperature) + 1, top_p=temperature / 2, seed=3)
    assert sampling.choose._cache_size() == before


def test_the_whole_chain_is_its_samplers_one_after_the_other():
    tokens = chosen(400, seed=1)
    cut = sampling.min_p(sampling.top_p(sampling.top_k(LOGITS, 40), 0.95), 0.05)
    probabilities = sampling.softmax(sampling.temperature(cut, 0.8))
    assert set(tokens) <= set(np.flatnonzero(probabilities))
    common = probabilities.argmax()
    spread = np.sqrt(400 * probabilities[common] * (1 - probabilities[common]))
    assert abs(tokens.count(common) - 400 * probabilities[common]) < 4 * spread


def test_a_seed_is_a_seed():
    assert chosen(20, seed=1) == chosen(20, seed=1) != chosen(20, seed=2)
    assert chosen(20, seed=-1) != chosen(20, seed=-1)


def test_temperature_zero_takes_the_best():
    assert chosen(3, temperature=0.0) == [LOGITS.argmax()] * 3
    assert sampling.make_plan(sampling.settings(temperature=0), 64) == sampling.Plan((), greedy=True)


def test_penalties_remember_what_was_chosen_and_the_prompt():
    logits = np.zeros(300, np.float32)
    logits[[7, 8, 9]] = 3.0, 2.5, 2.0
    options = {"temperature": 0.0, "presence_penalty": 10.0, "logits": logits}
    assert chosen(3, **options) == [7, 8, 9]
    assert chosen(3, prompt=[8], **options)[:2] == [7, 9]
    assert chosen(4, repeat_last_n=1, **options) == [7, 8, 7, 8]
    assert chosen(3, repeat_last_n=0, **options) == [7, 7, 7]


def test_mirostat_learns():
    settings = sampling.settings(mirostat=2, mirostat_tau=3.0, seed=4)
    plan = sampling.make_plan(settings, context=64)
    past = sampling.begin(plan, settings, [])
    assert plan.order == ("temperature", "mirostat_2") and float(past.mu) == 6
    logits = jnp.asarray(LOGITS)
    token, _, after, _ = sampling.choose(plan, logits, sampling.numbers(settings), past)
    cut = sampling.mirostat_2(sampling.temperature(LOGITS, 0.8), 6.0)
    bits = -np.log2(sampling.softmax(cut)[int(token)])
    assert abs(float(after.mu) - (6 - 0.1 * (bits - 3))) < 1e-5


def test_orders_and_who_takes_part():
    plan = sampling.make_plan(sampling.settings(samplers="llama_cpp_2023", tfs_z=0.9), context=64)
    assert plan.order == ("penalties", "top_k", "tfs_z", "top_p", "temperature") and plan.window == 64
    reverse = sampling.settings(samplers=["top_p", "top_k"])
    assert sampling.make_plan(reverse, context=64).order == ("top_p", "top_k")
    assert sampling.make_plan(sampling.settings(samplers="llama_cpp_2023", temperature=0), 64).order == ("penalties",)
    assert sampling.make_plan(sampling.settings(typical_p=0.5, temperature=0), 64).order == ("typ_p",)
    assert sampling.make_plan(sampling.settings(repeat_last_n=-1, repeat_penalty=2.0), 400).window == 512
    assert sampling.make_plan(sampling.settings(samplers=[]), 64) == sampling.Plan((), greedy=False)


def test_the_order_matters():
    """Of ten equal ones half the probability is five; of the two best it is one."""
    logits = np.zeros(10, np.float32)
    logits[:2] = 0.01
    one = sampling.top_p(sampling.top_k(logits, 2), 0.5)
    two = sampling.top_k(sampling.top_p(logits, 0.5), 2)
    assert np.sum(one > -np.inf) == 1 and np.sum(two > -np.inf) == 2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"samplers": "top_k;best"}, "unknown sampler 'best'; expected penalties, dry"),
        ({"samplers": "kz"}, "unknown sampler 'kz'"),
        ({"mirostat": 3}, r"unknown mirostat version 3; expected 0 \(off\), 1 or 2"),
        ({"repeat_penalty": 0}, "repeat_penalty is 0.0; expected a number above 0"),
    ],
)
def test_wrong_settings_are_named(given, message):
    with pytest.raises(UsageError, match=message):
        sampling.settings(**given)
