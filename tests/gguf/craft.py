"""GGUF files put together byte by byte with `struct`, right ones and wrong ones, without refllm.

Each function returns the bytes of one part of a file; every count and length can be given falsely. `gguf` joins the
parts: it counts what it is given and adds the padding, unless told otherwise.

>>> gguf()[:8]
b'GGUF\\x03\\x00\\x00\\x00'
>>> len(gguf([pair("a", U8, b"x")]))          # header 24, key 8+1, type 4, value 1
38
"""

import struct

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
CODES = {U8: "B", I8: "b", U16: "H", I16: "h", U32: "I", I32: "i", F32: "f", BOOL: "?", U64: "Q", I64: "q", F64: "d"}
BYTES = {kind: struct.calcsize(code) for kind, code in CODES.items()}

TENSOR_F32, TENSOR_F16, TENSOR_Q4_0, TENSOR_Q8_0, TENSOR_I8, TENSOR_I64 = 0, 1, 2, 8, 24, 27
TENSOR_TYPES = 43  # ids 0 to 42, some of them removed


def number(kind: int, value, order: str = "<") -> bytes:
    return struct.pack(order + CODES[kind], value)


def string(text: str | bytes, order: str = "<", length: int | None = None) -> bytes:
    text = text.encode() if isinstance(text, str) else text
    return number(U64, len(text) if length is None else length, order) + text


def array(kind: int, elements: list[bytes], order: str = "<", count: int | None = None) -> bytes:
    count = len(elements) if count is None else count
    return number(I32, kind, order) + number(U64, count, order) + b"".join(elements)


def pair(key: str | bytes, kind: int, payload: bytes, order: str = "<", key_length: int | None = None) -> bytes:
    return string(key, order, key_length) + number(I32, kind, order) + payload


def info(name, dims: list[int], kind: int, offset: int, order: str = "<", n_dims: int | None = None) -> bytes:
    """One tensor's entry; `dims` as in the file (the contiguous one first), each may be any 64-bit number."""
    n_dims = len(dims) if n_dims is None else n_dims
    sizes = b"".join(number(U64, size % 2**64, order) for size in dims)
    return string(name, order) + number(U32, n_dims, order) + sizes + struct.pack(order + "iQ", kind, offset % 2**64)


def gguf(
    pairs: list[bytes] = (),
    infos: list[bytes] = (),
    data: bytes = b"",
    *,
    magic: bytes = b"GGUF",
    version: int = 3,
    n_tensors: int | None = None,
    n_kv: int | None = None,
    alignment: int = 32,
    order: str = "<",
) -> bytes:
    n_tensors = len(infos) if n_tensors is None else n_tensors
    n_kv = len(pairs) if n_kv is None else n_kv
    head = magic + struct.pack(order + "Iqq", version, n_tensors, n_kv) + b"".join(pairs) + b"".join(infos)
    return padded(head, alignment) + data if infos else head + data


def padded(data: bytes, alignment: int = 32) -> bytes:
    return data + bytes(-len(data) % alignment)
