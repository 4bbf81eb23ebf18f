"""Changing the metadata of a file, whatever its size: the tensors stream past, a few MB at a time.

First keys are removed, then renamed, then set. A key that is set keeps its place and its stored type, and a value that
this type cannot hold is an error; to change the type too, let `set` be a `Metadata` that has one. The new file replaces
the old one only when it is complete. A shard of a split model is edited alone.

>>> import pathlib, tempfile, refllm
>>> path = pathlib.Path(tempfile.mkdtemp()) / "demo.gguf"
>>> refllm.gguf.write(path, {"general.name": "demo", "old": 1, "scale": 0.5}, {})
>>> edit(path, set={"general.name": "better", "scale": 2}, rename={"old": "new"})
>>> f = refllm.gguf.open(path)
>>> f.metadata, f.metadata.types["scale"]
({'general.name': 'better',
 'new': 1,
 'scale': 2.0}, 'float32')
"""

import os
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

from refllm.gguf.cursor import GGUFError
from refllm.gguf.metadata import Metadata, field
from refllm.gguf.reader import open_one
from refllm.gguf.writer import write


def edit(
    path: str | os.PathLike,
    out: str | os.PathLike | None = None,
    *,
    set: Mapping[str, Any] = {},
    remove: Iterable[str] = (),
    rename: Mapping[str, str] = {},
) -> None:
    """Write the file at `path` with changed metadata to `out`, or over itself."""
    with open_one(pathlib.Path(path)) as f:
        metadata = renamed(without(f.metadata, remove), rename)
        metadata |= set
        write(path if out is None else out, metadata, f.tensors, version=f.version, byte_order=f.byte_order)


def without(metadata: Metadata, keys: Iterable[str]) -> Metadata:
    left = metadata.copy()
    for key in keys:
        must_have(left, key)
        del left[key]
    return left


def renamed(metadata: Metadata, names: Mapping[str, str]) -> Metadata:
    """The same values in the same order under other keys."""
    for key in names:
        must_have(metadata, key)
    new = Metadata()
    for key, value in metadata.items():
        name = names.get(key, key)
        if name in new:
            raise GGUFError(f"two keys would be named {field(name)}; expected each key once")
        new[name] = value
        new.types[name] = metadata.types[key]
    return new


def must_have(metadata: Metadata, key: str) -> None:
    if key not in metadata:
        raise GGUFError(f"{field(key)} is not there; expected one of the {len(metadata)} keys of the file")
