"""The annotated byte map: every byte of a GGUF file in hexadecimal, and beside it the field that it belongs to.

One entry per region of `regions`: where it starts, its bytes, its name and what it means. What is long (the data of a
tensor, a vocabulary) is shortened to its first and last rows unless `full` is asked for. Colours tell the kinds of
fields apart. The file is read row by row, so its size does not matter.

>>> import pathlib, tempfile, refllm
>>> path = pathlib.Path(tempfile.mkdtemp()) / "demo.gguf"
>>> refllm.gguf.write(path, {"a": 5}, {})
>>> for line in lines(path): print(line)
00000000  47 47 55 46                                      magic = b'GGUF'
00000004  03 00 00 00                                      version = 3
00000008  00 00 00 00 00 00 00 00                          tensor_count = 0
00000010  01 00 00 00 00 00 00 00                          metadata_count = 1
00000018  01 00 00 00 00 00 00 00                          metadata[0].key.length = 1
00000020  61                                               metadata[0].key = 'a'
00000021  04 00 00 00                                      metadata['a'].type = 4 (uint32)
00000025  05 00 00 00                                      metadata['a'] = 5
"""

import os
import pathlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import numpy as np

from refllm import quants
from refllm.errors import UsageError
from refllm.gguf import console
from refllm.gguf.cursor import Region
from refllm.gguf.metadata import TYPE_NAMES
from refllm.gguf.regions import regions

COLOURS = {
    "magic": "1;35",
    "version": "35",
    "count": "36",
    "length": "36",
    "type": "33",
    "key": "1;32",
    "name": "1;32",
    "value": "32",
    "dimension": "34",
    "offset": "34",
    "padding": "2",
    "data": "2",
    "trailing": "31",
}
LONG = 4  # a region of more rows than this is shortened


def lines(path: str | os.PathLike, wanted: str = "", full: bool = False) -> Iterator[str]:
    """The map of one file; `wanted` is a range of bytes (see `byte_range`) or a part of a field's name."""
    path = pathlib.Path(path)
    per_row = 16 if console.width() >= 110 else 8
    coloured = console.colours_wanted()
    with path.open("rb") as file:
        for region, start, stop in select(regions(path, each_item=full), wanted, path.stat().st_size):
            for line in entry(file, region, start, stop, per_row, full):
                yield f"\x1b[{COLOURS[region.kind]}m{line}\x1b[0m" if coloured else line


def select(found: Iterable[Region], wanted: str, size: int) -> Iterator[tuple[Region, int, int]]:
    """The regions that `wanted` names, each with the first byte wanted of it and the one after the last.

    >>> magic, version = Region(0, 4, "magic", b"GGUF", "magic"), Region(4, 4, "version", 3, "version")
    >>> [(region.field, *part) for region, *part in select([magic, version], "2:+4", 8)]
    [('magic', 2, 4), ('version', 4, 6)]
    >>> [(region.field, *part) for region, *part in select([magic, version], "vers", 8)]
    [('version', 4, 8)]
    """
    span = byte_range(wanted, size)
    first, last = span or (0, size)
    nothing = True
    for region in found:
        start, stop = max(first, region.offset), min(last, region.offset + region.size)
        named = wanted in region.field or (region.kind in ("key", "name") and wanted in region.value)
        if start < stop and (span or named):
            nothing = False
            yield region, start, stop
    if nothing:
        raise UsageError(
            f"no bytes and no field {wanted!r} in {size} bytes; expected FIRST:END, FIRST:+COUNT or a name"
        )


def byte_range(text: str, size: int) -> tuple[int, int] | None:
    """The first byte and the one after the last; None for what is not a range. Negative numbers count from the end.

    >>> byte_range("0:256", 999), byte_range("0x100:+64", 999), byte_range("512:", 999), byte_range("-9:", 999)
    ((0, 256), (256, 320), (512, 999), (990, 999))
    >>> byte_range("general.name", 999)
    """
    first, colon, last = text.partition(":")
    try:
        start, stop = int(first or "0", 0), int(last or str(size), 0)
    except ValueError:
        return None
    start += size if start < 0 else 0
    stop += start if last.startswith("+") else size if stop < 0 else 0
    return (start, stop) if colon else None


def entry(file: BinaryIO, region: Region, start: int, stop: int, per_row: int, full: bool) -> Iterator[str]:
    """The rows of one region; its name and its meaning stand beside the first."""
    note = f"  {region.field}{meaning(region, full)}"
    for place, size in rows(start, stop, per_row, full):
        if size > per_row:
            yield f"{'':10}... {size:,} more bytes"
            continue
        file.seek(place)
        line = f"{place:08x}  {file.read(size).hex(' '):{3 * per_row - 1}}{note}".rstrip()
        yield line if full else console.cut(line, console.width())
        note = ""


def meaning(region: Region, full: bool) -> str:
    """What the bytes say, such as ` = 5`."""
    if region.value is None:
        return ""
    value = region.value
    if isinstance(value, float) and region.size == 4:
        value = np.float32(value)  # prints as 1e-06, the double of it as 9.999999974752427e-07
    text = console.value_text(value, full)
    if region.kind == "type":
        named = quants.get(region.value).name if region.field.startswith("tensors") else TYPE_NAMES[region.value]
        text += f" ({named})"
    return f" = {text}"


def rows(start: int, stop: int, per_row: int, full: bool) -> Iterator[tuple[int, int]]:
    """Where each row starts and how many bytes it has; the one row that stands for all left out is longer.

    >>> list(rows(0, 20, 8, full=False)), list(rows(0, 100, 8, full=False))
    ([(0, 8), (8, 8), (16, 4)], [(0, 8), (8, 8), (16, 76), (92, 8)])
    """
    left_out = range(0)
    if not full and stop - start > LONG * per_row:
        left_out = range(start + 2 * per_row, stop - per_row)
    place = start
    while place < stop:
        end = left_out.stop if place in left_out else min(stop, place + per_row)
        yield place, end - place
        place = end
