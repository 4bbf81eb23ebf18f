"""Quantizes a whole GGUF file, as `llama-quantize` does: every tensor of the new file has the same bytes.

The mix (`refllm.quants.mixes`) says which scheme each tensor gets; then the tensors stream from the old file into the
new one, a few slices of rows at a time, so that a file of any size needs little memory. The new file appears when it is
complete or not at all (of a set of shards each, and none of them after an error).

What differs from llama-quantize: a file with another `general.alignment` keeps it (there the copy cannot be opened);
text with a zero character is kept whole (there it ends); a negative integer for a key is an error (there it loses its
sign); the path of the importance file is not cut at 127 bytes; there is an NVFP4 mix.

>>> import pathlib, tempfile
>>> folder = pathlib.Path(tempfile.mkdtemp())
>>> metadata = {"general.architecture": "llama", "llama.block_count": 1, "llama.attention.head_count": 1}
>>> weights = np.linspace(-1, 1, 2048, dtype=np.float32).reshape(8, 256)
>>> gguf.write(folder / "f32.gguf", metadata, {"blk.0.attn_q.weight": weights})
>>> result = quantize(folder / "f32.gguf", folder / "q8.gguf", "Q8_0")
>>> result.bits_per_weight, round(result.rmse, 4)
(8.5, 0.0013)
>>> gguf.open(folder / "q8.gguf").tensors
{'blk.0.attn_q.weight': Tensor('blk.0.attn_q.weight', Q8_0, (8, 256))}
"""

import contextlib
import dataclasses
import functools
import math
import os
import pathlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32

from refllm import gguf, quants
from refllm.convert import importance as importance_files
from refllm.convert.conversion import Conversion
from refllm.convert.importance import Importance
from refllm.errors import RefllmError
from refllm.gguf.shards import COUNT, NUMBER, TENSORS, shard_path, without_place
from refllm.quants import mixes
from refllm.quants.mixes import UNQUANTIZED, Mix, Wishes

QUANTIZATION_VERSION = 2  # of the layouts: 2 since May 2023, when all scales became float16


@dataclasses.dataclass(frozen=True)
class Result:
    """What was done, or, after a dry run, what would be done."""

    mix: Mix
    conversions: list[Conversion]

    @property
    def weights(self) -> int:
        return sum(each.weights for each in self.conversions)

    @property
    def bytes_before(self) -> int:
        return sum(each.tensor.nbytes for each in self.conversions)

    @property
    def bytes_after(self) -> int:
        return sum(each.nbytes for each in self.conversions)

    @property
    def bits_per_weight(self) -> float:
        return 8 * self.bytes_after / max(1, self.weights)

    @property
    def rmse(self) -> float:
        """The error of all weights that are stored in another scheme than before."""
        changed = [each for each in self.conversions if not each.is_copy]
        return math.sqrt(sum(each.squared_error for each in changed) / max(1, sum(each.weights for each in changed)))

    @property
    def without_importance(self) -> list[Conversion]:
        """The tensors that need an importance and have none."""
        changed = [each for each in self.conversions if not each.is_copy and each.importance is None]
        return [each for each in changed if mixes.needs_importance(self.mix, each.name, each.scheme.name)]


class Streamed(NamedTuple):
    """What `gguf.write` takes for a tensor."""

    shape: tuple[int, ...]
    scheme: quants.Scheme
    slices: Callable[[], Iterator[np.ndarray]]


def quantize(
    src: str | os.PathLike,
    dst: str | os.PathLike,
    type: str | int,
    importance: str | os.PathLike | Importance | Mapping | None = None,
    *,
    threads: int | None = None,
    allow_requantize: bool = False,
    keep_split: bool = False,
    override: Mapping[str, Any] | None = None,
    dry_run: bool = False,
    when_done: Callable[[Conversion, int, int], Any] = lambda conversion, number, total: None,
    **wishes: Any,
) -> Result:
    """Write the model in the file `src` to `dst`, in the mix `type` (`"Q4_K_M"`).

    `importance` is a file of it, or arrays by the names of tensors. `override` sets metadata. `wishes` are those of
    `mixes.Wishes`: `pure=True`, `output="F16"` ... `when_done` gets each finished tensor, its
    number and how many there are.
    """
    mix, importance = mixes.get(type), as_importance(importance)
    with gguf.open(src) as f:
        metadata = new_metadata(f.metadata, mix, importance, override or {})
        result = Result(mix, plan(f, metadata, mix, importance, Wishes(**wishes), keep_split))
        if not dry_run:
            refuse_what_cannot_be(f, result, allow_requantize)
            with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
                streams = streamed(result.conversions, pool, when_done)
                (write_shards if keep_split else write_one)(f, dst, metadata, streams)
        return result


def as_importance(given: str | os.PathLike | Importance | Mapping | None) -> Importance | None:
    if given is None or isinstance(given, Importance):
        return given
    return Importance(dict(given)) if isinstance(given, Mapping) else importance_files.read(given)


