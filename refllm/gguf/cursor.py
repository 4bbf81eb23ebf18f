"""A place in the bytes of a file that moves forward, checks every step, and can remember what it read.

Everything that reads GGUF goes through a `Cursor`. Before it takes bytes it asks whether that many are left, so no
length field, however wrong, makes it allocate or loop beyond the file; when something is wrong it knows the byte and
the name of the field. Asked to `record`, it keeps a `Region` for each field: that is the byte map that `regions`
shows. The cursor does not know the order of the fields (`parse.py` does).

>>> cursor = Cursor(bytes([7, 0, 0, 0]) + bytes([2, 0, 0, 0, 0, 0, 0, 0]) + b"hi", "demo", record=True)
>>> cursor.number("I", "answer", "value"), cursor.string("greeting", "value")
(7, 'hi')
>>> for region in cursor.regions: print(region.offset, region.size, region.field, region.value)
0 4 answer 7
4 8 greeting.length 2
12 2 greeting hi
>>> cursor.number("I", "more", "value")
Traceback (most recent call last):
    ...
refllm.gguf.cursor.GGUFError: demo: byte 14: more is cut off: it takes 4 bytes and 0 are left
"""

import dataclasses
import mmap
import os
import struct
from typing import Any

import numpy as np

from refllm.errors import RefllmError

LONGEST = 2**30  # no string or array may be longer: the limit of llama.cpp
ENCODING = ("utf-8", "surrogateescape")  # bytes that are not UTF-8 survive as lone surrogates and are written back


class GGUFError(RefllmError):
    """A GGUF file that is damaged, or values that no GGUF file can hold; the text says where and what was expected."""


@dataclasses.dataclass(frozen=True)
class Region:
    """A run of bytes that is one field of the file."""

    offset: int
    size: int
    field: str  # a readable path, such as metadata['general.name'].length
    value: Any  # what the bytes mean; a long array is given whole
    kind: str  # magic version count length key type value name dimension offset padding data trailing


class Cursor:
    """Reads numbers, strings and arrays one after another, never past the end."""

    def __init__(
        self,
        data: mmap.mmap | bytes,
        path: str | os.PathLike,
        start: int = 0,
        *,
        record: bool = False,
        each_item: bool = False,
    ):
        self.data = data
        self.path = path
        self.position = start
        self.byte_order = "<"
        self.regions: list[Region] | None = [] if record else None
        self.each_item = each_item  # record every item of an array, not the array as a whole

    @property
    def left(self) -> int:
        return len(self.data) - self.position

    def error(self, offset: int, text: str) -> GGUFError:
        return GGUFError(f"{self.path}: byte {offset}: {text}")

    def take(self, size: int, field: str) -> int:
        """Step over `size` bytes and return where they start."""
        if size > self.left:
            raise self.error(self.position, f"{field} is cut off: it takes {size} bytes and {self.left} are left")
        start = self.position
        self.position += size
        return start

    def note(self, start: int, field: str, value: Any, kind: str) -> None:
        """Remember that the bytes from `start` to here are this field."""
        if self.regions is not None and self.position > start:
            self.regions.append(Region(start, self.position - start, field, value, kind))

    def number(self, code: str, field: str, kind: str):
        """One number; `code` is its letter in the `struct` module."""
        layout = struct.Struct(self.byte_order + code)
        start = self.take(layout.size, field)
        (value,) = layout.unpack_from(self.data, start)
        self.note(start, field, value, kind)
        return value

    def count(self, code: str, field: str, kind: str, smallest: int) -> int:
        """How many things follow, each of at least `smallest` bytes: refused when they cannot all be there."""
        start = self.position
        count = self.number(code, field, kind)
        most = min(LONGEST, self.left // smallest)
        if not 0 <= count <= most:
            raise self.error(start, f"{field} is {count}; expected 0 to {most} ({self.left} bytes are left)")
        return count

    def string(self, field: str, kind: str) -> str:
        length = self.count("Q", f"{field}.length", "length", 1)
        start = self.take(length, field)
        text = self.data[start : self.position].decode(*ENCODING)
        self.note(start, field, text, kind)
        return text

    def strings(self, count: int, field: str) -> list[str]:
        """Many strings. The loop calls nothing of ours, for a vocabulary holds 150,000 of them."""
        if self.each_item:
            return [self.string(f"{field}[{index}]", "value") for index in range(count)]
        data, end, start, position = self.data, len(self.data), self.position, self.position
        read_length = struct.Struct(self.byte_order + "Q").unpack_from
        texts = []
        for index in range(count):
            text = position + 8
            if text > end or (after := text + read_length(data, position)[0]) > end or after - text > LONGEST:
                self.position = position
                self.string(f"{field}[{index}]", "value")  # reads it again, slowly, to say what is wrong
            texts.append(data[text:after].decode(*ENCODING))
            position = after
        self.position = position
        self.note(start, field, texts, "value")
        return texts

    def numbers(self, code: str, count: int, field: str) -> np.ndarray:
        """Many numbers of one type, as an array of its own in this machine's byte order."""
        stored = np.dtype(self.byte_order + ("B" if code == "?" else code))
        start = self.take(count * stored.itemsize, field)
        raw = np.frombuffer(self.data, stored, count, start)
        values = raw != 0 if code == "?" else raw.astype(stored.newbyteorder("="))
        if self.each_item and self.regions is not None:
            for index, value in enumerate(values.tolist()):
                place = start + index * stored.itemsize
                self.regions.append(Region(place, stored.itemsize, f"{field}[{index}]", value, "value"))
        else:
            self.note(start, field, values, "value")
        return values


def shown(name: str) -> str:
    """A key or a name from a file, fit for one line of a message: quoted, escaped and not too long."""
    return repr(name if len(name) <= 80 else name[:77] + "...")
