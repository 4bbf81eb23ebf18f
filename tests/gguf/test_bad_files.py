"""Files that lie: every one is refused with one clear line, at once, and without taking memory for what it claims."""

import struct
import time
import tracemalloc

import numpy as np
import pytest

from refllm import gguf
from tests.gguf import craft, handcrafted, libgguf

GOOD = [kind for kind, flaw in handcrafted.KINDS.items() if flaw is None]
BAD = [kind for kind, flaw in handcrafted.KINDS.items() if flaw is not None]


def opened(tmp_path, data: bytes) -> gguf.GGUFFile:
    path = tmp_path / "made.gguf"
    path.write_bytes(data)
    return gguf.open(path)


def refused(tmp_path, data: bytes) -> str:
    """The error for these bytes, which must come at once and within a megabyte beyond what the file holds."""
    path = tmp_path / "made.gguf"
    path.write_bytes(data)
    tracemalloc.start()
    start = time.process_time()
    try:
        with pytest.raises(gguf.GGUFError) as caught:
            gguf.open(path)
        assert time.process_time() - start < 1
        assert tracemalloc.get_traced_memory()[1] < len(data) + 2**20
    finally:
        tracemalloc.stop()
    message = str(caught.value)
    assert message.startswith(f"{path}: byte ")
    assert "\n" not in message
    return message


# --- llama.cpp's test-gguf.cpp


@pytest.mark.parametrize("kind", BAD)
def test_handcrafted_bad(kind, tmp_path):
    assert handcrafted.KINDS[kind] in refused(tmp_path, handcrafted.gguf_bytes(kind))


@pytest.mark.parametrize("kind", GOOD)
def test_handcrafted_good(kind, tmp_path):
    data = handcrafted.gguf_bytes(kind)
    file = opened(tmp_path, data)
    copy = tmp_path / "copy.gguf"
    gguf.write(copy, file.metadata, file.tensors, version=file.version)
    assert copy.read_bytes()[: file.data_offset] == data[: file.data_offset]
    if not file.tensors:
        assert craft.padded(copy.read_bytes()) == data
        return
    assert copy.stat().st_size == len(
        data
    )  # but the padding, which counts on in the handcrafted file, is 0 in the copy
    again = gguf.open(copy).tensors
    assert all(again[name].data.tobytes() == tensor.data.tobytes() for name, tensor in file.tensors.items())


@pytest.mark.parametrize("kind", ["TENSORS_SUCCESS", "TENSORS_CUSTOM_ALIGN"])
def test_handcrafted_tensors_are_read_as_written(kind, tmp_path):
    file = opened(tmp_path, handcrafted.gguf_bytes(kind))
    counting = np.tile(np.arange(256, dtype=np.uint8), 2**14)
    assert len(file.tensors) == handcrafted.TENSORS
    assert file.alignment == (1 if kind == "TENSORS_CUSTOM_ALIGN" else 32)
    for tensor in file.tensors.values():
        stored = np.frombuffer(tensor.data.tobytes(), np.uint8)
        assert (stored == counting[(tensor.offset - file.data_offset) % 256 :][: stored.size]).all()


@pytest.mark.conformance
@pytest.mark.parametrize("kind", handcrafted.KINDS)
def test_the_c_library_agrees(kind, tmp_path):
    data = handcrafted.gguf_bytes(kind, seed=1)
    reason = libgguf.refusal(data, with_tensors=kind.startswith("DATA"))
    if reason is None:
        opened(tmp_path, data)
    else:
        refused(tmp_path, data)
    assert (reason is None) == (kind in GOOD)


# --- where this reader and the C library differ on purpose

CUT_BEFORE_THE_DATA = craft.gguf([], [craft.info("a", [64], craft.TENSOR_F32, 0)])
EMPTY_AND_HUGE = craft.gguf([], [craft.info("a", [0, 2**31 - 1, 2**31 - 1], craft.TENSOR_F32, 0)])
CUT_BEFORE_THE_LAST_PADDING = craft.gguf([], [craft.info("a", [9], craft.TENSOR_I8, 0)], bytes(9))


