"""Reading importance files: how much an error in each column of a matrix matters.

`llama-imatrix` runs a model over a text and adds up, for every matrix, the squares of what flows into each column; the
mean of these squares is the importance of the column. A matrix per expert has an importance per expert, one after the
other. Both forms of file are read: GGUF (tensors `NAME.in_sum2` and `NAME.counts`) and the older `.dat`. Making such a
file is not done here.

>>> import pathlib, tempfile
>>> path = pathlib.Path(tempfile.mkdtemp()) / "importance.gguf"
>>> tensors = {"blk.0.attn_q.weight.in_sum2": np.float32([[6, 12]]), "blk.0.attn_q.weight.counts": np.float32([[3]])}
>>> gguf.write(path, {"imatrix.chunk_count": 7}, tensors)
>>> read(path).values
{'blk.0.attn_q.weight': array([2., 4.], dtype=float32)}
"""

import dataclasses
import os
import pathlib
import struct

import numpy as np
from jaxtyping import Float32

from refllm import gguf
from refllm.errors import RefllmError

Values = Float32[np.ndarray, " columns"]
SUMS, COUNTS = ".in_sum2", ".counts"


@dataclasses.dataclass(frozen=True)
class Importance:
    """The importance of columns by the name of the tensor, and what is known about where it comes from."""

    values: dict[str, Values]
    path: str = ""
    datasets: tuple[str, ...] = ()
    chunks: int = 0  # pieces of text that it was measured on


def read(path: str | os.PathLike) -> Importance:
    """Read an importance file of either form."""
    path = pathlib.Path(path)
    with path.open("rb") as file:
        is_gguf = file.read(4) == b"GGUF"
    importance = _read_gguf(path) if is_gguf else _read_dat(path)
    for name, values in importance.values.items():
        if not np.isfinite(values).all():
            raise RefllmError(f"{path}: the importance of {name!r} is not finite in some column")
    return importance


def _read_gguf(path: pathlib.Path) -> Importance:
    with gguf.open(path) as f:
        names = [name.removesuffix(SUMS) for name in f.tensors if name.endswith(SUMS)]
        if not names:
            raise RefllmError(f"{path}: holds no importance; expected tensors named NAME{SUMS} and NAME{COUNTS}")
        values = {name: _mean(path, f.tensors, name) for name in names}
        datasets = tuple(f.metadata.get("imatrix.datasets", ()))
        return Importance(values, str(path), datasets, int(f.metadata.get("imatrix.chunk_count", 0)))


def _mean(path: pathlib.Path, tensors: dict[str, gguf.Tensor], name: str) -> Values:
    """Sums of squares divided by how many there were; 1 where an expert was never asked."""
    if name + COUNTS not in tensors:
        raise RefllmError(f"{path}: {name}{SUMS} is there, {name}{COUNTS} is missing")
    sums, counts = tensors[name + SUMS], tensors[name + COUNTS]
    if sums.type != "F32" or counts.type != "F32":
        raise RefllmError(f"{path}: the importance of {name!r} is {sums.type} and {counts.type}; expected F32")
    count = np.rint(counts.data.reshape(-1, 1)).astype(np.float32)
    if not count.size or sums.data.size % count.size:
        raise RefllmError(f"{path}: {name!r} has {sums.data.size} sums for {count.size} counts")
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = sums.data.reshape(len(count), -1) / count
    return np.where(count > 0, mean, np.float32(1)).reshape(-1).astype(np.float32)


def _read_dat(path: pathlib.Path) -> Importance:
    """The older form: entries of name, calls and sums of means; then the number of chunks and the name of the text."""
    data, position = path.read_bytes(), 0

    def take(size: int) -> bytes:
        nonlocal position
        if size < 0 or size > len(data) - position:
            raise RefllmError(
                f"{path}: byte {position}: {size} more bytes expected; {len(data) - position} are left "
                "(is this an importance file?)"
            )
        position += size
        return data[position - size : position]

    def number() -> int:
        return struct.unpack("<i", take(4))[0]

    values = {}
    for _ in range(number()):
        name = take(number()).decode("utf-8", "replace")
        calls, columns = number(), number()
        sums = np.frombuffer(take(4 * columns), "<f4").astype(np.float32)
        values[name] = sums / np.float32(calls) if calls > 0 else sums
    if not values:
        raise RefllmError(f"{path}: byte 0: holds no entries; expected an importance file")
    chunks = number() if position < len(data) else 0
    dataset = take(number()).decode("utf-8", "replace") if position < len(data) else ""
    return Importance(values, str(path), (dataset,) if dataset else (), chunks)
