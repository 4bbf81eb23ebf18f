"""Whole files from float16: `refllm quantize` beside llama.cpp's `llama_model_quantize`, with the same threads.

Both write the same bytes; refllm also measures the error of every tensor. The goal: at most three times as slow as C.
`times as slow` below 1 means that refllm is the faster one. "peak MB" is all the memory of a fresh process that
quantizes the file, of which Python and numpy take some 40.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

import refllm
from benchmarks import synthetic
from benchmarks.timing import take_turns
from refllm.quants import mixes
from tests.quants import llama_quant

MIXES = ("Q8_0", "Q4_0", "Q4_K_M", "Q6_K", "IQ4_XS")
THREADS = os.cpu_count() or 1

PEAK = """
import pathlib, re, sys, refllm
refllm.quantize(*sys.argv[1:4], threads=int(sys.argv[4]))
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", pathlib.Path("/proc/self/status").read_text())[1]) / 1024)
"""  # (the figure of getrusage would begin with the memory of the process that started this one)


def run() -> list[dict]:
    with tempfile.TemporaryDirectory() as folder:
        source = synthetic.write_model(pathlib.Path(folder) / "f16.gguf", "38M", "F16")
        return [compare(source, mix) for mix in MIXES]


def compare(source: pathlib.Path, mix: str) -> dict:
    ours, theirs = source.with_name("ours.gguf"), source.with_name("theirs.gguf")
    weights = refllm.quantize(source, ours, mix, dry_run=True).weights
    seconds = take_turns(
        {
            "refllm": lambda: refllm.quantize(source, ours, mix, threads=THREADS),
            "llama.cpp": lambda: llama_quant.quantize(source, theirs, mixes.get(mix).id, nthread=THREADS),
        },
        rounds=2,
    )
    command = [sys.executable, "-c", PEAK, str(source), str(ours), mix, str(THREADS)]
    peak = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return {
        "type": mix,
        "threads": THREADS,
        "refllm Mweights/s": weights / seconds["refllm"] / 1e6,
        "llama.cpp Mweights/s": weights / seconds["llama.cpp"] / 1e6,
        "times as slow": seconds["refllm"] / seconds["llama.cpp"],
        "peak MB": peak,
    }
