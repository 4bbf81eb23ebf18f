"""From the tensors of a file to the weights of an RWKV: which tensors the generations 4 to 7 have, and their axes.

The names are llama.cpp's. RWKV-4 and 5, which it does not know, have theirs by the same scheme. Two tensors of theirs
hold what is applied, not what was trained: `time_mix_decay` is -e^x in RWKV-4 and e^-e^x in RWKV-5. `lerp` is always
the part of the *previous* token, as in RWKV-6 (RWKV-4 and 5 were trained with the part of the new one).

>>> from refllm.models.rwkv_config import RwkvConfig
>>> sizes = axis_sizes(RwkvConfig("rwkv7", layers=1, dim=128, head_size=64, hidden_dim=512, vocab_size=9, rate_rank=32))
>>> [sizes[axis] for axis in LAYER_TENSORS["rate_1"].axes]
[32, 128]
"""

from collections.abc import Mapping

import jax.numpy as jnp

from refllm.gguf import Tensor
from refllm.kernels import to_float
from refllm.models.rwkv_config import MIXED, RwkvConfig
from refllm.models.weights import Place, check_all_placed, take

MODEL_TENSORS = {
    "token_embedding": Place("token_embd.weight", ("vocab", "dim")),
    "embedding_norm": Place("token_embd_norm.weight", ("dim",)),
    "embedding_norm_bias": Place("token_embd_norm.bias", ("dim",)),
    "output_norm": Place("output_norm.weight", ("dim",)),
    "output_norm_bias": Place("output_norm.bias", ("dim",)),
    "output": Place("output.weight", ("vocab", "dim")),
}
LAYER_TENSORS = {
    "time_norm": Place("attn_norm.weight", ("dim",)),
    "time_norm_bias": Place("attn_norm.bias", ("dim",)),
    "channel_norm": Place("attn_norm_2.weight", ("dim",)),
    "channel_norm_bias": Place("attn_norm_2.bias", ("dim",)),
    # time mixing
    "lerp": Place("time_mix_lerp_fused.weight", ("mixes", "one", "one", "dim")),
    **{f"lerp_{part}": Place(f"time_mix_lerp_{part}.weight", ("dim",)) for part in "xwkvrg"},
    "receptance": Place("time_mix_receptance.weight", ("dim", "dim")),
    "key": Place("time_mix_key.weight", ("dim", "dim")),
    "value": Place("time_mix_value.weight", ("dim", "dim")),
    "gate": Place("time_mix_gate.weight", ("dim", "dim")),
    "time_output": Place("time_mix_output.weight", ("dim", "dim")),
    "head_norm": Place("time_mix_ln.weight", ("dim",)),
    "head_norm_bias": Place("time_mix_ln.bias", ("dim",)),
    "first": Place("time_mix_first.weight", ("heads", "head_size")),
    "channel_first": Place("time_mix_first.weight", ("dim",)),
    "head_decay": Place("time_mix_decay.weight", ("heads", "head_size")),
    "decay": Place("time_mix_decay.weight", ("dim",)),
    # RWKV-6: the mixing and the decay depend on the token
    "mix_1": Place("time_mix_w1.weight", ("all_mix_ranks", "dim")),
    "mix_2": Place("time_mix_w2.weight", ("mixes", "dim", "mix_rank")),
    "decay_1": Place("time_mix_decay_w1.weight", ("decay_rank", "dim")),
    "decay_2": Place("time_mix_decay_w2.weight", ("dim", "decay_rank")),
    # RWKV-7: w for the decay, a for the learning rate, v for the value, g for the gate
    "decay_0": Place("time_mix_w0.weight", ("dim",)),
    "small_decay_1": Place("time_mix_w1.weight", ("decay_rank", "dim")),
    "small_decay_2": Place("time_mix_w2.weight", ("dim", "decay_rank")),
    "rate_0": Place("time_mix_a0.weight", ("dim",)),
    "rate_1": Place("time_mix_a1.weight", ("rate_rank", "dim")),
    "rate_2": Place("time_mix_a2.weight", ("dim", "rate_rank")),
    "value_0": Place("time_mix_v0.weight", ("dim",)),
    "value_1": Place("time_mix_v1.weight", ("value_rank", "dim")),
    "value_2": Place("time_mix_v2.weight", ("dim", "value_rank")),
    "gate_1": Place("time_mix_g1.weight", ("gate_rank", "dim")),
    "gate_2": Place("time_mix_g2.weight", ("dim", "gate_rank")),
    "key_scale": Place("time_mix_k_k.weight", ("dim",)),
    "key_rate": Place("time_mix_k_a.weight", ("dim",)),
    "bonus": Place("time_mix_r_k.weight", ("dim",)),
    # channel mixing
    "channel_lerp_key": Place("channel_mix_lerp_k.weight", ("dim",)),
    "channel_lerp_receptance": Place("channel_mix_lerp_r.weight", ("dim",)),
    "channel_key": Place("channel_mix_key.weight", ("hidden", "dim")),
    "channel_value": Place("channel_mix_value.weight", ("dim", "hidden")),
    "channel_receptance": Place("channel_mix_receptance.weight", ("dim", "dim")),
}

