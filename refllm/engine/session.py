"""One sequence in the making: its tokens so far and the cache (or, of an RWKV, the state) that remembers them.

A session reads tokens in padded chunks, grows its cache when it must, forgets the end of a sequence to reuse a common
beginning, and drops the middle of one that has outgrown the context (`shift`, on request only). A state cannot forget
what lies further back than the last call; then the sequence is read again. Nor can anything be dropped from its middle.
A session does not choose tokens and knows no text.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from refllm.engine import steps
from refllm.errors import RefllmError
from refllm.models import AnyConfig, Cache, Config, Memory, decoder, dispatch


class ContextError(RefllmError):
    """A prompt or an answer does not fit into the context; the text says by how much."""


@dataclasses.dataclass
class Session:
    """The state of one sequence; `logits` are those of the token after the last one read."""

    config: AnyConfig
    weights: dict
    context: int  # how many tokens may be remembered at most
    cache_type: str = "float32"
    ids: list[int] = dataclasses.field(default_factory=list)
    memory: Memory | None = None
    logits: jax.Array | None = None

    def read(self, ids: list[int]) -> jax.Array:
        """Take in more tokens; returns the logits of the next one."""
        for chunk, count in self._chunks(ids):
            self.logits, self.memory = steps.read(self.config, self.weights, chunk, count, self.memory)
        return self.logits

    def read_all(self, ids: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """Take in more tokens; returns logits and last hidden states at every one."""
        parts = []
        for chunk, count in self._chunks(ids):
            scores, hidden, self.memory = steps.read_all(self.config, self.weights, chunk, count, self.memory)
            parts.append((np.asarray(scores[:count]), np.asarray(hidden[:count])))
        self.logits = jnp.asarray(parts[-1][0][-1])
        return np.concatenate([scores for scores, _ in parts]), np.concatenate([hidden for _, hidden in parts])

    def write(self, token: int) -> jax.Array:
        """Take in one token that was just chosen; returns the logits of the next one."""
        scores = self.write_ahead(token)
        self.ids.append(token)
        return scores

    def write_ahead(self, token: int | jax.Array) -> jax.Array:
        """Start taking in a token that nobody has seen yet; it counts once it is added to `ids`."""
        self.make_room(1)
        self.logits, self.memory = steps.write(self.config, self.weights, jnp.asarray(token, jnp.int32), self.memory)
        return self.logits

    def keep_common_prefix(self, ids: list[int]) -> list[int]:
        """Forget what differs from `ids`; returns the tokens that are still to be read (at least the last one)."""
        common = 0
        while common < min(len(ids) - 1, len(self.ids)) and ids[common] == self.ids[common]:
            common += 1
        return ids[self.rewind(common) :]

    def rewind(self, length: int) -> int:
        """Forget all tokens from `length` on, or more if it must be; returns how many are remembered."""
        if self.memory is not None:
            self.memory, length = dispatch.rewind(self.memory, length)
        self.ids = self.ids[:length]
        return length

    def shift(self, keep: int) -> int:
        """Drop half of what follows the first `keep` tokens, as llama.cpp does it; returns how many were dropped."""
        if not isinstance(self.memory, Cache):
            raise ContextError(
                f"nothing can be dropped from the state of an RWKV; the context is {self.context} tokens"
            )
        dropped = (len(self.ids) - keep) // 2
        if dropped <= 0:
            raise ContextError(f"the {keep} tokens to keep fill the context of {self.context}; nothing can be dropped")
        self.rewind(len(self.ids))  # without what was written ahead
        self.memory = drop(self.config, self.weights, self.memory, jnp.asarray(keep), jnp.asarray(dropped))
        self.ids = self.ids[:keep] + self.ids[keep + dropped :]
        return dropped

    def _chunks(self, ids: list[int]):
        """The ids in padded chunks, each with the number of real ones, remembered as they are handed out."""
        self._check(ids)
        start = 0
        while start < len(ids):
            size = steps.chunk_size(len(ids) - start)
            part = ids[start : start + size]
            self.make_room(size)
            padded = np.zeros(size, np.int32)
            padded[: len(part)] = part
            yield jnp.asarray(padded), jnp.asarray(len(part), jnp.int32)
            self.ids.extend(part)
            start += size

    def _check(self, ids: list[int]) -> None:
        if not ids:
            raise ContextError("the prompt is empty; at least one token is needed")
        wrong = next((i for i in ids if not 0 <= i < self.config.vocab_size), None)
        if wrong is not None:
            raise ContextError(f"token id {wrong} is not in the vocabulary; expected 0 to {self.config.vocab_size - 1}")
        if len(self.ids) + len(ids) > self.context:
            total = len(self.ids) + len(ids)
            raise ContextError(f"the prompt needs {total} tokens; the context holds {self.context}")

    def make_room(self, tokens: int) -> None:
        """Let the cache hold so many more tokens; padding counts, since it is written too."""
        capacity = steps.capacity_for(len(self.ids) + tokens)
        if self.memory is None:
            self.memory = dispatch.empty_memory(self.config, capacity, self.cache_type)
        else:
            self.memory = dispatch.with_room(self.memory, capacity)


@functools.partial(jax.jit, static_argnums=0, donate_argnames="memory")
def drop(config: Config, weights: dict, memory: Cache, keep: Int[Array, ""], dropped: Int[Array, ""]) -> Cache:
    """Close the gap that `dropped` tokens after the first `keep` leave: what follows moves up.

    A moved key must look as if its token had always stood there. RoPE's turns add up, so it is turned back by as many
    positions as it moved. How many are dropped is data, so that this is compiled once.
    """
    places = jnp.arange(memory.capacity)
    moves = places >= keep
    source = jnp.minimum(places + jnp.where(moves, dropped, 0), memory.capacity - 1)
    keys, values = memory.keys[:, source], memory.values[:, source]
    back = jnp.where(moves, -dropped, 0)
    turned = [decoder.rotate(config, n, layer.astype(jnp.float32), back, weights, 1.0) for n, layer in enumerate(keys)]
    keys = jnp.where(moves[:, None, None], jnp.stack(turned).astype(keys.dtype), keys)
    return Cache(keys, values, memory.length - dropped)
