"""Shards: the same files as `llama-gguf-split` makes, opened as one model, and every way in which they can be wrong."""

import json
import pathlib
import shutil

import numpy as np
import pytest

from refllm import gguf, quants
from refllm.gguf.shards import COUNT, NUMBER, TENSORS
from tests.golden import make_gguf_split

GOLDEN = pathlib.Path(__file__).parents[1] / "golden" / "gguf_split.json"


@pytest.fixture
def whole(tmp_path) -> pathlib.Path:
    """Five tensors of 128, 72, 36, 4 and 0 bytes, which take 128, 96, 64, 32 and 0 with their padding."""
    blocks = quants.get("Q4_0").quantize(np.linspace(-1, 1, 128, dtype=np.float32).reshape(2, 64))
    tensors = {
        "token_embd.weight": np.arange(32, dtype=np.float32).reshape(4, 8),
        "blk.0.attn_q.weight": (blocks, "Q4_0"),
        "blk.0.attn_norm.weight": np.arange(9, dtype=np.float32),
        "scale": np.float32([0.5]),
        "none": np.zeros((0, 3), np.float32),
    }
    metadata = {"general.architecture": "demo", "tokens": ["a", "b"], "scores": np.float32([1, 2])}
    gguf.write(tmp_path / "whole.gguf", metadata, tensors)
    return tmp_path / "whole.gguf"


def tensors_in(paths: list[pathlib.Path]) -> list[int]:
    return [len(gguf.reader.open_one(path).tensors) for path in paths]


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ({}, [5]),
        ({"max_tensors": 2}, [2, 2, 1]),
        ({"max_tensors": 5}, [5]),
        ({"max_size": 128}, [1, 1, 3]),
        ({"max_size": 224}, [2, 3]),
        ({"max_size": 10**9, "tensors_in_first": False}, [0, 5]),
    ],
    ids=str,
)
@pytest.mark.parametrize("order", ["<", ">"])
def test_split_open_and_merge(whole, limit, expected, order, tmp_path):
    original = gguf.open(whole)
    gguf.write(whole, original.metadata, original.tensors, version=2, byte_order=order)
    paths = gguf.split(whole, tmp_path / "part", **limit)
    assert tensors_in(paths) == expected
    assert not list(tmp_path.glob(".*"))

    gguf.merge(paths[0], tmp_path / "merged.gguf")
    assert (tmp_path / "merged.gguf").read_bytes() == whole.read_bytes()
    if len(paths) > 1:
        for path in paths:  # any shard opens the whole model
            f = gguf.open(path)
            assert f.shards == paths and f.path == path
            assert f.metadata.types == original.metadata.types and list(f.tensors) == list(original.tensors)
            for name, tensor in f.tensors.items():
                assert np.array_equal(tensor.to_float(), original.tensors[name].to_float())


def test_what_a_shard_says_about_its_place(whole, tmp_path):
    first, second, third = (gguf.reader.open_one(path) for path in gguf.split(whole, tmp_path / "p", max_tensors=2))
    assert list(first.metadata) == ["general.architecture", "tokens", "scores", NUMBER, TENSORS, COUNT]
    assert dict(second.metadata) == {NUMBER: 1, TENSORS: 5, COUNT: 3}
    assert third.metadata.types == {NUMBER: "uint16", TENSORS: "int32", COUNT: "uint16"}
    assert first.path.name == "p-00001-of-00003.gguf"


@pytest.mark.parametrize("kind", make_gguf_split.LIMITS)
def test_the_shards_equal_those_of_llama_gguf_split(kind, tmp_path):
    """The program's own files were too large to keep, so their hashes were kept."""
    make_gguf_split.write_whole(tmp_path / "whole.gguf")
    paths = gguf.split(tmp_path / "whole.gguf", tmp_path / kind, **make_gguf_split.LIMITS[kind])
    assert make_gguf_split.hashes(paths) == json.loads(GOLDEN.read_text())[kind]


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ({"max_size": 127}, r"tensors\['token_embd.weight'\] alone takes 128 bytes; expected at most 127"),
        ({"max_tensors": 0}, "expected a limit of at least 1"),
        ({"max_size": -1}, "expected a limit of at least 1"),
        ({"max_size": 1, "max_tensors": 1}, "expected one of them"),
    ],
    ids=str,
)
def test_limits_that_cannot_be_kept(whole, limit, said, tmp_path):
    with pytest.raises(gguf.GGUFError, match=said):
        gguf.split(whole, tmp_path / "part", **limit)
    assert list(tmp_path.glob("part*")) == []


class TestWrongShards:
    @pytest.fixture
    def paths(self, whole, tmp_path) -> list[pathlib.Path]:
        return gguf.split(whole, tmp_path / "p", max_tensors=2)

    def refused(self, path: pathlib.Path) -> str:
        with pytest.raises(gguf.GGUFError) as caught:
            gguf.open(path)
        return str(caught.value)

    def test_one_is_missing(self, paths):
        paths[1].unlink()
        assert "p-00002-of-00003.gguf: is missing; expected shard 2 of 3 there" in self.refused(paths[0])

    def test_one_stands_for_another(self, paths):
        shutil.copy(paths[2], paths[1])
        assert "p-00002-of-00003.gguf: is shard 3 of 3; expected shard 2 of 3" in self.refused(paths[0])

    def test_one_is_of_another_split(self, paths):
        gguf.edit(paths[1], set={COUNT: 4})
        assert "p-00002-of-00003.gguf: is shard 2 of 4; expected shard 2 of 3" in self.refused(paths[0])

    def test_one_is_an_ordinary_file(self, paths, whole):
        shutil.copy(whole, paths[1])
        assert "p-00002-of-00003.gguf: is shard 1 of 0; expected shard 2 of 3" in self.refused(paths[0])

    def test_a_shard_has_another_name(self, paths, tmp_path):
        paths[0].rename(tmp_path / "renamed.gguf")
        assert "expected a name that ends in -00001-of-00003.gguf" in self.refused(tmp_path / "renamed.gguf")

    def test_a_tensor_is_in_two_shards(self, paths):
        f = gguf.reader.open_one(paths[1])
        gguf.write(paths[1], f.metadata, f.tensors | {"scale": np.float32([1])})
        shard = gguf.reader.open_one(paths[2])
        gguf.write(paths[2], shard.metadata, {"scale": np.float32([1])})
        assert "p-00003-of-00003.gguf: tensors['scale'] is in an earlier shard too" in self.refused(paths[0])

    def test_tensors_are_missing(self, paths):
        f = gguf.reader.open_one(paths[2])
        gguf.write(paths[2], f.metadata, {})
        assert "metadata['split.tensors.count'] is 5; the 3 shards hold 4" in self.refused(paths[0])

    @pytest.mark.parametrize("value", ["many", -3, np.int32([3]), True], ids=str)
    def test_the_count_is_no_count(self, paths, value):
        gguf.edit(paths[0], remove=[COUNT], set={COUNT: value})
        assert "metadata['split.count'] is" in self.refused(paths[0])

    def test_the_number_is_out_of_range(self, paths):
        gguf.edit(paths[0], set={NUMBER: 3})
        assert "metadata['split.no'] is 3; expected 0 to 2" in self.refused(paths[0])

    def test_an_ordinary_file_cannot_be_merged(self, whole, tmp_path):
        with pytest.raises(gguf.GGUFError, match="is not a shard of a split model"):
            gguf.merge(whole, tmp_path / "merged.gguf")
