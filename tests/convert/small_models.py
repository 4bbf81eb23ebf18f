"""Small models that are the same on every machine: what whole files are quantized from in the tests.

Their matrices have few rows, since rows do not know of each other; the widths are what matters. The numbers come from
the raw bits of a generator, whose stream numpy promises never to change.
"""

import math
import pathlib

import numpy as np

from refllm import gguf, quants

ROWS = 3
MODELS = {  # type of the weights, query heads, key heads, layers, experts, width, hidden width, tied embeddings
    "grouped": ("F32", 4, 1, 2, 0, 256, 512, False),
    "tied": ("F16", 4, 2, 1, 0, 512, 256, True),
    "odd": ("BF16", 4, 4, 1, 0, 224, 608, False),
    "experts": ("F32", 4, 4, 1, 8, 256, 256, False),
}


def write_model(path: pathlib.Path, model: str) -> pathlib.Path:
    scheme = quants.get(MODELS[model][0])
    tensors = {}
    for seed, (name, shape) in enumerate(shapes(model).items()):
        weights = numbers(shape, seed)
        tensors[name] = weights if len(shape) == 1 else (scheme.quantize(weights), scheme.name)
    gguf.write(path, metadata(model), tensors)
    return path


def shapes(model: str) -> dict[str, tuple[int, ...]]:
    _, _, _, layers, experts, width, hidden, tied = MODELS[model]
    slices, suffix = ((experts,), "_exps") if experts else ((), "")
    layer = {f"attn_{part}": (ROWS, width) for part in ("q", "k", "v", "output")}
    layer |= {"attn_norm": (width,), "ffn_norm": (width,)} | ({"ffn_gate_inp": (experts, width)} if experts else {})
    layer |= {f"ffn_gate{suffix}": (*slices, ROWS, width), f"ffn_up{suffix}": (*slices, ROWS, width)}
    layer |= {f"ffn_down{suffix}": (*slices, ROWS, hidden)}
    found = {"output_norm.weight": (width,), "token_embd.weight": (ROWS, width)}
    found |= {} if tied else {"output.weight": (ROWS, width)}
    return found | {f"blk.{number}.{name}.weight": shape for number in range(layers) for name, shape in layer.items()}


def metadata(model: str) -> dict:
    _, heads, key_heads, layers, experts, width, hidden, _ = MODELS[model]
    fields = {
        "block_count": layers,
        "context_length": 512,
        "embedding_length": width,
        "feed_forward_length": hidden,
        "attention.head_count": heads,
        "attention.head_count_kv": key_heads,
        "attention.layer_norm_rms_epsilon": 1e-5,
        "vocab_size": ROWS,
    }
    fields |= {"expert_count": experts, "expert_used_count": 2} if experts else {}
    about = {"general.architecture": "llama", "general.file_type": 0, "general.name": f"{model} 模型"}
    return about | {f"llama.{name}": value for name, value in fields.items()} | {"words": ["a", "", "词"]}


def numbers(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """float32 that look like weights: about normal, with a few outliers."""
    bits = np.random.PCG64(seed).random_raw(math.prod(shape)).astype("<u8").view("<u2").reshape(-1, 4)
    bell = (bits.astype(np.float32) - np.float32(32767.5)).sum(-1) / np.float32(2**20)
    return np.where(bits[:, 0] < 200, bell * np.float32(8), bell).reshape(shape)


def importance(model: str) -> dict[str, np.ndarray]:
    """For every matrix but the embeddings and the second attn_v; some columns do not matter at all."""
    found = {}
    for seed, (name, shape) in enumerate(shapes(model).items()):
        if len(shape) > 1 and name not in ("token_embd.weight", "blk.1.attn_v.weight"):
            columns = shape[-1] * math.prod(shape[:-2])
            found[name] = np.square(numbers((columns,), 1000 + seed))
            found[name][5:9] = 0
    return found