def new_metadata(old: gguf.Metadata, mix: Mix, importance: Importance | None, override: Mapping) -> gguf.Metadata:
    """The old metadata; what has changed moves to the end, where llama-quantize puts it."""
    changes = {
        "general.quantization_version": np.uint32(QUANTIZATION_VERSION),
        "general.file_type": np.uint32(mix.id),
        **override,
    }
    if importance is not None and importance.path:
        changes["quantize.imatrix.file"] = importance.path
        if importance.datasets:
            changes["quantize.imatrix.dataset"] = importance.datasets[0]
        changes["quantize.imatrix.entries_count"] = np.uint32(len(importance.values))
        if importance.chunks > 0:
            changes["quantize.imatrix.chunks_count"] = np.uint32(importance.chunks)
    metadata = without_place(old)
    for key, value in changes.items():
        metadata.pop(key, None)
        metadata[key] = value
    return metadata


def plan(
    f: gguf.GGUFFile,
    metadata: gguf.Metadata,
    mix: Mix,
    importance: Importance | None,
    wishes: Wishes,
    keep_split: bool,
) -> list[Conversion]:
    """What becomes of every tensor, in the order of the new file."""
    names = list(f.tensors) if keep_split else sorted(f.tensors, key=mixes.file_order)
    shapes = {name: f.tensors[name].shape for name in names}
    choices = mixes.assign(mix, shapes, mixes.facts(metadata), importance is not None, wishes)
    conversions = []
    for name, choice in choices.items():
        tensor = f.tensors[name]
        scheme = tensor.scheme if choice.scheme is None else quants.get(choice.scheme)
        columns = columns_of(importance, tensor) if importance and scheme is not tensor.scheme else None
        conversions.append(Conversion(tensor, scheme, columns, choice.instead_of))
    return conversions


def columns_of(importance: Importance, tensor: gguf.Tensor) -> Float32[np.ndarray, "experts columns"] | None:
    """The importance of a tensor's columns, for each of its experts."""
    values = importance.values.get(tensor.name)
    if values is None:
        return None
    experts = tensor.shape[-3] if len(tensor.shape) > 2 else 1
    if values.size != experts * tensor.shape[-1]:
        if mixes.part_of(tensor.name) == "token_embd":  # its rows are looked up, not multiplied with: none was measured
            return None
        expected = experts * tensor.shape[-1]
        raise RefllmError(f"the importance of {tensor.name!r} has {values.size} columns; the tensor has {expected}")
    return values.reshape(experts, -1)


def refuse_what_cannot_be(f: gguf.GGUFFile, result: Result, allow_requantize: bool) -> None:
    for each in result.conversions:
        found = f"{f.path}: tensor {each.name!r} is {each.tensor.type}"
        if each.is_copy or each.tensor.type in UNQUANTIZED:
            continue
        if each.tensor.scheme.block_size == 1:
            raise RefllmError(f"{found}; expected {', '.join(UNQUANTIZED)} or a quantized type")
        if not allow_requantize:
            raise RefllmError(f"{found} already; to quantize it again, which loses more, say allow_requantize")
    for each in result.without_importance:
        raise RefllmError(
            f"{each.name!r} as {each.scheme.name} needs an importance file (imatrix): without it the result is garbage"
        )


def streamed(conversions: list[Conversion], pool: ThreadPoolExecutor, when_done: Callable) -> dict[str, Streamed]:
    """The tensors as `gguf.write` wants them: their blocks are made when it asks for them."""

    def slices(conversion: Conversion, number: int) -> Iterator[np.ndarray]:
        yield from conversion.stream(pool)
        when_done(conversion, number, len(conversions))

    return {
        each.name: Streamed(each.shape, each.scheme, functools.partial(slices, each, number))
        for number, each in enumerate(conversions, 1)
    }


def write_one(f: gguf.GGUFFile, dst: str | os.PathLike, metadata: gguf.Metadata, streams: dict[str, Streamed]) -> None:
    refuse_own_input(f, pathlib.Path(dst))
    gguf.write(dst, metadata, streams, byte_order=f.byte_order)


def write_shards(
    f: gguf.GGUFFile, dst: str | os.PathLike, metadata: gguf.Metadata, streams: dict[str, Streamed]
) -> None:
    """As many files as the input has, each with the tensors that it has there; `dst` without its ending names them."""
    count = len(f.maps)
    paths = [shard_path(os.fspath(dst).removesuffix(".gguf"), index, count) for index in range(count)]
    for path in paths:
        refuse_own_input(f, path)
    with contextlib.ExitStack() as after_an_error:
        for index, path in enumerate(paths):
            here = {name: streams[name] for name, tensor in f.tensors.items() if tensor.source is f.maps[index]}
            place = {NUMBER: np.uint16(index), COUNT: np.uint16(count), TENSORS: np.int32(len(streams))}
            own = metadata if index == 0 else gguf.Metadata()
            gguf.write(path, own | gguf.Metadata(place) if count > 1 else own, here, byte_order=f.byte_order)
            after_an_error.callback(path.unlink)
        after_an_error.pop_all()


def refuse_own_input(f: gguf.GGUFFile, dst: pathlib.Path) -> None:
    for path in f.shards or [f.path]:
        if dst.exists() and dst.samefile(path):
            raise RefllmError(f"{dst}: is the file that is read; expected another name for the new one")
