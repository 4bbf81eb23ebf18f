"""The 34 kinds of good and bad files of llama.cpp's `tests/test-gguf.cpp`, built afresh.

A kind takes some random key-value pairs and random tensors and makes one thing wrong, in all of them. Where the
original differs: it takes 100 of each; its files of the kinds TENSORS_... end before the tensors' data, because it
reads only their metadata (here the data is there, so that the named flaw is the only one); its DATA_NOT_ENOUGH_DATA
lacks one byte, perhaps of the padding (here 32, so that a tensor is cut); its bool bytes are random (here 0 or 1).

>>> gguf_bytes("HEADER_BAD_MAGIC")[:4]
b'FUGG'
"""

import functools
import random

import gguf

from tests.gguf import craft

SIZES = {int(kind): sizes for kind, sizes in gguf.GGML_QUANT_SIZES.items() if kind.name != "Q8_1"}  # 40 there, 36 in C
U64_MAX = 2**64 - 1
PAIRS, TENSORS = 40, 20

# What is wrong in each kind, in a word that the error must contain; None: the file is good.
KINDS = {
    "HEADER_BAD_MAGIC": "magic",
    "HEADER_BAD_VERSION_0": "version",
    "HEADER_BAD_VERSION_1": "version",
    "HEADER_BAD_VERSION_FUTURE": "version",
    "HEADER_BAD_N_TENSORS": "tensor_count",
    "HEADER_BAD_N_KV": "metadata_count",
    "HEADER_EMPTY": None,
    "KV_BAD_KEY_SIZE": "key",
    "KV_EMPTY_KEY": "empty",
    "KV_BAD_TYPE": "13",
    "KV_DUPLICATE_KEY": "my_key_0",
    "KV_BAD_ALIGN": "alignment",
    "KV_WRONG_TYPE_ALIGN": "alignment",
    "KV_SUCCESS": None,
    "TENSORS_BAD_NAME_SIZE": "63",
    "TENSORS_BAD_N_DIMS": "dimensions",
    "TENSORS_BAD_SHAPE": "below 0",
    "TENSORS_ZERO_DIM": None,
    "TENSORS_NE_TOO_BIG": "my_tensor_0",
    "TENSORS_NBYTES_TOO_BIG": "my_tensor_0",
    "TENSORS_NBYTES_PAD_WRAP": "my_tensor_0",
    "TENSORS_BAD_TYPE": "43",
    "TENSORS_BAD_OFFSET": "offset",
    "TENSORS_DUPLICATE_NAME": "my_tensor",
    "TENSORS_BAD_ALIGN": "alignment",
    "TENSORS_INCONSISTENT_ALIGN": "offset",
    "TENSORS_SUCCESS": None,
    "TENSORS_CUSTOM_ALIGN": None,
    "DATA_NOT_ENOUGH_DATA": "data",
    "DATA_BAD_ALIGN": "alignment",
    "DATA_INCONSISTENT_ALIGN": "offset",
    "DATA_MEM_SIZE_OVERFLOW": "my_tensor_0",
    "DATA_SUCCESS": None,
    "DATA_CUSTOM_ALIGN": None,
}


def gguf_bytes(kind: str, seed: int = 0) -> bytes:
    part, _, flaw = kind.partition("_")
    make = {"HEADER": header, "KV": key_values, "TENSORS": tensors, "DATA": tensors}[part]
    return make(random.Random(seed), flaw)


def header(rng: random.Random, flaw: str) -> bytes:
    false = {
        "BAD_MAGIC": {"magic": b"FUGG"},
        "BAD_VERSION_0": {"version": 0},
        "BAD_VERSION_1": {"version": 1},
        "BAD_VERSION_FUTURE": {"version": 4},
        "BAD_N_TENSORS": {"n_tensors": -1},
        "BAD_N_KV": {"n_kv": -1},
    }
    return craft.padded(craft.gguf(**false.get(flaw, {})))


def key_values(rng: random.Random, flaw: str) -> bytes:
    return craft.padded(craft.gguf(pairs(rng, flaw)))


