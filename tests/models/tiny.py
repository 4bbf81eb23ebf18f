"""Tiny random models of every architecture as GGUF files, for the tests and for the libraries they are compared with.

A few layers, grouped heads, odd sizes, and a small SentencePiece vocabulary of bytes and words. The weights come
from a seeded generator, so that the file is the same everywhere; the golden values record its fingerprint.
"""

import hashlib
import pathlib

import numpy as np

from refllm import gguf, quants
from refllm.models.architectures import read_config
from refllm.models.weights import ATTENTION, DENSE, EXTRAS, LAYER_TENSORS, MIXTURE, MODEL_TENSORS, axis_sizes

WORDS = [*("▁the", "▁a", "▁of", "▁and", "▁to", "▁in", "▁is", "▁one", "▁two", "▁red", "▁cat", "▁你", "好", "中", "文")]
WORDS += [*("th", "he", "in", "er", "an", "re", "on"), *"setaonirhldu"]

COMMON = {
    "block_count": 3,
    "embedding_length": 96,
    "attention.head_count": 6,
    "attention.head_count_kv": 2,
    "feed_forward_length": 160,
    "context_length": 256,
    "attention.layer_norm_rms_epsilon": 1e-5,
}
WIDE_HEADS = {"attention.key_length": 32, "attention.value_length": 32}

VARIANTS = {
    "llama": ("llama", {}),
    "llama-tied": ("llama", {"rope.freq_base": 500000.0}),
    "llama3-scaled": ("llama", {"rope.freq_base": 500000.0}),
    "llama-linear": ("llama", {"rope.scaling.type": "linear", "rope.scaling.factor": 4.0}),
    "llama-yarn": (
        "llama",
        {"rope.scaling.type": "yarn", "rope.scaling.factor": 4.0, "rope.scaling.original_context_length": 64},
    ),
    "mixtral": ("llama", {"expert_count": 4, "expert_used_count": 2}),
    "qwen2": ("qwen2", {"rope.freq_base": 1000000.0}),
    "qwen3": ("qwen3", {"rope.freq_base": 1000000.0, **WIDE_HEADS}),
    "qwen3moe": (
        "qwen3moe",
        {"expert_count": 4, "expert_used_count": 2, "expert_feed_forward_length": 64, **WIDE_HEADS},
    ),
    "gemma": ("gemma", WIDE_HEADS),
    "gemma2": (
        "gemma2",
        {"attention.sliding_window": 24, "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0, **WIDE_HEADS},
    ),
    "gemma3": ("gemma3", {"attention.sliding_window": 24, "block_count": 7, "rope.freq_base": 1000000.0, **WIDE_HEADS}),
    "phi3": ("phi3", {"rope.dimension_count": 16}),
    "phi3-short": ("phi3", {"rope.scaling.original_context_length": 256, "rope.scaling.attn_factor": 1.19}),
    "phi3-long": ("phi3", {"rope.scaling.original_context_length": 32, "rope.scaling.attn_factor": 1.19}),
}
UNTIED = {"llama", "llama-linear", "llama-yarn", "mixtral", "qwen2", "qwen3moe", "phi3", "phi3-short", "phi3-long"}


def vocabulary() -> dict:
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *WORDS]
    types = [2, 3, 3, *[6] * 256, *[1] * len(WORDS)]
    scores = [0.0] * 259 + [-float(rank) for rank in range(len(WORDS))]
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": pieces,
        "tokenizer.ggml.scores": np.array(scores, np.float32),
        "tokenizer.ggml.token_type": np.array(types, np.int32),
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.unknown_token_id": 0,
    }


def metadata(variant: str) -> dict:
    architecture, own = VARIANTS[variant]
    fields = {f"{architecture}.{name}": value for name, value in {**COMMON, **own}.items()}
    return {"general.architecture": architecture, **fields, **vocabulary()}


def tensors(variant: str) -> dict[str, np.ndarray]:
    """Random weights under their GGUF names, small enough that activations stay near one."""
    config = read_config(metadata(variant))
    axes, rng = axis_sizes(config), np.random.default_rng(list(variant.encode()))

    def random(place) -> np.ndarray:
        shape = tuple(axes[axis] for axis in place.axes)
        values = rng.standard_normal(shape, np.float32)
        return 1 + values * np.float32(0.1) if "norm" in place.name else values * np.float32(shape[-1] ** -0.5)

    chosen = ATTENTION | (MIXTURE if config.experts else DENSE) | EXTRAS[config.architecture][0]
    made = {MODEL_TENSORS[name].name: random(MODEL_TENSORS[name]) for name in ("token_embedding", "output_norm")}
    if variant in UNTIED:
        made["output.weight"] = random(MODEL_TENSORS["output"])
    if variant == "llama3-scaled":
        made["rope_freqs.weight"] = np.linspace(1, 8, axes["pairs"], dtype=np.float32)
    if variant in ("phi3-short", "phi3-long"):  # both tables, of which the context chooses one
        made["rope_factors_short.weight"] = np.linspace(1, 1.5, axes["pairs"], dtype=np.float32)
        made["rope_factors_long.weight"] = np.linspace(1, 9, axes["pairs"], dtype=np.float32)
    for layer in range(config.layers):
        for name, place in LAYER_TENSORS.items():
            if name in chosen:
                made[f"blk.{layer}.{place.name}"] = random(place)
    return fuse(made, config.layers) if config.architecture == "phi3" else made


def fuse(made: dict, layers: int) -> dict:
    """Phi-3 keeps q, k and v in one matrix, gate and up in another."""
    for layer in range(layers):
        at = f"blk.{layer}."
        parts = [made.pop(f"{at}attn_{name}.weight") for name in "qkv"]
        made[at + "attn_qkv.weight"] = np.concatenate(parts)
        made[at + "ffn_up.weight"] = np.concatenate([made.pop(at + "ffn_gate.weight"), made[at + "ffn_up.weight"]])
    return made


def fingerprint(variant: str) -> str:
    """A hash of all weights: the same on every machine and with every version, or golden values mean nothing."""
    digest = hashlib.sha256()
    for name, array in sorted(tensors(variant).items()):
        digest.update(name.encode() + array.tobytes())
    return digest.hexdigest()


def write(variant: str, path: pathlib.Path, scheme: str = "F32") -> pathlib.Path:
    """The model as a file; matrices in `scheme` where their rows divide into its blocks, else in float32."""

    def encode(array: np.ndarray):
        fits = scheme != "F32" and array.ndim > 1 and array.shape[-1] % quants.get(scheme).block_size == 0
        return (quants.get(scheme).quantize(array), scheme) if fits else array

    gguf.write(path, metadata(variant), {name: encode(array) for name, array in tensors(variant).items()})
    return path


def prompt(length: int = 64) -> list[int]:
    return [1, *np.random.default_rng(7).integers(3, 259 + len(WORDS), length - 1).tolist()]


COLUMNS = slice(0, None, 5)  # the logits that golden files keep: every fifth, at every position


def greedy_prompts(count: int) -> list[list[int]]:
    rng = np.random.default_rng(11)
    return [[1, *rng.integers(3, 259 + len(WORDS), 6).tolist()] for _ in range(count)]
