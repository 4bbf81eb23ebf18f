"""Model files of real shapes with random weights: what speed and memory are measured on, where no trained model is.

The blocks are those of normally distributed weights: a million of them are quantized once, and every tensor is filled
with blocks drawn from that stock while it is written, so a file of several GB costs no memory and little time.

>>> import pathlib, tempfile
>>> SHAPES["tiny"] = {"layers": 1, "dim": 256, "heads": 4, "kv_heads": 2, "hidden": 512, "vocab": 300}
>>> path = write_model(pathlib.Path(tempfile.mkdtemp()) / "tiny.gguf", "tiny", "Q4_0")
>>> from refllm import gguf
>>> gguf.open(path).tensors["blk.0.ffn_down.weight"]
Tensor('blk.0.ffn_down.weight', Q4_0, (256, 512))
"""

import dataclasses
import math
import pathlib
from collections.abc import Iterator

import numpy as np

from refllm import gguf, quants

SHAPES = {
    "38M": {"layers": 2, "dim": 1024, "heads": 16, "kv_heads": 4, "hidden": 2816, "vocab": 8000},
    "124M": {"layers": 12, "dim": 768, "heads": 12, "kv_heads": 4, "hidden": 2048, "vocab": 32000},
    "1.1B": {"layers": 22, "dim": 2048, "heads": 32, "kv_heads": 4, "hidden": 5632, "vocab": 32000},
    "7B": {"layers": 32, "dim": 4096, "heads": 32, "kv_heads": 32, "hidden": 11008, "vocab": 32000},
}
SPREAD = 0.02  # the standard deviation of the weights, about that of a trained model
STOCK = 1 << 20
PIECE = 1 << 14  # blocks that are drawn at a time


@dataclasses.dataclass(frozen=True)
class RandomTensor:
    """A tensor that is made up while it is written."""

    shape: tuple[int, ...]
    scheme: quants.Scheme
    stock: np.ndarray
    seed: int

    def slices(self) -> Iterator[np.ndarray]:
        rng, left = np.random.default_rng(self.seed), math.prod(self.shape) // self.scheme.block_size
        while left:
            count = min(left, PIECE)
            yield self.stock[rng.integers(0, len(self.stock), count)]
            left -= count


def write_model(path: pathlib.Path, shape: str, scheme: str, vocabulary: dict | None = None) -> pathlib.Path:
    """A LLaMA model of that shape, its matrices in that scheme, its norms in float32."""
    sizes = SHAPES[shape]
    weights = np.random.default_rng(0).normal(0, SPREAD, (STOCK // 256, 256)).astype(np.float32)
    stocks = {name: quants.get(name).quantize(weights).reshape(-1) for name in {scheme, "F32"}}
    tensors = {}
    for number, (name, dims) in enumerate(llama_tensors(sizes).items()):
        if len(dims) == 1:
            tensors[name] = np.ones(dims, np.float32)
        else:
            tensors[name] = RandomTensor(dims, quants.get(scheme), stocks[scheme], number)
    gguf.write(path, llama_metadata(sizes) | (vocabulary or made_up_vocabulary(sizes["vocab"])), tensors)
    return path


def llama_tensors(sizes: dict) -> dict[str, tuple[int, ...]]:
    dim, hidden, vocab = sizes["dim"], sizes["hidden"], sizes["vocab"]
    keys = dim // sizes["heads"] * sizes["kv_heads"]
    layer = {"attn_norm": (dim,), "attn_q": (dim, dim), "attn_k": (keys, dim), "attn_v": (keys, dim)}
    layer |= {"attn_output": (dim, dim), "ffn_norm": (dim,)}
    layer |= {"ffn_gate": (hidden, dim), "ffn_up": (hidden, dim), "ffn_down": (dim, hidden)}
    layers = {f"blk.{n}.{name}.weight": dims for n in range(sizes["layers"]) for name, dims in layer.items()}
    return {"token_embd.weight": (vocab, dim), **layers, "output_norm.weight": (dim,), "output.weight": (vocab, dim)}


def llama_metadata(sizes: dict) -> dict:
    fields = {
        "block_count": sizes["layers"],
        "embedding_length": sizes["dim"],
        "attention.head_count": sizes["heads"],
        "attention.head_count_kv": sizes["kv_heads"],
        "feed_forward_length": sizes["hidden"],
        "context_length": 4096,
        "attention.layer_norm_rms_epsilon": 1e-5,
        "rope.dimension_count": sizes["dim"] // sizes["heads"],
    }
    return {"general.architecture": "llama"} | {f"llama.{name}": value for name, value in fields.items()}


def made_up_vocabulary(size: int) -> dict:
    """SentencePiece's special pieces, the bytes, and numbered pieces to fill up."""
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    pieces = special + [f"▁w{number}" for number in range(size - len(special))]
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": pieces,
        "tokenizer.ggml.scores": np.zeros(size, np.float32) - np.arange(size, dtype=np.float32),
        "tokenizer.ggml.token_type": np.array([2, 3, 3, *[6] * 256, *[1] * (size - 259)], np.int32),
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.unknown_token_id": 0,
    }
