"""Importance files of both forms, and what is wrong with bad ones."""

import struct

import numpy as np
import pytest

from refllm import gguf
from refllm.convert import importance
from refllm.errors import RefllmError

NAME = "blk.0.attn_q.weight"


def dat(entries: dict[str, tuple[int, list]], end: bytes = b"") -> bytes:
    """The older form: entries of name, calls, sums."""
    parts = [struct.pack("<i", len(entries))]
    for name, (calls, sums) in entries.items():
        raw = name.encode()
        parts += [struct.pack("<i", len(raw)), raw, struct.pack("<ii", calls, len(sums)), np.float32(sums).tobytes()]
    return b"".join(parts) + end


def test_the_older_form(tmp_path):
    path = tmp_path / "imatrix.dat"
    path.write_bytes(dat({NAME: (4, [2, 6]), "b": (0, [3])}, struct.pack("<ii", 9, 4) + b"text"))
    found = importance.read(path)
    assert {name: values.tolist() for name, values in found.values.items()} == {NAME: [0.5, 1.5], "b": [3]}
    assert (found.datasets, found.chunks, found.path) == (("text",), 9, str(path))


def test_the_older_form_without_its_end(tmp_path):
    (tmp_path / "imatrix.dat").write_bytes(dat({NAME: (4, [2, 6])}))
    found = importance.read(tmp_path / "imatrix.dat")
    assert (found.datasets, found.chunks) == ((), 0)


def test_every_cut_of_the_older_form_is_an_error(tmp_path):
    path = tmp_path / "imatrix.dat"
    whole = dat({NAME: (4, [2, 6])}, struct.pack("<ii", 9, 4) + b"text")
    without_end = len(dat({NAME: (4, [2, 6])}))
    for size in set(range(len(whole))) - {without_end, without_end + 4}:  # there a file may end
        path.write_bytes(whole[:size])
        with pytest.raises(RefllmError, match=r"imatrix\.dat: byte \d+: \d+ more bytes expected"):
            importance.read(path)


def test_the_gguf_form(tmp_path):
    tensors = {
        f"{NAME}.in_sum2": np.float32([[2, 6], [5, 7], [8, 8]]),  # three experts, the second of which was never asked
        f"{NAME}.counts": np.float32([[2], [0], [4]]),
    }
    metadata = {"general.type": "imatrix", "imatrix.datasets": ["a", "b"], "imatrix.chunk_count": 5}
    gguf.write(tmp_path / "imatrix.gguf", metadata, tensors)
    found = importance.read(tmp_path / "imatrix.gguf")
    assert {name: values.tolist() for name, values in found.values.items()} == {NAME: [1, 3, 1, 1, 2, 2]}
    assert (found.datasets, found.chunks) == (("a", "b"), 5)


BAD = {
    "no sums": ({"x": np.ones(2, np.float32)}, "holds no importance; expected tensors named"),
    "no counts": ({"x.in_sum2": np.ones((1, 2), np.float32)}, r"x\.in_sum2 is there, x\.counts is missing"),
    "float16": ({"x.in_sum2": np.ones((1, 2), np.float16), "x.counts": np.ones((1, 1), np.float32)}, "F16 and F32"),
    "sizes": (
        {"x.in_sum2": np.ones((1, 3), np.float32), "x.counts": np.ones((2, 1), np.float32)},
        "3 sums for 2 counts",
    ),
    "NaN": ({"x.in_sum2": np.float32([[np.nan]]), "x.counts": np.ones((1, 1), np.float32)}, "'x' is not finite"),
}


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_gguf_form(tmp_path, bad):
    tensors, message = BAD[bad]
    gguf.write(tmp_path / "imatrix.gguf", {}, tensors)
    with pytest.raises(RefllmError, match=message):
        importance.read(tmp_path / "imatrix.gguf")


def test_something_else_is_no_importance_file(tmp_path):
    (tmp_path / "text").write_text("This is not an importance file.")
    with pytest.raises(RefllmError, match="is this an importance file"):
        importance.read(tmp_path / "text")
    (tmp_path / "zeros").write_bytes(bytes(8))
    with pytest.raises(RefllmError, match="byte 0: holds no entries"):
        importance.read(tmp_path / "zeros")
