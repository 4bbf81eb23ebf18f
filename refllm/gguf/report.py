"""A GGUF file for programs: what `describe` and `hexdump` show, as one JSON object.

The facts are always there; `metadata`, `tensors` and `bytes` are added when they are asked for. What JSON cannot say
becomes text: NaN and the infinities, and raw bytes. An array is shortened to its first items and its length unless
`full`.

>>> import pathlib, tempfile, refllm
>>> path = pathlib.Path(tempfile.mkdtemp()) / "demo.gguf"
>>> refllm.gguf.write(path, {"general.architecture": "llama", "scale": float("nan"), "many": list(range(99))}, {})
>>> answer = json.loads(as_json(path, metadata=True))
>>> answer["architecture"], answer["metadata"]["scale"], answer["metadata"]["many"]["value"]["count"]
('llama', {'type': 'float32', 'value': 'nan'}, 99)
"""

import json
import math
import os
import pathlib
from typing import Any

import numpy as np

from refllm.gguf import hexdump, reader
from refllm.gguf.describe import facts
from refllm.gguf.regions import regions
from refllm.gguf.tensor import Tensor

ITEMS = 16  # shown of a longer array


def as_json(
    path: str | os.PathLike,
    metadata: bool = False,
    tensors: bool = False,
    byte_range: str | None = None,
    full: bool = False,
) -> str:
    with reader.open(path) as file:
        answer = facts(file)
        if metadata:
            answer["metadata"] = {
                key: {"type": file.metadata.type_of(key), "value": value} for key, value in file.metadata.items()
            }
        if tensors:
            answer["tensors"] = {name: tensor_entry(tensor) for name, tensor in file.tensors.items()}
    if byte_range is not None:
        chosen = hexdump.select(regions(path, each_item=full), byte_range, pathlib.Path(path).stat().st_size)
        answer["bytes"] = [vars(region) for region, _, _ in chosen]
    return json.dumps(plain(answer, full), indent=2)


def tensor_entry(tensor: Tensor) -> dict[str, Any]:
    return {
        "shape": tensor.shape,
        "type": tensor.type,
        "bytes": tensor.nbytes,
        "bits_per_weight": tensor.scheme.bits_per_weight,
        "offset": tensor.offset,
    }


def plain(value: Any, full: bool) -> Any:
    """The value in the types that JSON has."""
    if isinstance(value, dict):
        return {key: plain(item, full) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        items = [plain(item, full) for item in (value if full else value[:ITEMS])]
        return items if len(items) == len(value) else {"first": items, "count": len(value)}
    if isinstance(value, np.generic):
        return plain(value.item(), full)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return repr(value) if isinstance(value, Tensor) else value
