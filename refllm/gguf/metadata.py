"""The metadata of a GGUF file: a dict that remembers how each value is stored.

GGUF has eleven types of numbers and one of text, and arrays of each. Read values are plain Python ones (`int`,
`float`, `bool`, `str`), number arrays are numpy arrays, text arrays are lists. `metadata.types` keeps the stored type
of each key (`"uint32"`, `"string[]"`), so that what was read is written back with the same bytes. A value without a
remembered type gets one by these rules:

- `bool` is bool, `float` is float32, `str` is string; a numpy scalar or array says its own type.
- `int` is the first of uint32, int32, uint64, int64 that holds it.
- A list has the type that holds all its items; an empty list is an empty list of strings.

Arrays of arrays do not exist (llama.cpp refuses them). A value that its type cannot hold exactly is an error, never
silently another value; a float becomes the nearest float32.

>>> metadata = Metadata({"general.name": "demo", "general.alignment": 64})
>>> metadata.type_of("general.name"), metadata.type_of("general.alignment")
('string', 'uint32')
>>> metadata.types["general.alignment"] = "uint64"
>>> metadata.type_of("general.alignment")
'uint64'
>>> metadata["general.alignment"] = "wide"
>>> metadata.type_of("general.alignment")
Traceback (most recent call last):
    ...
refllm.gguf.cursor.GGUFError: metadata['general.alignment'] is 'wide'; expected a value for its type uint64
"""

import math
import numbers
import reprlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from refllm.gguf.cursor import GGUFError, shown

TYPE_IDS = {
    "uint8": 0,
    "int8": 1,
    "uint16": 2,
    "int16": 3,
    "uint32": 4,
    "int32": 5,
    "float32": 6,
    "bool": 7,
    "string": 8,
    "array": 9,
    "uint64": 10,
    "int64": 11,
    "float64": 12,
}
TYPE_NAMES = {number: name for name, number in TYPE_IDS.items()}
CODES = {  # the letter of each number type, in `struct` and in numpy
    "uint8": "B",
    "int8": "b",
    "uint16": "H",
    "int16": "h",
    "uint32": "I",
    "int32": "i",
    "float32": "f",
    "bool": "?",
    "uint64": "Q",
    "int64": "q",
    "float64": "d",
}

ARRAY = "[]"  # follows the name of the item type
INTEGERS = ("uint32", "int32", "uint64", "int64")  # an int gets the first that holds it


class Metadata(dict):
    """Key to value, in the file's order, with the stored type of each key that has one in `types`."""

    def __init__(self, values: Mapping | Iterable = (), types: Mapping[str, str] | None = None):
        super().__init__(values)
        known = getattr(values, "types", {}) if types is None else types
        self.types: dict[str, str] = dict(known)

    def type_of(self, key: str) -> str:
        """The type that `key` is stored with: the remembered one, else the one that the rules give its value."""
        value = self[key]
        stored = self.types.get(key)
        if stored is None:
            return infer(value, key)
        if not fits(value, stored):
            raise GGUFError(f"{field(key)} is {reprlib.repr(value)}; expected a value for its type {stored}")
        return stored

    def __delitem__(self, key: str):
        super().__delitem__(key)
        self.types.pop(key, None)

    def pop(self, key: str, *default):
        self.types.pop(key, None)
        return super().pop(key, *default)

    def copy(self) -> "Metadata":
        return Metadata(self)

    def __ior__(self, other: Mapping) -> "Metadata":
        """Take over the other's values, and its types where it has them."""
        self.update(other)
        self.types.update(getattr(other, "types", {}))
        return self

    def __or__(self, other: Mapping) -> "Metadata":
        joined = self.copy()
        joined |= other
        return joined

    def __repr__(self) -> str:
        """One line per key, long values shortened: a vocabulary would fill the screen."""
        return "{" + ",\n ".join(f"{key!r}: {reprlib.repr(value)}" for key, value in self.items()) + "}"


def field(key: str) -> str:
    """How a key is called in messages and in the byte map."""
    return f"metadata[{shown(key)}]"


def infer(value: Any, key: str) -> str:
    """The type of a value that nobody gave one."""
    if isinstance(value, np.ndarray):
        found = value.dtype.name + ARRAY if value.ndim == 1 else None
    elif isinstance(value, list | tuple):
        found = infer_items(value)
        found = found and found + ARRAY
    else:
        found = infer_items([value])
    if found is None or not fits(value, found):
        raise GGUFError(
            f"{field(key)} is {reprlib.repr(value)}, a {type(value).__name__}; expected a number, text, "
            "or a flat list or array of one kind of these"
        )
    return found


def infer_items(items: list | tuple) -> str | None:
    """The one type that holds all these values, or None."""
    if all(isinstance(item, str) for item in items):
        return "string"
    if isinstance(items[0], np.generic):
        return items[0].dtype.name
    if all(isinstance(item, bool) for item in items):
        return "bool"
    if all(isinstance(item, float) for item in items):
        return "float32"
    return next((name for name in INTEGERS if all(fits(item, name) for item in items)), None)


def fits(value: Any, stored: str) -> bool:
    """Whether `value` can be stored with this type."""
    if stored.endswith(ARRAY):
        return fits_array(value, stored.removesuffix(ARRAY))
    if stored == "string":
        return isinstance(value, str)
    if stored == "bool" or isinstance(value, bool | np.bool_):
        return stored == "bool" and isinstance(value, bool | np.bool_)
    if stored in ("float32", "float64"):
        return isinstance(value, numbers.Real) and fits_float(value, stored)
    return stored in CODES and isinstance(value, numbers.Integral) and fits_integer(value, stored)


def fits_array(value: Any, item: str) -> bool:
    if isinstance(value, np.ndarray):
        return value.ndim == 1 and item in CODES and value.dtype.name == item
    if not isinstance(value, list | tuple):
        return False
    if item == "string":  # a vocabulary: be quick
        return all(isinstance(one, str) for one in value)
    return item in CODES and all(fits(one, item) for one in value)


def fits_float(value: numbers.Real, stored: str) -> bool:
    """An integer must be kept exactly, a fraction only stay finite (infinity and NaN are values of their own)."""
    largest, to_float = float(np.finfo(stored).max), np.dtype(stored).type
    if isinstance(value, numbers.Integral):
        return abs(value) <= largest and int(to_float(value)) == value
    return not math.isfinite(value) or abs(float(value)) <= largest


def fits_integer(value: numbers.Integral, stored: str) -> bool:
    limits = np.iinfo(stored)
    return limits.min <= int(value) <= limits.max
