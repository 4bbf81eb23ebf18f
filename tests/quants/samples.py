"""What every scheme is tried with: weights of many kinds, importances, random blocks, and the schemes themselves."""

import struct

import numpy as np

from refllm import quants

COLUMNS = 512  # a multiple of every block size, and more than one block in a row

STORED_ONLY = ("F32", "F64", "I8", "I16", "I32", "I64")  # numbers that ggml copies; it neither rounds nor reads them
IN_GGML = [
    scheme.name for scheme in quants.SCHEMES.values() if scheme.id is not None and scheme.name not in STORED_ONLY
]
ACTIVATIONS = ("Q8_1", "Q8_K")  # not for files: ggml_quantize_chunk does not know them


def _normal(random, shape):
    return random.standard_normal(shape)


def _blockwise(random, shape, exponents):
    """Normal numbers whose magnitude changes from one group of 32 to the next."""
    scale = 10.0 ** random.choice(exponents, (shape[0], shape[1] // 32)).repeat(32, axis=1)
    return random.standard_normal(shape) * scale


def _one_outlier(random, shape):
    weights = random.standard_normal(shape)
    weights[np.arange(len(weights)), random.integers(0, shape[1], len(weights))] *= 1000
    return weights


def _constant(random, shape):
    return np.repeat(random.standard_normal((shape[0], shape[1] // 256)), 256, axis=1)


DISTRIBUTIONS = {
    "normal": _normal,
    "uniform": lambda random, shape: random.uniform(-0.1, 0.1, shape),
    "heavy_tailed": lambda random, shape: random.standard_t(1.5, shape),
    "positive": lambda random, shape: random.exponential(size=shape),
    "constant": _constant,
    "zero": lambda random, shape: np.where(random.random(shape) < 0.5, 0.0, -0.0),
    "sparse": lambda random, shape: random.standard_normal(shape) * (random.random(shape) < 0.02),
    "tiny": lambda random, shape: _blockwise(random, shape, np.arange(-44, -5)),
    "huge": lambda random, shape: _blockwise(random, shape, np.arange(4, 18)),
    "enormous": lambda random, shape: random.standard_normal(shape) * 1e30,
    "one_outlier": _one_outlier,
    "ternary": lambda random, shape: random.integers(-1, 2, shape) * 0.043,
}


def weights(distribution: str, rows: int, seed: int = 0) -> np.ndarray:
    return DISTRIBUTIONS[distribution](np.random.default_rng(seed), (rows, COLUMNS)).astype(np.float32)


def importance(seed: int = 0) -> np.ndarray:
    """Mean squares of activations, very uneven as they are in models; some columns are never met at all."""
    random = np.random.default_rng(seed)
    return (random.standard_normal(COLUMNS) ** 4 * (random.random(COLUMNS) > 0.05)).astype(np.float32)


def importance_of_one_column() -> np.ndarray:
    return (np.arange(COLUMNS) == 37).astype(np.float32)


def random_blocks(name: str, count: int, seed: int = 0) -> np.ndarray:
    """Blocks of any bytes whatever."""
    scheme = quants.get(name)
    return np.random.default_rng(seed).integers(0, 256, count * scheme.block_bytes, np.uint8).view(scheme.dtype)


def rwkv_tensors(path) -> dict[str, np.ndarray]:
    """The tensors of an rwkv.cpp file: float32 arrays, or the bytes of Q5_1 blocks."""
    data, position, tensors = path.read_bytes(), 24, {}
    while position < len(data):
        dims, length, kind = struct.unpack_from("<3i", data, position)
        shape = struct.unpack_from(f"<{dims}i", data, position + 12)[::-1]
        position += 12 + 4 * dims
        key, position = data[position : position + length].decode(), position + length
        count = int(np.prod(shape))
        dtype, size = {0: ("<f4", count), 1: ("<f2", count)}.get(kind, ("u1", count // 32 * 24))
        tensors[key] = np.frombuffer(data, dtype, size, position).reshape(*shape[:-1], -1)
        position += tensors[key].nbytes
    return tensors
