"""Text for a terminal: numbers people can read, columns that line up, colours only where they are wanted.

Names and values come from a stranger's file, so `escaped` and `value_text` disarm them: a terminal must never obey
them. A Chinese character takes two columns. Without a terminal the width is 120 columns, or what COLUMNS says.

>>> human(1_100_048_384), human(999), human(637_699_456, BYTES)
('1.10 B', '999', '638 MB')
>>> cut("词元 tokens", 7), columns([["a", "10"], ["词元", "9"]], right=[1])
('词元 t…', ['a     10', '词元   9'])
>>> print(value_text("two\\nlines \\x1b[31m"), value_text(["一", "二", "三", "四"]))
'two\\nlines \\x1b[31m' ['一', '二', '三', ...] (4 items)
"""

import os
import shutil
import sys
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

COUNT = ("", " K", " M", " B", " T")
BYTES = (" bytes", " kB", " MB", " GB", " TB")

ITEMS = 3  # shown of a long array
LETTERS = 160  # shown of a long text


def width() -> int:
    return shutil.get_terminal_size((120, 24)).columns


def colours_wanted() -> bool:
    """On a terminal, unless the variable NO_COLOR is set or the terminal knows no colours."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def human(count: int, units: Sequence[str] = COUNT) -> str:
    """Three digits and a unit a thousand times the one before it."""
    scaled, unit = float(count), 0
    while scaled >= 999.5 and unit < len(units) - 1:
        scaled, unit = scaled / 1000, unit + 1
    digits = 0 if unit == 0 else max(0, 3 - len(str(round(scaled))))
    return f"{scaled:.{digits}f}{units[unit]}"


def columns_of(text: str) -> int:
    """How many columns a terminal uses for this text."""
    if text.isascii():
        return len(text)
    import unicodedata  # costs more to load than the rest of this file, and most files need no letter of it

    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def cut(text: str, room: int) -> str:
    """As much of the text as fits, with an ellipsis where something is missing."""
    if columns_of(text) <= room:
        return text
    used = 1  # for the ellipsis
    for index, letter in enumerate(text):
        used += columns_of(letter)
        if used > room:
            return text[:index] + "…"
    return text


def columns(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """The rows as lines whose columns line up; `right` lists the columns of numbers."""
    widths = [max(map(columns_of, column)) for column in zip(*rows, strict=True)]

    def cell(index: int, text: str) -> str:
        gap = " " * (widths[index] - columns_of(text))
        return gap + text if index in right else text + gap

    return ["  ".join(cell(index, text) for index, text in enumerate(row)).rstrip() for row in rows]


def escaped(text: str) -> str:
    """A text as a terminal may show it: control characters, broken UTF-8 and the like as backslash codes."""
    return repr(text)[1:-1]


def harmless(text: str) -> str:
    """A text of many lines without letters that a terminal obeys instead of showing them."""
    return "".join(letter if letter.isprintable() or letter in "\n\t" else escaped(letter) for letter in text)


def value_text(value: Any, full: bool = False) -> str:
    """A value on one line, harmless to a terminal; a long one is shortened unless `full`."""
    if isinstance(value, list | np.ndarray):
        shown = value if full or len(value) <= ITEMS else value[:ITEMS]
        items = [value_text(item, full) for item in shown] + ["..."] * (len(shown) < len(value))
        return f"[{', '.join(items)}] ({len(value):,} items)"
    if isinstance(value, str):
        return repr(value if full or len(value) <= LETTERS else value[:LETTERS] + "...")
    return str(value)