def pairs(rng: random.Random, flaw: str) -> list[bytes]:
    found = []
    for i in range(PAIRS):
        kind, payload = value(rng)
        key, length = f"my_key_{i}", None
        if flaw == "BAD_KEY_SIZE":
            length = U64_MAX
        elif flaw == "EMPTY_KEY":
            key = ""
        elif flaw == "DUPLICATE_KEY":
            key = f"my_key_{i // 2}"
        elif flaw == "BAD_TYPE":
            kind, payload = 13, b"\x01"
        found.append(craft.pair(key, kind, payload, key_length=length))
    if "ALIGN" in flaw and flaw != "INCONSISTENT_ALIGN":
        kind = craft.I32 if flaw == "WRONG_TYPE_ALIGN" else craft.U32
        alignment = 1 if flaw == "CUSTOM_ALIGN" else 13
        found.append(craft.pair("general.alignment", kind, craft.number(kind, alignment)))
    return found


def value(rng: random.Random) -> tuple[int, bytes]:
    """A random type of value (an array of numbers or strings included) and random bytes for it."""
    kind = rng.randrange(13)
    if kind == craft.ARRAY:
        inner = rng.choice([each for each in range(13) if each != craft.ARRAY])
        elements = [element(rng, inner) for _ in range(rng.randrange(17))]
        return kind, craft.array(inner, elements)
    return kind, element(rng, kind)


def element(rng: random.Random, kind: int) -> bytes:
    if kind == craft.STRING:
        return craft.string(rng.randbytes(rng.randrange(64)))
    return bytes([rng.randrange(2)]) if kind == craft.BOOL else rng.randbytes(craft.BYTES[kind])


def tensors(rng: random.Random, flaw: str) -> bytes:
    keys = pairs(rng, flaw if "ALIGN" in flaw else "")
    used = {"CUSTOM_ALIGN": 1, "BAD_ALIGN": 13, "INCONSISTENT_ALIGN": 1}.get(flaw, 32)  # what the offsets follow
    infos, offset = [], 0
    for i, (kind, dims) in enumerate(shapes(rng, flaw)):
        name, n_dims, false_kind, false_offset = f"my_tensor_{i}", None, kind, offset
        if flaw == "BAD_NAME_SIZE":
            name += "_with_a_name_that_is_longer_than_the_63_bytes_which_ggml_keeps_for_it"
        elif flaw == "DUPLICATE_NAME":
            name = "my_tensor"
        elif flaw == "BAD_N_DIMS":
            n_dims = 5
        elif flaw == "BAD_SHAPE":
            dims = [-1] * len(dims)
        elif flaw == "BAD_TYPE":
            false_kind = craft.TENSOR_TYPES
        elif flaw == "BAD_OFFSET":
            false_offset = -1
        infos.append(craft.info(name, dims, false_kind, false_offset, n_dims=n_dims))
        offset += rounded_up(n_bytes(kind, dims), used)
    return craft.gguf(keys, infos, data(flaw, offset), alignment=used)


def shapes(rng: random.Random, flaw: str) -> list[tuple[int, list[int]]]:
    """The type and the dimensions of each tensor, the contiguous dimension first."""
    found = []
    for _ in range(TENSORS):
        kind = rng.choice(list(SIZES))
        found.append(
            (kind, [SIZES[kind][0] * rng.randint(1, 10), *(rng.randint(1, 10) for _ in range(rng.randrange(4)))])
        )
    huge = {
        "NE_TOO_BIG": [(kind, [4 * (2**31 - 1)] * 2) for kind, _ in found],
        "NBYTES_TOO_BIG": [(craft.TENSOR_I64, [int(1.01 * (U64_MAX // 8) ** 0.5) + 1] * 2) for _ in found],
        "NBYTES_PAD_WRAP": [(craft.TENSOR_F32, [4, 2**30 - 1, 2**30 + 1])],
        "MEM_SIZE_OVERFLOW": [(craft.TENSOR_I8, [0x7FFFFFFFFFFFFFC0])] * 2,
        "ZERO_DIM": [(kind, [dims[0], 0]) for kind, dims in found],
    }
    return huge.get(flaw, found)


def n_bytes(kind: int, dims: list[int]) -> int:
    block, size = SIZES[kind]
    return functools.reduce(int.__mul__, dims) // block * size


def rounded_up(size: int, alignment: int) -> int:
    return -(-size // alignment) * alignment


def data(flaw: str, size: int) -> bytes:
    """`size` bytes that count 0, 1, ... 255, 0, 1, ..., fewer where the flaw is about that."""
    size = min(size, 4096) if flaw in ("NE_TOO_BIG", "NBYTES_TOO_BIG", "NBYTES_PAD_WRAP", "BAD_SHAPE") else size
    size = 32 if flaw == "MEM_SIZE_OVERFLOW" else size - 32 * (flaw == "NOT_ENOUGH_DATA")
    return (bytes(range(256)) * (size // 256 + 1))[:size]
