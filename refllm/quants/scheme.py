"""A quantization scheme: the layout of a block, and how weights become blocks and blocks become weights.

The layout is a numpy structured dtype, so the bytes of a file become blocks by `.view()`. Everything else that one says
about a scheme (bytes per block, bits per weight, weights per block) is derived from the dtype and the two functions,
never written down. A scheme does not know which tensors use it (`mixes.py` does) and multiplies nothing (`kernels`).

`decode` gets the fields of some blocks by name and uses only what numpy and JAX arrays share (operators, slices,
`reshape`, `astype`, `bits.lookup`); `encode` is plain IEEE float32 in numpy, in the C library's order of operations.

>>> import numpy as np
>>> from refllm import quants
>>> q = quants.get("Q8_0")
>>> q.dtype
dtype([('d', '<f2'), ('qs', 'i1', (32,))])
>>> q.block_size, q.block_bytes, q.bits_per_weight
(32, 34, 8.5)
>>> blocks = q.quantize(np.linspace(-1, 1, 64, dtype=np.float32))
>>> blocks["qs"][0, :4]
array([-127, -123, -119, -115], dtype=int8)
>>> float(abs(q.dequantize(blocks) - np.linspace(-1, 1, 64)).max()) < 0.005
True
"""

import dataclasses
import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from jaxtyping import Float32, Shaped

from refllm.errors import RefllmError

Blocks = Shaped[np.ndarray, "... blocks"]
Weights = Float32[np.ndarray, "... weights"]

WEIGHTS_PER_SLICE = 1 << 20  # what one thread encodes at a time: bounds the memory of the search


class QuantError(RefllmError):
    """Weights or blocks that a scheme cannot take; the text says why."""


@dataclasses.dataclass(frozen=True)
class Scheme:
    """One way of storing weights in blocks."""

    name: str
    dtype: np.dtype
    decode: Callable  # fields by name, each [..., blocks, (count)] -> weights [..., blocks, block_size]
    encode: Callable | None = (
        None  # weights [rows, blocks, block_size], importance [blocks, block_size] | None -> blocks
    )
    id: int | None = None  # the number that names the scheme in a GGUF file; None: never in one
    needs_importance: bool = False

    @functools.cached_property
    def block_size(self) -> int:
        """Weights per block: as many as one block decodes to."""
        return self.dequantize(np.zeros(1, self.dtype)).size

    @property
    def block_bytes(self) -> int:
        return self.dtype.itemsize

    @property
    def bits_per_weight(self) -> float:
        return 8 * self.block_bytes / self.block_size

    def dequantize(self, blocks: Blocks) -> Weights:
        """The weights that the blocks stand for, blocks of a row side by side."""
        with np.errstate(all="ignore"):  # a file may hold any bytes: infinite and NaN scales are carried, not judged
            weights = self.decode(self.fields(blocks))
        return weights.reshape(*blocks.shape[:-1], -1)

    def fields(self, blocks: Blocks) -> dict:
        """The blocks taken apart: each field of the layout as an array of its own."""
        return {name: blocks[name] for name in self.dtype.names}

    def quantize(self, weights: Weights, importance: Float32[np.ndarray, " weights"] | None = None) -> Blocks:
        """The blocks nearest to the weights; `importance` says how much an error in each column of a row matters."""
        rows = self._in_blocks(weights)
        if self.encode is None:
            raise QuantError(f"{self.name}: has no encoder")
        if self.needs_importance and importance is None:
            raise QuantError(f"{self.name}: needs an importance for every column; none was given")
        if importance is not None:
            importance = importance.reshape(-1, self.block_size)
        step = max(1, WEIGHTS_PER_SLICE // max(1, rows[:1].size))
        slices = [rows[start : start + step] for start in range(0, len(rows), step)]
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            parts = list(threads.map(lambda part: self._encode(part, importance), slices))
        blocks = np.concatenate(parts) if parts else np.empty((0, rows.shape[1]), self.dtype)
        return blocks.reshape(*weights.shape[:-1], -1)

    def _encode(self, rows, importance):
        with np.errstate(all="ignore"):
            return self.encode(rows, importance)

    def _in_blocks(self, weights: Weights) -> Float32[np.ndarray, "rows blocks block_size"]:
        columns = weights.shape[-1]
        if columns % self.block_size:
            raise QuantError(f"{self.name}: rows of {columns} weights do not divide into blocks of {self.block_size}")
        return weights.reshape(-1, columns // self.block_size, self.block_size)
