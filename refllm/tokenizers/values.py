"""Values of a GGUF file's metadata, checked for what a tokenizer needs them to be.

A stranger wrote them: a wrong type, a list that is too short, a missing key each give one line that names the key. The
keys here are without the `tokenizer.ggml.` that they all begin with. What it does not do: it does not know what the
values mean (`from_gguf.py`).

>>> get({"tokenizer.ggml.model": 7}, "model", str)
Traceback (most recent call last):
    ...
refllm.tokenizers.vocabulary.TokenizerError: tokenizer.ggml.model is 7; expected str
>>> get_numbers({"tokenizer.ggml.scores": [0.5, -1.0]}, "scores", "iuf", count=2)
[0.5, -1.0]
"""

import reprlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from refllm.tokenizers.vocabulary import TokenizerError

KEY = "tokenizer.ggml."
REQUIRED = object()


def get(metadata: Mapping[str, Any], key: str, kind: type, default: Any = REQUIRED) -> Any:
    """The value of a key, checked for its type."""
    value = metadata.get(KEY + key, default)
    if value is REQUIRED:
        raise TokenizerError(f"{KEY}{key} is missing; the file does not describe its tokenizer completely")
    if not isinstance(value, kind):
        raise TokenizerError(f"{KEY}{key} is {reprlib.repr(value)}; expected {kind.__name__}")
    return value


def get_strings(metadata: Mapping[str, Any], key: str) -> list[str]:
    values = get(metadata, key, list)
    if not all(isinstance(value, str) for value in values):
        raise TokenizerError(f"{KEY}{key} is {reprlib.repr(values)}; expected strings")
    return values


def get_numbers(metadata: Mapping[str, Any], key: str, dtypes: str, count: int) -> list | None:
    """One number for each piece; None: the file has none."""
    if KEY + key not in metadata:
        return None
    values = np.asarray(metadata[KEY + key])
    if values.ndim != 1 or values.dtype.kind not in dtypes:
        raise TokenizerError(f"{KEY}{key} is {reprlib.repr(metadata[KEY + key])}; expected one number for each piece")
    if len(values) != count:
        raise TokenizerError(f"{KEY}{key} has {len(values)} values; expected one for each of the {count} pieces")
    return values.tolist()


def get_bytes(metadata: Mapping[str, Any], key: str) -> bytes:
    values = np.asarray(metadata.get(KEY + key, np.empty(0, np.uint8)))
    if values.dtype.itemsize != 1:
        raise TokenizerError(f"{KEY}{key} is {reprlib.repr(metadata[KEY + key])}; expected bytes")
    return values.tobytes()
