"""A file of somebody's checkpoint mapped into memory: bytes and tensors at any place, checked against its size.

What was read of a tensor is given back to the system afterwards, so that a file larger than the memory can be gone
through. Formats are not known here.

>>> import pathlib, tempfile
>>> path = pathlib.Path(tempfile.mkdtemp()) / "numbers"
>>> _ = path.write_bytes(np.arange(6, dtype=np.float32).tobytes())
>>> lazy.rows_of(MappedFile(path).tensor(0, (2, 3), quants.get("F32")))[1].tolist()
[3.0, 4.0, 5.0]
"""

import math
import mmap
import os
import pathlib

import numpy as np

from refllm import quants
from refllm.convert import lazy
from refllm.convert.lazy import Lazy
from refllm.errors import RefllmError


class MappedFile:
    """A file whose bytes can be looked at without being read."""

    def __init__(self, path: str | os.PathLike):
        self.path = pathlib.Path(path)
        if not self.path.is_file():
            raise RefllmError(f"{path}: is not there, or is no file")
        self.size = self.path.stat().st_size
        with self.path.open("rb") as file:
            self.map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if self.size else b""

    def bytes(self, start: int, length: int) -> bytes:
        return self.map[start : start + length]

    def tensor(
        self, start: int, shape: tuple[int, ...], scheme: quants.Scheme, strides: tuple[int, ...] | None = None
    ) -> Lazy:
        """The tensor that begins at a byte; `strides` are counted in numbers, where they are not the usual ones."""
        size = scheme.block_bytes
        blocks = (*shape[:-1], shape[-1] // scheme.block_size) if shape else ()
        steps = None if strides is None else tuple(size * step for step in strides)
        reach = (
            1 + sum((n - 1) * step for n, step in zip(shape, strides, strict=True)) if strides else math.prod(blocks)
        )
        reach = reach if math.prod(blocks) else 0
        if start < 0 or start + reach * size > self.size:
            raise RefllmError(
                f"{self.path}: a tensor of shape {list(shape)} begins at byte {start} and ends at "
                f"{start + reach * size}; the file has {self.size} bytes (is it complete?)"
            )
        array = np.ndarray(blocks, scheme.dtype, self.map if reach else None, start if reach else 0, steps)
        return lazy.from_array(array, scheme, lambda: self.forget(start, reach * size))

    def forget(self, start: int, length: int) -> None:
        """Tell the system that these pages need not stay in memory: they are in the file."""
        if length and hasattr(mmap, "MADV_DONTNEED"):
            first = start // mmap.PAGESIZE * mmap.PAGESIZE
            self.map.madvise(mmap.MADV_DONTNEED, first, min(start + length, self.size) - first)
