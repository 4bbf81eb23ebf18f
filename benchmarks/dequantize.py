"""Blocks to float32 in numpy: refllm beside the `gguf` package, for every type that both know.

Both get the same random blocks; F32 and the integers are left out, where there is nothing to do. The goal: at least
three times as fast as `gguf`. (refllm uses all processors, `gguf` one.) No decoder can be faster than memory takes the
result, so a plain copy of the float32 weights stands beside them.
"""

import gguf
import numpy as np

from benchmarks.timing import take_turns
from refllm import quants

WEIGHTS = 1 << 23


def run() -> list[dict]:
    types = [number for number in gguf.quants._type_traits if number.name in quants.SCHEMES]
    return [compare(quants.get(number.name), number) for number in sorted(types)]


def compare(scheme: quants.Scheme, number: gguf.GGMLQuantizationType) -> dict:
    blocks = random_blocks(scheme, WEIGHTS // scheme.block_size)
    rows = blocks.view(np.uint8).reshape(1024, -1)
    weights = scheme.dequantize(blocks)
    seconds = take_turns(
        {
            "refllm": lambda: scheme.dequantize(blocks),
            "gguf": lambda: gguf.quants.dequantize(rows, number),
            "copy": weights.copy,
        }
    )
    speed = {f"{name} Mweights/s": WEIGHTS / each / 1e6 for name, each in seconds.items()}
    return {"type": scheme.name, **speed, "ratio": seconds["gguf"] / seconds["refllm"]}


def random_blocks(scheme: quants.Scheme, count: int) -> np.ndarray:
    """Random bytes, with scales that are ordinary numbers: NaN and subnormal ones slow a processor down."""
    generator = np.random.default_rng(0)
    blocks = generator.integers(0, 256, count * scheme.block_bytes, np.uint8).view(scheme.dtype)
    for name, field in scheme.layout.items():
        if field.kind == "f":
            blocks[name] = generator.uniform(0.01, 1, count)
    return blocks
