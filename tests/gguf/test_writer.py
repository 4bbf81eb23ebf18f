"""`gguf.write`: what is written is read back equal, by refllm and by the `gguf` package, whatever the values."""

import io
import pathlib
import subprocess
import sys
import time

import numpy as np
import pytest

from refllm import gguf, quants
from refllm.gguf.metadata import CODES

NUMBERS = [kind for kind in CODES if kind != "bool"]


@pytest.mark.parametrize("name", sorted(name for name, scheme in quants.SCHEMES.items() if scheme.id is not None))
def test_blocks_of_every_scheme_in_both_byte_orders(name, tmp_path):
    scheme = quants.get(name)
    raw = np.random.default_rng(1).integers(0, 256, (2, 3 * scheme.block_bytes), np.uint8)
    blocks = raw.view(scheme.dtype)
    gguf.write(tmp_path / "big.gguf", {}, {"w": (blocks, name)}, byte_order=">")
    big = gguf.open(tmp_path / "big.gguf").tensors["w"]
    assert (big.type, big.shape, big.data.shape) == (name, (2, 3 * scheme.block_size), (2, 3))
    gguf.write(tmp_path / "little.gguf", {}, {"w": big})
    little = gguf.open(tmp_path / "little.gguf").tensors["w"]
    assert little.data.tobytes() == blocks.tobytes()
    assert np.array_equal(little.to_float(), big.to_float(), equal_nan=True)
    wide = scheme.dtype.newbyteorder(">") != scheme.dtype  # something in a block is wider than a byte
    assert (big.data.tobytes() != blocks.tobytes()) == wide


def test_types_of_plain_values(tmp_path):
    plain = {
        "yes": True,
        "count": 7,
        "below": -7,
        "wide": 2**40,
        "wide below": -(2**40),
        "half": 0.5,
        "text": "",
        "texts": ["a"],
        "numbers": [1, -1],
        "halves": [0.5],
        "none": [],
        "exact": np.float64(0.1),
    }
    gguf.write(tmp_path / "a.gguf", plain, {})
    assert gguf.open(tmp_path / "a.gguf").metadata.types == {
        "yes": "bool",
        "count": "uint32",
        "below": "int32",
        "wide": "uint64",
        "wide below": "int64",
        "half": "float32",
        "text": "string",
        "texts": "string[]",
        "numbers": "int32[]",
        "halves": "float32[]",
        "none": "string[]",
        "exact": "float64",
    }


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (2**64, "is 18446744073709551616, a int; expected a number, text, or a flat list"),
        (np.float16(1), "a float16; expected"),
        ("\ud800", r"surrogates not allowed in '\\ud800'; expected text that is UTF-8"),
    ],
    ids=["int", "half", "surrogate"],
)
def test_the_error_names_the_key_and_the_value(value, said, tmp_path):
    with pytest.raises(gguf.GGUFError, match=rf"metadata\['key'\].*{said}"):
        gguf.write(tmp_path / "a.gguf", {"key": value}, {})


@pytest.mark.parametrize(
    ("kind", "value"), [("uint8", 256), ("int32", 2.0), ("float32", 16777217), ("bool", 1), ("string", 1)]
)
def test_a_remembered_type_is_kept_or_refused(kind, value, tmp_path):
    metadata = gguf.Metadata({"key": value}, {"key": kind})
    with pytest.raises(gguf.GGUFError, match=rf"metadata\['key'\] is {value}; expected a value for its type {kind}"):
        gguf.write(tmp_path / "a.gguf", metadata, {})


def test_metadata_keeps_its_types_when_it_is_changed():
    metadata = gguf.Metadata({"a": 1, "b": 2}, {"a": "uint8", "b": "int64"})
    joined = metadata | {"a": 3, "c": 4}
    assert [joined.type_of(key) for key in joined] == ["uint8", "int64", "uint32"]
    del joined["b"]
    joined["b"] = 1
    assert joined.type_of("b") == "uint32" and metadata.type_of("b") == "int64"


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({"n" * 64: np.ones(4, np.float32)}, "the name is longer than 63 bytes"),
        ({"w": np.ones((1, 1, 1, 1, 1), np.float32)}, "has 5 dimensions; expected at most 4"),
        ({"w": np.ones(4, np.uint16)}, "is of uint16; expected floats, signed integers, or"),
        ({"w": (np.ones(4, np.uint8), "Q4_0")}, "is of uint8; expected blocks of Q4_0"),
        ({"w": (np.ones(4, np.float32), "Q9_9")}, "is of Q9_9; expected"),
        ({"w": (np.zeros(4, quants.get("Q4_2").dtype), "Q4_2")}, "is of Q4_2; expected"),
        ({"w": (np.zeros((), quants.get("Q4_0").dtype), "Q4_0")}, "has rows of 1; expected a multiple of 32"),
    ],
    ids=["name", "dimensions", "dtype", "blocks", "scheme", "never in a file", "scalar"],
)
def test_tensors_that_no_gguf_file_holds(tensors, said, tmp_path):
    with pytest.raises(gguf.GGUFError) as caught:
        gguf.write(tmp_path / "a.gguf", {}, tensors)
    assert said in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("alignment", [0, 48, "32", np.uint64(32)])
