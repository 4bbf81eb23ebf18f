"""What the engine asks of any model, answered by the decoder or by RWKV, whichever the config belongs to.

The two differ in what they remember: a cache that grows with the text and from whose end tokens can be forgotten, or a
state of one size. Everything else that knows of both kinds of model goes through these few functions.

>>> config = read_config({"general.architecture": "rwkv4", "rwkv4.block_count": 2, "rwkv4.embedding_length": 8,
...     "rwkv4.feed_forward_length": 32, "rwkv4.vocab_size": 256})
>>> memory_bytes(config, tokens=100, number=4) == memory_bytes(config, tokens=4000, number=4)
True
"""

from collections.abc import Mapping

import jax
from jaxtyping import Array, Float, Int

from refllm.gguf import Tensor
from refllm.models import architectures, cache, decoder, rwkv, rwkv_state, weights
from refllm.models.cache import Cache
from refllm.models.config import Config
from refllm.models.rwkv_config import RwkvConfig, read_rwkv_config
from refllm.models.rwkv_state import State
from refllm.models.rwkv_weights import load_rwkv_weights

AnyConfig = Config | RwkvConfig
Memory = Cache | State


def read_config(metadata: Mapping) -> AnyConfig:
    """The model that a GGUF file's metadata describes."""
    if metadata.get("general.architecture") in architectures.RECURRENT:
        return read_rwkv_config(metadata)
    return architectures.read_config(metadata)


def load_weights(config: AnyConfig, tensors: Mapping[str, Tensor], compute: str = "fast") -> dict:
    """The tensors of a file as the model's weights."""
    if isinstance(config, RwkvConfig):
        return load_rwkv_weights(config, tensors, compute)
    return weights.load_weights(config, tensors, compute)


def hidden_states(
    config: AnyConfig, weights: dict, tokens: Int[Array, " tokens"], count: int | Int[Array, ""], memory: Memory
) -> tuple[Float[Array, "tokens dim"], Memory]:
    """What the model thinks at each token, and its memory with the first `count` of them in it."""
    if isinstance(config, RwkvConfig):
        return rwkv.hidden_states(config, weights, tokens, count, memory)
    hidden, memory = decoder.hidden_states(config, weights, tokens, memory)
    return hidden, cache.advance(memory, count)


def logits(config: AnyConfig, weights: dict, hidden: Float[Array, "tokens dim"]) -> Float[Array, "tokens vocab"]:
    return (rwkv if isinstance(config, RwkvConfig) else decoder).logits(config, weights, hidden)


# ---- memory ----


def empty_memory(config: AnyConfig, capacity: int, cache_type: str = "float32") -> Memory:
    """The memory before any text; a cache has room for `capacity` tokens."""
    if isinstance(config, RwkvConfig):
        return rwkv_state.empty(config)
    return cache.empty(config.layers, capacity, config.kv_heads, config.head_dim, cache_type)


def with_room(memory: Memory, capacity: int) -> Memory:
    """The memory with room for so many tokens; a state needs none."""
    if isinstance(memory, State) or capacity <= memory.capacity:
        return memory
    return cache.grow(memory, capacity)


def rewind(memory: Memory, length: int) -> tuple[Memory | None, int]:
    """The memory of the first `length` tokens, and how many it is of; a state may have to begin again, at none."""
    if isinstance(memory, State):
        found, known = rwkv_state.rewind(memory, length)
        return (None, 0) if known is None else (found, known)
    return cache.rewind(memory, length), length


def memory_bytes(config: AnyConfig, tokens: int, number: int) -> int:
    """How large the memory of so many tokens is; `number` is the size of one number of a cache."""
    if isinstance(config, RwkvConfig):
        return sum(part.nbytes for part in jax.tree.leaves(rwkv_state.empty(config)))
    return 2 * config.layers * config.kv_heads * config.head_dim * number * tokens
