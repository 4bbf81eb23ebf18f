"""`gguf.open` against real files, against the `gguf` package, and against files put together by hand."""

import os
import pathlib
import time

import gguf as peer  # the package of llama.cpp
import numpy as np
import pytest

from refllm import gguf, quants
from tests.gguf import craft

VOCABULARIES = ("aquila", "baichuan", "gpt-2", "llama-bpe", "llama-spm", "qwen2")
COMPARED = VOCABULARIES if os.environ.get("REFLLM_LONG") else ("llama-spm",)  # the package takes 2-14 s each
ORDERS = ("<", ">")


def vocabulary(fixtures: pathlib.Path, name: str) -> pathlib.Path:
    return fixtures / "tokenizers" / f"ggml-vocab-{name}.gguf"


def same(mine, theirs) -> bool:
    """Equal values, where an array may stand against a list."""
    return mine.tolist() == theirs if isinstance(mine, np.ndarray) else mine == theirs


@pytest.mark.conformance
@pytest.mark.parametrize("name", COMPARED)
def test_metadata_equals_the_gguf_package(fixtures, name):
    mine, theirs = gguf.open(vocabulary(fixtures, name)), peer.GGUFReader(vocabulary(fixtures, name))
    fields = {key: field for key, field in theirs.fields.items() if not key.startswith("GGUF.")}
    assert list(mine.metadata) == list(fields)
    assert mine.version == theirs.fields["GGUF.version"].contents()
    assert not mine.tensors and not theirs.tensors
    for key, field in fields.items():
        assert same(mine.metadata[key], field.contents()), key
        assert mine.metadata.types[key] == type_name(field), key


def type_name(field: peer.ReaderField) -> str:
    item = field.types[-1].name.lower()
    return f"{item}[]" if field.types[0] == peer.GGUFValueType.ARRAY else item


@pytest.mark.conformance
@pytest.mark.parametrize(("name", "order"), [(name, "<") for name in VOCABULARIES] + [("llama-spm", ">")])
def test_what_was_read_is_written_back_with_the_same_bytes(fixtures, name, order, tmp_path):
    original = vocabulary(fixtures, name)
    f = gguf.open(original)
    gguf.write(tmp_path / "copy.gguf", f.metadata, f.tensors, version=f.version, byte_order=order)
    copy = gguf.open(tmp_path / "copy.gguf")
    assert copy.byte_order == order
    gguf.write(tmp_path / "back.gguf", copy.metadata, copy.tensors, version=copy.version, byte_order="<")
    assert (tmp_path / "back.gguf").read_bytes() == original.read_bytes()
    assert ((tmp_path / "copy.gguf").read_bytes() == original.read_bytes()) == (order == "<")


@pytest.mark.conformance
def test_a_vocabulary_of_150_000_tokens_opens_in_half_a_second(fixtures):
    def seconds() -> float:
        start = time.process_time()  # of this process: others may be busy
        gguf.open(vocabulary(fixtures, "qwen2"))
        return time.process_time() - start

    assert min(seconds() for _ in range(3)) < 0.5


def peer_tensors() -> dict[str, np.ndarray]:
    """A tensor of every type that the `gguf` package takes as an array."""
    numbers = np.random.default_rng(0).standard_normal((3, 64)).astype(np.float32)
    kinds = ("float32", "float16", "float64", "int8", "int16", "int32", "int64")
    return {kind: (numbers * 100).astype(kind) for kind in kinds} | {"cube": np.zeros((2, 3, 4, 5), np.float32)}


