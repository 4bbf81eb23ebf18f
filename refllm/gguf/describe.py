"""A GGUF file in words and tables: what `refllm inspect` shows.

`facts` gathers what people ask about a model first, as plain values; the other functions make the lines of a screen.
Nothing is computed from the weights themselves: their number, their bytes and the metadata say it all.

>>> import pathlib, tempfile, numpy, refllm
>>> path = pathlib.Path(tempfile.mkdtemp()) / "demo.gguf"
>>> blocks = refllm.quants.get("Q8_0").quantize(numpy.ones((8, 64), numpy.float32))
>>> refllm.gguf.write(path, {"general.architecture": "llama", "llama.context_length": 512}, {"w": (blocks, "Q8_0")})
>>> f = refllm.gguf.open(path)
>>> facts(f)["parameters"], facts(f)["bits_per_weight"], facts(f)["context_length"]
(512, 8.5, 512)
>>> for line in tensor_table(f): print(line)
name   shape  type  bytes  bits per weight  offset
w     8 × 64  Q8_0    544              8.5     160
"""

import collections
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from refllm.gguf import console
from refllm.gguf.console import escaped, value_text
from refllm.gguf.reader import GGUFFile
from refllm.gguf.tensor import Tensor
from refllm.quants.mix_table import MIXES

FILE_TYPES = {mix.id: mix.name for mix in MIXES.values()}


def facts(file: GGUFFile) -> dict[str, Any]:
    """What people ask about a model first; None where the file does not say."""
    known = file.metadata
    architecture = of_kind(str, known.get("general.architecture"))
    parameters = sum(math.prod(tensor.shape) for tensor in file.tensors.values())
    tensor_bytes = sum(tensor.nbytes for tensor in file.tensors.values())
    return {
        "path": str(file.path),
        "bytes": sum(path.stat().st_size for path in file.shards or [file.path]),
        "shards": max(1, len(file.shards)),
        "version": file.version,
        "byte_order": {"<": "little", ">": "big"}[file.byte_order],
        "alignment": file.alignment,
        "name": of_kind(str, known.get("general.name")),
        "architecture": architecture,
        "parameters": parameters,
        "bits_per_weight": 8 * tensor_bytes / parameters if parameters else None,
        "file_type": file_type(of_kind(int, known.get("general.file_type"))),
        "context_length": of_kind(int, known.get(f"{architecture}.context_length")),
        "tokenizer": of_kind(str, known.get("tokenizer.ggml.model")),
        "pre_tokenizer": of_kind(str, known.get("tokenizer.ggml.pre")),
        "vocabulary": len(of_kind(list, known.get("tokenizer.ggml.tokens")) or ()),
        "chat_template": of_kind(str, known.get("tokenizer.chat_template")) is not None,
        "metadata_count": len(known),
        "tensor_count": len(file.tensors),
        "tensor_types": dict(collections.Counter(tensor.type for tensor in file.tensors.values()).most_common()),
    }


def of_kind(kind: type, value: Any) -> Any:
    """The value if it is what this key should hold: a stranger's file may say anything."""
    return value if isinstance(value, kind) else None


def file_type(number: int | None) -> str | None:
    """The name of the mix that a file says it was quantized with."""
    return None if number is None else FILE_TYPES.get(number, f"unknown ({number})")


def summary(file: GGUFFile) -> list[str]:
    """The facts as lines, those that the file does not state left out."""
    known = facts(file)
    lines = console.columns([(label, text) for label, text in summary_rows(known) if text])
    return [console.cut(line, console.width()) for line in lines]


def summary_rows(known: dict[str, Any]) -> Iterator[tuple[str, str | None]]:
    parameters, bits = known["parameters"], known["bits_per_weight"]
    shards = f" in {known['shards']} shards" if known["shards"] > 1 else ""
    kinds = ", ".join(f"{count} {name}" for name, count in known["tensor_types"].items())
    yield "file", escaped(known["path"])
    yield "size", f"{console.human(known['bytes'], console.BYTES)} ({known['bytes']:,}){shards}"
    yield "format", f"GGUF version {known['version']}, {known['byte_order']} endian, alignment {known['alignment']}"
    yield "name", known["name"] and escaped(known["name"])
    yield "architecture", known["architecture"] and escaped(known["architecture"])
    yield "parameters", f"{console.human(parameters)} ({parameters:,})" if parameters else "none"
    yield "bits per weight", bits and f"{bits:.4g}"
    yield "file type", known["file_type"]
    yield "context length", known["context_length"] and f"{known['context_length']:,} tokens"
    yield "tokenizer", tokenizer_text(known)
    yield "chat template", "present" if known["chat_template"] else "none"
    yield "metadata", f"{known['metadata_count']} entries"
    yield "tensors", f"{known['tensor_count']:,}" + (f": {kinds}" if kinds else "")


def tokenizer_text(known: dict[str, Any]) -> str:
    if known["tokenizer"] is None:
        return "none"
    pre = f" (pre-tokenizer {escaped(known['pre_tokenizer'])})" if known["pre_tokenizer"] else ""
    return f"{escaped(known['tokenizer'])}{pre}, {known['vocabulary']:,} tokens"


def metadata_table(file: GGUFFile, full: bool = False) -> Iterator[str]:
    """One line per entry: key, stored type, value."""
    keys = [escaped(key) for key in file.metadata]
    types = [file.metadata.type_of(key) for key in file.metadata]
    heads = console.columns([("key", "type"), *zip(keys, types, strict=True)])
    stored = zip(file.metadata.values(), types, strict=True)
    values = ["value", *(value_text(as_stored(value, kind), full) for value, kind in stored)]
    room = max(map(console.columns_of, heads))
    for head, value in zip(heads, values, strict=True):
        line = head + " " * (room - console.columns_of(head) + 2) + value
        yield line if full else console.cut(line, console.width())


def as_stored(value: Any, kind: str) -> Any:
    """A float32 as numpy's, which prints as 1e-05 and not as the double 9.999999747378752e-06."""
    return np.float32(value) if kind == "float32" else value


def tensor_table(file: GGUFFile) -> list[str]:
    rows = [("name", "shape", "type", "bytes", "bits per weight", "offset")]
    rows += [
        (
            escaped(tensor.name),
            shape_text(tensor),
            tensor.type,
            f"{tensor.nbytes:,}",
            f"{tensor.scheme.bits_per_weight:.4g}",
            f"{tensor.offset:,}",
        )
        for tensor in file.tensors.values()
    ]
    return console.columns(rows, right=(1, 3, 4, 5))


def shape_text(tensor: Tensor) -> str:
    return " × ".join(map(str, tensor.shape)) or "number"
