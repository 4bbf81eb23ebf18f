"""Time mixing of RWKV-4 to 7: where tokens meet. It stands where a transformer has attention.

Every token is first mixed with the one before it, separately for each purpose (`mixed`). Then it writes into the
memory and reads from it. What came with each generation:

- 4: receptance, key, value; an average per channel.
- 5: heads with a matrix of memory each, a norm per head, a gate.
- 6: how much is mixed, and how fast memory fades, depends on the token (through small matrices in pairs).
- 7: a token can replace what memory holds under its key, at a rate of its own; layers share the first one's values.

A call with one token takes a step of the recurrence; one with more uses the parallel form. Padding leaves no trace.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from refllm.kernels import matmul, to_float
from refllm.layers import norms, wkv_average, wkv_delta, wkv_matrix
from refllm.layers.decays import einsum
from refllm.models.rwkv_config import RwkvConfig

Hidden = Float[Array, "tokens dim"]
Heads = Float[Array, "tokens heads size"]
Memory = Float[Array, "..."]

HEAD_NORM_EPS = 64e-5


class Tokens(NamedTuple):
    """The tokens of one call as time mixing meets them."""

    x: Hidden
    before: Hidden  # of each token the one before it
    real: Bool[Array, " tokens"]  # padding is not
    first_value: Hidden | None  # the value of the first layer; none in that layer


def mixed(tokens: Tokens, lerp: Float[Array, "mixes _ dim"]) -> Float[Array, "mixes tokens dim"]:
    """For each purpose something between each token (0) and the one before it (1)."""
    return tokens.x[None] + (tokens.before - tokens.x)[None] * lerp


def time_mix_4(config: RwkvConfig, layer: dict, tokens: Tokens, memory: Memory) -> tuple[Hidden, Memory, Hidden]:
    for_key, for_value, for_receptance = mixed(tokens, layer["lerp"][:, None])
    receptance = jax.nn.sigmoid(matmul(for_receptance, layer["receptance"]))
    key, value = matmul(for_key, layer["key"]), matmul(for_value, layer["value"])
    sums, constants = wkv_average.Sums(*memory), (layer["decay"], layer["channel_first"])
    if len(key) == 1:
        average, sums = wkv_average.step(sums, key[0], value[0], *constants)
        average = average[None]
    else:
        average, sums = wkv_average.parallel(sums, key, value, *constants, tokens.real)
    return matmul(receptance * average, layer["time_output"]), jnp.stack(sums), value


def time_mix_5(config: RwkvConfig, layer: dict, tokens: Tokens, memory: Memory) -> tuple[Hidden, Memory, Hidden]:
    for_key, for_value, for_receptance, *for_gate = mixed(tokens, layer["lerp"][:, None])
    decay = jnp.broadcast_to(layer["head_decay"].reshape(1, -1), for_key.shape)
    gate = jax.nn.silu(matmul(for_gate[0], layer["gate"])) if for_gate else None
    read, memory, value = remember(config, layer, tokens, memory, for_receptance, decay, for_key, for_value)
    return give(config, layer, read, gate), memory, value


def time_mix_6(config: RwkvConfig, layer: dict, tokens: Tokens, memory: Memory) -> tuple[Hidden, Memory, Hidden]:
    for_decay, for_key, for_value, for_receptance, for_gate = mixed(tokens, token_lerp(config, layer, tokens))
    exponent = layer["decay"][None] + matmul(jnp.tanh(matmul(for_decay, layer["decay_1"])), layer["decay_2"])
    decay = jnp.exp(-jnp.exp(exponent))
    gate = jax.nn.silu(matmul(for_gate, layer["gate"]))
    read, memory, value = remember(config, layer, tokens, memory, for_receptance, decay, for_key, for_value)
    return give(config, layer, read, gate), memory, value


def time_mix_7(config: RwkvConfig, layer: dict, tokens: Tokens, memory: Memory) -> tuple[Hidden, Memory, Hidden]:
    for_receptance, for_decay, for_key, for_value, for_rate, for_gate = mixed(tokens, layer["lerp"][:, None])
    receptance, key = matmul(for_receptance, layer["receptance"]), matmul(for_key, layer["key"])
    decay = layer["decay_0"][None] + matmul(jnp.tanh(matmul(for_decay, layer["small_decay_1"])), layer["small_decay_2"])
    decay = jnp.exp(-math.exp(-0.5) * jax.nn.sigmoid(decay))
    rate = jax.nn.sigmoid(layer["rate_0"][None] + in_pairs(for_rate, layer, "rate"))
    gate = matmul(jax.nn.sigmoid(matmul(for_gate, layer["gate_1"])), layer["gate_2"])
    value = matmul(for_value, layer["value"])
    first_value = value if tokens.first_value is None else tokens.first_value
    if tokens.first_value is not None:
        share = jax.nn.sigmoid(layer["value_0"][None] + in_pairs(for_value, layer, "value"))
        value = value + (first_value - value) * share

    address = unit(heads_of(config, key * layer["key_scale"][None]))  # whose content is replaced
    key = key * (1 + (rate - 1) * layer["key_rate"][None])
    receptance, decay, key, value, rate = (heads_of(config, part) for part in (receptance, decay, key, value, rate))
    inputs = receptance, *traceless(tokens, decay, key), value, -address, only_real(tokens, address * rate)
    read, memory = run(wkv_delta, memory, inputs)
    own = (receptance * key * layer["bonus"].reshape(1, config.heads, -1)).sum(-1, keepdims=True) * value
    read = normed_heads(config, layer, read) + own.reshape(len(read), -1)
    return matmul(read * gate, layer["time_output"]), memory, first_value


TIME_MIX = {"rwkv4": time_mix_4, "rwkv5": time_mix_5, "rwkv6": time_mix_6, "rwkv7": time_mix_7}


# ---- what several generations share ----


def token_lerp(config: RwkvConfig, layer: dict, tokens: Tokens) -> Float[Array, "mixes tokens dim"]:
    """RWKV-6's own mixing for every token, out of a first mixing."""
    (first,) = mixed(tokens, layer["lerp_x"][None, None])
    small = jnp.tanh(matmul(first, layer["mix_1"])).reshape(len(first), config.mixes, -1)
    return layer["lerp"][:, None] + einsum("tmr,mdr->mtd", small, to_float(layer["mix_2"]))


