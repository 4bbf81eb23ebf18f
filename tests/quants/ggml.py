"""ggml itself, called through ctypes: the oracle for every scheme.

The library is the one that the package `llama-cpp-python` brings; without that package `library()` skips the test. Only
tests and the scripts that make golden values use this file.
"""

import ctypes
import functools
import importlib.util
import pathlib

import numpy as np
import pytest

FLOATS = ctypes.POINTER(ctypes.c_float)


class TypeTraits(ctypes.Structure):
    _fields_ = [
        ("type_name", ctypes.c_char_p),
        ("block_size", ctypes.c_int64),
        ("block_size_interleave", ctypes.c_int64),
        ("block_bytes", ctypes.c_size_t),
        ("is_quantized", ctypes.c_bool),
        ("to_float", ctypes.CFUNCTYPE(None, ctypes.c_void_p, FLOATS, ctypes.c_int64)),
        ("from_float_ref", ctypes.CFUNCTYPE(None, FLOATS, ctypes.c_void_p, ctypes.c_int64)),
    ]


class InitParams(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("buffer", ctypes.c_void_p), ("no_alloc", ctypes.c_bool)]


@functools.cache
def library() -> ctypes.CDLL:
    spec = importlib.util.find_spec("llama_cpp")
    if spec is None:
        pytest.skip("llama_cpp is not installed: nothing to compare with")
    lib = ctypes.CDLL(str(pathlib.Path(spec.origin).parent / "lib" / "libggml-base.so"))
    lib.ggml_get_type_traits.restype = ctypes.POINTER(TypeTraits)
    lib.ggml_quantize_chunk.restype = ctypes.c_size_t
    lib.ggml_quantize_chunk.argtypes = [
        ctypes.c_int,
        FLOATS,
        ctypes.c_void_p,
        ctypes.c_int64,
        ctypes.c_int64,
        ctypes.c_int64,
        FLOATS,
    ]
    lib.ggml_quantize_requires_imatrix.restype = ctypes.c_bool
    lib.ggml_type_name.restype = ctypes.c_char_p
    lib.ggml_init.argtypes, lib.ggml_init.restype = [InitParams], ctypes.c_void_p
    lib.ggml_init(InitParams(1 << 20, None, False))  # fills ggml's float16 table, which some dequantizers read
    return lib


def traits(type_id: int) -> TypeTraits:
    return library().ggml_get_type_traits(type_id).contents


def quantize(type_id: int, weights: np.ndarray, importance: np.ndarray | None = None) -> np.ndarray:
    """`ggml_quantize_chunk`: the bytes [rows, bytes per row] of float32 weights [rows, columns]."""
    weights = np.ascontiguousarray(weights, np.float32)
    rows, columns = weights.shape
    info = traits(type_id)
    out = np.empty((rows, columns // info.block_size * info.block_bytes), np.uint8)
    pointer = None if importance is None else np.ascontiguousarray(importance, np.float32).ctypes.data_as(FLOATS)
    library().ggml_quantize_chunk(type_id, weights.ctypes.data_as(FLOATS), out.ctypes.data, 0, rows, columns, pointer)
    return out


def quantize_reference(type_id: int, weights: np.ndarray) -> np.ndarray:
    """`quantize_row_X_ref`, for the types that `ggml_quantize_chunk` does not take (Q8_1, Q8_K)."""
    weights = np.ascontiguousarray(weights, np.float32)
    info = traits(type_id)
    encode = info.from_float_ref or _row_function("quantize_row_q8_K_ref", FLOATS, ctypes.c_void_p)
    out = np.zeros((len(weights), weights.shape[1] // info.block_size * info.block_bytes), np.uint8)
    encode(weights.ctypes.data_as(FLOATS), out.ctypes.data, weights.size)
    return out


def dequantize(type_id: int, blocks: np.ndarray) -> np.ndarray:
    """The float32 weights of a run of blocks given as bytes."""
    blocks = np.ascontiguousarray(blocks).view(np.uint8).reshape(-1)
    info = traits(type_id)
    decode = info.to_float or _row_function("dequantize_row_q8_K", ctypes.c_void_p, FLOATS)
    out = np.empty(blocks.size // info.block_bytes * info.block_size, np.float32)
    decode(blocks.ctypes.data, out.ctypes.data_as(FLOATS), out.size)
    return out


def _row_function(name: str, source, destination):
    """A function of ggml that is not in its table of types."""
    function = getattr(library(), name)
    function.restype, function.argtypes = None, [source, destination, ctypes.c_int64]
    return function
