"""The tensors of a folder as Hugging Face saves it, whichever way they are stored: in one file or several.

`model.safetensors` or `pytorch_model.bin`, alone or as shards with an index that says which tensor lies in which file.
Index and files must agree. What the tensors are for is not known here.

>>> import json, pathlib, tempfile
>>> folder = pathlib.Path(tempfile.mkdtemp())
>>> _ = (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"w": "model-1.safetensors"}}))
>>> tensors_of(folder)  # doctest: +ELLIPSIS
Traceback (most recent call last):
    ...
refllm.errors.RefllmError: .../model.safetensors.index.json: 'w' is said to be in model-1.safetensors, which is missing
"""

import json
import pathlib
from typing import Any

from refllm.convert import safetensors_file, torch_file
from refllm.convert.lazy import Lazy
from refllm.errors import RefllmError

FORMATS = {"model.safetensors": safetensors_file.read, "pytorch_model.bin": torch_file.read}
INDEX = ".index.json"


def tensors_of(folder: pathlib.Path) -> dict[str, Lazy]:
    """Every tensor by name."""
    for name, read in FORMATS.items():
        if (folder / (name + INDEX)).exists():
            return tensors_of_shards(folder / (name + INDEX), read)
        if (folder / name).exists():
            return read(folder / name)
    stray = sorted(path.name for path in folder.glob("*-of-*") if path.suffix in (".safetensors", ".bin"))
    if stray:
        raise RefllmError(
            f"{folder}: {stray[0]} is there, its index is missing; expected one of "
            f"{', '.join(name + INDEX for name in FORMATS)}"
        )
    raise RefllmError(f"{folder}: holds no weights; expected {' or '.join(FORMATS)}, or shards with an index")


def has_tensors(folder: pathlib.Path) -> bool:
    return any((folder / (name + ending)).exists() for name in FORMATS for ending in ("", INDEX))


def tensors_of_shards(index: pathlib.Path, read) -> dict[str, Lazy]:
    """The tensors of all files that an index names."""
    places = read_json(index).get("weight_map")
    if not isinstance(places, dict) or not all(isinstance(place, str) for place in places.values()):
        raise RefllmError(f"{index}: 'weight_map' is {type(places).__name__}; expected the file of every tensor")
    tensors = {}
    for file in sorted(set(places.values())):
        mine = [name for name, place in places.items() if place == file]
        if pathlib.PurePath(file).name != file:
            raise RefllmError(f"{index}: {mine[0]!r} is said to be in {file!r}; expected a file of this folder")
        if not (index.parent / file).exists():
            raise RefllmError(f"{index}: {mine[0]!r} is said to be in {file}, which is missing")
        found = read(index.parent / file)
        if absent := [name for name in mine if name not in found]:
            raise RefllmError(f"{index}: {absent[0]!r} is said to be in {file}, which does not hold it")
        if strange := [name for name in found if places.get(name) != file]:
            raise RefllmError(
                f"{index.parent / file}: holds {strange[0]!r}, of which {index.name} says "
                f"{'nothing' if strange[0] not in places else 'that it is in ' + places[strange[0]]}"
            )
        tensors.update(found)
    return tensors


def read_json(path: pathlib.Path) -> dict[str, Any]:
    """A JSON file that must hold an object; one that is not there is an empty one."""
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise RefllmError(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(found, dict):
        raise RefllmError(f"{path}: holds a {type(found).__name__}; expected an object")
    return found
