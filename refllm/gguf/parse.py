"""The order of the fields in a GGUF file: a walk from the first byte to the last.

    "GGUF"  version  number of tensors  number of metadata entries
    metadata:      key  type  value                                  (an array: item type, count, items)
    tensor infos:  name  number of dimensions  dimensions  type  offset
    padding
    tensor data, each tensor padded to the alignment

A string is its length and its bytes. Every number from `version` on is in the file's byte order, which the version
tells: 3 read in the wrong order is 50331648. Nothing found here is believed before it is checked against the bytes that
are left. The bytes of the tensors are stepped over, not read.

Every check that llama.cpp's reader makes is made, with three differences: files in the other byte order are read; the
padding behind the last tensor may be missing altogether (llama.cpp runs such models, too); and an empty tensor whose
other sizes multiply to more bytes than 63 bits can count is refused, because no array can have that shape.

>>> import struct
>>> header = struct.pack("<4sIqq", b"GGUF", 3, 0, 1)
>>> entry = struct.pack("<Q4sIQ2s", 4, b"name", 8, 2, b"hi")
>>> contents = parse(Cursor(header + entry, "demo"))
>>> contents.version, dict(contents.metadata), contents.tensors
(3, {'name': 'hi'}, {})
"""

import dataclasses
from typing import NamedTuple

from refllm import quants
from refllm.gguf.cursor import Cursor, shown
from refllm.gguf.metadata import ARRAY, CODES, TYPE_NAMES, Metadata, field
from refllm.gguf.tensor import Tensor

MAGIC = b"GGUF"
VERSIONS = (2, 3)  # version 1 had 32-bit lengths; llama.cpp dropped it in 2023
ALIGNMENT_KEY = "general.alignment"
DEFAULT_ALIGNMENT = 32
MOST_DIMENSIONS = 4
LONGEST_NAME = 63  # bytes of a tensor's name
LARGEST = 2**63 - 1  # bytes of one tensor
FLOAT32_BYTES = 4

SMALLEST_ENTRY = 8 + 1 + 4 + 1  # bytes: length and one byte of key, type, the shortest value
SMALLEST_INFO = 8 + 4 + 4 + 8  # bytes: length of an empty name, no dimensions, type, offset

OTHER_FILES = {  # first bytes that people meet where they expected a GGUF file
    b"lmgg": "a llama.cpp file of early 2023",
    b"fmgg": "a llama.cpp file of spring 2023",
    b"tjgg": "a llama.cpp file from before GGUF (August 2023)",
    b"PK\x03\x04": "a zip archive, as torch writes it",
    b"vers": "perhaps a Git LFS pointer: the file itself was not downloaded",
}


@dataclasses.dataclass(frozen=True)
class Contents:
    """What one file holds."""

    version: int
    byte_order: str
    alignment: int
    metadata: Metadata
    tensors: dict[str, Tensor]
    data_offset: int


class TensorInfo(NamedTuple):
    """A tensor as its info describes it, before its data has been found."""

    name: str
    shape: tuple[int, ...]
    scheme: quants.Scheme
    offset: int  # from the start of the data
    told_at: int  # the byte where the offset itself stands


def parse(cursor: Cursor) -> Contents:
    """Walk through a file; `cursor` stands at its first byte and ends behind its last tensor."""
    start = cursor.position
    version = read_magic_and_version(cursor)
    tensor_count = cursor.count("q", "tensor_count", "count", SMALLEST_INFO)
    metadata_count = cursor.count("q", "metadata_count", "count", SMALLEST_ENTRY)
    metadata = read_metadata(cursor, metadata_count)
    alignment = metadata.get(ALIGNMENT_KEY, DEFAULT_ALIGNMENT)
    infos = read_tensor_infos(cursor, tensor_count)
    if infos:
        step_to_alignment(cursor, start, alignment)
    data_offset = cursor.position
    tensors = find_tensors(cursor, infos, alignment)
    return Contents(version, cursor.byte_order, alignment, metadata, tensors, data_offset)


def read_magic_and_version(cursor: Cursor) -> int:
    start = cursor.take(len(MAGIC), "magic")
    magic = bytes(cursor.data[start : cursor.position])
    if magic != MAGIC:
        hint = f" ({OTHER_FILES[magic]})" if magic in OTHER_FILES else ""
        raise cursor.error(start, f"magic is {magic!r}{hint}; expected {MAGIC!r}")
    cursor.note(start, "magic", magic, "magic")
    start = cursor.position
    if bytes(cursor.data[start : start + 2]) == b"\0\0":  # no version is that large: its high half comes first
        cursor.byte_order = ">"
    version = cursor.number("I", "version", "version")
    if version not in VERSIONS:
        raise cursor.error(start, f"version is {version}; expected 2 or 3")
    return version


def read_metadata(cursor: Cursor, count: int) -> Metadata:
    metadata = Metadata()
    for index in range(count):
        start = cursor.position
        key = cursor.string(f"metadata[{index}].key", "key")
        if not key:
            raise cursor.error(start, f"metadata[{index}].key is empty; expected a name")
        if key in metadata:
            raise cursor.error(start, f"metadata[{index}].key is {shown(key)} again; expected each key once")
        metadata[key], metadata.types[key] = read_value(cursor, field(key))
        if key == ALIGNMENT_KEY:
            check_alignment(cursor, start, metadata)
    return metadata


