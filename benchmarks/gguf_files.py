"""GGUF files: opening and listing a vocabulary beside the `gguf` package, rewriting 1 GB beside `cp`.

The vocabulary is that of Qwen2 (151,936 tokens, 151,387 merges), from the files beside the project. Listing means that
every value has been decoded. The rewrite changes one metadata key; it ends with fsync, so `cp` is followed by `sync` of
its file. "peak MB" is all the memory of a fresh process, of which Python and numpy take some 40.
"""

import pathlib
import subprocess
import sys
import tempfile

import gguf as peer
import numpy as np

from benchmarks.timing import take_turns
from refllm import gguf

VOCABULARY = pathlib.Path(__file__).parents[2] / "shared" / "fixtures" / "tokenizers" / "ggml-vocab-qwen2.gguf"
TENSORS_PER_GB = 32

PEAK = """
import pathlib  # getrusage would give the peak of the parent process too
print(pathlib.Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
"""


def run() -> list[dict]:
    rows = [open_and_list()] if VOCABULARY.exists() else []
    return [*rows, rewrite(gigabytes=1)]


def open_and_list() -> dict:
    def package():
        return {key: field.contents() for key, field in peer.GGUFReader(VOCABULARY).fields.items()}

    seconds = take_turns({"refllm": lambda: dict(gguf.open(VOCABULARY).metadata), "gguf": package}, rounds=3)
    return row("open and list 150k tokens", seconds, f"dict(gguf.open({str(VOCABULARY)!r}).metadata)")


def rewrite(gigabytes: int) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        large, out = pathlib.Path(folder, "large.gguf"), pathlib.Path(folder, "out.gguf")
        random = np.random.default_rng(0).integers(0, 256, (1 << 30) // TENSORS_PER_GB, np.uint8).view(np.float32)
        gguf.write(large, {"general.name": "old"}, {f"w{i}": random for i in range(TENSORS_PER_GB * gigabytes)})

        def copy():
            subprocess.run(["cp", large, out], check=True)
            subprocess.run(["sync", out], check=True)

        def edit():
            gguf.edit(large, out, set={"general.name": "new"})

        seconds = take_turns({"refllm": edit, "cp": copy}, rounds=3)
        return row(f"rewrite {gigabytes} GB", seconds, f"gguf.edit({str(large)!r}, {str(out)!r})")


def row(work: str, seconds: dict[str, float], code: str) -> dict:
    """`code` is run once more, alone in a fresh process, to see its memory."""
    command = [sys.executable, "-c", f"from refllm import gguf\n{code}{PEAK}"]
    peak = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) / 1024
    mine, (peer_name, theirs) = seconds["refllm"], list(seconds.items())[1]
    return {
        "work": work,
        "refllm s": mine,
        "peer": peer_name,
        "peer s": theirs,
        "times as fast": theirs / mine,
        "peak MB": peak,
    }
