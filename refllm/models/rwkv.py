"""RWKV, read top to bottom: a model that reads like a recurrent network and is trained like a transformer.

Where a transformer looks back at a cache of all tokens, RWKV carries a state of one size (`rwkv_state.py`). Each layer
mixes over time (`rwkv_time_mix.py`) and then over channels, which is its feed-forward layer. `hidden_states` is a pure
function; the config says which generation it is. Only the first `count` tokens are real: the rest is padding, of which
the state learns nothing.

The difference to llama.cpp: RWKV-4 and 5 are known here as well, and RWKV-7 exists only with its gate.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from refllm.kernels import matmul, take_rows
from refllm.layers import norms
from refllm.layers.feed_forward import ACTIVATIONS
from refllm.models.rwkv_config import RwkvConfig
from refllm.models.rwkv_state import Moment, State
from refllm.models.rwkv_time_mix import TIME_MIX, Tokens

Hidden = Float[Array, "tokens dim"]


def hidden_states(
    config: RwkvConfig, weights: dict, tokens: Int[Array, " tokens"], count: int | Int[Array, ""], state: State
) -> tuple[Hidden, State]:
    """What the model thinks at each token, after the last norm, and the state after the first `count` of them."""
    before, count = state.now, jnp.asarray(count, jnp.int32)
    real, first_value, layers = jnp.arange(len(tokens)) < count, None, []
    x = norm(config, take_rows(weights["token_embedding"], tokens), weights, "embedding_norm")
    for number, layer in enumerate(weights["layers"]):
        seen = norm(config, x, layer, "time_norm")
        met = Tokens(seen, shifted(seen, before.time_shift[number]), real, first_value)
        added, memory, first_value = TIME_MIX[config.architecture](config, layer, met, before.memory[number])
        x = x + added
        fed = norm(config, x, layer, "channel_norm")
        x = x + channel_mix(layer, fed, shifted(fed, before.channel_shift[number]))
        if config.halve_every and (number + 1) % config.halve_every == 0:
            x = x / 2
        layers.append((last_real(seen, count), last_real(fed, count), memory))
    now = Moment(*map(jnp.stack, zip(*layers, strict=True)), before.length + count)
    return norm(config, x, weights, "output_norm"), State(now, before)


def logits(config: RwkvConfig, weights: dict, hidden: Hidden) -> Float[Array, "tokens vocab"]:
    """A score for every piece of the vocabulary."""
    return matmul(hidden, weights["output"])


def channel_mix(layer: dict, x: Hidden, before: Hidden) -> Hidden:
    """Each token by itself, mixed with the one before: up, squared where positive, down; from 4 to 6 a gate."""
    key = x + (before - x) * layer["channel_lerp_key"][None]
    value = matmul(ACTIVATIONS["relu_squared"](matmul(key, layer["channel_key"])), layer["channel_value"])
    if "channel_receptance" not in layer:
        return value
    receptance = x + (before - x) * layer["channel_lerp_receptance"][None]
    return jax.nn.sigmoid(matmul(receptance, layer["channel_receptance"])) * value


def shifted(x: Hidden, last: Float[Array, " dim"]) -> Hidden:
    """Of each token the one before it; before the first of them comes the last of those read earlier."""
    return jnp.concatenate([last[None], x[:-1]])


def last_real(x: Hidden, count: Int[Array, ""]) -> Float[Array, " dim"]:
    return jax.lax.dynamic_index_in_dim(x, count - 1, keepdims=False)


def norm(config: RwkvConfig, x: Hidden, weights: dict, name: str) -> Hidden:
    return norms.layer_norm(x, weights[name], weights[f"{name}_bias"], config.norm_eps)
