"""The two compiled steps of every generation: read a chunk of the prompt, and write one token.

Both are `jax.jit` of the same `forward`. Shapes are few on purpose: chunks are padded to one of `CHUNK_SIZES` and the
cache has a capacity out of a short list, so a session compiles a handful of programs and not one per length. The cache
is donated: it is updated in place.

>>> [chunk_size(left) for left in (1, 5, 100, 4000)]
[8, 8, 128, 512]
>>> capacity_for(1), capacity_for(256), capacity_for(257)
(256, 256, 512)
"""

import functools

import jax
from jaxtyping import Array, Float, Int

from refllm.models import AnyConfig, Memory, dispatch

CHUNK_SIZES = (8, 32, 128, 512)
SMALLEST_CAPACITY = 256

Logits = Float[Array, " vocab"]


def chunk_size(left: int) -> int:
    """The padded size in which the next tokens of a prompt are read."""
    return next((size for size in CHUNK_SIZES if size >= left), CHUNK_SIZES[-1])


def capacity_for(tokens: int) -> int:
    """Room for this many tokens, doubled step by step."""
    capacity = SMALLEST_CAPACITY
    while capacity < tokens:
        capacity *= 2
    return capacity


@functools.partial(jax.jit, static_argnums=0, donate_argnames="memory")
def read(
    config: AnyConfig, weights: dict, tokens: Int[Array, " chunk"], count: Int[Array, ""], memory: Memory
) -> tuple[Logits, Memory]:
    """Take in `count` tokens (the rest of the chunk is padding); the logits are those after the last real one."""
    hidden, memory = dispatch.hidden_states(config, weights, tokens, count, memory)
    last = jax.lax.dynamic_slice_in_dim(hidden, count - 1, 1)
    return dispatch.logits(config, weights, last)[0], memory


@functools.partial(jax.jit, static_argnums=0, donate_argnames="memory")
def read_all(
    config: AnyConfig, weights: dict, tokens: Int[Array, " chunk"], count: Int[Array, ""], memory: Memory
) -> tuple[Float[Array, "chunk vocab"], Float[Array, "chunk dim"], Memory]:
    """As `read`, with the logits and the last hidden state at every token."""
    hidden, memory = dispatch.hidden_states(config, weights, tokens, count, memory)
    return dispatch.logits(config, weights, hidden), hidden, memory


@functools.partial(jax.jit, static_argnums=0, donate_argnames="memory")
def write(config: AnyConfig, weights: dict, token: Int[Array, ""], memory: Memory) -> tuple[Logits, Memory]:
    """Take in one token; the logits are those of the next."""
    hidden, memory = dispatch.hidden_states(config, weights, token[None], 1, memory)
    return dispatch.logits(config, weights, hidden)[0], memory


@functools.partial(jax.jit, static_argnums=0, donate_argnames="memory")
def write_batch(
    config: AnyConfig, weights: dict, tokens: Int[Array, " batch"], memory: Memory
) -> tuple[Float[Array, "batch vocab"], Memory]:
    """One token for each of several sequences in one step; their memories are stacked along a first axis."""

    def one(token, memory):
        hidden, memory = dispatch.hidden_states(config, weights, token[None], 1, memory)
        return dispatch.logits(config, weights, hidden)[0], memory

    return jax.vmap(one)(tokens, memory)
