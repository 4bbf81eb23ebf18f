"""`gguf.edit`: the metadata changes, the tensors do not (test_kill.py kills it in the middle)."""

import pathlib

import numpy as np
import pytest

from refllm import gguf


@pytest.fixture
def path(tmp_path) -> pathlib.Path:
    metadata = {"general.name": "demo", "small": np.uint8(7), "tokens": ["a", "b"], "empty": np.zeros(0, np.int16)}
    gguf.write(tmp_path / "a.gguf", metadata, {"w": np.arange(100, dtype=np.float32)}, version=2, byte_order=">")
    return tmp_path / "a.gguf"


def test_nothing_to_do_changes_nothing(path):
    before = path.read_bytes()
    gguf.edit(path)
    assert path.read_bytes() == before


def test_set_remove_and_rename(path, tmp_path):
    before = path.read_bytes()
    out = tmp_path / "b.gguf"
    gguf.edit(path, out, set={"small": 8, "new": "text"}, remove=["tokens"], rename={"general.name": "title"})
    assert path.read_bytes() == before
    f = gguf.open(out)
    assert (f.version, f.byte_order) == (2, ">")
    assert [*f.metadata] == ["title", "small", "empty", "new"]
    assert f.metadata["small"] == 8 and f.metadata["title"] == "demo"
    assert f.metadata.types == {"title": "string", "small": "uint8", "empty": "int16[]", "new": "string"}
    assert f.tensors["w"].data.tolist() == list(range(100))


def test_a_type_changes_when_the_key_is_removed_first(path):
    with pytest.raises(gguf.GGUFError, match=r"metadata\['small'\] is 256; expected a value for its type uint8"):
        gguf.edit(path, set={"small": 256})
    gguf.edit(path, remove=["small"], set={"small": 256})
    assert gguf.open(path).metadata.types["small"] == "uint32"


def test_another_alignment_moves_the_tensors(path):
    gguf.edit(path, set={"general.alignment": 4096})
    f = gguf.open(path)
    assert f.alignment == 4096 and f.tensors["w"].offset == 4096
    assert f.tensors["w"].data.tolist() == list(range(100))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"remove": ["absent"]}, r"metadata\['absent'\] is not there; expected one of the 4 keys"),
        ({"rename": {"absent": "x"}}, r"metadata\['absent'\] is not there"),
        ({"remove": ["small"], "rename": {"small": "x"}}, r"metadata\['small'\] is not there"),
        ({"rename": {"small": "tokens"}}, r"two keys would be named metadata\['tokens'\]"),
        ({"rename": {"small": ""}}, "a metadata key is empty"),
        ({"set": {"general.alignment": 5}}, "expected a power of two"),
    ],
    ids=str,
)
def test_changes_that_are_refused(path, change, said, tmp_path):
    before = path.read_bytes()
    with pytest.raises(gguf.GGUFError, match=said):
        gguf.edit(path, **change)
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["a.gguf"]


def test_a_bad_file_is_left_as_it_is(path):
    path.write_bytes(path.read_bytes()[:-100])
    before = path.read_bytes()
    with pytest.raises(gguf.GGUFError, match=r"tensors\['w'\].data is cut off"):
        gguf.edit(path, set={"small": 1})
    assert path.read_bytes() == before
