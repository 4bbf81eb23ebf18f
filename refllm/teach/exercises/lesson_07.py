"""The exercises of "The cache": two bills to predict, a step of attention, the prefix to reuse, and a gap to close.

What is right is what the engine, the layers and RoPE do with the same numbers. The wrong answers are right ones with
one mistake each.
"""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from refllm import engine
from refllm.layers import attention, rope
from refllm.models import Config, Rope, cache
from refllm.plots import passes
from refllm.teach.exercise import exercise, require

# ---- 07.1: predict ----


@exercise(
    "07.1",
    hints=(
        "each step sends the prompt and everything written so far; the first one sends the prompt alone",
        "10 for the first token of the answer, 11 for the second, and so on: five terms",
    ),
    wrong=(65, 50, 75, 14, 15, "60"),
)
def passes_without_a_cache(answer):
    """How many tokens go through the model without a cache, for a prompt of 10 and an answer of 5?"""
    require(isinstance(answer, int | np.integer), f"a whole number is asked for; this is a {type(answer).__name__}")
    right, cached = (int(passes(10, 5, known).sum()) for known in (False, True))
    require(answer not in (cached, cached + 1), f"{answer}: that is the work with a cache")
    require(answer != 50, "50 sends the prompt five times and never what was written")
    require(answer <= right, f"{answer} is too much: the token that was written last is not needed any more")
    require(answer >= right, f"{answer} is too little")


# ---- 07.2: a step of attention ----


def step_of_attention(query, key, value, keys, values, *, own=True, scaled=True, turned=False):
    """A right step, or one with a mistake in it."""
    more_keys, more_values = np.concatenate([keys, key[None]]), np.concatenate([values, value[None]])
    seen_keys, seen_values = (more_keys, more_values) if own else (keys, values)
    group = len(query) // len(key)
    output = np.empty_like(query)
    for head, one in enumerate(query):
        kv = head % len(key) if turned else head // group
        scores = seen_keys[:, kv] @ one * (len(one) ** -0.5 if scaled else 1)
        weights = np.exp(scores - scores.max())
        output[head] = weights / weights.sum() @ seen_values[:, kv]
    return output, more_keys, more_values


def mistaken(**mistake):
    return lambda *given: step_of_attention(*given, **mistake)


def forgets_to_remember(query, key, value, keys, values):
    return step_of_attention(query, key, value, keys, values)[0], keys, values


@exercise(
    "07.2",
    hints=(
        "remember first, then look: a token sees itself too; two query heads share a key head here",
        "keys = np.concatenate([keys, key[None]]); for head h use keys[:, h // group]; scores = keys @ query / "
        "sqrt(head_dim); softmax; weights @ values",
    ),
    wrong=(
        mistaken(own=False),
        mistaken(scaled=False),
        mistaken(turned=True),
        forgets_to_remember,
        lambda *given: step_of_attention(*given)[0],
    ),
)
def attention_step(answer):
    """A function that takes one token through attention with a cache, and gives the longer cache back."""
    require(callable(answer), "a function is asked for")
    rng = np.random.default_rng(7)
    for heads, kv_heads, known in ((4, 2, 3), (6, 2, 1), (2, 2, 5)):
        what = f"{heads} heads, {kv_heads} kv_heads, {known} tokens known"
        query, key, value = (rng.normal(size=(n, 4)).astype(np.float32) for n in (heads, kv_heads, kv_heads))
        keys, values = (rng.normal(size=(known, kv_heads, 4)).astype(np.float32) for _ in range(2))
        found = answer(query.copy(), key.copy(), value.copy(), keys.copy(), values.copy())
        three = isinstance(found, tuple) and len(found) == 3
        require(three, f"{what}: expected three things: the output, the keys and the values with the new ones")
        _, more_keys, more_values = step_of_attention(query, key, value, keys, values)
        right = through_the_layer(query, more_keys, more_values)
        require(
            np.shape(found[0]) == right.shape, f"{what}: the output has {np.shape(found[0])}; expected {right.shape}"
        )
        for mistake, message in (("own", "the token does not see itself"), ("scaled", "the scores are not scaled")):
            mistaken_output = step_of_attention(query, key, value, keys, values, **{mistake: False})[0]
            require(not np.allclose(found[0], mistaken_output, atol=1e-5), f"{what}: {message}")
        require(np.allclose(found[0], right, atol=1e-5), f"{what}: the output is another; which head has which keys?")
        kept = np.shape(found[1]) == more_keys.shape and np.allclose(found[1], more_keys)
        kept = kept and np.shape(found[2]) == more_values.shape and np.allclose(found[2], more_values)
        require(kept, f"{what}: the cache does not hold the new key and value behind the others")


