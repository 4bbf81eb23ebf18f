"""A checkpoint of LLaMA-7B's widths in three shards: converted, then quantized to Q6_K beside llama.cpp.

Two layers by default; REFLLM_LAYERS=32 makes it the whole 7B (it needs 35 GB of disk). "peak MB" is all the memory that
a fresh process has held at once. The goal: below 3 GB, whatever the number of layers.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import numpy as np

from refllm import quants
from refllm.convert import lazy, safetensors_file
from refllm.quants import mixes
from refllm.tokenizers import sentencepiece_model
from refllm.tokenizers.vocabulary import Vocabulary
from tests.quants import llama_quant

LAYERS, DIM, HIDDEN, PIECES, SHARDS = int(os.environ.get("REFLLM_LAYERS", "2")), 4096, 11008, 32000, 3
THREADS = os.cpu_count() or 1
LAYER = {f"self_attn.{part}_proj": (DIM, DIM) for part in "qkvo"}
LAYER |= {"mlp.gate_proj": (HIDDEN, DIM), "mlp.up_proj": (HIDDEN, DIM), "mlp.down_proj": (DIM, HIDDEN)}
LAYER |= {"input_layernorm": (DIM,), "post_attention_layernorm": (DIM,)}
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": DIM,
    "intermediate_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 32,
    "max_position_embeddings": 4096,
    "rms_norm_eps": 1e-5,
    "vocab_size": PIECES,
}
STEP = """
import pathlib, re, sys, refllm
{call}
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", pathlib.Path("/proc/self/status").read_text())[1]) / 1024)
"""


def run() -> list[dict]:
    with tempfile.TemporaryDirectory() as temporary:
        folder = write_checkpoint(pathlib.Path(temporary) / "7B")
        source, target = folder / "f16.gguf", folder / "q6_k.gguf"
        steps = {
            "convert to F16": f"refllm.convert({str(folder)!r}, {str(source)!r})",
            "convert to Q8_0": f"refllm.convert({str(folder)!r}, {str(target)!r}, outtype='q8_0')",
            "quantize to Q6_K": f"refllm.quantize({str(source)!r}, {str(target)!r}, 'Q6_K', threads={THREADS})",
        }
        rows = [measured(name, call) for name, call in steps.items()]
        start = time.perf_counter()
        llama_quant.quantize(source, folder / "theirs.gguf", mixes.get("Q6_K").id, nthread=THREADS)
        rows.append({"step": "llama.cpp: to Q6_K", "seconds": time.perf_counter() - start, "peak MB": float("nan")})
        return rows


def measured(name: str, call: str) -> dict:
    """A step in a process of its own."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", STEP.format(call=call)], capture_output=True, text=True, check=True)
    peak = float(re.findall(r"[\d.]+", done.stdout)[-1])
    return {"step": name, "seconds": time.perf_counter() - start, "peak MB": peak}


def write_checkpoint(folder: pathlib.Path) -> pathlib.Path:
    """Random weights; the same 16 million numbers again and again, since only their amount matters."""
    folder.mkdir()
    shapes = {"model.embed_tokens": (PIECES, DIM), "model.norm": (DIM,), "lm_head": (PIECES, DIM)}
    shapes |= {f"model.layers.{at}.{name}": shape for at in range(LAYERS) for name, shape in LAYER.items()}
    numbers = (np.random.default_rng(0).standard_normal((4096, DIM), np.float32) * np.float32(0.02)).astype(np.float16)
    names = [f"model-{number + 1:05d}-of-{SHARDS:05d}.safetensors" for number in range(SHARDS)]
    places = {f"{name}.weight": names[at % SHARDS] for at, name in enumerate(shapes)}
    for file in names:
        mine = {
            f"{name}.weight": repeated(numbers, shape)
            for name, shape in shapes.items()
            if places[f"{name}.weight"] == file
        }
        safetensors_file.write(folder / file, mine)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    (folder / "config.json").write_text(json.dumps(CONFIG))
    vocabulary = Vocabulary(["<unk>", "<s>", "</s>", "a"], [2, 3, 3, 1], [0.0] * 4)
    (folder / "tokenizer.model").write_bytes(sentencepiece_model.model_file(vocabulary, sentencepiece_model.BPE, 0))
    return folder


def repeated(numbers: np.ndarray, shape: tuple[int, ...]) -> lazy.Lazy:
    columns, flat = shape[-1] if len(shape) > 1 else 1, numbers.reshape(-1)
    rows = len(flat) // columns
    matrix = flat[: rows * columns].reshape(rows, columns)
    return lazy.Lazy(shape, quants.get("F16"), lambda wanted: matrix[wanted % rows])
