"""One tensor of a GGUF file: its name, shape and scheme, and its blocks where they lie in the file.

Nothing is read until it is asked for, and then only looked at: `data` is a view of the mapped file. The tensor does not
know its neighbours or the file's metadata.

>>> from refllm import quants
>>> blocks = quants.get("Q8_0").quantize(np.ones((2, 64), np.float32))
>>> tensor = Tensor("w", (2, 64), quants.get("Q8_0"), offset=0, source=blocks.tobytes())
>>> tensor
Tensor('w', Q8_0, (2, 64))
>>> tensor.data.shape, tensor.data["qs"][0, 0, :3], tensor.to_float().shape
((2, 2), array([127, 127, 127], dtype=int8), (2, 64))
"""

import dataclasses
import math
import mmap
from collections.abc import Iterator

import numpy as np

from refllm.annotations import Float32
from refllm.quants import Scheme

SLICE_BYTES = 4 << 20  # what is held at a time when a tensor is gone through in slices


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Tensor:
    """A tensor in a file; `shape` is numpy's (the last axis is the contiguous one, GGUF counts the other way)."""

    name: str
    shape: tuple[int, ...]
    scheme: Scheme
    offset: int  # where its bytes begin, counted from the start of the file
    source: mmap.mmap | bytes  # the file's bytes
    byte_order: str = "<"

    @property
    def type(self) -> str:
        """The name of the scheme, such as `"Q4_K"`."""
        return self.scheme.name

    @property
    def block_shape(self) -> tuple[int, ...]:
        """The shape of `data`: as `shape`, with blocks along the last axis."""
        return blocks_of(self.shape, self.scheme)

    @property
    def nbytes(self) -> int:
        return math.prod(self.block_shape) * self.scheme.block_bytes

    @property
    def dtype(self) -> np.dtype:
        """The scheme's layout in the byte order of the file."""
        return self.scheme.dtype.newbyteorder(self.byte_order)

    @property
    def data(self) -> np.ndarray:
        """The blocks, `[..., blocks per row]`, as a read-only view of the file."""
        if not self.nbytes:
            return np.empty(self.block_shape, self.dtype)
        return np.frombuffer(self.source, self.dtype, math.prod(self.block_shape), self.offset).reshape(
            self.block_shape
        )

    def to_float(self) -> Float32[np.ndarray, "..."]:
        """The weights as float32, in `shape`."""
        return self.scheme.dequantize(self.data.reshape(-1)).reshape(self.shape)  # flat: a lone number has no row

    def slices(self, unit: int = 1) -> Iterator[np.ndarray]:
        """All blocks in order, a few MB at a time; the memory of each slice is given back before the next.

        A slice ends at a multiple of `unit` blocks: with `block_shape[-1]`, no row is cut.
        """
        blocks = self.data.reshape(-1)
        step = max(1, SLICE_BYTES // (unit * self.scheme.block_bytes)) * unit
        for start in range(0, len(blocks), step):
            yield blocks[start : start + step]
            self._forget(start * self.scheme.block_bytes, step * self.scheme.block_bytes)

    def _forget(self, start: int, size: int) -> None:
        """Tell the system that these pages need not stay in memory: they are in the file."""
        if hasattr(self.source, "madvise") and hasattr(mmap, "MADV_DONTNEED"):
            first = (self.offset + start) // mmap.PAGESIZE * mmap.PAGESIZE
            last = min(self.offset + start + size, len(self.source))
            self.source.madvise(mmap.MADV_DONTNEED, first, last - first)

    def __repr__(self) -> str:
        return f"Tensor({self.name!r}, {self.type}, {self.shape})"


def blocks_of(shape: tuple[int, ...], scheme: Scheme) -> tuple[int, ...]:
    """The shape counted in blocks along the last axis."""
    return (*shape[:-1], shape[-1] // scheme.block_size) if shape else ()
