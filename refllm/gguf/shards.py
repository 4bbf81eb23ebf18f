"""The names of the files of a split model, and what each of them says about its place.

A large model may lie in several files, `model-00001-of-00003.gguf` and so on. The first holds all metadata; each tells
its number (from 0), how many files there are, and how many tensors they hold together. Nothing is opened here.

>>> shard_path("model", 0, 3).name, prefix_of("model-00003-of-00003.gguf", 2, 3)
('model-00001-of-00003.gguf', 'model')
"""

import os
import pathlib

from refllm.gguf.cursor import GGUFError
from refllm.gguf.metadata import Metadata, field

NUMBER, TENSORS, COUNT = "split.no", "split.tensors.count", "split.count"  # in the order in which llama.cpp writes them
MOST_SHARDS = 2**16 - 1  # their number is a uint16


def shard_path(prefix: str | os.PathLike, index: int, count: int) -> pathlib.Path:
    return pathlib.Path(f"{os.fspath(prefix)}-{index + 1:05d}-of-{count:05d}.gguf")


def prefix_of(path: str | os.PathLike, index: int, count: int) -> str:
    """The part of a shard's path that all its shards share."""
    ending = shard_path("", index, count).name
    text = os.fspath(path)
    if not text.endswith(ending):
        raise GGUFError(f"{path}: says that it is shard {index + 1} of {count}; expected a name that ends in {ending}")
    return text.removesuffix(ending)


def place(metadata: Metadata, path: pathlib.Path) -> tuple[int, int]:
    """The number of a shard, from 0, and how many there are; an ordinary file is number 0 of 0 or 1."""
    count = told(metadata, COUNT, path)
    number = told(metadata, NUMBER, path) if count > 1 else 0
    if count > 1 and number >= count:
        raise GGUFError(f"{path}: {field(NUMBER)} is {number}; expected 0 to {count - 1}")
    return number, count


def told(metadata: Metadata, key: str, path: pathlib.Path) -> int:
    """A number of files or tensors, 0 where the metadata has none."""
    value = metadata.get(key, 0)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise GGUFError(f"{path}: {field(key)} is {value!r}; expected a count")
    return value


def without_place(metadata: Metadata) -> Metadata:
    """The metadata of the model, without what concerns the files it lay in."""
    metadata = metadata.copy()
    for key in (NUMBER, TENSORS, COUNT):
        metadata.pop(key, None)
    return metadata
