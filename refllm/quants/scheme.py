"""A quantization scheme: the layout of a block, and how weights become blocks and blocks become weights.

The layout is a numpy structured dtype, so the bytes of a file become blocks by `.view()`. Everything else that one says
about a scheme (bytes per block, bits per weight, weights per block) is derived from the dtype and the two functions,
never written down. A scheme does not know which tensors use it (`mixes.py` does) and multiplies nothing (`kernels`).
Blocks of a big-endian file have the same layout with `dtype.newbyteorder()` and are decoded like any others.

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
import math
import os
from collections.abc import Callable

import numpy as np

from refllm.annotations import Float, Float32, Shaped
from refllm.errors import RefllmError

Blocks = Shaped[np.ndarray, "... blocks"]
Weights = Float32[np.ndarray, "... weights"]
Importance = Float32[np.ndarray, " columns"]

# What one thread works on at a time, so that memory stays bounded. A search is many small steps over the same weights,
# which should stay in the cache; decoding is few steps, and with larger ones the threads wait less for each other.
WEIGHTS_PER_SLICE = 1 << 17
DECODED_PER_SLICE = 1 << 18


class QuantError(RefllmError):
    """Weights or blocks that a scheme cannot take; the text says why."""


@dataclasses.dataclass(frozen=True)
class Scheme:
    """One way of storing weights in blocks."""

    name: str
    dtype: np.dtype
    # fields by name, each [..., blocks, (count)] -> weights [..., blocks, block_size]
    decode: Callable = dataclasses.field(repr=False)
    # weights [rows, blocks, block_size], importance [blocks, block_size] or None -> blocks [rows, blocks]
    encode: Callable = dataclasses.field(repr=False)
    id: int | None = None  # the number that names the scheme in a GGUF file; None: never in one
    needs_importance: bool = False

    @functools.cached_property
    def block_size(self) -> int:
        """Weights per block: as many as one block decodes to."""
        return self._decode(np.zeros(1, self.dtype)).size

    @property
    def block_bytes(self) -> int:
        return self.dtype.itemsize

    @property
    def bits_per_weight(self) -> float:
        return 8 * self.block_bytes / self.block_size

    @property
    def layout(self) -> dict[str, np.dtype]:
        """The fields of a block by name. A plain number, a block without fields, is one field named `value`."""
        return {name: self.dtype[name] for name in self.dtype.names} if self.dtype.names else {"value": self.dtype}

    def fields(self, blocks: Blocks) -> dict:
        """The blocks taken apart: each field of the layout as an array of its own."""
        if not self.dtype.names:
            return {"value": blocks}
        return {name: _gathered(blocks, name) for name in self.dtype.names}

    def dequantize(self, blocks: Blocks) -> Weights:
        """The weights that the blocks stand for, blocks of a row side by side."""
        if blocks.dtype.newbyteorder("<") != self.dtype:
            raise QuantError(f"{self.name}: the blocks are {blocks.dtype}; expected {self.dtype}")
        flat = blocks.reshape(-1)
        weights = np.empty((flat.size, self.block_size), np.float32)

        def work(part: slice):
            weights[part] = self._decode(flat[part])

        in_slices(work, flat.size, DECODED_PER_SLICE // self.block_size)
        return weights.reshape(*blocks.shape[:-1], blocks.shape[-1] * self.block_size)

    def _decode(self, blocks: Blocks) -> np.ndarray:
        with np.errstate(all="ignore"):  # a file may hold any bytes: infinite and NaN scales are carried, not judged
            return self.decode(self.fields(blocks))

    def quantize(self, weights: Float[np.ndarray, "... weights"], importance: Importance | None = None) -> Blocks:
        """The blocks nearest to the weights; `importance` says how much an error in each column of a row matters."""
        columns = weights.shape[-1]
        self._check(columns, importance)
        per_row = columns // self.block_size
        if importance is None:  # then no block asks about the rest of its row, and long rows may be cut
            rows = weights.reshape(-1, 1, self.block_size)
        else:
            rows = weights.reshape(math.prod(weights.shape[:-1]), per_row, self.block_size)
            importance = importance.reshape(per_row, self.block_size)
        blocks = np.empty(rows.shape[:2], self.dtype)

        def work(part: slice):
            slice_of_rows = rows[part].astype(np.float32, copy=False)
            if self.block_size > 1:
                self._check_finite(slice_of_rows, part.start * rows[0].size, columns)
            try:
                with np.errstate(all="ignore"):
                    blocks[part] = self.encode(slice_of_rows, importance)
            except OverflowError as error:
                raise QuantError(f"{self.name}: {error}") from None

        if weights.size:
            in_slices(work, len(rows), max(1, WEIGHTS_PER_SLICE // rows[0].size))
        return blocks.reshape(*weights.shape[:-1], per_row)

    def _check(self, columns: int, importance: Importance | None) -> None:
        if columns % self.block_size:
            raise QuantError(f"{self.name}: rows of {columns} weights do not divide into blocks of {self.block_size}")
        if importance is None:
            if self.needs_importance:
                raise QuantError(f"{self.name}: needs an importance for every column; none was given")
        elif importance.shape != (columns,):
            raise QuantError(f"{self.name}: importance for {importance.size} columns; expected {columns}")
        elif not np.isfinite(importance).all():
            raise QuantError(f"{self.name}: the importance of a column is not finite")

    def _check_finite(self, weights: Float32[np.ndarray, "rows blocks block_size"], first: int, columns: int) -> None:
        """A NaN would spoil its whole block: ggml encodes it all the same, and llama-quantize then drops the tensor."""
        flat = weights.reshape(-1)
        finite = np.isfinite(flat)
        if not finite.all():
            index = int(finite.argmin())
            place = "row {}, column {}".format(*divmod(first + index, columns))
            raise QuantError(f"{self.name}: {place}: the weight is {flat[index]}; expected a finite number")


def _gathered(blocks: Blocks, name: str) -> np.ndarray:
    """One field of all blocks, side by side in memory. numpy copies one long item faster than many short ones."""
    field = blocks.dtype[name]
    items = np.ascontiguousarray(blocks.view(_as_item(blocks.dtype, name))["item"])
    return items.view(field.base).reshape(*blocks.shape, *field.shape)


@functools.cache
def _as_item(layout: np.dtype, name: str) -> np.dtype:
    """The layout of a block with this field as its only one, and that as one item."""
    field, offset = layout.fields[name][:2]
    item = np.dtype((np.void, field.itemsize))
    return np.dtype({"names": ["item"], "formats": [item], "offsets": [offset], "itemsize": layout.itemsize})


def in_slices(work: Callable[[slice], None], count: int, step: int) -> None:
    """Run `work` on 0..count cut into slices, in threads: numpy lets other threads run while it computes."""
    starts = range(0, count, step)
    ahead = iter(starts)  # shared: whoever is free takes the next slice

    def worker():
        try:
            for start in ahead:
                work(slice(start, start + step))
        finally:
            list(ahead)  # after an error nobody else takes one

    threads = min(len(starts), os.cpu_count() or 1)
    if threads < 2:
        return worker()
    from concurrent.futures import ThreadPoolExecutor  # not needed to say how large a block is

    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(worker) for _ in range(threads)]:
            done.result()
