"""RWKV-4's memory: for each channel an average of all values so far, weighted by e^key and fading with time.

After token t a channel knows numerator = sum of e^(key_s + (t-s) fade) value_s and denominator = the same without the
values. Keys may be large, so both are kept relative to the largest exponent among them (a `Sums`). `step` adds one
token to the sums; `parallel` looks from every token at all those of its piece of the text at once, and at the sums
before the piece. No matrices and no heads here; those came with RWKV-5.

>>> import numpy as np
>>> rng = np.random.default_rng(0)
>>> key, value = (jnp.asarray(rng.standard_normal((6, 3)), jnp.float32) for _ in "kv")
>>> fade, first = jnp.full(3, -0.3), jnp.full(3, 0.5)
>>> together, _ = parallel(empty(3), key, value, fade, first, jnp.ones(6, bool))
>>> sums = empty(3)
>>> for t in range(6):
...     one, sums = step(sums, key[t], value[t], fade, first)
>>> bool(jnp.allclose(one, together[-1], atol=1e-6))
True
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from refllm.layers.decays import piecewise

NOTHING = -1e30  # the exponent of a sum of nothing

Channels = Float[Array, "*tokens dim"]


class Sums(NamedTuple):
    """e^exponent times numerator, and e^exponent times denominator."""

    numerator: Channels
    denominator: Channels
    exponent: Channels


def empty(dim: int) -> Sums:
    return Sums(jnp.zeros(dim), jnp.zeros(dim), jnp.full(dim, NOTHING))


def add(left: Sums, right: Sums) -> Sums:
    """Both together, relative to the larger exponent."""
    exponent = jnp.maximum(left.exponent, right.exponent)
    of_left, of_right = jnp.exp(left.exponent - exponent), jnp.exp(right.exponent - exponent)
    return Sums(
        of_left * left.numerator + of_right * right.numerator,
        of_left * left.denominator + of_right * right.denominator,
        exponent,
    )


def faded(sums: Sums, fade: Channels) -> Sums:
    """The same some time later; `fade` is negative."""
    return sums._replace(exponent=sums.exponent + fade)


def average(before: Sums, now: Sums, first: Float[Array, " dim"]) -> Channels:
    """What a token sees: all before it, and itself with a weight of its own."""
    seen = add(before, faded(now, first if now.exponent.ndim == 1 else first[None]))
    return seen.numerator / seen.denominator


def step(sums: Sums, key: Channels, value: Channels, fade: Channels, first: Channels) -> tuple[Channels, Sums]:
    """One token."""
    now = Sums(value, jnp.ones_like(value), key)
    return average(sums, now, first), add(faded(sums, fade), now)


def parallel(
    sums: Sums,
    key: Float[Array, "tokens dim"],
    value: Float[Array, "tokens dim"],
    fade: Float[Array, " dim"],
    first: Float[Array, " dim"],
    real: Bool[Array, " tokens"],
) -> tuple[Float[Array, "tokens dim"], Sums]:
    """Many tokens; those that are not real (padding at the end) leave the sums as they are."""
    return piecewise(lambda sums, *inside: piece(sums, *inside, fade, first), sums, (key, value, real))


def piece(sums: Sums, key, value, real, fade, first) -> tuple[Float[Array, "tokens dim"], Sums]:
    """A few tokens at once. The sums are computed at the borders between tokens."""
    place = jnp.concatenate([jnp.zeros(1), jnp.cumsum(real, dtype=jnp.float32)])  # of a border, in real tokens
    border, token = jnp.arange(len(key) + 1)[:, None], jnp.arange(len(key))[None]
    is_before = (token < border) & real[None]
    age = (place[:, None] - place[None, 1:])[:, :, None]
    exponent = jnp.where(is_before[:, :, None], key[None] + age * fade[None, None], NOTHING)
    start = sums.exponent[None] + place[:, None] * fade[None]
    largest = jnp.maximum(exponent.max(axis=1), start)
    weight = jnp.where(is_before[:, :, None], jnp.exp(exponent - largest[:, None]), 0.0)
    of_start = jnp.exp(start - largest)
    until = Sums(
        (weight * value[None]).sum(axis=1) + of_start * sums.numerator[None],
        weight.sum(axis=1) + of_start * sums.denominator[None],
        largest,
    )
    before, last = Sums(*(part[:-1] for part in until)), Sums(*(part[-1] for part in until))
    return average(before, Sums(value, jnp.ones_like(value), key), first), last