@pytest.mark.parametrize("order", ORDERS)
def test_reads_what_the_gguf_package_writes(order, tmp_path):
    path = tmp_path / "peer.gguf"
    endian = peer.GGUFEndian.BIG if order == ">" else peer.GGUFEndian.LITTLE
    writer = peer.GGUFWriter(path, "demo", endianess=endian)
    for kind in ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"):
        getattr(writer, f"add_{kind}")(f"one.{kind}", 7)
        writer.add_key_value(f"many.{kind}", [1, 2, 3], peer.GGUFValueType.ARRAY, peer.GGUFValueType[kind.upper()])
    writer.add_bool("one.bool", True)
    writer.add_string("one.string", "词元 \N{LLAMA}")
    writer.add_array("many.string", ["", "a", "é"])
    writer.add_array("many.bool", [True, False])
    for name, array in peer_tensors().items():
        # add_tensor swaps the caller's own array in place for a big-endian file
        writer.add_tensor(name, array.copy())
    blocks = quants.get("Q8_0").quantize(peer_tensors()["float32"])
    writer.add_tensor("blocks", blocks.view(np.uint8).reshape(3, -1), raw_dtype=peer.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

    f = gguf.open(path)
    assert f.byte_order == order
    assert f.metadata.pop("general.architecture") == "demo"
    for key, value in f.metadata.items():
        amount, kind = key.split(".")
        assert f.metadata.types[key] == (kind if amount == "one" else f"{kind}[]")
        if kind not in ("bool", "string"):
            assert same(value, 7 if amount == "one" else [1, 2, 3]), key
    assert f.metadata["one.bool"] is True
    assert f.metadata["one.string"] == "词元 \N{LLAMA}"
    assert f.metadata["many.string"] == ["", "a", "é"]
    assert f.metadata["many.bool"].tolist() == [True, False]
    for name, array in peer_tensors().items():
        assert f.tensors[name].data.dtype.newbyteorder("=") == array.dtype
        assert np.array_equal(f.tensors[name].data, array), name
        assert f.tensors[name].to_float().dtype == np.float32
    if order == "<":  # the package does not know which bytes of raw blocks to swap
        assert f.tensors["blocks"].shape == (3, 64)
        assert f.tensors["blocks"].data.tobytes() == blocks.tobytes()


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("version", [2, 3])
def test_every_value_type_of_a_file_made_by_hand(version, order, tmp_path):
    kinds = {kind: craft.number(kind, 1, order) for kind in craft.CODES}
    pairs = [craft.pair(f"one{kind}", kind, raw, order) for kind, raw in kinds.items()]
    pairs += [craft.pair(f"none{kind}", craft.ARRAY, craft.array(kind, [], order), order) for kind in kinds]
    pairs.append(craft.pair("nothing", craft.ARRAY, craft.array(craft.STRING, [], order), order))
    pairs.append(craft.pair("latin", craft.STRING, craft.string(b"\xff\xe9", order), order))
    path = tmp_path / "hand.gguf"
    path.write_bytes(craft.gguf(pairs, version=version, order=order))

    f = gguf.open(path)
    assert (f.version, f.byte_order) == (version, order)
    for kind in kinds:
        assert f.metadata[f"one{kind}"] == 1
        assert f.metadata[f"none{kind}"].shape == (0,)
    assert f.metadata["one7"] is True and isinstance(f.metadata["one6"], float)
    assert f.metadata["nothing"] == []
    assert f.metadata["latin"] == "\udcff\udce9"  # not UTF-8, and yet nothing is lost
    gguf.write(tmp_path / "copy.gguf", f.metadata, f.tensors, version=version, byte_order=order)
    assert (tmp_path / "copy.gguf").read_bytes() == path.read_bytes()


def test_a_file_inside_another(tmp_path):
    inner, outer = tmp_path / "inner.gguf", tmp_path / "outer.bin"
    gguf.write(inner, {"a": 1}, {"w": np.arange(5, dtype=np.float32)})
    outer.write_bytes(b"seven b" + inner.read_bytes())
    f = gguf.open(outer, offset=7)
    assert f.data_offset == gguf.open(inner).data_offset + 7
    assert f.tensors["w"].data.tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(gguf.GGUFError, match=r"outer.bin: byte 0: magic is b'seve'; expected b'GGUF'"):
        gguf.open(outer)


def test_padding_behind_the_last_tensor_may_be_missing(tmp_path):
    path = tmp_path / "short.gguf"
    gguf.write(path, {}, {"w": np.ones(5, np.float32)})
    path.write_bytes(path.read_bytes()[:-12])
    assert gguf.open(path).tensors["w"].data.tolist() == [1] * 5
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(gguf.GGUFError, match=r"tensors\['w'\].data is cut off: it takes 20 bytes and 19 are left"):
        gguf.open(path)


def test_tensors_are_views_of_the_file(tmp_path):
    path = tmp_path / "a.gguf"
    gguf.write(path, {}, {"w": np.arange(8, dtype=np.float32)})
    with gguf.open(path) as f:
        kept = f.tensors["w"].data
        assert not kept.flags.owndata and not kept.flags.writeable
    assert kept[3] == 3  # what was taken stays good after closing
    del kept
    f.close()
    with pytest.raises(ValueError, match="closed"):
        _ = f.tensors["w"].data


def test_a_big_file_opens_at_once(tmp_path):
    """4 GB of zeros that take no space on the disk."""
    path = tmp_path / "big.gguf"
    rows = 2**20
    info = craft.info("w", [1024, rows], craft.TENSOR_F32, 0)
    path.write_bytes(craft.gguf(infos=[info]))
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size + 4 * 1024 * rows)
    start = time.process_time()
    f = gguf.open(path)
    assert time.process_time() - start < 0.1
    assert f.tensors["w"].shape == (rows, 1024) and not f.tensors["w"].data[-1].any()