def read_value(cursor: Cursor, name: str):
    """A value and the name of its type."""
    kind = read_type(cursor, f"{name}.type")
    if kind == "string":
        return cursor.string(name, "value"), kind
    if kind != "array":
        return cursor.number(CODES[kind], name, "value"), kind
    start = cursor.position
    item = read_type(cursor, f"{name}.item_type")
    if item == "array":
        raise cursor.error(start, f"{name}.item_type is array; expected a number or string type")
    if item == "string":
        count = cursor.count("Q", f"{name}.count", "length", 8)  # an empty string takes 8 bytes
        return cursor.strings(count, name), item + ARRAY
    count = cursor.count("Q", f"{name}.count", "length", 1)
    return cursor.numbers(CODES[item], count, name), item + ARRAY


def read_type(cursor: Cursor, name: str) -> str:
    start = cursor.position
    number = cursor.number("i", name, "type")
    if number not in TYPE_NAMES:
        raise cursor.error(start, f"{name} is {number}; expected 0 to {max(TYPE_NAMES)}")
    return TYPE_NAMES[number]


def check_alignment(cursor: Cursor, start: int, metadata: Metadata) -> None:
    alignment, stored = metadata[ALIGNMENT_KEY], metadata.types[ALIGNMENT_KEY]
    if stored != "uint32":
        raise cursor.error(start, f"{field(ALIGNMENT_KEY)} has type {stored}; expected uint32")
    if alignment.bit_count() != 1:
        raise cursor.error(start, f"{field(ALIGNMENT_KEY)} is {alignment}; expected a power of two")


def read_tensor_infos(cursor: Cursor, count: int) -> list[TensorInfo]:
    infos, names = [], set()
    for index in range(count):
        start = cursor.position
        name = cursor.string(f"tensors[{index}].name", "name")
        if (length := cursor.position - start - 8) > LONGEST_NAME:
            raise cursor.error(start, f"tensors[{index}].name has {length} bytes; expected at most {LONGEST_NAME}")
        if name in names:
            raise cursor.error(start, f"tensors[{index}].name is {shown(name)} again; expected each name once")
        names.add(name)
        infos.append(read_tensor_info(cursor, name))
    return infos


def read_tensor_info(cursor: Cursor, name: str) -> TensorInfo:
    field = f"tensors[{shown(name)}]"
    start = cursor.position
    dimensions = cursor.number("I", f"{field}.dimensions", "count")
    if dimensions > MOST_DIMENSIONS:
        raise cursor.error(start, f"{field}.dimensions is {dimensions}; expected at most {MOST_DIMENSIONS}")
    sizes = [cursor.number("q", f"{field}.size[{axis}]", "dimension") for axis in range(dimensions)]
    scheme = read_scheme(cursor, field)
    shape = tuple(reversed(sizes))
    check_shape(cursor, start, field, shape, scheme)
    told_at = cursor.position
    return TensorInfo(name, shape, scheme, cursor.number("Q", f"{field}.offset", "offset"), told_at)


def read_scheme(cursor: Cursor, field: str) -> quants.Scheme:
    start = cursor.position
    number = cursor.number("i", f"{field}.type", "type")
    try:
        return quants.get(number)
    except quants.QuantError as error:
        raise cursor.error(start, f"{field}.type is {number}: {error}") from None


def check_shape(cursor: Cursor, start: int, field: str, shape: tuple[int, ...], scheme: quants.Scheme) -> None:
    """Sizes are not negative, rows divide into blocks, and an array can hold them: its bytes fit in 63 bits."""
    if any(size < 0 for size in shape):
        raise cursor.error(start, f"{field} has shape {shape}; expected no size below 0")
    elements = 1
    for size in shape:
        elements *= max(size, 1)  # as numpy counts; Python's integers do not overflow, those of numpy and C do
    if max(elements // scheme.block_size * scheme.block_bytes, elements * FLOAT32_BYTES) > LARGEST:
        raise cursor.error(start, f"{field} has shape {shape}; expected at most {LARGEST} bytes, also as float32")
    row = shape[-1] if shape else 1
    if row % scheme.block_size:
        raise cursor.error(
            start, f"{field} has rows of {row}; expected a multiple of {scheme.block_size} ({scheme.name})"
        )


def find_tensors(cursor: Cursor, infos: list[TensorInfo], alignment: int) -> dict[str, Tensor]:
    """Step over the data, tensor by tensor: each must begin where the one before it, padded, has ended."""
    data_offset, tensors = cursor.position, {}
    for info in infos:
        field = f"tensors[{shown(info.name)}]"
        if info.offset != cursor.position - data_offset:
            expected = cursor.position - data_offset
            raise cursor.error(info.told_at, f"{field}.offset is {info.offset}; expected {expected}")
        tensor = Tensor(info.name, info.shape, info.scheme, cursor.position, cursor.data, cursor.byte_order)
        tensors[info.name] = tensor
        start = cursor.take(tensor.nbytes, f"{field}.data")
        cursor.note(start, f"{field}.data", tensor, "data")
        if cursor.left or info is not infos[-1]:  # padding behind the last tensor may be missing: nothing is lost
            step_to_alignment(cursor, data_offset, alignment)
    return tensors


def step_to_alignment(cursor: Cursor, origin: int, alignment: int) -> None:
    start = cursor.take(-(cursor.position - origin) % alignment, "padding")
    cursor.note(start, "padding", None, "padding")
