"""What the samplers share: probabilities, order, and the removal of candidates, for numpy and for JAX arrays alike.

A sampler takes one logit per candidate and gives back as many; a candidate that was removed has minus infinity. Such a
candidate has probability 0 and counts nowhere. Each function asks its argument which library it belongs to, so a lesson
may look into it with numpy while the engine compiles the same lines with JAX.

>>> import numpy as np
>>> logits = np.log(np.array([0.1, 0.2, 0.3, 0.4], np.float32))
>>> highest(logits, 2)
array([False, False,  True,  True])
>>> softmax(keep(logits, highest(logits, 2))).round(3)
array([0.   , 0.   , 0.429, 0.571], dtype=float32)
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

Logits = Float[np.ndarray | Array, " vocab"]
Mask = Bool[np.ndarray | Array, " vocab"]
Counts = Int[np.ndarray | Array, " vocab"]
Tokens = Int[np.ndarray | Array, " tokens"]
Number = int | float | np.number | np.ndarray | Array  # of no dimension; under `jit` it may be traced


def keep(logits: Logits, kept: Mask | bool) -> Logits:
    """The logits with everything else removed."""
    return logits.__array_namespace__().where(kept, logits, -np.inf)


def number(value: Number, like: Logits) -> Number:
    """A number in the precision of the logits, so that numpy does not compute in another."""
    return like.__array_namespace__().asarray(value, dtype=like.dtype)


def softmax(logits: Logits) -> Logits:
    """Probabilities that sum to one."""
    xp = logits.__array_namespace__()
    weights = xp.exp(logits - xp.max(logits))
    return weights / xp.sum(weights)


def surprise(probabilities: Logits) -> Logits:
    """Minus the logarithm of each probability; 0 where the probability is 0, since nobody will be surprised."""
    xp = probabilities.__array_namespace__()
    return -xp.log(xp.where(probabilities > 0, probabilities, 1.0))


def entropy(probabilities: Logits) -> Number:
    """The surprise to be expected, in nats."""
    return (probabilities * surprise(probabilities)).sum()


def remaining(logits: Logits) -> Number:
    """How many candidates have not been removed."""
    return (logits > -np.inf).sum()


def descending(values: Logits) -> Logits:
    """The values, the highest first."""
    if isinstance(values, np.ndarray):
        return np.sort(values)[::-1]
    # XLA sorts integers six times faster than floats. The bits of positive floats are in order as they are, those
    # of negative ones in the reverse order until all but the sign are flipped.
    bits = jax.lax.bitcast_convert_type(values, jnp.int32)
    bits = jnp.sort(jnp.where(bits < 0, bits ^ 0x7FFFFFFF, bits), descending=True)
    return jax.lax.bitcast_convert_type(jnp.where(bits < 0, bits ^ 0x7FFFFFFF, bits), jnp.float32)


def highest(values: Logits, count: Number) -> Mask:
    """True for the `count` highest values; of equal ones, for those that come first."""
    xp = values.__array_namespace__()
    last = descending(values)[xp.clip(xp.asarray(count), 1, len(values)) - 1]
    above, equal = values > last, values == last
    return above | (equal & (xp.cumsum(equal) <= count - above.sum()))


def loop_while(condition, step, state: tuple, like: Logits | Tokens) -> tuple:
    """Repeat a step as long as the condition holds, in Python or within a compiled program."""
    if not isinstance(like, np.ndarray):
        return jax.lax.while_loop(condition, step, state)
    while condition(state):
        state = step(state)
    return state
