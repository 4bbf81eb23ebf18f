"""Make `blocks.npz`: what ggml makes of some weights, and of some bytes, for every scheme that it knows.

Run it from the project's root where `llama_cpp` is importable: `python -m tests.golden.quants.make`. The file holds

- `weights` [8, 512] float32, each row of another kind, and `importance` [512];
- `NAME/plain` and `NAME/weighted`: the blocks as bytes, without and with importance (one may be absent: ggml refuses
  to encode some schemes without, and does not use it for others);
- `NAME/bytes` and `NAME/floats`: any bytes and the float32 weights that ggml reads in them, NaN as one kind of NaN;
- `versions`: what made it.
"""

import importlib.metadata
import pathlib

import numpy as np

from tests.quants import ggml, samples

PATH = pathlib.Path(__file__).with_name("blocks.npz")
KINDS = ["normal", "uniform", "heavy_tailed", "positive", "constant", "tiny", "one_outlier", "ternary"]


def main() -> None:
    weights = np.concatenate([samples.weights(kind, rows=1, seed=7) for kind in KINDS])
    importance = samples.importance(seed=7)
    arrays = {"weights": weights, "importance": importance, "versions": versions()}
    for name in samples.IN_GGML:
        arrays |= {f"{name}/{key}": array for key, array in vectors(name, weights, importance).items()}
    np.savez_compressed(PATH, **arrays)


def vectors(name: str, weights: np.ndarray, importance: np.ndarray) -> dict[str, np.ndarray]:
    scheme = samples.quants.get(name)
    found = {}
    if name in samples.ACTIVATIONS:
        found["plain"] = ggml.quantize_reference(scheme.id, weights)
    else:
        found["weighted"] = ggml.quantize(scheme.id, weights, importance)
        if not ggml.library().ggml_quantize_requires_imatrix(scheme.id):
            found["plain"] = ggml.quantize(scheme.id, weights)
    if name != "Q8_1":
        blocks = samples.random_blocks(name, 1024 // scheme.block_size, seed=7)
        floats = ggml.dequantize(scheme.id, blocks)
        found |= {"bytes": blocks.view(np.uint8), "floats": np.where(np.isnan(floats), np.float32(np.nan), floats)}
    return found


def versions() -> np.ndarray:
    return np.array([f"{name} {importlib.metadata.version(name)}" for name in ("llama_cpp_python", "numpy")])


if __name__ == "__main__":
    main()
