"""Files that `torch.save` wrote (`.bin`, `.pth`, `.pt`), read without torch and without running anything in them.

What a file says about its tensors is a pickle, which `pickles.py` follows; eight names are known to it, all of which
only describe tensors. The numbers lie beside the pickle and are mapped, not read. Both forms are known: zip archives
(since 2020), and the older files in which pickles and numbers follow each other. Compressed archives, which torch never
writes, are refused, so nothing can inflate.

>>> import pathlib, tempfile
>>> path = pathlib.Path(tempfile.mkdtemp()) / "evil.bin"
>>> with zipfile.ZipFile(path, "w") as archive:
...     archive.writestr("evil/data.pkl", b"cos\\nsystem\\n(S'echo gotcha'\\ntR.")
>>> read(path)  # doctest: +ELLIPSIS
Traceback (most recent call last):
    ...
refllm.errors.RefllmError: ...evil.bin: asks for 'os.system', which is no part of a tensor
"""

import dataclasses
import io
import math
import os
import pathlib
import pickle
import struct
import zipfile
from collections.abc import Mapping
from typing import Any, NamedTuple

from refllm import quants
from refllm.convert import pickles
from refllm.convert.lazy import Lazy
from refllm.convert.mapped import MappedFile
from refllm.convert.pickles import PickleError
from refllm.errors import RefllmError
from refllm.files import atomic_write
from refllm.gguf.writer import progress

OLD_MAGIC, OLD_PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
MOST_DIMENSIONS = 8
LOCAL_HEADER = struct.Struct("<4s22xHH")  # of a file in an archive: b"PK\3\4", then the lengths of name and extra field
STORAGES = {
    "DoubleStorage": "F64",
    "FloatStorage": "F32",
    "HalfStorage": "F16",
    "BFloat16Storage": "BF16",
    "LongStorage": "I64",
    "IntStorage": "I32",
    "ShortStorage": "I16",
    "CharStorage": "I8",
    "ByteStorage": "I8",
    "BoolStorage": "I8",
}
UNREADABLE = ("ByteStorage", "BoolStorage")  # GGUF has no such numbers; a tensor of them may be there, not be asked for


@dataclasses.dataclass(frozen=True)
class Storage:
    """A run of numbers beside the pickle, by the key that it has there."""

    scheme: quants.Scheme
    key: str
    length: int
    is_readable: bool


