"""The exercises of "Choosing a token": a ratio, a sampler, two orders, and two more samplers to write.

What is right is what `sampling` does with the same logits. The wrong answers to the functions are samplers with one
mistake each, and each of those mistakes has been made in a published program.
"""

import numpy as np
from jaxtyping import Float32

from refllm import sampling
from refllm.teach.exercise import exercise, require

Logits = Float32[np.ndarray, " candidates"]


def logits_of(*probabilities: float) -> Logits:
    """Logits that these probabilities come from; the highest is not the first."""
    return np.log(np.array(probabilities, np.float32)) + np.float32(3)


MOMENTS = {
    "a sure moment": logits_of(0.01, 0.9, 0.03, 0.04, 0.02),
    "an undecided moment": logits_of(0.11, 0.19, 0.23, 0.17, 0.13, 0.09, 0.08),
    "a moment with negative logits": logits_of(0.1, 0.5, 0.25, 0.15) - np.float32(9),
    "a moment in which one candidate was removed before": np.array([1, -np.inf, 3, 2.5, -1], np.float32),
}


def asked_of_a_sampler(answer, what: str, logits: Logits, *others) -> np.ndarray:
    """What the learner's function makes of these logits, looked at from outside."""
    given = logits.copy()
    found = answer(given, *others)
    require(isinstance(found, np.ndarray), f"{what}: the function gave a {type(found).__name__}; expected logits")
    require(np.array_equal(given, logits), f"{what}: the logits that came in were changed; give back new ones")
    require(found.shape == logits.shape, f"{what}: {len(logits)} logits came in and {found.size} came out")
    return found


def require_same_candidates(found: np.ndarray, expected: np.ndarray, what: str) -> None:
    """The same ones removed, and nothing done to the others."""
    left, right = found > -np.inf, expected > -np.inf
    require(left.any(), f"{what}: nothing is left")
    require(left[expected.argmax()], f"{what}: the best candidate is gone")
    require((left == right).all(), f"{what}: places {places(left)} are left; expected {places(right)}")
    require(np.allclose(found[left], expected[left]), f"{what}: the logits of those that stay must stay as they are")


def places(kept: np.ndarray) -> list[int]:
    return np.flatnonzero(kept).tolist()


# ---- 06.1: predict ----


@exercise(
    "06.1",
    hints=(
        "logits are logarithms: a ratio of probabilities is a difference of logits",
        "dividing by 0.5 doubles the difference of the logits; what does that do to the ratio?",
    ),
    wrong=(2, 1, 3.0, 1.5, 6, 4.5),
)
def ratio_at_half(answer):
    """At temperature 1 a candidate is three times as likely as another; how many times at temperature 0.5?"""
    require(isinstance(answer, int | float | np.number), f"a number is asked for; this is a {type(answer).__name__}")
    shares = sampling.softmax(sampling.temperature(logits_of(0.6, 0.2), 0.5))
    ratio = float(shares[0] / shares[1])
    require(answer != 3, "that is the ratio at temperature 1; at a half the better one gains")
    require(answer > 3, f"{answer:g} is flatter than at temperature 1; at a half the better one gains")
    require(answer != 6, "6 is twice the ratio; what doubles is the difference of the logits")
    require(
        abs(answer - ratio) < 1e-3, f"with a ratio of {answer:g} the logits do not differ by twice as much as before"
    )


# ---- 06.2: min-p ----


def absolute(logits, p):
    """Compares with p itself instead of with p times the best."""
    return np.where(sampling.softmax(logits) >= p, logits, -np.inf)


def below_the_logit(logits, p):
    """Multiplies a logit where a probability is meant."""
    return np.where(logits >= p * logits.max(), logits, -np.inf)


def gives_probabilities(logits, p):
    shares = sampling.softmax(logits)
    return np.where(shares >= p * shares.max(), shares, 0)


def strictly_above(logits, p):
    """Loses those that reach the threshold, the best among them when p is 1."""
    shares = sampling.softmax(logits)
    return np.where(shares > p * shares.max(), logits, -np.inf)


def in_place(logits, p):
    shares = sampling.softmax(logits)
    logits[shares < p * shares.max()] = -np.inf
    return logits


@exercise(
    "06.2",
    hints=(
        "the threshold is p times the probability of the best; what is below gets -np.inf, the rest keeps its logit",
        "shares = sampling.softmax(logits); then np.where(shares >= p * shares.max(), logits, -np.inf)",
    ),
    wrong=(absolute, below_the_logit, gives_probabilities, strictly_above, in_place),
)
def min_p(answer):
    """A function that keeps the candidates at least p times as likely as the best one."""
    require(callable(answer), "a function is asked for")
    for what, logits in MOMENTS.items():
        for p in (0.12, 0.35, 0.62, 1.0):
            named = f"{what}, p = {p:g}"
            found = asked_of_a_sampler(answer, named, logits, p)
            require_same_candidates(found, sampling.min_p(logits, p), named)


# ---- 06.3: predict ----

ORDER = (0.4, 0.3, 0.2, 0.1)


def left_after(*samplers) -> int:
    logits = logits_of(*ORDER)
    for sampler in samplers:
        logits = sampler(logits)
    return int((logits > -np.inf).sum())


