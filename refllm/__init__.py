"""refllm: a llama.cpp you can read.

Everything between a checkpoint on disk and a sentence on the screen, one room (sub-package) per idea. The rooms stand
on floors and import only downwards; `tests/test_architecture.py` proves it. Importing `refllm` itself imports nothing
else: a room is loaded when it is first named.

>>> import refllm
>>> refllm.gguf.open  # doctest: +ELLIPSIS
<function open at ...>
"""

import importlib

__version__ = "0.1.0.dev0"

_ROOMS = (
    "chat",
    "convert",
    "engine",
    "gguf",
    "kernels",
    "layers",
    "models",
    "plots",
    "quants",
    "sampling",
    "teach",
    "tokenizers",
    "world",
)
# Functions that users call by `refllm.name`, and where they live.
_NAMES = {"load": "refllm.engine", "quantize": "refllm.convert.quantize_file"}


def __getattr__(name: str):
    if name in _ROOMS:
        return importlib.import_module(f"refllm.{name}")
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    raise AttributeError(f"module 'refllm' has no attribute {name!r}")


def __dir__():
    return [*globals(), *_ROOMS, *_NAMES]
