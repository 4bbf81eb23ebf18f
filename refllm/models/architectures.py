"""From a file's metadata to a `Config`: which architecture makes which choices.

The keys and their defaults are GGUF's and llama.cpp's; this is the border where their spellings end. To add a model
that differs only in choices already known, add a line to `CHOICES`.

>>> metadata = {"general.architecture": "qwen2", "qwen2.block_count": 2, "qwen2.embedding_length": 64,
...     "qwen2.attention.head_count": 4, "qwen2.attention.head_count_kv": 2, "qwen2.feed_forward_length": 128,
...     "qwen2.context_length": 512, "qwen2.attention.layer_norm_rms_epsilon": 1e-6, "qwen2.vocab_size": 100}
>>> config = read_config(metadata)
>>> config.head_dim, config.kv_heads, config.rope.layout
(16, 2, 'half_split')
>>> read_config({"general.architecture": "mamba"})  # doctest: +ELLIPSIS
Traceback (most recent call last):
    ...
refllm.models.architectures.ModelError: unknown architecture 'mamba'; known: baichuan, gemma, gemma2, gemma3, llama, ...
"""

from collections.abc import Mapping

from refllm.errors import RefllmError
from refllm.models.config import Config, Rope


class ModelError(RefllmError):
    """A file does not describe a model that can be built; the text says what is missing or wrong."""


HALF_SPLIT, INTERLEAVED = "half_split", "interleaved"
RECURRENT = ("rwkv4", "rwkv5", "rwkv6", "rwkv7")  # no choices of this decoder: see rwkv_config.py

CHOICES = {
    "llama": {"layout": INTERLEAVED},
    "baichuan": {"layout": INTERLEAVED, "alibi_layers": 40},
    "qwen2": {"layout": HALF_SPLIT},
    "qwen3": {"layout": HALF_SPLIT},
    "qwen3moe": {"layout": HALF_SPLIT},
    "phi3": {"layout": HALF_SPLIT},
    "gemma": {"layout": HALF_SPLIT, "activation": "gelu_tanh", "scale_embedding": True},
    "gemma2": {
        "layout": HALF_SPLIT,
        "activation": "gelu_tanh",
        "scale_embedding": True,
        "window": 4096,
        "global_every": 2,
        "wide_layers": 46,
    },
    "gemma3": {
        "layout": HALF_SPLIT,
        "activation": "gelu_tanh",
        "scale_embedding": True,
        "global_every": 6,
        "local_base": 10000.0,
        "wide_layers": 62,
    },
}


def read_config(metadata: Mapping) -> Config:
    """The model that a GGUF file's metadata describes."""
    architecture = metadata.get("general.architecture")
    choices = CHOICES.get(architecture)
    if choices is None:
        raise ModelError(f"unknown architecture {architecture!r}; known: {', '.join(sorted((*CHOICES, *RECURRENT)))}")

    def key(name: str, default=None):
        value = metadata.get(f"{architecture}.{name}", default)
        if value is None:
            raise ModelError(f"metadata: '{architecture}.{name}' is missing; a model of this kind needs it")
        return value

    if key("block_count") == choices.get("alibi_layers"):
        raise ModelError("a Baichuan of 40 layers (13B) places tokens by ALiBi; only those that turn them can be built")
    dim, heads = key("embedding_length"), key("attention.head_count")
    head_dim = key("attention.key_length", dim // heads)
    rope = _read_rope(key, choices["layout"], head_dim)
    window = key("attention.sliding_window", choices.get("window", 0)) if "global_every" in choices else 0
    return Config(
        architecture=architecture,
        layers=key("block_count"),
        dim=dim,
        heads=heads,
        kv_heads=key("attention.head_count_kv", heads),
        head_dim=head_dim,
        hidden_dim=key("expert_feed_forward_length", key("feed_forward_length", 0)),
        vocab_size=vocabulary_size(metadata, architecture),
        context_length=key("context_length"),
        rope=rope,
        norm_eps=key("attention.layer_norm_rms_epsilon"),
        activation=choices.get("activation", "silu"),
        attention_scale=_wide_scale(choices, key("block_count"), dim, heads),
        attention_softcap=key("attn_logit_softcapping", 50.0) if architecture == "gemma2" else None,
        final_softcap=key("final_logit_softcapping", 30.0 if architecture == "gemma2" else 0.0) or None,
        embedding_scale=dim**0.5 if choices.get("scale_embedding") else 1.0,
        window=window or None,
        global_every=choices.get("global_every", 1),
        local_rope=_local_rope(key, choices, rope),
        experts=key("expert_count", 0),
        experts_used=key("expert_used_count", 0),
    )


def _read_rope(key, layout: str, head_dim: int) -> Rope:
    kind = key("rope.scaling.type", "linear" if key("rope.scale_linear", 0.0) else "none")
    context = key("context_length")
    return Rope(
        layout=layout,
        dims=key("rope.dimension_count", head_dim),
        base=float(key("rope.freq_base", 10000.0)),
        scaling=kind if kind in ("linear", "yarn") else "none",
        factor=float(key("rope.scaling.factor", key("rope.scale_linear", 1.0))),
        trained_context=key("rope.scaling.original_context_length", context),
        attention_factor=float(key("rope.scaling.attn_factor", 1.0)),
    )


def _local_rope(key, choices: dict, rope: Rope) -> Rope | None:
    if "local_base" not in choices:
        return None
    return Rope(layout=rope.layout, dims=rope.dims, base=float(key("rope.freq_base_swa", choices["local_base"])))


def _wide_scale(choices: dict, layers: int, dim: int, heads: int) -> float | None:
    """The 27B Gemmas, known by their depth, scale scores by the width per head instead of the head's own."""
    return (dim // heads) ** -0.5 if layers == choices.get("wide_layers") else None


def vocabulary_size(metadata: Mapping, architecture: str) -> int:
    """How many pieces the model knows; files that do not say it have a piece for every one."""
    tokens = metadata.get("tokenizer.ggml.tokens")
    size = metadata.get(f"{architecture}.vocab_size", None if tokens is None else len(tokens))
    if size is None:
        raise ModelError(f"metadata: neither '{architecture}.vocab_size' nor 'tokenizer.ggml.tokens' is there")
    return size
