"""One tensor on its way from an old file into a new one: rows are read, encoded in threads and measured, in order.

Only a few slices of rows are in memory at a time, about 10 MB per thread, whatever the size of the tensor. Which scheme
a tensor gets is not decided here.

>>> tensor = gguf.Tensor("w", (2, 64), quants.get("F32"), offset=0, source=np.ones((2, 64), np.float32).tobytes())
>>> conversion = Conversion(tensor, quants.get("Q4_0"))
>>> with ThreadPoolExecutor(1) as threads:
...     blocks = list(conversion.stream(threads))
>>> blocks[0].shape, blocks[0]["d"][0, 0], conversion.rmse
((2, 2), np.float16(-0.125), 0.0)
"""

import collections
import dataclasses
import math
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from jaxtyping import Float32

from refllm import gguf, quants
from refllm.errors import RefllmError
from refllm.quants.scheme import WEIGHTS_PER_SLICE

PIECES_AHEAD = 2 * (os.cpu_count() or 1)  # how many pieces of a tensor are with a thread, or wait for one or the disk


@dataclasses.dataclass
class Conversion:
    """A tensor of the old file, the scheme it has in the new one, and, once it is written, the error that was made."""

    tensor: gguf.Tensor
    scheme: quants.Scheme
    importance: Float32[np.ndarray, "experts columns"] | None = None
    instead_of: str | None = None  # the scheme it should have had, if its rows divided into that one's blocks
    squared_error: float = 0.0

    @property
    def name(self) -> str:
        return self.tensor.name

    @property
    def shape(self) -> tuple[int, ...]:
        return self.tensor.shape

    @property
    def weights(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.weights // self.scheme.block_size * self.scheme.block_bytes

    @property
    def is_copy(self) -> bool:
        return self.scheme is self.tensor.scheme

    @property
    def rmse(self) -> float:
        """How far the weights have moved: the root of the mean squared error."""
        return math.sqrt(self.squared_error / max(1, self.weights))

    def stream(self, threads: ThreadPoolExecutor) -> Iterator[np.ndarray]:
        """The blocks of the new file, in order."""
        self.squared_error = 0.0
        for blocks, squared_error in in_order(threads, self.convert, self.pieces()):
            self.squared_error += squared_error
            yield blocks

    def pieces(self) -> Iterator[tuple]:
        """Rows of the old file with the importance of their columns. No piece holds rows of two experts."""
        if not self.weights:
            return
        _, per_expert, columns = (1, 1, 1, *self.shape)[-3:]
        per_row, row = columns // self.tensor.scheme.block_size, 0
        for blocks in self.tensor.slices(unit=per_row):
            rows = blocks.reshape(-1, per_row)
            while len(rows):
                expert, above = divmod(row, per_expert)
                size = min(len(rows), max(1, WEIGHTS_PER_SLICE // columns), per_expert - above)
                yield rows[:size].copy(), None if self.importance is None else self.importance[expert]
                rows, row = rows[size:], row + size

    def convert(self, blocks: np.ndarray, importance: quants.scheme.Importance | None) -> tuple[np.ndarray, float]:
        """Blocks of the new scheme, and the sum of their squared errors."""
        try:
            weights = self.tensor.scheme.dequantize(blocks)
            converted = blocks if self.is_copy else self.scheme.quantize(weights, importance)
        except quants.QuantError as error:
            raise RefllmError(f"tensor {self.name!r}: {error}") from error
        moved = (self.scheme.dequantize(converted) - weights).reshape(-1)
        squared_error = float(np.dot(moved, moved))
        if not math.isfinite(squared_error):  # the squares of huge weights do not fit into float32
            squared_error = float(np.square(moved, dtype=np.float64).sum())
        if not math.isfinite(squared_error):
            raise RefllmError(
                f"tensor {self.name!r}: holds a weight that is not finite or that {self.scheme.name} cannot hold"
            )
        return converted, squared_error


def in_order(threads: ThreadPoolExecutor, work: Callable, items: Iterable[tuple]) -> Iterator[Any]:
    """The results of `work`, in the order of the items, with only a few items under way at a time."""
    under_way = collections.deque()
    try:
        for item in items:
            under_way.append(threads.submit(work, *item))
            if len(under_way) > PIECES_AHEAD:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:  # after an error or Ctrl+C nobody needs the rest
        for future in under_way:
            future.cancel()
