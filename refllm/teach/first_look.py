"""What `make chat` runs as long as no trained model lies in `data/`: a first look at a model file.

It writes a GGUF file with the shape of a tiny LLaMA, random weights in four types, and shows it with `refllm inspect`.
The file does not talk: its weights were never trained. It stays in `.refllm/`, to be looked at further.

>>> import tempfile
>>> file = refllm.gguf.open(write_tiny_llama(pathlib.Path(tempfile.mkdtemp())))
>>> file.metadata["general.architecture"], file.tensors["blk.1.attn_k.weight"].type
('llama', 'Q4_0')
"""

import os
import pathlib
import subprocess
import sys

import numpy as np

import refllm

GREETING = """\
Hello! One day you will talk to refllm here, with a small model that is trained by this project and lies in data/. That
model does not exist yet, so there is nobody to answer. What can be shown today is the house it will live in: refllm
writes a tiny model file in the GGUF format, with random weights, and looks into it.
"""
FOLDER = pathlib.Path(__file__).parents[2] / ".refllm"  # what may be thrown away; git does not see it
WIDTH, KEY_WIDTH, HIDDEN, LAYERS, CONTEXT = 64, 32, 192, 2, 256
SPECIAL = ("<unk>", "<s>", "</s>")


def main() -> int:
    """Greet, write the file, and show it."""
    path = os.path.relpath(write_tiny_llama())
    print(GREETING)
    print(f"$ refllm inspect {path}", flush=True)
    status = subprocess.call([sys.executable, "-m", "refllm", "inspect", path])
    print(f"\nEach byte of it: .venv/bin/refllm inspect {path} --hexdump")
    return status


def write_tiny_llama(folder: pathlib.Path = FOLDER) -> pathlib.Path:
    """Write the file into this folder and return its path."""
    folder.mkdir(exist_ok=True)
    path = folder / "first_look.gguf"
    refllm.gguf.write(path, metadata(), tensors())
    return path


def metadata() -> dict:
    """What a LLaMA's file says of itself; the tokens are three special ones and every byte."""
    tokens = [*SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256))]
    return {
        "general.architecture": "llama",
        "general.name": "A first look",
        "llama.context_length": CONTEXT,
        "llama.embedding_length": WIDTH,
        "llama.block_count": LAYERS,
        "llama.feed_forward_length": HIDDEN,
        "llama.attention.head_count": 4,
        "llama.attention.head_count_kv": 2,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.rope.dimension_count": 16,
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": np.zeros(len(tokens), np.float32),
        "tokenizer.ggml.token_type": np.array([2, 3, 3] + [6] * 256, np.int32),  # unknown, control, byte
    }


def tensors() -> dict:
    """Random weights under a LLaMA's names, stored as its files usually are: norms in full, matrices in blocks."""
    random = np.random.default_rng(0)

    def weights(rows: int, columns: int):
        return random.normal(0, columns**-0.5, (rows, columns)).astype(np.float32)

    def blocks(name: str, rows: int, columns: int):
        return refllm.quants.get(name).quantize(weights(rows, columns)), name

    ones = np.ones(WIDTH, np.float32)
    model = {"token_embd.weight": weights(len(SPECIAL) + 256, WIDTH).astype(np.float16), "output_norm.weight": ones}
    for layer in range(LAYERS):
        model |= {
            f"blk.{layer}.attn_norm.weight": ones,
            f"blk.{layer}.attn_q.weight": blocks("Q4_0", WIDTH, WIDTH),
            f"blk.{layer}.attn_k.weight": blocks("Q4_0", KEY_WIDTH, WIDTH),
            f"blk.{layer}.attn_v.weight": blocks("Q8_0", KEY_WIDTH, WIDTH),
            f"blk.{layer}.attn_output.weight": blocks("Q4_0", WIDTH, WIDTH),
            f"blk.{layer}.ffn_norm.weight": ones,
            f"blk.{layer}.ffn_gate.weight": blocks("Q4_0", HIDDEN, WIDTH),
            f"blk.{layer}.ffn_up.weight": blocks("Q4_0", HIDDEN, WIDTH),
            f"blk.{layer}.ffn_down.weight": blocks("Q8_0", WIDTH, HIDDEN),
        }
    return model | {"output.weight": blocks("Q8_0", len(SPECIAL) + 256, WIDTH)}


if __name__ == "__main__":
    sys.exit(main())
