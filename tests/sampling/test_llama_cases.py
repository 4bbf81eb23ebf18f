"""The cases of llama.cpp's own test of its samplers, as facts: probabilities in, probabilities out.

There a sampler may leave its candidates in another order; here each keeps its place and the removed have probability 0.
"""

import numpy as np
import pytest

from refllm import sampling
from refllm.sampling import Breakers

RISING = [0.1, 0.2, 0.3, 0.4]
FALLING = RISING[::-1]
FIVE = [0.2] * 5
NINTHS = [0, 2 / 9, 3 / 9, 4 / 9]
SEVENTHS = [0, 0, 3 / 7, 4 / 7]
BEST = [0, 0, 0, 1]
CASES = [
    *[("temperature", (t,), RISING, out) for t, out in ((1.0, RISING), (0.0, BEST))],
    *[("dynamic_temperature", (t, 0.0, 1.0), RISING, out) for t, out in ((1.0, RISING), (0.0, BEST))],
    *[("top_k", (k,), RISING, out) for k, out in ((1, BEST), (3, NINTHS), (4, RISING), (0, RISING))],
    *[("top_p", (p,), RISING, out) for p, out in ((0, BEST), (0.7, SEVENTHS), (0.8, NINTHS), (1.0, RISING))],
    *[("min_p", (p,), RISING, RISING) for p in (0.0, 0.24)],
    *[("min_p", (p,), RISING, NINTHS) for p in (0.26, 0.49)],
    *[("min_p", (p,), RISING, SEVENTHS) for p in (0.51, 0.74)],
    *[("min_p", (p,), RISING, BEST) for p in (0.76, 1.0, 1.05)],
    ("xtc", (0.99, 0.09, 0.5), FALLING, [0, 0, 0, 1]),
    ("xtc", (0.99, 0.19, 0.5), FALLING, [0, 0, 2 / 3, 1 / 3]),
    ("xtc", (0.99, 0.29, 0.5), FALLING, [0, 3 / 6, 2 / 6, 1 / 6]),
    ("xtc", (0.99, 0.39, 0.5), FALLING, FALLING),
    ("typical", (0.5,), [0.97, 0.01, 0.01, 0.01], [1, 0, 0, 0]),
    ("typical", (0.5,), [0.4, 0.2, 0.2, 0.2], [0, 1 / 3, 1 / 3, 1 / 3]),
    ("top_n_sigma", (1.0,), RISING, SEVENTHS),
    *[("top_n_sigma", (n,), RISING, RISING) for n in (0.0, 3.0)],
    ("tail_free", (0.25,), [0.1, 0.15, 0.2, 0.25, 0.3], [0, 0, 0, 0, 1]),  # these from the test of October 2023
    *[("tail_free", (z,), [0.1, 0.15, 0.2, 0.25, 0.3], [0, 0, 0, 5 / 11, 6 / 11]) for z in (0.75, 0.99)],
]
PENALTIES = [  # recent tokens, (repeat, frequency, presence), probabilities of five equal ones afterwards
    ([0], (50.0, 0.0, 0.0), [0, 0.25, 0.25, 0.25, 0.25]),
    ([0, 1, 2], (50.0, 0.0, 0.0), [0, 0, 0, 0.5, 0.5]),
    ([0, 1, 2, 0, 0], (50.0, 0.0, 0.0), [0, 0, 0, 0.5, 0.5]),
    ([0], (1.0, 5.0, 5.0), [0.000011, 0.249997, 0.249997, 0.249997, 0.249997]),
    ([0, 1, 2], (1.0, 5.0, 5.0), [0.000023, 0.000023, 0.000023, 0.499966, 0.499966]),
    ([0, 1, 2, 0, 0], (1.0, 5.0, 5.0), [0, 0.000023, 0.000023, 0.499977, 0.499977]),
]
DRY = [  # recent tokens, (multiplier, base, allowed length), single breakers, probabilities of equal ones afterwards
    ([0, 1], (1.0, 1.1, 2), [], [0.25] * 4),
    ([0, 1, 2, 0, 1], (1.0, 1.1, 2), [], [0.296923, 0.296923, 0.109232, 0.296923]),
    ([0, 1, 3, 4, 0, 1], (1.0, 1.1, 2), [3], FIVE),
    ([0, 1, 2, 0, 1], (2.0, 1.1, 2), [], [0.241818, 0.241818, 0.032727, 0.241818, 0.241818]),
    ([0, 1, 2, 3, 4, 0, 1], (1.0, 1.1, 4), [], FIVE),
]