@dataclasses.dataclass(frozen=True)
class Described:
    """A tensor as the pickle describes it; offset and strides count numbers."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class Run(NamedTuple):
    """Where the numbers of a storage lie."""

    start: int
    nbytes: int


def read(path: str | os.PathLike) -> dict[str, Lazy]:
    """The tensors of a file by name."""
    file = MappedFile(path)
    try:
        found, runs = read_archive(file) if file.bytes(0, 2) == b"PK" else read_old(file)
        described = {name: each for name, each in tensors_in(found).items() if each.storage.is_readable}
        return {name: placed(file, tensor, runs, f"tensor {name!r} ") for name, tensor in described.items()}
    except PickleError as error:
        raise RefllmError(f"{path}: {error}") from error


def tensors_in(found: Any) -> dict[str, Described]:
    """The state dict: at the top, or under a name that trainers give it."""
    for key in ("state_dict", "model", "module"):
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    tensors = found if isinstance(found, dict) else {}
    tensors = {name: each for name, each in tensors.items() if isinstance(name, str) and isinstance(each, Described)}
    if not tensors:
        raise PickleError("holds no tensors; expected tensors by name")
    return tensors


def placed(file: MappedFile, tensor: Described, runs: Mapping[str, Run], what: str) -> Lazy:
    """The tensor where it lies, its strides checked against its storage and the storage against the file."""
    storage, numbers = tensor.storage, (tensor.offset, *tensor.shape, *tensor.strides)
    size, shown = storage.scheme.block_bytes, f"of shape {tensor.shape} and strides {tensor.strides}"
    if len(tensor.shape) != len(tensor.strides) or not all(type(n) is int and 0 <= n < 1 << 48 for n in numbers):
        raise PickleError(f"{what}is described in an unknown way")
    if storage.key not in runs or storage.length * size > runs[storage.key].nbytes:
        raise PickleError(f"{what}lies in the storage {storage.key!r}, which is not completely there")
    count = math.prod(tensor.shape)
    last = tensor.offset + sum((n - 1) * stride for n, stride in zip(tensor.shape, tensor.strides, strict=True))
    if count and (last >= storage.length or count > storage.length):
        raise PickleError(f"{what}{shown} reaches beyond its storage of {storage.length} numbers")
    return file.tensor(runs[storage.key].start + tensor.offset * size, tensor.shape, storage.scheme, tensor.strides)


# ---- what the pickle says ----


def rebuild_tensor(storage: Any, offset: Any, shape: Any, strides: Any, *rest: Any) -> Described:
    is_sound = isinstance(storage, Storage) and isinstance(offset, int)
    for sizes in (shape, strides):
        is_sound = is_sound and isinstance(sizes, tuple) and len(sizes) <= MOST_DIMENSIONS
    if not is_sound:
        raise PickleError("describes a tensor by something else than a storage, an offset, a shape and strides")
    return Described(storage, offset, shape, strides)


def rebuild_parameter(data: Any, *rest: Any) -> Any:
    return data


def ordered(items: Any = ()) -> dict:
    """An OrderedDict: empty, and filled afterwards, or with a list of pairs."""
    found = {}
    for pair in items:
        key, value = pair
        found |= {key: value} if isinstance(key, str | int) else {}
    return found


def size(sizes: Any = ()) -> tuple:
    return tuple(sizes) if isinstance(sizes, list | tuple) else ()


KNOWN = {
    "collections.OrderedDict": ordered,
    "torch._utils._rebuild_tensor": rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": rebuild_tensor,
    "torch._utils._rebuild_parameter": rebuild_parameter,
    "torch.Size": size,
    **{f"torch.{name}": name for name in STORAGES},
}


def storage(saved: Any) -> Storage:
    """A storage: the word, its type, its key, the device it was on, its length; in old files a view follows."""
    is_sound = isinstance(saved, tuple) and len(saved) in (5, 6) and saved[0] == "storage" and not any(saved[5:])
    if not is_sound or saved[1] not in STORAGES or not isinstance(saved[2], str | int) or type(saved[4]) is not int:
        raise PickleError("describes a storage in an unknown way")
    return Storage(quants.get(STORAGES[saved[1]]), str(saved[2]), max(0, saved[4]), saved[1] not in UNREADABLE)


def follow(source: io.BytesIO) -> Any:
    return pickles.follow(source, KNOWN, storage)


# ---- the two forms ----


def read_archive(file: MappedFile) -> tuple[Any, dict[str, Run]]:
    """An archive: `NAME/data.pkl`, and `NAME/data/KEY` for every storage."""
    try:
        with zipfile.ZipFile(file.path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        raise PickleError(f"is no sound archive: {error}") from error
    runs = {}
    for entry in entries:
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1 or entry.file_size != entry.compress_size:
            raise PickleError(f"{entry.filename[:200]!r} in it is compressed; torch stores things as they are")
        runs[entry.filename.partition("/")[2]] = stored_run(file, entry)
    if "byteorder" in runs and file.bytes(*runs["byteorder"]).strip() != b"little":
        raise PickleError("was written on a machine of another byte order")
    if "data.pkl" not in runs:
        raise PickleError("is an archive without data.pkl; expected a file that torch.save wrote")
    if runs["data.pkl"].nbytes > pickles.LARGEST:
        raise PickleError(
            f"describes its tensors in {runs['data.pkl'].nbytes} bytes; expected {pickles.LARGEST} at most"
        )
    found = follow(io.BytesIO(file.bytes(*runs["data.pkl"])))
    return found, {name.removeprefix("data/"): run for name, run in runs.items() if name.startswith("data/")}


def stored_run(file: MappedFile, entry: zipfile.ZipInfo) -> Run:
    """Where the bytes of a file in an archive lie: behind its own header, whose length is told there."""
    header = file.bytes(entry.header_offset, LOCAL_HEADER.size)
    magic, name, extra = LOCAL_HEADER.unpack(header.ljust(LOCAL_HEADER.size, b"\0"))
    start = entry.header_offset + LOCAL_HEADER.size + name + extra
    if magic != b"PK\3\4" or start + entry.file_size > file.size:
        raise PickleError(f"{entry.filename[:200]!r} in it is not completely there")
    return Run(start, entry.file_size)


def read_old(file: MappedFile) -> tuple[Any, dict[str, Run]]:
    """Before 2020: a magic number, a version, facts about the machine, the tensors, the keys of storages; numbers."""
    source = io.BytesIO(file.bytes(0, pickles.LARGEST))
    if follow(source) != OLD_MAGIC or follow(source) != OLD_PROTOCOL:
        raise PickleError("is no file that torch.save wrote")
    machine, found, keys = follow(source), follow(source), follow(source)
    if not (isinstance(machine, dict) and machine.get("little_endian", True) and isinstance(keys, list)):
        raise PickleError("was written on a machine of another byte order, or is damaged")
    sizes = {each.storage.key: each.storage for each in tensors_in(found).values()}
    runs, start = {}, source.tell()
    for key in map(str, keys):
        if key not in sizes:
            raise PickleError(f"holds the storage {key[:200]!r}, which no tensor uses")
        nbytes = sizes[key].length * sizes[key].scheme.block_bytes
        if file.bytes(start, 8) != struct.pack("<q", sizes[key].length) or start + 8 + nbytes > file.size:
            raise PickleError(f"the storage {key!r} is not completely there")
        runs[key], start = Run(start + 8, nbytes), start + 8 + nbytes
    return found, runs


# ---- writing ----


def write(path: str | os.PathLike, tensors: Mapping[str, Lazy]) -> None:
    """Write an archive that torch reads; it appears when it is complete."""
    total = sum(tensor.nbytes for tensor in tensors.values())
    with (
        atomic_write(path) as file,
        zipfile.ZipFile(file, "w") as archive,
        progress(pathlib.Path(path).name, total) as bar,
    ):
        archive.writestr("archive/data.pkl", description(tensors))
        archive.writestr("archive/byteorder", "little")
        for key, tensor in enumerate(tensors.values()):
            entry = zipfile.ZipInfo(f"archive/data/{key}")
            entry.file_size = tensor.nbytes
            with archive.open(entry, "w") as stored:
                for rows in tensor.slices():
                    stored.write(rows.data)
                    bar.update(rows.nbytes)
        archive.writestr("archive/version", "3\n")


def description(tensors: Mapping[str, Lazy]) -> bytes:
    """The pickle: a dict from names to calls of `_rebuild_tensor_v2` with a storage, an offset, a shape and strides."""
    names = {scheme: name for name, scheme in STORAGES.items() if name not in UNREADABLE}
    parts = [b"\x80\x02}("]
    for key, (name, tensor) in enumerate(tensors.items()):
        strides = [math.prod(tensor.shape[axis + 1 :]) for axis in range(len(tensor.shape))]
        length = constant(math.prod(tensor.shape))
        kept = b"(" + constant("storage") + b"ctorch\n" + names[tensor.scheme.name].encode() + b"\n"
        kept += constant(str(key)) + constant("cpu") + length + b"tQ"
        sizes = constant(0) + constant(tensor.shape) + constant(tuple(strides))
        hooks = b"\x89ccollections\nOrderedDict\n)R"  # no gradient, and nobody who wants to hear of it
        parts += [constant(name), b"ctorch._utils\n_rebuild_tensor_v2\n(", kept, sizes, hooks, b"tR"]
    return b"".join([*parts, b"u."])


def constant(value: str | int | tuple[int, ...]) -> bytes:
    """The instructions that put a constant on the stack."""
    return pickle.dumps(value, 2)[2:-1]  # without the version before them and the stop behind
