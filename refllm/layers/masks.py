"""Who may look at whom: attention masks, True where a query sees a key.

>>> import jax.numpy as jnp
>>> positions = jnp.arange(4)
>>> causal(positions, positions).astype(int)
Array([[1, 0, 0, 0],
       [1, 1, 0, 0],
       [1, 1, 1, 0],
       [1, 1, 1, 1]], dtype=int32)
>>> (causal(positions, positions) & within(positions, positions, window=2)).astype(int)
Array([[1, 0, 0, 0],
       [1, 1, 0, 0],
       [0, 1, 1, 0],
       [0, 0, 1, 1]], dtype=int32)
>>> prefix(positions, positions, length=3).astype(int)      # the first three see each other, then causal
Array([[1, 1, 1, 0],
       [1, 1, 1, 0],
       [1, 1, 1, 0],
       [1, 1, 1, 1]], dtype=int32)
"""

from jaxtyping import Array, Bool, Int

Queries = Int[Array, " tokens"]
Keys = Int[Array, " context"]
Mask = Bool[Array, "tokens context"]


def causal(queries: Queries, keys: Keys) -> Mask:
    """A token sees itself and what came before."""
    return keys[None, :] <= queries[:, None]


def within(queries: Queries, keys: Keys, window: int) -> Mask:
    """Sliding window: only the last `window` tokens, itself included."""
    return queries[:, None] - keys[None, :] < window


def prefix(queries: Queries, keys: Keys, length: int | Int[Array, ""]) -> Mask:
    """The first `length` tokens, the prompt, see all of each other; after them it is causal."""
    return causal(queries, keys) | (keys[None, :] < length)
