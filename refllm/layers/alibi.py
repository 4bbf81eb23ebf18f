"""ALiBi: position as a penalty that grows with distance, in place of RoPE (BLOOM, Baichuan 13B).

Every head has a slope; a key `n` tokens back loses `slope * n` before the softmax. Nothing is learned and nothing wraps
around, so it goes on beyond the trained length.

>>> [float(s) for s in slopes(4)]
[0.25, 0.0625, 0.015625, 0.00390625]
>>> import jax.numpy as jnp
>>> bias(jnp.array([2]), jnp.array([0, 1, 2]), slopes(1))      # one head, one query at position 2
Array([[[-0.0078125 , -0.00390625, -0.        ]]], dtype=float32)
"""

import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int


def slopes(heads: int, max_bias: float = 8.0) -> Float32[np.ndarray, " heads"]:
    """A geometric series; head counts that are no power of two fill up with the odd steps of the finer one."""
    power = 2 ** math.floor(math.log2(heads))
    coarse, fine = 2 ** (-max_bias / power), 2 ** (-max_bias / 2 / power)
    exact = [coarse ** (head + 1) for head in range(power)]
    between = [fine ** (2 * head + 1) for head in range(heads - power)]
    return np.array(exact + between, np.float32)


def bias(
    query_positions: Int[Array, " tokens"], key_positions: Int[Array, " context"], slope: Float[np.ndarray, " heads"]
) -> Float[Array, "heads tokens context"]:
    """What to add to the scores of every head."""
    distance = jnp.abs(query_positions[:, None] - key_positions[None, :]).astype(jnp.float32)
    return -jnp.asarray(slope)[:, None, None] * distance[None]
