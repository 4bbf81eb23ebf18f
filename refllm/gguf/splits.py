"""Splitting a model into several files and merging it again, as `llama-gguf-split` does.

The shards equal llama.cpp's, byte for byte (but for padding where a shard has no tensor); merging gives back the file
that was split (llama.cpp leaves its `split.*` keys in). A tensor is never cut: where one alone is larger than
`max_size`, that is an error. Each shard appears complete or not at all, but a program killed in between leaves the set
incomplete, which `open` then says.

>>> import pathlib, tempfile, refllm
>>> folder = pathlib.Path(tempfile.mkdtemp())
>>> tensors = {name: np.zeros(8, np.float32) for name in "abc"}
>>> refllm.gguf.write(folder / "whole.gguf", {"general.name": "demo"}, tensors)
>>> [path.name for path in split(folder / "whole.gguf", folder / "part", max_tensors=2)]
['part-00001-of-00002.gguf', 'part-00002-of-00002.gguf']
>>> list(refllm.gguf.open(folder / "part-00001-of-00002.gguf").tensors)
['a', 'b', 'c']
>>> merge(folder / "part-00001-of-00002.gguf", folder / "merged.gguf")
>>> (folder / "merged.gguf").read_bytes() == (folder / "whole.gguf").read_bytes()
True
"""

import os
import pathlib
from collections.abc import Iterable

import numpy as np

from refllm.gguf.cursor import GGUFError, shown
from refllm.gguf.metadata import Metadata
from refllm.gguf.parse import DEFAULT_ALIGNMENT
from refllm.gguf.reader import open
from refllm.gguf.shards import COUNT, MOST_SHARDS, NUMBER, TENSORS, place, shard_path, without_place
from refllm.gguf.writer import padded, write

TENSORS_PER_SHARD = 128  # when nothing is said


def split(
    path: str | os.PathLike,
    out_prefix: str | os.PathLike,
    *,
    max_tensors: int | None = None,
    max_size: int | None = None,
    tensors_in_first: bool = True,
) -> list[pathlib.Path]:
    """Write `out_prefix-00001-of-0000N.gguf` and so on, each with at most so many tensors or bytes of tensors."""
    with open(path) as f:
        groups = plan_split(f.tensors.values(), max_tensors, max_size)
        groups = groups if tensors_in_first else [[], *groups]
        if len(groups) > MOST_SHARDS:
            raise GGUFError(f"{path}: would need {len(groups)} shards; expected at most {MOST_SHARDS}")
        paths = [shard_path(out_prefix, index, len(groups)) for index in range(len(groups))]
        for index, (shard, group) in enumerate(zip(paths, groups, strict=True)):
            metadata = without_place(f.metadata) if index == 0 else Metadata()
            metadata |= {NUMBER: np.uint16(index), TENSORS: np.int32(len(f.tensors)), COUNT: np.uint16(len(groups))}
            tensors = {tensor.name: tensor for tensor in group}
            write(shard, metadata, tensors, version=f.version, byte_order=f.byte_order)
    return paths


def plan_split(tensors: Iterable, max_tensors: int | None, max_size: int | None) -> list[list]:
    """Which tensors (anything with `name` and `nbytes`) go into which shard, in order."""
    if max_tensors is not None and max_size is not None:
        raise GGUFError("max_tensors and max_size are both given; expected one of them")
    if (limit := max_size if max_tensors is None else max_tensors) is not None and limit < 1:
        raise GGUFError(f"a shard of at most {limit}; expected a limit of at least 1")
    most = TENSORS_PER_SHARD if max_tensors is None else max_tensors
    groups, size = [[]], 0
    for tensor in tensors:
        grown = padded(tensor.nbytes, DEFAULT_ALIGNMENT)
        if max_size is not None and grown > max_size:
            raise GGUFError(f"tensors[{shown(tensor.name)}] alone takes {grown} bytes; expected at most {max_size}")
        full = len(groups[-1]) >= most if max_size is None else size + grown > max_size
        if full:
            groups.append([])
            size = 0
        groups[-1].append(tensor)
        size += grown
    return groups


def merge(first_shard: str | os.PathLike, out: str | os.PathLike) -> None:
    """Write all shards of a split model as one file."""
    with open(first_shard) as f:
        if not f.shards and place(f.metadata, f.path)[1] != 1:
            raise GGUFError(f"{first_shard}: is not a shard of a split model; expected metadata['split.count']")
        write(out, without_place(f.metadata), f.tensors, version=f.version, byte_order=f.byte_order)