def in_pairs(x: Hidden, layer: dict, name: str) -> Hidden:
    """Through a narrow matrix and back."""
    return matmul(matmul(x, layer[f"{name}_1"]), layer[f"{name}_2"])


def remember(
    config: RwkvConfig,
    layer: dict,
    tokens: Tokens,
    memory: Memory,
    for_receptance: Hidden,
    decay: Hidden,
    for_key: Hidden,
    for_value: Hidden,
) -> tuple[Heads, Memory, Hidden]:
    """RWKV-5 and 6 write into memory and read from it."""
    value = matmul(for_value, layer["value"])
    receptance, key = matmul(for_receptance, layer["receptance"]), matmul(for_key, layer["key"])
    receptance, decay, key = (heads_of(config, part) for part in (receptance, decay, key))
    inputs = receptance, *traceless(tokens, decay, key), heads_of(config, value)
    read, memory = run(wkv_matrix, memory, inputs, layer["first"])
    return read, memory, value


def run(recurrence, memory: Memory, inputs: tuple[Heads, ...], *constants) -> tuple[Heads, Memory]:
    """One token by a step, several in the parallel form."""
    if len(inputs[0]) > 1:
        return recurrence.parallel(memory, *inputs, *constants)
    read, memory = recurrence.step(memory, *(part[0] for part in inputs), *constants)
    return read[None], memory


def give(config: RwkvConfig, layer: dict, read: Heads, gate: Hidden | None) -> Hidden:
    """What was read, normed, through the gate and the last matrix."""
    normed = normed_heads(config, layer, read)
    return matmul(normed if gate is None else normed * gate, layer["time_output"])


def normed_heads(config: RwkvConfig, layer: dict, read: Heads) -> Hidden:
    """A layer norm for each head by itself (a group norm)."""
    ones = jnp.ones(config.head_size)
    normed = norms.layer_norm(read, ones, None, HEAD_NORM_EPS).reshape(len(read), -1)
    return normed * layer["head_norm"][None] + layer["head_norm_bias"][None]


def heads_of(config: RwkvConfig, x: Hidden) -> Heads:
    return x.reshape(len(x), config.heads, config.head_size)


def unit(x: Heads) -> Heads:
    """Vectors of length one."""
    return x / jnp.maximum(jnp.linalg.norm(x, axis=-1, keepdims=True), 1e-12)


def only_real(tokens: Tokens, x: Heads) -> Heads:
    """Zeros where the tokens are not real."""
    return jnp.where(tokens.real[:, None, None], x, 0.0)


def traceless(tokens: Tokens, decay: Heads, key: Heads) -> tuple[Heads, Heads]:
    """Padding lets nothing fade and writes nothing."""
    return jnp.where(tokens.real[:, None, None], decay, 1.0), only_real(tokens, key)