def test_alignments_that_no_reader_takes(alignment, tmp_path):
    with pytest.raises(gguf.GGUFError, match=r"general\.alignment.*expected a power of two \(uint32\)"):
        gguf.write(tmp_path / "a.gguf", {"general.alignment": alignment}, {})


def test_whatever_numpy_takes_as_an_array(tmp_path):
    tensors = {"scalar": np.float32(7), "list": [[1.5, 2.0]], "mapped": np.memmap(__file__, np.int8)}
    gguf.write(tmp_path / "a.gguf", {}, tensors)
    f = gguf.open(tmp_path / "a.gguf")
    assert {name: f.tensors[name].type for name in tensors} == {"scalar": "F32", "list": "F64", "mapped": "I8"}
    for name, array in tensors.items():
        assert np.array_equal(f.tensors[name].data, array), name


def test_bfloat16_as_jax_has_it(tmp_path):
    import ml_dtypes

    gguf.write(tmp_path / "a.gguf", {}, {"w": np.array([1.0, -0.5], ml_dtypes.bfloat16)})
    tensor = gguf.open(tmp_path / "a.gguf").tensors["w"]
    assert tensor.type == "BF16" and tensor.to_float().tolist() == [1.0, -0.5]


class Computed:
    """A tensor that is made while it is written."""

    shape, scheme = (3, 4), quants.get("F32")

    def __init__(self, rows: int, pause: float = 0):
        self.rows, self.pause = rows, pause

    def slices(self):
        for row in range(self.rows):
            time.sleep(self.pause)
            yield np.full(4, row, np.float32)


def test_a_tensor_may_be_computed_while_it_is_written(tmp_path):
    gguf.write(tmp_path / "a.gguf", {}, {"w": Computed(3)})
    assert gguf.open(tmp_path / "a.gguf").tensors["w"].data[:, 0].tolist() == [0, 1, 2]
    with pytest.raises(gguf.GGUFError, match=r"tensors\['w'\] gave 32 bytes; its shape needs 48"):
        gguf.write(tmp_path / "a.gguf", {}, {"w": Computed(2)})
    assert [path.name for path in tmp_path.iterdir()] == ["a.gguf"]
    assert gguf.open(tmp_path / "a.gguf").tensors["w"].shape == (3, 4)


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("pause", "shown"), [(0, False), (0.4, True)])
def test_a_progress_bar_when_it_takes_longer_than_a_second(pause, shown, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    gguf.write(tmp_path / "slow.gguf", {}, {"w": Computed(3, pause)})
    assert ("slow.gguf" in terminal.getvalue()) == shown


REWRITE = """
import pathlib, sys
from refllm import gguf

def peak():
    "Megabytes; getrusage would give the peak of the parent process too."
    return int(pathlib.Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) // 1024

with gguf.open(sys.argv[1]) as f:
    gguf.write(sys.argv[2], f.metadata, {})      # everything imported
    before = peak()
    gguf.write(sys.argv[1], f.metadata, f.tensors)
    print(peak() - before)
"""


@pytest.mark.skipif(not pathlib.Path("/proc/self/status").exists(), reason="this system does not tell the peak")
def test_rewriting_takes_little_memory(tmp_path):
    """The largest memory of a process that rewrites a file of 256 MB over itself grows by a few slices."""
    path = tmp_path / "a.gguf"
    gguf.write(path, {}, {name: np.zeros((32, 2**20), np.float32) for name in "ab"})
    command = [sys.executable, "-c", REWRITE, path, tmp_path / "empty.gguf"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 32
    assert done.stderr == ""  # no progress bar where nobody looks
