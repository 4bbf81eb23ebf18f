"""Opening a GGUF file: the file is mapped into memory, parsed, and its tensors can be looked at without being read.

`open` takes 2 or 3 as the version, both byte orders, a GGUF that begins somewhere inside another file (`offset`), and
any shard of a split file, whose other shards it finds beside it. Bad files raise `GGUFError`. It does not guard against
a file that another program shortens while it is open (no memory map can), and does not judge the numbers in tensors.

>>> import pathlib, tempfile, numpy, refllm
>>> path = pathlib.Path(tempfile.mkdtemp()) / "demo.gguf"
>>> refllm.gguf.write(path, {"general.name": "demo"}, {"w": numpy.arange(6, dtype=numpy.float32).reshape(2, 3)})
>>> with open(path) as f:
...     f.metadata["general.name"], f.tensors["w"].type, f.tensors["w"].to_float()[1, 2]
('demo', 'F32', np.float32(5.0))
"""

import contextlib
import dataclasses
import mmap
import os
import pathlib
import stat

from refllm.gguf.cursor import Cursor, GGUFError, shown
from refllm.gguf.metadata import Metadata, field
from refllm.gguf.parse import parse
from refllm.gguf.shards import TENSORS, place, prefix_of, shard_path, told, without_place
from refllm.gguf.tensor import Tensor


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class GGUFFile:
    """An open file: its metadata and its tensors by name. Close it, use it in `with`, or just let it go."""

    path: pathlib.Path
    version: int
    byte_order: str  # "<" little endian, ">" big endian
    alignment: int
    metadata: Metadata
    tensors: dict[str, Tensor]
    data_offset: int  # where the data of the (first) file begins
    shards: list[pathlib.Path]  # the files of a split model; one that is not split has no shards
    maps: list[mmap.mmap]

    def close(self) -> None:
        """Let go of the file. Arrays already taken from `tensor.data` stay good and hold it until they are dropped."""
        for mapped in self.maps:
            with contextlib.suppress(BufferError):
                mapped.close()

    def __enter__(self) -> "GGUFFile":
        return self

    def __exit__(self, *error) -> None:
        self.close()

    def __repr__(self) -> str:
        return (
            f"GGUFFile({str(self.path)!r}, version {self.version}, {len(self.metadata)} metadata entries, "
            f"{len(self.tensors)} tensors)"
        )


def open(path: str | os.PathLike, *, offset: int = 0) -> GGUFFile:
    """Open a GGUF file. Any shard of a split model opens the whole model, as if it were one file."""
    path = pathlib.Path(path)
    one = open_one(path, offset)
    number, count = place(one.metadata, path)
    return join(one, number, count) if count > 1 else one


def open_one(path: pathlib.Path, offset: int = 0) -> GGUFFile:
    """Open this file alone, shard or not."""
    mapped = map_file(path)
    return GGUFFile(path, **vars(parse(Cursor(mapped, path, offset))), shards=[], maps=[mapped])


def join(one: GGUFFile, number: int, count: int) -> GGUFFile:
    """The whole model that this shard belongs to: the first shard's metadata, the tensors of all."""
    prefix = prefix_of(one.path, number, count)
    paths = [shard_path(prefix, index, count) for index in range(count)]
    parts = [one if index == number else open_shard(path, index, count) for index, path in enumerate(paths)]
    first, tensors = parts[0], {}
    for part in parts:
        if again := tensors.keys() & part.tensors.keys():
            raise GGUFError(f"{part.path}: tensors[{shown(min(again))}] is in an earlier shard too; expected it once")
        tensors.update(part.tensors)
    expected = told(first.metadata, TENSORS, first.path)
    if len(tensors) != expected:
        raise GGUFError(f"{first.path}: {field(TENSORS)} is {expected}; the {count} shards hold {len(tensors)}")
    return dataclasses.replace(
        first,
        path=one.path,
        metadata=without_place(first.metadata),
        tensors=tensors,
        shards=paths,
        maps=[mapped for part in parts for mapped in part.maps],
    )


def open_shard(path: pathlib.Path, index: int, count: int) -> GGUFFile:
    if not path.exists():
        raise GGUFError(f"{path}: is missing; expected shard {index + 1} of {count} there, beside the others")
    shard = open_one(path)
    if (found := place(shard.metadata, path)) != (index, count):
        raise GGUFError(f"{path}: is shard {found[0] + 1} of {found[1]}; expected shard {index + 1} of {count}")
    return shard


def map_file(path: pathlib.Path) -> mmap.mmap:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise GGUFError(f"{path}: is not a regular file; expected a GGUF file")
    if status.st_size == 0:
        raise GGUFError(f"{path}: byte 0: the file is empty; expected b'GGUF'")
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
