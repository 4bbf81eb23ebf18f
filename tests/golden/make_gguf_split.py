"""Makes gguf_split.json: the hashes of the shards that llama.cpp's own `llama-gguf-split` writes.

    python -m tests.golden.make_gguf_split path/to/llama-gguf-split

Made with the program of the llama.cpp in llama-cpp-python 0.3.36 (ggml 0.25.3).
"""

import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

from refllm import gguf, quants

LIMITS = {  # what `gguf.split` takes, for each way of splitting
    "by_tensors": {"max_tensors": 3},
    "by_size": {"max_size": 2_000_000},
    "first_without": {"max_tensors": 4, "tensors_in_first": False},
}
FLAGS = {
    "by_tensors": ["--split-max-tensors", "3"],
    "by_size": ["--split-max-size", "2M"],
    "first_without": ["--split-max-tensors", "4", "--no-tensor-first-split"],
}


def write_whole(path: pathlib.Path) -> None:
    """A file of nine tensors, 7 MB, with metadata of several types."""
    blocks = quants.get("Q8_0").quantize(np.linspace(-1, 1, 1 << 20, dtype=np.float32).reshape(256, -1))
    tensors = {f"blk.{index}.attn_q.weight": (blocks, "Q8_0") for index in range(6)}
    tensors |= {"token_embd.weight": np.arange(120, dtype=np.float32).reshape(2, 3, 4, 5)}
    tensors |= {"odd": np.arange(5, dtype=np.int8), "output_norm.weight": np.ones(300, np.float32)}
    metadata = {"general.architecture": "demo", "half": 0.5, "tokens": ["a", "", "词"], "scores": np.float32([1, 2])}
    gguf.write(path, metadata, tensors)


def hashes(paths) -> dict[str, str]:
    """One for each file. Only llama.cpp pads a file that holds no tensor, which makes no difference to a reader."""
    contents = {path.name: path.read_bytes() for path in sorted(paths)}
    return {name: hashlib.sha256(raw + bytes(-len(raw) % 32)).hexdigest() for name, raw in contents.items()}


def main(program: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        whole, golden = pathlib.Path(folder, "whole.gguf"), {}
        write_whole(whole)
        for kind, flags in FLAGS.items():
            subprocess.run([program, "--split", *flags, whole, whole.with_name(kind)], check=True)
            golden[kind] = hashes(whole.parent.glob(f"{kind}-*.gguf"))
    pathlib.Path(__file__).with_name("gguf_split.json").write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
