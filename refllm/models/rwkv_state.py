"""What an RWKV remembers of a text: a state of one size, however long the text is.

Each layer keeps the last token as its two halves saw it (they mix each token with the one before) and the memory that
`layers.wkv_*` describes. A state cannot forget single tokens, as a cache can. It is therefore kept twice: as it is, and
as it was before the last call, so that the last call can be undone.

>>> state = empty(RwkvConfig("rwkv6", layers=2, dim=128, head_size=64, hidden_dim=448, vocab_size=256))
>>> state.now.memory.shape, int(state.now.length)
((2, 2, 64, 64), 0)
>>> rewind(state, 0)[1], rewind(state, 5)[1]
(0, None)
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from refllm.layers import wkv_average
from refllm.models.rwkv_config import RwkvConfig


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Moment:
    """The state at one place of the text."""

    time_shift: Float[Array, "*batch layers dim"]  # the last token as time mixing saw it,
    channel_shift: Float[Array, "*batch layers dim"]  # and as channel mixing did
    memory: Float[Array, "..."]  # of each layer [heads, values, keys]; of RWKV-4 [three sums, dim]
    length: Int[Array, "*batch"]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class State:
    """The state, and what it was before the last tokens."""

    now: Moment
    before: Moment


def empty(config: RwkvConfig) -> State:
    """The state before any text; float32, whatever a cache would have."""
    shifts = [jnp.zeros((config.layers, config.dim)) for _ in range(2)]
    memory = jnp.zeros((config.layers, config.heads, config.head_size, config.head_size))
    if config.architecture == "rwkv4":
        memory = jnp.tile(jnp.stack(wkv_average.empty(config.dim)), (config.layers, 1, 1))
    return twice(Moment(*shifts, memory, jnp.zeros((), jnp.int32)))


def twice(moment: Moment) -> State:
    """A state that cannot be taken back; two copies, since a step overwrites what it is given."""
    return State(moment, jax.tree.map(jnp.copy, moment))


def rewind(state: State, length: int) -> tuple[State, int | None]:
    """The state when it had read `length` tokens, and that length; None where it is not known any more."""
    for moment in (state.now, state.before):
        if int(moment.length) == length:
            return twice(moment), length
    return state, None
