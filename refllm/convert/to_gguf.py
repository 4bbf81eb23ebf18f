"""`convert`: any checkpoint that this room can read, as a GGUF file.

The source says itself what it is. Tensors stream from the old files into the new one, a few MB at a time; the new file
appears when it is complete (of a set of shards each, and none of them after an error). Quantizing to anything but Q8_0
is the next step, `refllm.quantize`.

What differs from llama.cpp's converter: tensors stand in the order of layers; names of authors, licences and versions
are not guessed from folder names or model cards; user-defined pieces of a SentencePiece model keep their kind;
`add_space_prefix` is always said; a SentencePiece vocabulary without `tokenizer.model` keeps its merge order as scores.
"""

import contextlib
import dataclasses
import os
import pathlib

import numpy as np

from refllm import gguf, quants
from refllm.convert import hugging_face, lazy, meta, old_files, rwkv
from refllm.convert.model import FILE_TYPES, Model, size_label, stays_float, stored_type
from refllm.convert.quantize_file import QUANTIZATION_VERSION
from refllm.errors import RefllmError, UsageError
from refllm.gguf.shards import COUNT, NUMBER, TENSORS, shard_path
from refllm.gguf.splits import plan_split
from refllm.quants import mixes


@dataclasses.dataclass(frozen=True)
class Encoded:
    """A tensor as it will stand in the file; what `gguf.write` and `plan_split` ask for."""

    name: str
    tensor: lazy.Lazy

    @property
    def shape(self) -> tuple[int, ...]:
        return self.tensor.shape

    @property
    def scheme(self) -> quants.Scheme:
        return self.tensor.scheme

    @property
    def nbytes(self) -> int:
        return self.tensor.nbytes

    def slices(self):
        return self.tensor.slices()


def convert(
    src: str | os.PathLike,
    dst: str | os.PathLike | None = None,
    outtype: str = "f16",
    *,
    vocabulary_only: bool = False,
    split_max_size: int | None = None,
    normalize_head: bool = True,
) -> list[pathlib.Path]:
    """Write the checkpoint `src` as GGUF; `dst` defaults to `ggml-model-f16.gguf` in its folder.

    `outtype` is f32, f16, bf16, q8_0, or auto for the type that the weights have; those of old files keep theirs. With
    `split_max_size`, in bytes, the model lies in several files whose names begin with `dst`. Gives the files written.
    """
    if outtype not in (*FILE_TYPES, "auto"):
        raise UsageError(f"unknown outtype {outtype!r}; expected {', '.join(FILE_TYPES)} or auto")
    src = pathlib.Path(src)
    model = read(src, vocabulary_only, normalize_head)
    outtype = stored_type(model.tensors) if outtype == "auto" else outtype
    return write(model, pathlib.Path(dst or default_name(src, outtype, vocabulary_only)), outtype, split_max_size)


def write(model: Model, dst: pathlib.Path, outtype: str, split_max_size: int | None = None) -> list[pathlib.Path]:
    """Write a model, wherever it comes from; gives the files written."""
    scheme, file_type = FILE_TYPES[outtype]
    metadata, tensors = finished(model, file_type), []
    for name in sorted(model.tensors, key=mixes.file_order):
        tensor = model.tensors[name]
        tensors.append(Encoded(name, tensor if model.keeps_types else encoded(name, tensor, scheme)))
    if split_max_size is not None:
        return write_shards(dst, metadata, tensors, split_max_size)
    gguf.write(dst, metadata, {tensor.name: tensor for tensor in tensors})
    return [dst]


def read(src: pathlib.Path, vocabulary_only: bool, normalize_head: bool) -> Model:
    """The model, whatever it is stored as."""
    if src.is_file() and rwkv.is_checkpoint(src):
        return rwkv.read(src)
    if src.is_file() and old_files.is_old_file(src):
        return old_files.read(src)
    if src.is_dir() and meta.is_meta_folder(src):
        return meta.read(src, vocabulary_only=vocabulary_only)
    if src.is_dir():
        return hugging_face.read(src, vocabulary_only=vocabulary_only, normalize_head=normalize_head)
    wanted = "expected a folder with a checkpoint, a file from before GGUF, or one of RWKV"
    raise RefllmError(f"{src}: is {'no checkpoint' if src.exists() else 'not there'}; {wanted}")


def default_name(src: pathlib.Path, outtype: str, vocabulary_only: bool) -> pathlib.Path:
    if src.is_file():
        return src.with_suffix(".gguf")
    return src / ("ggml-vocab.gguf" if vocabulary_only else f"ggml-model-{outtype}.gguf")


def encoded(name: str, tensor: lazy.Lazy, scheme: str) -> lazy.Lazy:
    """The tensor in the type that it has in the file."""
    chosen = quants.get("F32" if stays_float(name, tensor.shape) else scheme)
    if tensor.shape and tensor.shape[-1] % chosen.block_size:
        chosen = quants.get("F16")
    return lazy.encoded(tensor, chosen, name)


def finished(model: Model, file_type: int) -> gguf.Metadata:
    """The metadata with what is known last."""
    metadata = model.metadata.copy()
    if model.tensors:
        metadata["general.size_label"] = size_label({name: tensor.shape for name, tensor in model.tensors.items()})
        metadata.setdefault("general.file_type", np.uint32(file_type))  # an old file says it itself
    metadata["general.quantization_version"] = np.uint32(QUANTIZATION_VERSION)
    return metadata


def write_shards(
    dst: pathlib.Path, metadata: gguf.Metadata, tensors: list[Encoded], max_size: int
) -> list[pathlib.Path]:
    """As many files as it takes; after an error none of them."""
    groups = plan_split(tensors, None, max_size)
    prefix = dst.with_suffix("") if dst.suffix == ".gguf" else dst
    paths = [shard_path(prefix, index, len(groups)) for index in range(len(groups))]
    with contextlib.ExitStack() as after_an_error:
        for index, (path, group) in enumerate(zip(paths, groups, strict=True)):
            place = {NUMBER: np.uint16(index), TENSORS: np.int32(len(tensors)), COUNT: np.uint16(len(groups))}
            own = (metadata if index == 0 else gguf.Metadata()) | gguf.Metadata(place)
            gguf.write(path, own, {tensor.name: tensor for tensor in group})
            after_an_error.callback(path.unlink)
        after_an_error.pop_all()
    return paths
