"""From the tensors of a file to the pytree of weights that the decoder reads.

The tables say, for each weight, its name in a GGUF file and its axes; a config gives the axes their sizes. Every tensor
of the file must find its place and every place its tensor: what is missing, left over or misshapen is named. Matrices
that a file keeps fused (q, k and v in one; gate and up in one) are taken apart here, block by block, so that the
decoder knows one form only. Quantized tensors stay in their blocks.

>>> from refllm.models.config import Config, Rope
>>> config = Config("llama", layers=1, dim=64, heads=4, kv_heads=2, head_dim=16, hidden_dim=96, vocab_size=10,
...                 context_length=64, rope=Rope("interleaved", 16, 10000.0))
>>> axes = axis_sizes(config)
>>> [axes[axis] for axis in LAYER_TENSORS["key"].axes]
[32, 64]
"""

import dataclasses
from collections.abc import Iterable, Mapping

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np

from refllm import kernels
from refllm.gguf import Tensor
from refllm.models.architectures import ModelError
from refllm.models.config import Config


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a weight stands in a file, and its axes there."""

    name: str
    axes: tuple[str, ...]


MODEL_TENSORS = {
    "token_embedding": Place("token_embd.weight", ("vocab", "dim")),
    "output_norm": Place("output_norm.weight", ("dim",)),
    "output": Place("output.weight", ("vocab", "dim")),
    "rope_factors": Place("rope_freqs.weight", ("pairs",)),
    "rope_factors_long": Place("rope_factors_long.weight", ("pairs",)),
    "rope_factors_short": Place("rope_factors_short.weight", ("pairs",)),
}
LAYER_TENSORS = {
    "attention_norm": Place("attn_norm.weight", ("dim",)),
    "query": Place("attn_q.weight", ("queries", "dim")),
    "key": Place("attn_k.weight", ("keys", "dim")),
    "value": Place("attn_v.weight", ("keys", "dim")),
    "query_bias": Place("attn_q.bias", ("queries",)),
    "key_bias": Place("attn_k.bias", ("keys",)),
    "value_bias": Place("attn_v.bias", ("keys",)),
    "query_norm": Place("attn_q_norm.weight", ("head_dim",)),
    "key_norm": Place("attn_k_norm.weight", ("head_dim",)),
    "attention_output": Place("attn_output.weight", ("dim", "queries")),
    "attention_output_bias": Place("attn_output.bias", ("dim",)),
    "attention_post_norm": Place("post_attention_norm.weight", ("dim",)),
    "ffn_norm": Place("ffn_norm.weight", ("dim",)),
    "gate": Place("ffn_gate.weight", ("hidden", "dim")),
    "up": Place("ffn_up.weight", ("hidden", "dim")),
    "down": Place("ffn_down.weight", ("dim", "hidden")),
    "ffn_post_norm": Place("post_ffw_norm.weight", ("dim",)),
    "router": Place("ffn_gate_inp.weight", ("experts", "dim")),
    "expert_gate": Place("ffn_gate_exps.weight", ("experts", "hidden", "dim")),
    "expert_up": Place("ffn_up_exps.weight", ("experts", "hidden", "dim")),
    "expert_down": Place("ffn_down_exps.weight", ("experts", "dim", "hidden")),
}
FUSED = {
    "attn_qkv.weight": ("query", "key", "value"),
    "attn_qkv.bias": ("query_bias", "key_bias", "value_bias"),
    "ffn_up.weight": ("gate", "up"),  # only where the file has no ffn_gate.weight
}

ATTENTION = {"attention_norm", "query", "key", "value", "attention_output", "ffn_norm"}
DENSE = {"gate", "up", "down"}
MIXTURE = {"router", "expert_gate", "expert_up", "expert_down"}
BIASES = {"query_bias", "key_bias", "value_bias"}
HEAD_NORMS = {"query_norm", "key_norm"}
POST_NORMS = {"attention_post_norm", "ffn_post_norm"}

# What a layer has beside attention and feed-forward: needed, and allowed.
EXTRAS = {
    "llama": (set(), BIASES | {"attention_output_bias"}),
    "baichuan": (set(), set()),
    "qwen2": (BIASES, set()),
    "qwen3": (HEAD_NORMS, set()),
    "qwen3moe": (HEAD_NORMS, set()),
    "phi3": (set(), BIASES),
    "gemma": (set(), set()),
    "gemma2": (POST_NORMS, set()),
    "gemma3": (POST_NORMS | HEAD_NORMS, set()),
}
OPTIONAL_IN_MODEL = {"output", "rope_factors", "rope_factors_long", "rope_factors_short"}


def axis_sizes(config: Config) -> dict[str, int]:
    """How long each named axis is in this model."""
    return {
        "vocab": config.vocab_size,
        "dim": config.dim,
        "queries": config.heads * config.head_dim,
        "keys": config.kv_heads * config.head_dim,
        "head_dim": config.head_dim,
        "hidden": config.hidden_dim,
        "experts": config.experts,
        "pairs": config.rope.dims // 2,
    }


def load_weights(config: Config, tensors: Mapping[str, Tensor], compute: str = "fast") -> dict:
    """The weights of a model: `{"token_embedding": ..., "layers": [{"query": ...}, ...]}`."""
    left = dict(tensors)
    needed, allowed = EXTRAS[config.architecture]
    needed = needed | ATTENTION | (MIXTURE if config.experts else DENSE)
    axes = axis_sizes(config)
    weights = take(left, MODEL_TENSORS, "", MODEL_TENSORS.keys() - OPTIONAL_IN_MODEL, OPTIONAL_IN_MODEL, axes, compute)
    weights["layers"] = [
        take(left, LAYER_TENSORS, f"blk.{layer}.", needed, allowed, axes, compute) for layer in range(config.layers)
    ]
    check_all_placed(left, config.architecture)
    return weights


def check_all_placed(left: Mapping[str, Tensor], architecture: str) -> None:
    """Nothing of the file is left over."""
    if left:
        raise ModelError(f"tensor '{next(iter(left))}' has no place in a {architecture} model")


def take(left: dict, places: dict, prefix: str, needed: Iterable, allowed: Iterable, axes: dict, compute: str) -> dict:
    """Move the tensors of one layer (or of the whole model) out of `left` and into the form the decoder reads."""
    taken = _take_fused(left, prefix, axes, compute) if prefix else {}
    for weight in sorted(set(needed) | set(allowed)):
        place = places[weight]
        tensor = left.pop(prefix + place.name, None) if weight not in taken else None
        if tensor is not None:
            shape = tuple(axes[axis] for axis in place.axes)
            _check_shape(tensor, shape)
            taken[weight] = as_weight(tensor, compute)
        elif weight in needed and weight not in taken:
            raise ModelError(f"tensor '{prefix + place.name}' is missing")
    return taken


def _take_fused(left: dict, prefix: str, axes: dict, compute: str) -> dict:
    taken = {}
    for name, parts in FUSED.items():
        tensor = left.get(prefix + name)
        if tensor is None or (name == "ffn_up.weight" and prefix + "ffn_gate.weight" in left):
            continue
        rows = [axes[LAYER_TENSORS[part].axes[0]] for part in parts]
        _check_shape(tensor, (sum(rows), *tensor.shape[1:]))
        starts = np.cumsum([0, *rows])
        whole = as_weight(left.pop(prefix + name), compute)
        for part, start, stop in zip(parts, starts, starts[1:], strict=False):
            taken[part] = jax.tree.map(lambda field, a=start, b=stop: field[a:b], whole)
    return taken


def _check_shape(tensor: Tensor, expected: tuple[int, ...]) -> None:
    if tensor.shape != expected:
        raise ModelError(f"tensor '{tensor.name}' has shape {list(tensor.shape)}; expected {list(expected)}")


def as_weight(tensor: Tensor, compute: str) -> kernels.Weight:
    """A tensor of a file as JAX has it: float types as arrays, quantized ones as blocks."""
    if tensor.type in ("F32", "F16"):
        return jnp.asarray(kernels.native(tensor.data))
    if tensor.type == "BF16":
        return jnp.asarray(kernels.native(tensor.data).view(ml_dtypes.bfloat16))
    return kernels.from_blocks(tensor.data, tensor.type, compute)
