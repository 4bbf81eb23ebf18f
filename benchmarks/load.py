"""Loading a model of TinyLlama-1.1B's shape and writing with it: seconds, and the most memory the process ever held."""

import json
import pathlib
import subprocess
import sys
import tempfile

from benchmarks import synthetic
from refllm import gguf

VOCABULARY = pathlib.Path(__file__).parents[2] / "shared" / "fixtures" / "tokenizers" / "ggml-vocab-llama-spm.gguf"
TOKENS = 16

PROGRAM = """
import json, pathlib, re, sys, time, refllm
start = time.perf_counter()
llm = refllm.load(sys.argv[1], context=512)
loaded = time.perf_counter()
first = llm.generate("The capital of France is", max_tokens=1, temperature=0.0, ignore_eos=True)
warm = time.perf_counter()
answer = llm.generate("从前有一个", max_tokens=int(sys.argv[2]), temperature=0.0, ignore_eos=True)
peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", pathlib.Path("/proc/self/status").read_text())[1]) / 1e6
print(json.dumps({"load s": loaded - start, "first token s": warm - loaded,
    "tokens/s": answer.timings.predicted_per_second, "peak GB": peak, "tokens": len(answer.ids)}))
"""  # (the figure of getrusage would begin with the memory of the process that started this one)


def run() -> list[dict]:
    rows = []
    for scheme in ("Q4_0", "Q8_0"):
        with tempfile.TemporaryDirectory() as folder:
            path = synthetic.write_model(pathlib.Path(folder) / "model.gguf", "1.1B", scheme, real_vocabulary())
            command = [sys.executable, "-c", PROGRAM, str(path), str(TOKENS)]
            measured = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            rows.append({"type": scheme, "file GB": path.stat().st_size / 1e9, **measured})
    return rows


def real_vocabulary() -> dict | None:
    """LLaMA's own vocabulary where the file from outside is at hand."""
    if not VOCABULARY.exists():
        return None
    metadata = gguf.open(VOCABULARY).metadata
    return {key: metadata[key] for key in metadata if key.startswith("tokenizer.")}
