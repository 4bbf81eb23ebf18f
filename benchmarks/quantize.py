"""float32 to blocks: refllm beside ggml's own C code, for every type, with and without an importance of the columns.

Both use all processors (ggml's rows are dealt to as many threads), then both use one. The goal: at most three times as
slow as C. `times as slow` below 1 means that refllm is the faster one.
"""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from benchmarks.timing import take_turns
from refllm import quants
from refllm.quants.scheme import WEIGHTS_PER_SLICE
from tests.quants import ggml

COLUMNS = 2048
NOT_IN_GGML = {"Q8_1", "Q8_K"}  # made for activations: `ggml_quantize_chunk` does not take them


def run() -> list[dict]:
    known = [scheme for scheme in quants.SCHEMES.values() if scheme.id is not None and scheme.name not in NOT_IN_GGML]
    return [
        compare(scheme, given)
        for scheme in known
        if ggml.traits(scheme.id).is_quantized
        for given in (False, True)
        if given or not scheme.needs_importance
    ]


def compare(scheme: quants.Scheme, given: bool) -> dict:
    random = np.random.default_rng(0)
    importance = random.random(COLUMNS, np.float32) if given else None
    many, few = (
        random.standard_normal((size // COLUMNS, COLUMNS), np.float32) for size in (1 << 21, WEIGHTS_PER_SLICE)
    )
    together = take_turns(
        {
            "refllm": lambda: scheme.quantize(many, importance=importance),
            "ggml": lambda: in_threads(scheme.id, many, importance),
        },
        rounds=3,
    )
    alone = take_turns(  # one slice: refllm starts no threads for it
        {
            "refllm": lambda: scheme.quantize(few, importance=importance),
            "ggml": lambda: ggml.quantize(scheme.id, few, importance),
        }
    )
    return {
        "type": scheme.name,
        "importance": "yes" if given else "no",
        "refllm Mweights/s": many.size / together["refllm"] / 1e6,
        "ggml Mweights/s": many.size / together["ggml"] / 1e6,
        "times as slow": together["refllm"] / together["ggml"],
        "one thread": alone["refllm"] / alone["ggml"],
    }


def in_threads(number: int, weights: np.ndarray, importance: np.ndarray | None) -> None:
    """ggml's code in as many threads as there are processors; ctypes lets them run side by side."""
    count = os.cpu_count() or 1
    with ThreadPoolExecutor(count) as threads:
        list(threads.map(lambda rows: ggml.quantize(number, rows, importance), np.array_split(weights, count)))
