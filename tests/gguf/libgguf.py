"""ggml's own GGUF reader, called through ctypes: what it says about a file, and why.

The library is the one that the package `llama-cpp-python` brings; without it the tests that ask here are skipped.
"""

import ctypes
import functools

from tests.quants import ggml

LOG = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
_said = []


class InitParams(ctypes.Structure):
    _fields_ = [("no_alloc", ctypes.c_bool), ("ctx", ctypes.POINTER(ctypes.c_void_p))]


@LOG
def _listen(level, text, user):
    _said.append(text.decode(errors="replace"))


@functools.cache
def library() -> ctypes.CDLL:
    lib = ggml.library()
    lib.ggml_log_set(_listen, None)
    lib.gguf_init_from_buffer.restype = ctypes.c_void_p
    lib.gguf_init_from_buffer.argtypes = [ctypes.c_char_p, ctypes.c_size_t, InitParams]
    lib.gguf_free.argtypes = [ctypes.c_void_p]
    lib.ggml_free.argtypes = [ctypes.c_void_p]
    return lib


def refusal(data: bytes, with_tensors: bool = False) -> str | None:
    """Why the C library refuses these bytes, None if it takes them. `with_tensors` lets it read the data too."""
    lib = library()
    _said.clear()
    tensors = ctypes.c_void_p()
    pointer = ctypes.pointer(tensors) if with_tensors else None
    context = lib.gguf_init_from_buffer(data, len(data), InitParams(False, pointer))
    if not context:
        return "".join(_said).strip() or "no reason given"
    lib.gguf_free(context)
    if with_tensors:
        lib.ggml_free(tensors)
    return None