def test_a_file_that_ends_before_its_data(tmp_path):
    """C opens it for its metadata and finds out when the tensors are loaded; here `open` says so."""
    assert "data" in refused(tmp_path, CUT_BEFORE_THE_DATA)


def test_a_file_without_the_last_padding(tmp_path):
    """C's `gguf_init_from_file` refuses it, llama.cpp's own loader takes it; here nothing is missing."""
    assert opened(tmp_path, CUT_BEFORE_THE_LAST_PADDING).tensors["a"].data.size == 9


def test_an_empty_tensor_whose_other_dimensions_are_huge(tmp_path):
    """It holds nothing, so C takes it; a numpy array of this shape cannot exist."""
    assert "'a'" in refused(tmp_path, EMPTY_AND_HUGE)


@pytest.mark.conformance
def test_the_c_library_differs_as_said():
    assert libgguf.refusal(EMPTY_AND_HUGE, with_tensors=True) is None
    assert libgguf.refusal(CUT_BEFORE_THE_DATA) is None
    assert libgguf.refusal(CUT_BEFORE_THE_DATA, with_tensors=True) is not None
    assert libgguf.refusal(CUT_BEFORE_THE_LAST_PADDING) is None
    assert libgguf.refusal(CUT_BEFORE_THE_LAST_PADDING, with_tensors=True) is not None


# --- gguf-py's tests/test_gguf_reader_validation.py


def test_a_million_dimensions(tmp_path):
    data = craft.gguf([], [craft.info("bad_tensor", [1] * 8, craft.TENSOR_F32, 0, n_dims=1_000_000)], bytes(64))
    assert "1000000" in refused(tmp_path, data)


def test_dimensions_whose_product_wraps_to_four(tmp_path):
    dims = [4194305, 4194305, 211106198978564]
    assert np.prod(np.array(dims, np.uint64)) == 4
    data = craft.gguf([], [craft.info("bad_tensor", dims, craft.TENSOR_F32, 0)], bytes(64))
    assert "bad_tensor" in refused(tmp_path, data)


# --- published flaws of this kind in other readers


def test_cve_2024_21802(tmp_path):
    """More dimensions than a tensor has room for: they were written past the end of the array that holds them."""
    data = craft.gguf([], [craft.info("a", [1] * 64, craft.TENSOR_F32, 0)], bytes(64))
    assert "64" in refused(tmp_path, data)


CVES = {
    # The sum of the padded sizes wraps around 2^64 to 64 bytes, and the offsets follow the wrapped sum.
    "CVE-2025-53630": [
        ("a", [2**63 - 32], craft.TENSOR_I8, 0),
        ("b", [2**63 - 32], craft.TENSOR_I8, 2**63 - 32),
        ("c", [128], craft.TENSOR_I8, 2**64 - 64),
        ("d", [64], craft.TENSOR_I8, 64),
    ],
    # The sum stays just below 2^64, but what is added to it for bookkeeping wraps.
    "CVE-2026-27940": [("a", [2**63 - 64], craft.TENSOR_I8, 0), ("b", [2**63 - 64], craft.TENSOR_I8, 2**63 - 64)],
    # 2^62 elements fit a 64-bit count, their 2^64 + 2^22 bytes wrap to 4 MB.
    "CVE-2026-33298": [("a", [2**10, 2**10, 2**42 + 1], craft.TENSOR_F32, 0)],
    # The follow-up of the first: one size so near 2^64 that padding it gives 0.
    "padding that wraps": [("a", [4, 2**30 - 1, 2**30 + 1], craft.TENSOR_F32, 0), ("b", [8], craft.TENSOR_F32, 0)],
}


@pytest.mark.parametrize("cve", CVES)
def test_sizes_that_overflow(cve, tmp_path):
    data = craft.gguf([], [craft.info(*tensor) for tensor in CVES[cve]], bytes(4096))
    assert "'a'" in refused(tmp_path, data)


