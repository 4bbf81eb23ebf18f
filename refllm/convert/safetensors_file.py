"""Files in the safetensors format: a length, a JSON table of names, types, shapes and places, then the numbers.

Read by mapping the file, so nothing is in memory before it is asked for; written in one pass from tensors that need not
be in memory either. Types other than the floats of 16, 32 and 64 bits are refused by name.

>>> import pathlib, tempfile, numpy
>>> from refllm.convert import lazy
>>> path = pathlib.Path(tempfile.mkdtemp()) / "model.safetensors"
>>> write(path, {"w": lazy.from_array(numpy.eye(2, dtype=numpy.float16))})
>>> read(path)["w"]
Lazy(shape=(2, 2), scheme=Scheme(name='F16', dtype=dtype('float16'), id=1, needs_importance=False))
"""

import json
import math
import os
import pathlib
import struct
from collections.abc import Mapping
from typing import Any

from refllm import quants
from refllm.convert.lazy import Lazy
from refllm.convert.mapped import MappedFile
from refllm.errors import RefllmError
from refllm.files import atomic_write
from refllm.gguf.writer import progress

NAMES = {"F64": "F64", "F32": "F32", "F16": "F16", "BF16": "BF16"}  # of types: theirs, ours
LARGEST_HEADER = 100_000_000  # what the format allows
ALIGNMENT = 8


def read(path: str | os.PathLike) -> dict[str, Lazy]:
    """The tensors of a file by name."""
    file = MappedFile(path)
    if file.size < 8:
        raise RefllmError(f"{path}: has {file.size} bytes; expected a safetensors file, which has at least 8")
    (length,) = struct.unpack("<Q", file.bytes(0, 8))
    if length > min(LARGEST_HEADER, file.size - 8):
        raise RefllmError(f"{path}: byte 0: a header of {length} bytes; {file.size - 8} are left (is it safetensors?)")
    try:
        header = json.loads(file.bytes(8, length))
        entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
    except (ValueError, RecursionError, AttributeError) as error:
        raise RefllmError(f"{path}: byte 8: the header cannot be read: {error}") from error
    return {name: tensor(file, 8 + length, name, entry) for name, entry in entries.items()}


def tensor(file: MappedFile, data: int, name: str, entry: Any) -> Lazy:
    """One entry of the table, checked: it says twice how large the tensor is."""
    where = f"{file.path}: tensor {name!r}"
    try:
        kind, shape, (start, stop) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
        sound = all(isinstance(number, int) and number >= 0 for number in (*shape, start, stop))
    except (KeyError, TypeError, ValueError):
        sound = False
    if not sound:
        raise RefllmError(f"{where} is described by {entry!r}; expected dtype, shape and data_offsets")
    if kind not in NAMES:
        raise RefllmError(f"{where} is of type {kind}; expected one of {', '.join(NAMES)}")
    scheme = quants.get(NAMES[kind])
    if stop - start != math.prod(shape) * scheme.block_bytes:
        raise RefllmError(
            f"{where} has {stop - start} bytes; its shape {list(shape)} in {kind} needs "
            f"{math.prod(shape) * scheme.block_bytes}"
        )
    if data + stop > file.size:
        raise RefllmError(f"{where} ends at byte {data + stop}; the file has {file.size} (is it complete?)")
    return file.tensor(data + start, shape, scheme)


def write(path: str | os.PathLike, tensors: Mapping[str, Lazy]) -> None:
    """Write a file of float tensors, which appears when it is complete."""
    theirs, header, offset = {ours: name for name, ours in NAMES.items()}, {"__metadata__": {"format": "pt"}}, 0
    for name, one in tensors.items():
        place = {"dtype": theirs[one.scheme.name], "shape": one.shape, "data_offsets": [offset, offset + one.nbytes]}
        header[name], offset = place, offset + one.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    with atomic_write(path) as file, progress(pathlib.Path(path).name, offset) as bar:
        file.write(struct.pack("<Q", len(text)) + text)
        for one in tensors.values():
            for rows in one.slices():
                file.write(rows.data)
                bar.update(rows.nbytes)
