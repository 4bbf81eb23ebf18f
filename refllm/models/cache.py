"""The memory of a sequence: the keys and values of every token so far, for every layer.

The arrays have room for `capacity` tokens; `length` says how many are real. What lies beyond is leftover that no mask
lets anyone see and the next tokens overwrite. Growing is a copy into larger arrays, and the engine's decision.

>>> import jax.numpy as jnp
>>> cache = empty(layers=2, capacity=4, kv_heads=1, head_dim=8)
>>> cache = write(cache, layer=1, key=jnp.ones((3, 1, 8)), value=jnp.ones((3, 1, 8)))
>>> cache.keys[1, :, 0, 0]
Array([1., 1., 1., 0.], dtype=float32)
>>> grow(advance(cache, 3), 8).keys.shape
(2, 8, 1, 8)
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Cache:
    keys: Float[Array, "*batch layers capacity kv_heads head_dim"]  # a batch of sequences: see `engine.batch`
    values: Float[Array, "*batch layers capacity kv_heads head_dim"]
    length: Int[Array, "*batch"]

    @property
    def capacity(self) -> int:
        return self.keys.shape[-3]


def empty(layers: int, capacity: int, kv_heads: int, head_dim: int, dtype: str = "float32") -> Cache:
    shape = (layers, capacity, kv_heads, head_dim)
    return Cache(jnp.zeros(shape, dtype), jnp.zeros(shape, dtype), jnp.zeros((), jnp.int32))


def write(
    cache: Cache, layer: int, key: Float[Array, "tokens kv_heads dim"], value: Float[Array, "tokens kv_heads dim"]
) -> Cache:
    """Put the keys and values of new tokens behind the real ones, without counting them yet."""

    def put(store, new):
        return jax.lax.dynamic_update_slice(store, new[None].astype(store.dtype), (layer, cache.length, 0, 0))

    return dataclasses.replace(cache, keys=put(cache.keys, key), values=put(cache.values, value))


def advance(cache: Cache, tokens: int | Int[Array, ""]) -> Cache:
    """Count the tokens that were written as real."""
    return dataclasses.replace(cache, length=cache.length + jnp.asarray(tokens, jnp.int32))


def rewind(cache: Cache, length: int) -> Cache:
    """Count only the first `length` tokens as real."""
    return dataclasses.replace(cache, length=jnp.asarray(length, jnp.int32))


def grow(cache: Cache, capacity: int) -> Cache:
    """The same memory with room for more."""
    more = capacity - cache.capacity
    room = ((0, 0), (0, more), (0, 0), (0, 0))
    return Cache(jnp.pad(cache.keys, room), jnp.pad(cache.values, room), cache.length)
