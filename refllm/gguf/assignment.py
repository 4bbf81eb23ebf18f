"""What a person types to change one metadata entry: `KEY=VALUE` or `KEY:TYPE=VALUE`.

An entry that exists keeps its type unless another is typed. A new entry without a type gets one from its value: `true`
and `false` are bool, a whole number is the first of uint32, int32, uint64, int64 that holds it, another number is
float32, all else is text. A list is written as JSON. What its type cannot hold is refused, never cut to fit.

>>> from refllm.gguf.metadata import Metadata
>>> known = Metadata({"llama.context_length": 2048, "general.name": "old"})
>>> assignment("llama.context_length=4096", known)
('llama.context_length', 'uint32', 4096)
>>> assignment("general.name=7", known), assignment("new=7", known), assignment("new:float32=7", known)
(('general.name', 'string', '7'), ('new', 'uint32', 7), ('new', 'float32', 7))
>>> assignment('tags:string[]=["a", "b"]', known)
('tags', 'string[]', ['a', 'b'])
>>> assignment("llama.context_length=long", known)
Traceback (most recent call last):
    ...
refllm.errors.UsageError: 'llama.context_length=long': 'long' is no uint32
"""

import json
from collections.abc import Iterable
from typing import Any

import numpy as np

from refllm.errors import UsageError
from refllm.gguf.metadata import ARRAY, CODES, Metadata, fits, infer

SCALARS = (*CODES, "string")


def assignment(text: str, known: Metadata) -> tuple[str, str, Any]:
    """The key, the type and the value that `text` means for a file with the metadata `known`."""
    name, typed = pair(text, "KEY=VALUE or KEY:TYPE=VALUE")
    key, colon, kind = name.rpartition(":")
    if not colon:
        key, kind = name, known.type_of(name) if name in known else None
    elif kind.removesuffix(ARRAY) not in SCALARS:
        raise UsageError(f"{text!r}: unknown type {kind!r}; expected {', '.join(SCALARS)}, or one with [] behind")
    value = guess(typed) if kind is None else typed if kind == "string" else from_json(typed)
    kind = kind or infer(value, key)
    if not fits(value, kind):
        raise UsageError(f"{text!r}: {typed!r} is no {kind}")
    item = kind.removesuffix(ARRAY)
    return key, kind, value if item == kind or item == "string" else np.asarray(value, item)


def assignments(texts: Iterable[str], known: Metadata) -> Metadata:
    """Several assignments as metadata that says the type of every value."""
    changed = Metadata()
    for text in texts:
        key, kind, value = assignment(text, known)
        changed[key], changed.types[key] = value, kind
    return changed


def pair(text: str, expected: str) -> tuple[str, str]:
    """What stands before and behind the first `=`; there must be something before it."""
    name, equals, rest = text.partition("=")
    if not name or not equals:
        raise UsageError(f"{text!r}: expected {expected}")
    return name, rest


def guess(typed: str) -> Any:
    """The value that somebody means who gives no type."""
    value = from_json(typed)
    return typed if value is None or isinstance(value, dict) else value


def from_json(typed: str) -> Any:
    """A number, true, false or a list; also NaN, Infinity and hexadecimal numbers; None for what is none of these."""
    try:
        return int(typed, 0) if typed.lower().startswith(("0x", "-0x")) else json.loads(typed)
    except ValueError:
        return None
