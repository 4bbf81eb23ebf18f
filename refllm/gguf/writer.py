"""Writing a GGUF file: metadata and tensors in, one finished file out, a few MB in memory at a time.

`write` takes what `open` gave, or plain dicts: the types of plain values follow the rules of `metadata.py`, float and
integer arrays keep their dtype, and `(blocks, "Q4_K")` is a quantized tensor. Anything with `shape`, `scheme` and
`slices()` is a tensor too, so a tensor may be computed while it is written. The file appears under its name only when
it is complete. Quantizing is not done here.

>>> import pathlib, tempfile, refllm
>>> path = pathlib.Path(tempfile.mkdtemp()) / "demo.gguf"
>>> blocks = refllm.quants.get("Q8_0").quantize(np.ones((2, 64), np.float32))
>>> write(path, {"general.name": "demo", "general.alignment": 64}, {"w": (blocks, "Q8_0")})
>>> refllm.gguf.open(path).tensors
{'w': Tensor('w', Q8_0, (2, 64))}
"""

import dataclasses
import math
import os
import pathlib
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np

from refllm import quants
from refllm.files import atomic_write
from refllm.gguf.cursor import ENCODING, GGUFError, shown
from refllm.gguf.metadata import ARRAY, CODES, TYPE_IDS, Metadata, field
from refllm.gguf.parse import ALIGNMENT_KEY, DEFAULT_ALIGNMENT, LONGEST_NAME, MAGIC, MOST_DIMENSIONS, VERSIONS
from refllm.gguf.tensor import SLICE_BYTES, blocks_of


@dataclasses.dataclass(frozen=True)
class Planned:
    """A tensor that will be written."""

    name: str
    shape: tuple[int, ...]
    scheme: quants.Scheme
    slices: Callable[[], Iterator[np.ndarray]]  # its blocks in order, in pieces of any size

    @property
    def nbytes(self) -> int:
        return math.prod(blocks_of(self.shape, self.scheme)) * self.scheme.block_bytes


def write(
    path: str | os.PathLike,
    metadata: Mapping[str, Any],
    tensors: Mapping[str, Any],
    *,
    version: int = 3,
    byte_order: str = "<",
) -> None:
    """Write a GGUF file. The old file at `path`, if any, stays until the new one is complete."""
    if version not in VERSIONS or byte_order not in ("<", ">"):
        raise GGUFError(f"version {version!r}, byte order {byte_order!r}; expected 2 or 3, '<' or '>'")
    metadata = metadata if isinstance(metadata, Metadata) else Metadata(metadata)
    plan = [planned(name, tensor) for name, tensor in tensors.items()]
    alignment = alignment_of(metadata)
    encode = Encoder(byte_order)
    header = encode.header(version, metadata, plan, alignment)
    with atomic_write(path) as file, progress(pathlib.Path(path).name, sum(tensor.nbytes for tensor in plan)) as bar:
        file.write(header)
        for tensor in plan:
            write_tensor(file, tensor, byte_order, bar)
            file.write(bytes(padded(tensor.nbytes, alignment) - tensor.nbytes))


def write_tensor(file: BinaryIO, tensor: Planned, byte_order: str, bar) -> None:
    dtype, written = tensor.scheme.dtype.newbyteorder(byte_order), 0
    for blocks in tensor.slices():
        raw = np.ascontiguousarray(blocks, dtype).view(np.uint8).reshape(-1)
        file.write(raw.data)
        written += raw.nbytes
        bar.update(raw.nbytes)
    if written != tensor.nbytes:
        raise GGUFError(f"tensors[{shown(tensor.name)}] gave {written} bytes; its shape needs {tensor.nbytes}")


def progress(name: str, total: int):
    """A bar on the terminal, for writing that takes longer than a second."""
    from tqdm import tqdm

    return tqdm(total=total, desc=name, unit="B", unit_scale=True, delay=1, disable=None, leave=False)


def padded(size: int, alignment: int) -> int:
    """`size` rounded up to a multiple of the alignment."""
    return size + -size % alignment


def alignment_of(metadata: Metadata) -> int:
    if ALIGNMENT_KEY not in metadata:
        return DEFAULT_ALIGNMENT
    alignment, stored = metadata[ALIGNMENT_KEY], metadata.type_of(ALIGNMENT_KEY)
    if stored != "uint32" or int(alignment).bit_count() != 1:
        raise GGUFError(f"{field(ALIGNMENT_KEY)} is {alignment} ({stored}); expected a power of two (uint32)")
    return int(alignment)