NORMS = {"time_norm", "time_norm_bias", "channel_norm", "channel_norm_bias"}
ALWAYS = NORMS | {"lerp", "receptance", "key", "value", "time_output"}
ALWAYS = ALWAYS | {"channel_lerp_key", "channel_key", "channel_value"}
HEAD_NORM = {"head_norm", "head_norm_bias"}
RECEPTANCE = {"channel_lerp_receptance", "channel_receptance"}
OLD_LERPS = {f"lerp_{part}" for part in MIXED["rwkv6"]}  # in the first files of RWKV-6, one by one
VALUE_MIX = {"value_0", "value_1", "value_2"}  # not in the first layer: there is no value before its own
OWN = {
    "rwkv4": RECEPTANCE | {"channel_first", "decay"},
    "rwkv5": RECEPTANCE | HEAD_NORM | {"first", "head_decay"},
    "rwkv6": RECEPTANCE | HEAD_NORM | {"first", "decay", "decay_1", "decay_2", "gate", "lerp_x", "mix_1", "mix_2"},
    "rwkv7": HEAD_NORM
    | VALUE_MIX
    | {"decay_0", "small_decay_1", "small_decay_2", "rate_0", "rate_1", "rate_2", "gate_1", "gate_2"}
    | {"key_scale", "key_rate", "bonus"},
}
GATE = "time_mix_gate.weight"  # the earliest models of RWKV-5 have none


def axis_sizes(config: RwkvConfig) -> dict[str, int]:
    """How long each named axis is in this model."""
    return {
        "one": 1,
        "vocab": config.vocab_size,
        "dim": config.dim,
        "hidden": config.hidden_dim,
        "heads": config.heads,
        "head_size": config.head_size,
        "mixes": config.mixes,
        "all_mix_ranks": config.mixes * config.mix_rank,
        "mix_rank": config.mix_rank,
        "decay_rank": config.decay_rank,
        "rate_rank": config.rate_rank,
        "value_rank": config.value_rank,
        "gate_rank": config.gate_rank,
    }


def load_rwkv_weights(config: RwkvConfig, tensors: Mapping[str, Tensor], compute: str = "fast") -> dict:
    """The weights of a model: `{"token_embedding": ..., "layers": [{"receptance": ...}, ...]}`."""
    left, axes = dict(tensors), axis_sizes(config)
    weights = take(left, MODEL_TENSORS, "", MODEL_TENSORS, (), axes, compute)
    weights["layers"] = [_take_layer(config, left, number, axes, compute) for number in range(config.layers)]
    check_all_placed(left, config.architecture)
    return weights


def _take_layer(config: RwkvConfig, left: dict, number: int, axes: dict, compute: str) -> dict:
    prefix, needed = f"blk.{number}.", ALWAYS | OWN[config.architecture]
    if config.architecture == "rwkv5":
        has_gate = prefix + GATE in left
        needed, axes = needed | ({"gate"} if has_gate else set()), axes | {"mixes": 3 + has_gate}
    if config.architecture == "rwkv6" and prefix + LAYER_TENSORS["lerp"].name not in left:
        needed = (needed - {"lerp"}) | OLD_LERPS
    if config.architecture == "rwkv7" and number == 0:
        needed = needed - VALUE_MIX
        for name in VALUE_MIX:  # llama.cpp wants something to stand here
            left.pop(prefix + LAYER_TENSORS[name].name, None)
    layer = take(left, LAYER_TENSORS, prefix, needed, (), axes, compute)
    if "lerp" not in layer:
        layer["lerp"] = jnp.stack([layer.pop(f"lerp_{part}") for part in MIXED["rwkv6"]])
    layer["lerp"] = to_float(layer["lerp"]).reshape(-1, config.dim)
    return layer
