"""A tensor of a checkpoint that is not read yet: its shape, how its numbers are stored, and how to get its rows.

What a converter does to a tensor (put its rows into another order, take a part of them, join the parts of several
files, add one to every weight) is done to the promise of it, and each costs nothing until rows are asked for. So a
tensor of any size goes from one file into another a few MB at a time. A row is what lies along the last axis; a tensor
with one axis has rows of one number, so that its numbers can be reordered in the same way.

>>> weights = from_array(np.arange(8, dtype=np.float32).reshape(4, 2))
>>> rows_of(interleaved(weights, heads=1)).tolist()                   # rows 0 2 1 3
[[0.0, 1.0], [4.0, 5.0], [2.0, 3.0], [6.0, 7.0]]
>>> stacked([part(weights, 0, 2), part(weights, 2, 4)]).shape
(2, 2, 2)
"""

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from jaxtyping import Float32, Int, Shaped

from refllm import quants
from refllm.errors import RefllmError

BYTES_AT_A_TIME = 8 << 20

Rows = Shaped[np.ndarray, "rows blocks"]
Numbers = Int[np.ndarray, " rows"]
Weights = Float32[np.ndarray, "rows columns"]


@dataclasses.dataclass(frozen=True)
class Lazy:
    """A tensor whose rows can be had; `rows` takes their numbers and gives their blocks, as `scheme` stores them."""

    shape: tuple[int, ...]
    scheme: quants.Scheme
    rows: Callable[[Numbers], Rows] = dataclasses.field(repr=False)

    @property
    def columns(self) -> int:
        """How many weights a row has."""
        return self.shape[-1] if len(self.shape) > 1 else 1

    @property
    def height(self) -> int:
        """How many rows there are."""
        return math.prod(self.shape) // self.columns if self.columns else 0

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) // self.scheme.block_size * self.scheme.block_bytes

    def weights(self, numbers: Numbers) -> Weights:
        """These rows as float32."""
        return self.scheme.dequantize(self.rows(numbers))

    def slices(self) -> Iterator[Rows]:
        """All rows in order, a few MB at a time; this is what `gguf.write` asks a tensor for."""
        step = max(1, BYTES_AT_A_TIME // max(1, 4 * self.columns))
        for start in range(0, self.height, step):
            yield self.rows(np.arange(start, min(start + step, self.height)))


def from_array(
    array: np.ndarray, scheme: quants.Scheme | None = None, forget: Callable[[], object] = lambda: None
) -> Lazy:
    """A tensor over an array of any strides, often a view of a mapped file; `forget` is called after each reading."""
    scheme = scheme or quants.get(f"{array.dtype.kind.upper()}{8 * array.dtype.itemsize}")
    shape = (*array.shape[:-1], array.shape[-1] * scheme.block_size) if array.ndim else ()
    matrix = array.reshape(-1, 1) if array.ndim < 2 else array

    def rows(numbers: Numbers) -> Rows:
        index = np.unravel_index(numbers, matrix.shape[:-1])
        taken = np.ascontiguousarray(matrix[index])
        forget()
        return taken

    return Lazy(shape, scheme, rows)


def rows_of(tensor: Lazy) -> Rows:
    """All rows, for what is small."""
    return tensor.rows(np.arange(tensor.height))


# ---- other orders and parts ----


def reordered(tensor: Lazy, order: Numbers) -> Lazy:
    """The rows with these numbers, in this order."""
    shape = (len(order), *tensor.shape[1:])
    return Lazy(shape, tensor.scheme, lambda numbers: tensor.rows(order[numbers]))


def interleaved(tensor: Lazy, heads: int) -> Lazy:
    """Rotary pairs side by side, as LLaMA's own files have them; Hugging Face has the first halves, then the second."""
    numbers = np.arange(tensor.height).reshape(heads, 2, -1)
    return reordered(tensor, numbers.swapaxes(1, 2).reshape(-1))


def half_split(tensor: Lazy, heads: int) -> Lazy:
    """The way back: of each head the first of every pair, then the second."""
    numbers = np.arange(tensor.height).reshape(heads, -1, 2)
    return reordered(tensor, numbers.swapaxes(1, 2).reshape(-1))


def part(tensor: Lazy, start: int, stop: int) -> Lazy:
    """Some rows of a matrix, as one that holds several others is taken apart."""
    return reordered(tensor, np.arange(start, stop))


def joined(tensors: Sequence[Lazy]) -> Lazy:
    """Matrices below each other."""
    if len({tensor.scheme.name for tensor in tensors}) > 1:
        tensors = [computed(tensor, lambda weights, numbers: weights) for tensor in tensors]
    first, starts = tensors[0], np.cumsum([0, *(tensor.height for tensor in tensors)])
    shape = (sum(tensor.shape[0] for tensor in tensors), *first.shape[1:])

    def rows(numbers: Numbers) -> Rows:
        owners = np.searchsorted(starts, numbers, side="right") - 1
        taken = np.empty((len(numbers), first.columns // first.scheme.block_size), first.scheme.dtype)
        for owner in np.unique(owners):
            here = owners == owner
            taken[here] = tensors[owner].rows(numbers[here] - starts[owner])
        return taken

    return Lazy(shape, first.scheme, rows)


def stacked(tensors: Sequence[Lazy]) -> Lazy:
    """Matrices of one shape as one tensor with a first axis that counts them."""
    return dataclasses.replace(joined(tensors), shape=(len(tensors), *tensors[0].shape))


def beside(tensors: Sequence[Lazy]) -> Lazy:
    """Matrices side by side."""
    shape = (tensors[0].shape[0], sum(tensor.columns for tensor in tensors))
    return Lazy(shape, tensors[0].scheme, lambda numbers: np.concatenate([t.rows(numbers) for t in tensors], axis=1))


# ---- other numbers ----


def computed(tensor: Lazy, function: Callable[[Weights, Numbers], Weights]) -> Lazy:
    """Weights that a function makes of the stored ones and the numbers of their rows."""
    return Lazy(tensor.shape, quants.get("F32"), lambda numbers: function(tensor.weights(numbers), numbers))


def encoded(tensor: Lazy, scheme: quants.Scheme, name: str) -> Lazy:
    """The tensor as `scheme` stores it; the same bytes where it is stored so already."""
    if tensor.scheme is scheme:
        return tensor

    def rows(numbers: Numbers) -> Rows:
        weights = tensor.weights(numbers)
        blocks = scheme.quantize(weights)
        if scheme.name == "F16" and not np.isfinite(blocks).all() and np.isfinite(weights).all():
            largest = float(np.abs(weights).max())
            raise RefllmError(f"tensor {name!r}: F16 cannot hold {largest:.6g}; expected at most 65504, or BF16 or F32")
        return blocks

    return Lazy(tensor.shape, scheme, rows)
