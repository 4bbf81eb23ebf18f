"""rwkv.cpp's files (`.bin`), versions 100 and 101: the tensors of an RWKV checkpoint, some of them already prepared.

The magic number is that of llama.cpp's `ggmf`, the version tells them apart. Then come four sizes and the type of most
tensors, and tensors until the file ends. Types have numbers of their own (Q5_1 is 8, not 7). The blocks of version 100
have the layout of llama.cpp's files of May 2023 and are rearranged as `old_files` does it. Q4_1_O, which only rwkv.cpp
of April 2023 had, is refused.

>>> [TYPES[number] for number in (7, 8, 9)]
['Q5_0', 'Q5_1', 'Q8_0']
"""

import math
import pathlib

from refllm import quants
from refllm.convert import old_files
from refllm.convert.lazy import Lazy
from refllm.convert.mapped import MappedFile
from refllm.errors import RefllmError

MAGIC, VERSIONS = 0x67676D66, (100, 101)
FIELDS = ("n_vocab", "n_embed", "n_layer", "data_type")
TYPES = {0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 5: "Q4_2", 6: "Q4_3", 7: "Q5_0", 8: "Q5_1", 9: "Q8_0"}
GGML_NUMBERS = {"F32": 0, "F16": 1, "Q4_0": 2, "Q4_1": 3, "Q4_2": 4, "Q4_3": 5, "Q5_0": 6, "Q5_1": 7, "Q8_0": 8}
BLOCKS = {100: 1, 101: 3}  # the version of the layout of blocks, as `ggjt` files count it


def is_rwkv_file(path: pathlib.Path) -> bool:
    """Whether it begins as rwkv.cpp's files do; llama.cpp's `ggmf` has version 1."""
    with path.open("rb") as file:
        magic, version = (int.from_bytes(file.read(4), "little") for _ in range(2))
    return magic == MAGIC and version >= min(VERSIONS)


def read(path: pathlib.Path) -> tuple[str | None, dict[str, Lazy]]:
    """The type of most tensors, and all of them under the names of the checkpoint."""
    reader = old_files.Reader(MappedFile(path))
    _, version = reader.numbers(2)
    if version not in VERSIONS:
        raise RefllmError(f"{path}: byte 4: an rwkv.cpp file of version {version}; expected 100 or 101")
    header = dict(zip(FIELDS, reader.numbers(len(FIELDS)), strict=True))
    tensors = {}
    while reader.at < reader.file.size:
        name, tensor = read_tensor(reader, version)
        if name in tensors or len(tensors) >= old_files.MOST_TENSORS:
            raise RefllmError(f"{path}: tensor {name!r} is there twice, or there are too many")
        tensors[name] = tensor
    return TYPES.get(header["data_type"]), tensors


def read_tensor(reader: old_files.Reader, version: int) -> tuple[str, Lazy]:
    """The next tensor, in a type of today."""
    path, start = reader.file.path, reader.at
    dimensions, length, kind = reader.numbers(3)
    if not 1 <= dimensions <= 3:
        raise RefllmError(f"{path}: byte {start}: a tensor of {dimensions} dimensions; expected 1 to 3")
    shape = reader.numbers(dimensions)[::-1]
    name = reader.text(length).decode("utf-8", "replace")
    scheme = scheme_of(kind, version, f"{path}: tensor {name!r}")
    if shape[-1] % scheme.block_size:
        raise RefllmError(
            f"{path}: tensor {name!r} has rows of {shape[-1]}; expected a multiple of {scheme.block_size}"
        )
    tensor = reader.file.tensor(reader.at, shape, scheme)
    reader.take(math.prod(shape) // scheme.block_size * scheme.block_bytes)
    return name, old_files.modernized(tensor)


def scheme_of(kind: int, version: int, where: str) -> quants.Scheme:
    """What a type number means in that version."""
    if kind not in TYPES:
        raise RefllmError(f"{where} is of type {kind}; expected one of {', '.join(TYPES.values())}")
    return old_files.scheme_of(GGML_NUMBERS[TYPES[kind]], BLOCKS[version], where)