def logits_of(probabilities):
    return np.log(np.array(probabilities, np.float32))


def check(logits, expected):
    np.testing.assert_allclose(sampling.softmax(logits), expected, atol=1e-5)
    np.testing.assert_array_equal(logits == -np.inf, np.array(expected) == 0)


@pytest.mark.parametrize(("name", "numbers", "before", "after"), CASES)
def test_a_sampler(name, numbers, before, after):
    check(getattr(sampling, name)(logits_of(before), *numbers), after)


@pytest.mark.parametrize(("recent", "rates", "after"), PENALTIES)
def test_penalties(recent, rates, after):
    counts = sampling.count_tokens(np.array(recent), vocab=5)
    weakened = sampling.penalties(logits_of(FIVE), counts, *rates)
    np.testing.assert_allclose(sampling.softmax(weakened), after, atol=1e-5)


@pytest.mark.parametrize(("recent", "rates", "single", "after"), DRY)
def test_dry(recent, rates, single, after):
    vocab = len(after)
    breakers = Breakers(np.isin(np.arange(vocab), single), np.zeros((0, 1), np.int32))
    repeats = sampling.repeats(np.array(recent), vocab, breakers)
    weakened = sampling.dry(logits_of([1 / vocab] * vocab), repeats, *rates)
    np.testing.assert_allclose(sampling.softmax(weakened), after, atol=1e-5)


def test_one_candidate_takes_a_throw_of_the_dice_too():
    """llama.cpp: the draws after it do not depend on how many candidates there were. Here they depend on nothing."""
    chances = np.random.default_rng(4242).random(5)
    alone = [
        int(sampling.dist(np.zeros(size, np.float32), c)) for size, c in zip((1, *[256] * 4), chances, strict=True)
    ]
    among = [
        int(sampling.dist(np.zeros(size, np.float32), c)) for size, c in zip((2, *[256] * 4), chances, strict=True)
    ]
    assert alone[0] == 0 and alone[1:] == among[1:]


VOCAB = 10_000
QUEUE = [
    *[("k", k, 1.0, 1.0) for k in (10_000, 1, 100)],
    *[("p", 10_000, p, 1.0) for p in (1.0, 0.0, 0.0003, 0.8)],
    *[("m", 10_000, 1.0, m) for m in (1.0, 1e-12, 9997.9 / 9999.0, 0.1)],
    *[(chain, 100, 0.8, 0.1) for chain in ("kp", "km", "pk", "pm", "mk", "mp")],
    ("mp", 100, 0.8, 9997.9 / 9999.0),
    *[(chain, 100, 0.8, 0.1) for chain in ("kpm", "kmp", "pkm", "pmk", "mkp", "mpk")],
]


@pytest.mark.parametrize(("chain", "k", "p", "m"), QUEUE)
def test_a_queue_of_samplers(chain, k, p, m):
    """Token i has a probability in proportion to i: what must be left can be reckoned with whole numbers."""
    logits = np.log(np.maximum(np.arange(VOCAB, dtype=np.float32), 1e-30))
    logits[0] = np.finfo(np.float32).min  # probability 0, but not removed
    lowest, left = 0, VOCAB
    for letter in chain:
        logits = {"k": (sampling.top_k, k), "p": (sampling.top_p, p), "m": (sampling.min_p, m)}[letter][0](
            logits, {"k": k, "p": p, "m": m}[letter]
        )
        lowest, left = {"k": after_top_k, "p": after_top_p, "m": after_min_p}[letter](lowest, left, k, p, m)
        kept = np.flatnonzero(logits > -np.inf)
        assert (kept[0], kept[-1], len(kept)) == (lowest, VOCAB - 1, left), letter


def after_top_k(lowest, left, k, p, m):
    lowest = max(lowest, VOCAB - k)
    return lowest, VOCAB - lowest


def after_top_p(lowest, left, k, p, m):
    wanted = int(np.ceil(np.float32(p) * np.float32(sum(range(lowest, VOCAB)))))
    first, total = VOCAB, 0
    while first == VOCAB or total < wanted:
        first -= 1
        total += first
    first = 0 if first == 1 else first  # token 0 adds nothing
    return first, VOCAB - first


def after_min_p(lowest, left, k, p, m):
    lowest = min(max(int(np.floor(m * VOCAB)), 1, lowest), VOCAB - 1)
    return lowest, VOCAB - lowest