def through_the_layer(query, keys, values) -> np.ndarray:
    """The package's attention on the same numbers."""
    seen = jnp.ones((1, len(keys)), bool)
    arrays = (jnp.asarray(array) for array in (query[None], keys, values))
    return np.asarray(attention.attention(*arrays, seen, scale=query.shape[-1] ** -0.5)[0])


# ---- 07.3: predict ----

LAYERS, HEADS, KV_HEADS, HEAD_DIM, CONTEXT = 32, 32, 8, 128, 8192


@exercise(
    "07.3",
    hints=(
        "keys and values, for each layer, each token, each of the kv_heads, each of its numbers",
        "2 * 32 * 8192 * 8 * 128 numbers of 2 bytes, divided by 2**20",
    ),
    wrong=(512, 4096, 2048, 2**30, 32, 16384),
)
def size_of_a_cache(answer):
    """How many MiB do 8,192 tokens take: 32 layers, 32 heads, 8 kv_heads, head_dim 128, float16?"""
    require(isinstance(answer, int | float), f"a number is asked for; this is a {type(answer).__name__}")
    right = cache_bytes(LAYERS, CONTEXT, KV_HEADS) / 2**20
    require(answer != right * 2**20, f"{answer} is right in bytes; MiB are asked for")
    require(answer != cache_bytes(LAYERS, CONTEXT, HEADS) / 2**20, f"{answer} is for 32 kv_heads; there are 8")
    require(answer != right / 2, f"{answer} is for the keys alone")
    require(answer != right * 2, f"{answer} is for numbers of four bytes; float16 has two")
    require(answer == right, f"{answer:g} MiB are {'too many' if answer > right else 'too few'}")


def cache_bytes(layers: int, context: int, kv_heads: int) -> int:
    """What the engine's own cache would take: one token of one layer, times both."""
    one = cache.empty(1, 1, kv_heads, HEAD_DIM, "float16")
    return layers * context * (one.keys.nbytes + one.values.nbytes)


# ---- 07.4: what is still to be read ----


def common(known: Sequence[int], new: Sequence[int]) -> int:
    places = (place for place, pair in enumerate(zip(known, new, strict=False)) if pair[0] != pair[1])
    return next(places, min(len(known), len(new)))


def nothing_if_known(known, new):
    """Reads nothing when everything is known; then there are no logits to choose from."""
    return new[common(known, new) :]


def by_length(known, new):
    return new[len(known) :] or new[-1:]


def as_a_set(known, new):
    return [token for token in new if token not in known] or new[-1:]


def all_or_nothing(known, new):
    return new[len(known) :] if new[: len(known)] == known and len(new) > len(known) else new


def one_too_many(known, new):
    return new[max(common(known, new) - 1, 0) :]


