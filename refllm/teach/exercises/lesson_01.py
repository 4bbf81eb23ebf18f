"""The exercises of "GGUF byte by byte": two sizes to predict, the two halves of a parser, and the other byte order.

What is right is what the package writes: `Encoder` makes the bytes of one field, `gguf.write` those of a file. The
wrong answers to the functions are right ones with one mistake each.
"""

import pathlib
import struct
import tempfile
from typing import Any

import numpy as np

from refllm import gguf
from refllm.gguf.cursor import Cursor
from refllm.gguf.metadata import Metadata
from refllm.gguf.parse import parse, read_tensor_info, read_value
from refllm.gguf.writer import Encoder, planned
from refllm.teach.exercise import exercise, require

HEADER_BYTES = 24


def written(metadata: dict, tensors: dict, **options) -> bytes:
    """The bytes of a file with this metadata and these tensors."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "exercise.gguf"
        gguf.write(path, metadata, tensors, **options)
        return path.read_bytes()


# ---- 01.1 and 01.2: predict ----


@exercise(
    "01.1",
    hints=(
        "an entry is a text, a type and a value; this value is a text too",
        "each text has 8 bytes of length before it, the type takes 4, and 你好 takes more bytes than letters",
    ),
    wrong=(34, 30, 18, "38", 42),
)
def bytes_of_an_entry(answer):
    """How many bytes does the metadata entry general.name = 你好 take?"""
    require(isinstance(answer, int), f"a whole number is asked for; this is a {type(answer).__name__}")
    entry = len(written({"general.name": "你好"}, {})) - HEADER_BYTES
    characters = len("你好".encode()) - len("你好")
    require(answer != entry - characters, f"{answer} counts 你好 as {len('你好')} bytes: those are its characters")
    require(answer != entry - 8, f"{answer} counts one length; the key has one, and the value has one of its own")
    require(answer >= entry, f"{answer} bytes are too few: something that stands in the file was not counted")
    require(answer <= entry, f"{answer} bytes are too many: nothing stands between the fields of an entry")


@exercise(
    "01.2",
    hints=(
        "every tensor begins at a multiple of 32",
        "round up after each tensor, not once at the end: the second begins at 128",
    ),
    wrong=(139, 160, 167, 224, 192.0),
)
def offset_of_the_fourth(answer):
    """At which offset does the fourth tensor begin, after tensors of 100, 32 and 7 bytes?"""
    require(isinstance(answer, int), f"a whole number is asked for; this is a {type(answer).__name__}")
    sizes = {"first": 100, "second": 32, "third": 7, "fourth": 1}
    raw = written({}, {name: np.zeros(size, np.int8) for name, size in sizes.items()})
    contents = parse(Cursor(raw, "four tensors"))
    offset = contents.tensors["fourth"].offset - contents.data_offset
    alignment = contents.alignment
    require(answer % alignment == 0, f"{answer} is not a multiple of {alignment}: {answer % alignment} bytes too far")
    require(answer >= offset, f"{answer} is too early: a tensor, or the padding behind one, lies there")
    require(answer <= offset, f"{answer} leaves a gap: the padding behind the third tensor ends before")


# ---- 01.3: a value ----


def packages_value(raw: bytes, at: int) -> tuple[Any, int]:
    cursor = Cursor(raw, "a value", at)
    value, _ = read_value(cursor, "value")
    return value, cursor.position


def count_of_four_bytes(raw: bytes, at: int) -> tuple[Any, int]:
    """Takes the count of an array for a uint32."""
    value, end = packages_value(raw, at)
    return value, end - 4 * isinstance(value, list | np.ndarray)


def characters_for_bytes(raw: bytes, at: int) -> tuple[Any, int]:
    """Goes on by as many bytes as a text has characters."""
    value, end = packages_value(raw, at)
    return value, end - (len(value.encode()) - len(value) if isinstance(value, str) else 0)


VALUES = Metadata(
    {
        "a number": 256,
        "a negative number": -3,
        "a fraction": 0.1,
        "a large number": 2**40,
        "true": True,
        "text": "llama",
        "Chinese text": "词元",
        "no text": "",
        "numbers": np.array([1, -2, 3], np.int16),
        "texts": ["一", "b", ""],
        "no texts": [],
    },
    {"a fraction": "float64"},
)


@exercise(
    "01.3",
    hints=(
        "read the type first; 8 is a text, 9 an array, all others are one number whose letter LETTERS knows",
        "for an array read the type of the items and their count, then one item after another, each from where the "
        "last one ended",
    ),
    wrong=(
        lambda raw, at: packages_value(raw, at)[0],
        lambda raw, at: packages_value(raw, 0),
        lambda raw, at: (struct.unpack_from("<I", raw, at + 4)[0], at + 8),
        count_of_four_bytes,
        characters_for_bytes,
    ),
)
def value_reader(answer):
    """A function that reads the value at a place and says where it ends."""
    require(callable(answer), "a function is asked for")
    for what, expected in VALUES.items():
        before = Encoder("<").value("before", 7, "uint8")
        stored = Encoder("<").value(what, expected, VALUES.type_of(what))
        value, end = pair(answer(before + stored + b"GGUF" * 4, len(before)), what)
        same = np.array_equal(value, expected) and isinstance(value, str) == isinstance(expected, str)
        require(same, f"{what}: {stored.hex(' ')} came out as {value!r}; expected {plain(expected)!r}")
        place = len(before) + len(stored)
        require(end == place, f"{what}: the next field was said to start at byte {end}; it starts at {place}")


def pair(answer: Any, what: str) -> tuple[Any, Any]:
    is_pair = isinstance(answer, tuple) and len(answer) == 2
    require(is_pair, f"{what}: the function gave {answer!r}; expected two things: what it read and where it ends")
    return answer


def plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


# ---- 01.4: a tensor's info ----


def packages_info(raw: bytes, at: int) -> tuple[Any, int]:
    cursor = Cursor(raw, "a tensor's info", at)
    info = read_tensor_info(cursor, cursor.string("name", "name"))
    return (info.name, info.shape, info.scheme.id, info.offset), cursor.position


def changed_info(change) -> Any:
    """A reader that gets everything right but what `change` does to the info."""
    return lambda raw, at: (change(*packages_info(raw, at)[0]), packages_info(raw, at)[1])


TENSORS = (
    ("matrix", np.zeros((2, 3), np.float32), 0),
    ("vector", np.zeros(5, np.float16), 32),
    ("词", np.zeros((4, 2, 3), np.int8), 2**33),
    ("lone number", np.zeros((), np.float32), 64),
)


@exercise(
    "01.4",
    hints=(
        "name, number of sizes, the sizes, type, offset: in this order, and the sizes backwards",
        "the letters are I for the number of sizes, q for each size, i for the type, Q for the offset; "
        "tuple(reversed(sizes)) is the shape",
    ),
    wrong=(
        changed_info(lambda name, shape, kind, offset: (name, tuple(reversed(shape)), kind, offset)),
        changed_info(lambda name, shape, kind, offset: (name, tuple(sorted(shape)), kind, offset)),
        changed_info(lambda name, shape, kind, offset: (name, shape, kind, offset % 2**32)),
        changed_info(lambda name, shape, kind, offset: (name, shape, offset, kind)),
        lambda raw, at: packages_info(raw, at)[0],
        lambda raw, at: (packages_info(raw, at)[0], packages_info(raw, at)[1] - 4),
    ),
)
def info_reader(answer):
    """A function that reads the info of a tensor at a place and says where it ends."""
    require(callable(answer), "a function is asked for")
    for name, array, offset in TENSORS:
        tensor = planned(name, array)
        raw = b"GGUF" + Encoder("<").tensor_info(tensor, offset)
        found, end = pair(answer(raw + b"GGUF" * 4, 4), name)
        four = isinstance(found, tuple) and len(found) == 4
        require(four, f"{name}: {found!r}; expected four things: name, shape, type, offset")
        require(found[0] == name, f"{name}: the name came out as {found[0]!r}")
        sizes = tuple(found[1])
        backwards = len(sizes) > 1 and sizes == array.shape[::-1]
        require(not backwards, f"{name}: {sizes} is the order of the file; numpy has the sizes the other way round")
        require(sizes == array.shape, f"{name}: the shape came out as {sizes}; expected {array.shape}")
        stored = (tensor.scheme.id, offset)
        require(found[2:] == stored, f"{name}: type and offset came out as {found[2:]}; expected {stored}")
        require(end == len(raw), f"{name}: the next field was said to start at byte {end}; it starts at {len(raw)}")


# ---- 01.5: big endian ----


def words_turned(raw: bytes) -> bytes:
    """Turns every four bytes, whatever they are."""
    return raw[:4] + b"".join(raw[at : at + 4][::-1] for at in range(4, len(raw), 4))


def header_turned(raw: bytes) -> bytes:
    """Turns the header and nothing after it."""
    return raw[:4] + raw[4:8][::-1] + raw[8:16][::-1] + raw[16:24][::-1] + raw[24:]


def texts_turned(raw: bytes) -> bytes:
    """Turns the texts as well, as if they were numbers."""
    big = written(parse(Cursor(raw, "a file")).metadata, {}, byte_order=">")
    return big.replace(b"general.name", b"general.name"[::-1])


FILES = (
    {},
    {"general.name": "byte"},
    {"general.name": "词元", "llama.context_length": 256},
    {"small": np.uint8(7), "half": np.int16(-2), "fraction": np.float64(0.1), "large": 2**40, "on": True},
)


@exercise(
    "01.5",
    hints=(
        "a number is turned by turning its bytes, raw[at : at + size][::-1]; the letters of a text stay where they are",
        "version and counts first; then for each entry the length of the key, the key, the type, and the value: a "
        "number of struct.calcsize bytes, or a length and a text",
    ),
    wrong=(lambda raw: raw, lambda raw: raw[::-1], words_turned, header_turned, texts_turned),
)
def to_big_endian(answer):
    """A function that turns a little-endian file without arrays and tensors into a big-endian one."""
    require(callable(answer), "a function is asked for")
    for metadata in FILES:
        raw = written(metadata, {})
        expected = written(metadata, {}, byte_order=">")
        found = answer(raw)
        what = f"the file with {', '.join(metadata) or 'no metadata'}"
        require(isinstance(found, bytes | bytearray), f"{what}: the function gave a {type(found).__name__}, not bytes")
        require(found[:4] == b"GGUF", f"{what}: the magic became {bytes(found[:4])!r}; it is no number and stays")
        require(len(found) == len(raw), f"{what}: {len(raw)} bytes went in and {len(found)} came out")
        for region in regions_of(expected):
            here = slice(region.offset, region.offset + region.size)
            message = f"{region.field} is {found[here].hex(' ')}; a big-endian file has {expected[here].hex(' ')}"
            require(found[here] == expected[here], f"{what}: byte {region.offset}: {message}")


def regions_of(raw: bytes) -> list[gguf.Region]:
    cursor = Cursor(raw, "a file", record=True)
    parse(cursor)
    return cursor.regions