def planned(name: str, tensor: Any) -> Planned:
    """Whatever a tensor is given as, as something that can be written."""
    label = f"tensors[{shown(name)}]"
    if len(name.encode("utf-8", "replace")) > LONGEST_NAME:
        raise GGUFError(f"{label}: the name is longer than {LONGEST_NAME} bytes")
    if hasattr(tensor, "slices"):
        plan = Planned(name, tuple(tensor.shape), tensor.scheme, tensor.slices)
    else:
        blocks, type_name = tensor if isinstance(tensor, tuple) else (tensor, None)
        plan = plan_array(name, label, np.asarray(blocks), type_name)
    if len(plan.shape) > MOST_DIMENSIONS:
        raise GGUFError(f"{label} has {len(plan.shape)} dimensions; expected at most {MOST_DIMENSIONS}")
    row = plan.shape[-1] if plan.shape else 1
    if row % plan.scheme.block_size:
        raise GGUFError(f"{label} has rows of {row}; expected a multiple of {plan.scheme.block_size}")
    return plan


def plan_array(name: str, label: str, blocks: np.ndarray, type_name: str | None) -> Planned:
    """Blocks of the named type, or plain numbers, whose type the dtype tells: float32 is F32, int8 is I8 ..."""
    if blocks.dtype.name == "bfloat16":  # numpy itself has no such type; ours are the bits
        blocks, type_name = blocks.view(np.uint16), "BF16"
    scheme = quants.SCHEMES.get(type_name or f"{blocks.dtype.kind.upper()}{8 * blocks.dtype.itemsize}")
    if scheme is None or scheme.id is None:
        wanted = "floats, signed integers, or (blocks, the name of a type)"
        raise GGUFError(f"{label} is of {type_name or blocks.dtype}; expected {wanted}")
    if blocks.dtype.newbyteorder("<") != scheme.dtype:
        raise GGUFError(f"{label} is of {blocks.dtype}; expected blocks of {scheme.name}: {scheme.dtype}")
    shape = (*blocks.shape[:-1], blocks.shape[-1] * scheme.block_size) if blocks.shape else ()
    return Planned(name, shape, scheme, lambda: array_slices(blocks, scheme))


def array_slices(array: np.ndarray, scheme: quants.Scheme) -> Iterator[np.ndarray]:
    """The items of any array in C order, a few MB at a time, without a copy of the whole."""
    step = max(1, SLICE_BYTES // scheme.block_bytes)
    yield from np.nditer(array, ["external_loop", "buffered", "zerosize_ok"], order="C", buffersize=step)


class Encoder:
    """Turns numbers, strings and whole headers into bytes of one byte order."""

    def __init__(self, byte_order: str):
        self.order = byte_order

    def number(self, code: str, value: Any) -> bytes:
        return struct.pack(self.order + code, value)

    def string(self, text: str, label: str) -> bytes:
        return self.strings([text], label)

    def strings(self, texts: Sequence[str], label: str) -> bytes:
        """Many strings, each after its length."""
        length = struct.Struct(self.order + "Q").pack
        try:
            raws = [text.encode(*ENCODING) for text in texts]
        except UnicodeEncodeError as error:
            raise GGUFError(f"{label}: {error.reason} in {shown(error.object)}; expected text that is UTF-8") from None
        return b"".join(part for raw in raws for part in (length(len(raw)), raw))

    def value(self, key: str, value: Any, stored: str) -> bytes:
        """The type and the bytes of one metadata value."""
        label, item = field(key), stored.removesuffix(ARRAY)
        if item == stored:
            body = self.string(value, label) if stored == "string" else self.number(CODES[stored], value)
            return self.number("i", TYPE_IDS[stored]) + body
        head = self.number("i", TYPE_IDS["array"]) + self.number("i", TYPE_IDS[item]) + self.number("Q", len(value))
        if item == "string":
            return head + self.strings(value, label)
        return head + np.asarray(value, self.order + CODES[item]).tobytes()

    def header(self, version: int, metadata: Metadata, plan: list[Planned], alignment: int) -> bytes:
        """Everything before the data of the tensors."""
        parts = [MAGIC, self.number("I", version), self.number("q", len(plan)), self.number("q", len(metadata))]
        for key, value in metadata.items():
            if not key:
                raise GGUFError("a metadata key is empty; expected a name")
            parts += [self.string(key, field(key)), self.value(key, value, metadata.type_of(key))]
        offset = 0
        for tensor in plan:
            parts.append(self.tensor_info(tensor, offset))
            offset += padded(tensor.nbytes, alignment)
        header = b"".join(parts)
        return header.ljust(padded(len(header), alignment), b"\0") if plan else header

    def tensor_info(self, tensor: Planned, offset: int) -> bytes:
        return b"".join(
            [
                self.string(tensor.name, f"tensors[{shown(tensor.name)}]"),
                self.number("I", len(tensor.shape)),
                *(self.number("q", size) for size in reversed(tensor.shape)),
                self.number("i", tensor.scheme.id),
                self.number("Q", offset),
            ]
        )