TINY = Config("llama", 1, 8, 2, 1, 4, 16, 32, 64, Rope("interleaved", 4, 10000.0))
KNOWN_AND_NEW = {
    "a prompt that goes on": ([1, 2, 3], [1, 2, 3, 4, 5]),
    "a prompt that differs in the middle": ([1, 2, 3, 4], [1, 2, 9, 4]),
    "the same prompt once more": ([1, 2, 3], [1, 2, 3]),
    "the beginning of what is known": ([1, 2, 3, 4], [1, 2]),
    "another prompt": ([1, 2, 3], [7, 2, 3]),
    "tokens that come back": ([1, 2, 1, 2], [1, 2, 1, 1, 2]),
    "the first prompt": ([], [1, 2]),
}


@exercise(
    "07.4",
    hints=(
        "count how many tokens agree from the left; stop at the first that does not",
        "the last token is always read again, known or not: its logits are what one is after",
    ),
    wrong=(nothing_if_known, by_length, as_a_set, all_or_nothing, one_too_many, lambda known, new: new),
)
def still_to_read(answer):
    """A function that says which tokens of a new prompt are still to be read."""
    require(callable(answer), "a function is asked for")
    for what, (known, new) in KNOWN_AND_NEW.items():
        found = answer(list(known), list(new))
        require(found is not None, f"{what}: the function returns nothing")
        session = engine.Session(TINY, {}, context=64, ids=list(known))
        expected = session.keep_common_prefix(new)
        require(len(found), f"{what}: nothing is left to read, so there are no logits to choose from")
        require(list(found) == expected, f"{what}: known {known}, new {new}: {list(found)}; expected {expected}")


# ---- 07.5: closing the gap ----

FREQUENCY = jnp.asarray([1.0, 0.1], jnp.float32)


def turned(keys: np.ndarray, positions) -> np.ndarray:
    """Keys turned by RoPE, each by its position, or all by the same one."""
    each = jnp.broadcast_to(jnp.asarray(positions), len(keys))
    angles = rope.angles(each, FREQUENCY)
    return np.asarray(rope.rotate_interleaved(jnp.asarray(keys)[:, None], angles, 1.0)[:, 0])


def right_gap(keys, keep, dropped, turn):
    return np.concatenate([keys[:keep], turn(keys[keep + dropped :], -dropped)])


@exercise(
    "07.5",
    hints=(
        "three parts: kept, dropped, moved; only one of them has to be turned",
        "np.concatenate([keys[:keep], turn(keys[keep + dropped:], by)]): by how many positions, and which way?",
    ),
    wrong=(
        lambda keys, keep, dropped, turn: np.concatenate([keys[:keep], keys[keep + dropped :]]),
        lambda keys, keep, dropped, turn: np.concatenate([keys[:keep], turn(keys[keep + dropped :], dropped)]),
        lambda keys, keep, dropped, turn: turn(np.concatenate([keys[:keep], keys[keep + dropped :]]), -dropped),
        lambda keys, keep, dropped, turn: turn(keys[dropped:], -dropped),
        lambda keys, keep, dropped, turn: np.concatenate([keys[:keep], turn(keys[keep:-dropped], -dropped)]),
    ),
)
def gap_closer(answer):
    """A function that drops keys from a cache and makes those behind the gap look as if they had stood there."""
    require(callable(answer), "a function is asked for")
    plain = np.random.default_rng(3).normal(size=(9, 4)).astype(np.float32)
    for keep, dropped in ((2, 3), (1, 4), (4, 2)):
        what = f"keep {keep}, drop {dropped}"
        found = np.asarray(answer(turned(plain, np.arange(9)), keep, dropped, turned))
        left = np.concatenate([plain[:keep], plain[keep + dropped :]])
        require(found.shape == left.shape, f"{what}: {len(found)} keys came out; expected {len(left)}")
        expected = turned(left, np.arange(len(left)))
        require(np.allclose(found[:keep], expected[:keep], atol=1e-4), f"{what}: the keys to keep have changed")
        moved = np.allclose(found[keep:], expected[keep:], atol=1e-4)
        require(moved, f"{what}: those behind the gap are not those that their tokens have at their new positions")