@exercise(
    "06.3",
    hints=(
        "the second sampler sees what the first one left, and its probabilities sum to one again",
        "of 0.4 and 0.3 alone the first has 0.4 / 0.7 of the probability; is that 0.55 already?",
    ),
    wrong=((2, 2), (2, 1), (1, 1), (2, 3), 1, (3, 2)),
)
def two_orders(answer):
    """How many of 0.4, 0.3, 0.2, 0.1 are left by top_k 2 then top_p 0.55, and how many by the other order?"""
    pair = isinstance(answer, tuple | list) and len(answer) == 2
    require(pair, f"two numbers are asked for, (k first, p first); this is {answer!r}")

    def k(logits):
        return sampling.top_k(logits, 2)

    def p(logits):
        return sampling.top_p(logits, 0.55)

    first, second = left_after(k, p), left_after(p, k)
    swapped = tuple(answer) == (second, first)
    require(not swapped, "the right numbers, the wrong way round: the first is for top_k before top_p")
    require(answer[0] == first, f"top_k first: not {answer[0]}; what has the best one of the two that top_k leaves?")
    require(answer[1] == second, f"top_p first: not {answer[1]}; top_p keeps the one that reaches its share, too")


# ---- 06.4: the repetition penalty ----


def always_divides(logits, seen, rate):
    """What the paper's formula says, and what makes negative logits grow."""
    found = logits.copy()
    found[seen] = found[seen] / rate
    return found


def once_for_each_time(logits, seen, rate):
    found = logits.copy()
    for token in seen:
        found[token] = found[token] / rate if found[token] > 0 else found[token] * rate
    return found


def subtracts(logits, seen, rate):
    found = logits.copy()
    found[np.unique(seen)] -= np.float32(rate)
    return found


def everybody(logits, seen, rate):
    return np.where(logits > 0, logits / rate, logits * rate)


def changes_its_input(logits, seen, rate):
    logits[:] = right_penalty(logits, seen, rate)
    return logits


def right_penalty(logits, seen, rate):
    return sampling.penalties(logits, sampling.count_tokens(np.asarray(seen), len(logits)), repeat=rate)


@exercise(
    "06.4",
    hints=(
        "less likely means a lower logit; try a negative one with pencil and paper",
        "divide positive logits by the rate, multiply the others, once for each token however often it was seen",
    ),
    wrong=(always_divides, once_for_each_time, subtracts, everybody, changes_its_input),
)
def repetition_penalty(answer):
    """A function that makes tokens less likely that were seen before."""
    require(callable(answer), "a function is asked for")
    for what, logits in MOMENTS.items():
        for seen in ([0], [2, 3], [2, 2, 2, 0]):
            named = f"{what}, seen {seen}"
            found = asked_of_a_sampler(answer, named, logits, seen, 1.5)
            present, others = np.unique(seen), np.setdiff1d(np.arange(len(logits)), seen)
            require(np.allclose(found[others], logits[others]), f"{named}: a token that was not seen has changed")
            grown = [token for token in present if found[token] > logits[token]]
            require(not grown, f"{named}: token {grown[0] if grown else ''} has become more likely; look at its sign")
            expected = right_penalty(logits, seen, 1.5)
            wrong = [token for token in present if not np.isclose(found[token], expected[token])]
            token = wrong[0] if wrong else 0
            require(
                not wrong, f"{named}: token {token} went from {logits[token]:.2f} to {found[token]:.2f}; "
                f"expected {expected[token]:.2f}",
            )  # fmt: skip


# ---- 06.5: top-p ----


def without_the_last(logits, p):
    """Stops before the candidate that reaches p; in a sure moment nothing is left."""
    order = np.argsort(-logits, kind="stable")
    reached = np.cumsum(sampling.softmax(logits)[order])
    return only(logits, order[: int((reached <= p).sum())])


def in_sorted_order(logits, p):
    """Forgets to put the candidates back into their places."""
    best = np.sort(logits)[::-1]
    count = 1 + int((np.cumsum(sampling.softmax(best)) < p).sum())
    return np.where(np.arange(len(best)) < count, best, -np.inf)


def unsorted(logits, p):
    reached = np.cumsum(sampling.softmax(logits))
    return only(logits, np.arange(1 + int((reached < p).sum())))


def one_too_many(logits, p):
    order = np.argsort(-logits, kind="stable")
    reached = np.cumsum(sampling.softmax(logits)[order])
    return only(logits, order[: 2 + int((reached < p).sum())])


def only(logits, places):
    found = np.full_like(logits, -np.inf)
    found[places] = logits[places]
    return found


@exercise(
    "06.5",
    hints=(
        "sort, add up, count, and remember where each one stood; the one that reaches p stays",
        "order = np.argsort(-logits); reached = np.cumsum(sampling.softmax(logits)[order]); the places to keep are "
        "order[: 1 + (reached < p).sum()]",
    ),
    wrong=(without_the_last, in_sorted_order, unsorted, one_too_many, lambda logits, p: absolute(logits, 1 - p)),
)
def top_p(answer):
    """A function that keeps the best candidates until together they have probability p."""
    require(callable(answer), "a function is asked for")
    for what, logits in MOMENTS.items():
        for p in (0.3, 0.55, 0.88):
            named = f"{what}, p = {p:g}"
            found = asked_of_a_sampler(answer, named, logits, p)
            require_same_candidates(found, sampling.top_p(logits, p), named)