@pytest.mark.conformance
@pytest.mark.parametrize("cve", CVES)
def test_sizes_that_overflow_in_c(cve):
    data = craft.gguf([], [craft.info(*tensor) for tensor in CVES[cve]], bytes(4096))
    assert libgguf.refusal(data, with_tensors=True) is not None


# --- counts and lengths that promise more than there is


BIG = [2**20, 2**30, 2**30 + 1, 2**32, 2**40, 2**61, 2**62 + 1, 2**63 - 1]
UNSIGNED = [*BIG, 2**63, 2**64 - 1]


@pytest.mark.parametrize("count", [*BIG, -1, -(2**63)])
@pytest.mark.parametrize("field", ["n_tensors", "n_kv"])
def test_count_in_the_header(field, count, tmp_path):
    refused(tmp_path, craft.gguf(**{field: count}) + bytes(4096))


@pytest.mark.parametrize("length", UNSIGNED)
def test_length_of_a_string(length, tmp_path):
    string = craft.string("abc", length=length)
    assert "general.name" in refused(tmp_path, craft.gguf([craft.pair("general.name", craft.STRING, string)]))
    refused(tmp_path, craft.gguf([craft.pair("abc", craft.STRING, string, key_length=length)]))
    refused(tmp_path, craft.gguf([], [string]))


@pytest.mark.parametrize("count", UNSIGNED)
@pytest.mark.parametrize("kind", [craft.U8, craft.I64, craft.BOOL, craft.STRING])
def test_count_of_an_array(kind, count, tmp_path):
    values = craft.array(kind, [bytes(64)], count=count)
    assert "tokens" in refused(tmp_path, craft.gguf([craft.pair("tokens", craft.ARRAY, values)]))


@pytest.mark.parametrize("alignment", [0, 3, 33, 2**31 + 1, 2**32 - 1])
def test_alignment_that_is_no_power_of_two(alignment, tmp_path):
    pair = craft.pair("general.alignment", craft.U32, craft.number(craft.U32, alignment))
    assert str(alignment) in refused(tmp_path, craft.gguf([pair]))


def test_huge_alignment_with_tensors(tmp_path):
    pair = craft.pair("general.alignment", craft.U32, craft.number(craft.U32, 2**31))
    refused(tmp_path, craft.gguf([pair], [craft.info("a", [8], craft.TENSOR_F32, 0)], bytes(64)))


def test_an_array_of_arrays(tmp_path):
    inner = craft.array(craft.U8, [b"1", b"2"])
    data = craft.gguf([craft.pair("nested", craft.ARRAY, craft.array(craft.ARRAY, [inner]))])
    assert "nested" in refused(tmp_path, data)


@pytest.mark.parametrize("kind", [4, 5, 31, 32, 33, 36, 37, 38, 43, -1, 2**31 - 1, -(2**31)])
def test_types_that_do_not_exist(kind, tmp_path):
    assert str(kind) in refused(tmp_path, craft.gguf([], [craft.info("a", [0], kind, 0)]))


def test_a_file_cut_anywhere(tmp_path):
    pairs = [
        craft.pair("a", craft.STRING, craft.string("text")),
        craft.pair("b", craft.ARRAY, craft.array(craft.U16, [b"12"] * 3)),
    ]
    data = craft.gguf(pairs, [craft.info("w", [8, 2], craft.TENSOR_F32, 0)], bytes(64))
    opened(tmp_path, data)
    for length in range(0, len(data), 3):
        refused(tmp_path, data[:length])


@pytest.mark.parametrize("version", [2, 3])
def test_the_other_byte_order_is_told_from_the_version(version, tmp_path):
    assert opened(tmp_path, craft.gguf(version=version, order=">")).byte_order == ">"
    assert opened(tmp_path, craft.gguf(version=version)).byte_order == "<"


@pytest.mark.parametrize("version", [0, 1, 4, 0x00010000, 0x01000000, 0x04000000, 2**32 - 1])
def test_versions_that_do_not_exist(version, tmp_path):
    assert "version" in refused(tmp_path, b"GGUF" + struct.pack("<I", version) + bytes(4096))
