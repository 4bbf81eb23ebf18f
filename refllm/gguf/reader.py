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

from refllm.gguf.cursor import Cursor, GGUFError
from refllm.gguf.metadata import Metadata
from refllm.gguf.parse import Contents, parse
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
    """Open a GGUF file, or all shards of one."""
    path = pathlib.Path(path)
    contents, mapped = open_one(path, offset)
    return GGUFFile(path, **vars(contents), shards=[], maps=[mapped])


def open_one(path: pathlib.Path, offset: int = 0) -> tuple[Contents, mmap.mmap]:
    """Map and parse one file, whether it is a shard or not."""
    mapped = map_file(path)
    return parse(Cursor(mapped, path, offset)), mapped


def map_file(path: pathlib.Path) -> mmap.mmap:
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise GGUFError(f"{path}: is not a regular file")
        if status.st_size == 0:
            raise GGUFError(f"{path}: byte 0: the file is empty; expected 'GGUF'")
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