@pytest.mark.parametrize("content", ["", "GG"])
def test_too_short_to_be_anything(content, tmp_path):
    path = tmp_path / "short.gguf"
    path.write_text(content)
    with pytest.raises(gguf.GGUFError, match=r"short\.gguf: byte 0: "):
        gguf.open(path)


def test_a_hint_for_what_is_often_met_instead(tmp_path):
    path = tmp_path / "pointer.gguf"
    path.write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(gguf.GGUFError, match=r"magic is b'vers' \(perhaps a Git LFS pointer"):
        gguf.open(path)


def test_what_cannot_be_opened(tmp_path):
    with pytest.raises(FileNotFoundError):
        gguf.open(tmp_path / "absent.gguf")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(gguf.GGUFError, match="is not a regular file"):
        gguf.open(tmp_path / "pipe")


def test_a_glance_shortens_what_is_long(tmp_path):
    path = tmp_path / "a.gguf"
    gguf.write(path, {"tokens": ["token"] * 1000, "template": "x" * 1000}, {"w": np.ones(8, np.float32)})
    f = gguf.open(path)
    assert repr(f) == f"GGUFFile({str(path)!r}, version 3, 2 metadata entries, 1 tensors)"
    assert len(repr(f.metadata)) < 200


class TestRegions:
    """The byte map is complete, without overlap, and says what `open` says."""

    def demo(self, path: pathlib.Path, order: str = "<") -> pathlib.Path:
        blocks = quants.get("Q4_0").quantize(np.ones((2, 32), np.float32))
        metadata = {"name": "demo", "tokens": ["a", "", "bc"], "scores": np.float32([1, 2]), "general.alignment": 64}
        gguf.write(path, metadata, {"w": (blocks, "Q4_0"), "b": np.ones(3, np.float32)}, byte_order=order)
        return path

    @pytest.mark.parametrize("order", ORDERS)
    @pytest.mark.parametrize("each_item", [False, True])
    def test_every_byte_is_covered_once(self, each_item, order, tmp_path):
        path = self.demo(tmp_path / "a.gguf", order)
        path.write_bytes(path.read_bytes() + b"more")
        position = 0
        for region in gguf.regions(path, each_item=each_item):
            assert region.offset == position and region.size > 0
            position += region.size
        assert position == path.stat().st_size

    def test_fields_and_values(self, tmp_path):
        path = self.demo(tmp_path / "a.gguf")
        values = {region.field: region.value for region in gguf.regions(path)}
        f = gguf.open(path)
        assert values["version"] == 3
        assert values["metadata['name'].type"] == 8 and values["metadata['name'].length"] == 4
        assert values["metadata['tokens']"] == f.metadata["tokens"]
        assert values["tensors['w'].size[0]"] == 32 and values["tensors['w'].size[1]"] == 2
        assert values["tensors['b'].offset"] == f.tensors["b"].offset - f.data_offset == 64
        assert values["tensors['b'].data"].to_float().tolist() == [1, 1, 1]

    def test_items_one_by_one(self, tmp_path):
        regions = gguf.regions(self.demo(tmp_path / "a.gguf"), each_item=True)
        values = {region.field: region.value for region in regions}
        assert values["metadata['tokens'][2]"] == "bc" and values["metadata['tokens'][1].length"] == 0
        assert values["metadata['scores'][1]"] == 2
        assert "metadata['tokens']" not in values

    def test_an_item_stands_where_it_says(self, tmp_path):
        path = self.demo(tmp_path / "a.gguf")
        raw = path.read_bytes()
        texts = [region for region in gguf.regions(path, each_item=True) if isinstance(region.value, str)]
        assert len(texts) == 4 + 3 + 2  # keys, values that are not empty, names of tensors
        for region in texts:
            assert raw[region.offset :][: region.size].decode() == region.value

    @pytest.mark.conformance
    def test_a_real_file(self, fixtures):
        path = vocabulary(fixtures, "llama-spm")
        assert sum(region.size for region in gguf.regions(path)) == path.stat().st_size
