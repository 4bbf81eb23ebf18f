"""Folders as transformers saves them become GGUF files: tensors, metadata, shards, types, and one error per fault."""

import json

import numpy as np
import pytest

import refllm
from refllm import gguf, quants
from refllm.convert import safetensors_file
from refllm.errors import RefllmError, UsageError
from tests.convert import checkpoints
from tests.models import tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return checkpoints.write_folder(tmp_path_factory.mktemp("checkpoints") / "tiny-llama-v1", "llama")


@pytest.fixture
def own_folder(tmp_path):
    """One that a test may spoil."""
    return checkpoints.write_folder(tmp_path / "own", "llama", shards=3)


def contents(path) -> dict[str, tuple]:
    return {
        name: (tensor.type, tensor.shape, tensor.data.tobytes()) for name, tensor in gguf.open(path).tensors.items()
    }


def test_the_room_is_the_function(folder, tmp_path):
    from refllm.convert import to_gguf
    from refllm.convert.quantize_file import quantize

    assert refllm.quantize is quantize
    assert refllm.convert(folder, tmp_path / "a.gguf", outtype="f32") == [tmp_path / "a.gguf"]
    assert to_gguf.convert(folder, tmp_path / "b.gguf", outtype="f32") == [tmp_path / "b.gguf"]
    assert (tmp_path / "a.gguf").read_bytes() == (tmp_path / "b.gguf").read_bytes()


def test_tensors_of_llama(folder, tmp_path):
    refllm.convert(folder, tmp_path / "out.gguf", outtype="f32")
    state, tensors = checkpoints.state("llama"), gguf.open(tmp_path / "out.gguf").tensors
    same = {"token_embd": "model.embed_tokens", "output": "lm_head", "output_norm": "model.norm"}
    same |= {"blk.1.attn_v": "model.layers.1.self_attn.v_proj", "blk.0.ffn_down": "model.layers.0.mlp.down_proj"}
    for ours, theirs in same.items():
        np.testing.assert_array_equal(tensors[f"{ours}.weight"].to_float(), state[f"{theirs}.weight"])
    for ours, theirs, heads in (("attn_q", "q_proj", 4), ("attn_k", "k_proj", 2)):
        stored = tensors[f"blk.1.{ours}.weight"].to_float().reshape(heads, -1, 2, 64)
        original = state[f"model.layers.1.self_attn.{theirs}.weight"].reshape(heads, 2, -1, 64)
        np.testing.assert_array_equal(stored[:, :, 0], original[:, 0])
        np.testing.assert_array_equal(stored[:, :, 1], original[:, 1])
    assert len(tensors) == len(state)


def test_metadata(folder, tmp_path):
    refllm.convert(folder, tmp_path / "out.gguf", outtype="bf16")
    metadata = gguf.open(tmp_path / "out.gguf").metadata
    vocabulary = {key: metadata.pop(key) for key in list(metadata) if key.startswith("tokenizer.")}
    assert dict(metadata) == {
        "general.architecture": "llama",
        "general.type": "model",
        "general.sampling.top_k": 50,
        "general.sampling.top_p": pytest.approx(0.9),
        "general.sampling.temp": pytest.approx(0.6),
        "general.name": "Tiny Llama v1",
        "llama.context_length": 256,
        "llama.embedding_length": 64,
        "llama.block_count": 2,
        "llama.feed_forward_length": 96,
        "llama.attention.head_count": 4,
        "llama.attention.head_count_kv": 2,
        "llama.vocab_size": checkpoints.VOCAB,
        "llama.attention.layer_norm_rms_epsilon": pytest.approx(1e-5),
        "llama.rope.freq_base": 10000.0,
        "llama.rope.dimension_count": 16,
        "general.size_label": "99K",
        "general.file_type": 32,
        "general.quantization_version": 2,
    }
    assert {key: vocabulary[key] for key in vocabulary if not key.endswith(("tokens", "scores", "token_type"))} == {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.add_space_prefix": True,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.unknown_token_id": 0,
        "tokenizer.ggml.padding_token_id": 0,
        "tokenizer.ggml.add_bos_token": True,
        "tokenizer.ggml.add_eos_token": False,
        "tokenizer.chat_template": "[INST] {{ x }} [/INST]",
    }
    expected = tiny.vocabulary()
    texts = [" red" if piece == "▁red" else piece for piece in expected["tokenizer.ggml.tokens"]]
    assert vocabulary["tokenizer.ggml.tokens"] == texts
    np.testing.assert_array_equal(vocabulary["tokenizer.ggml.scores"], expected["tokenizer.ggml.scores"])
    kinds = expected["tokenizer.ggml.token_type"].copy()
    kinds[[expected["tokenizer.ggml.tokens"].index(piece) for piece in checkpoints.USER_DEFINED]] = 4
    np.testing.assert_array_equal(vocabulary["tokenizer.ggml.token_type"], kinds)


@pytest.mark.parametrize("scheme", ["F16", "BF16"])
def test_shards_and_types_of_the_source_do_not_matter(tmp_path, scheme):
    for name, shards in (("whole", 1), ("shards", 3)):
        checkpoints.write_folder(tmp_path / name / "model", "llama", scheme, shards)
        refllm.convert(tmp_path / name / "model", tmp_path / f"{name}.gguf", outtype="auto")
    assert (tmp_path / "whole.gguf").read_bytes() == (tmp_path / "shards.gguf").read_bytes()
    kinds = {kind for kind, shape, _ in contents(tmp_path / "whole.gguf").values() if len(shape) > 1}
    assert kinds == {scheme}


def test_q8_0_is_that_of_the_quantizer(folder, tmp_path):
    refllm.convert(folder, tmp_path / "out.gguf", outtype="q8_0")
    kind, _, data = contents(tmp_path / "out.gguf")["blk.0.ffn_up.weight"]
    up = checkpoints.state("llama")["model.layers.0.mlp.up_proj.weight"]
    assert (kind, data) == ("Q8_0", quants.get("Q8_0").quantize(up).tobytes())


def test_weights_that_float16_cannot_hold(own_folder, tmp_path):
    path = own_folder / "model-00001-of-00003.safetensors"
    tensors = safetensors_file.read(path)
    name = next(name for name in tensors if name.endswith("proj.weight"))
    huge = checkpoints.state("llama")[name] * np.float32(1e6)
    copies = {
        each: checkpoints.as_lazy(huge if each == name else checkpoints.state("llama")[each], "BF16")
        for each in tensors
    }
    safetensors_file.write(path, copies)
    with pytest.raises(RefllmError, match="F16 cannot hold"):
        refllm.convert(own_folder, tmp_path / "out.gguf", outtype="f16")
    assert not (tmp_path / "out.gguf").exists()
    refllm.convert(own_folder, tmp_path / "out.gguf", outtype="bf16")


def test_vocabulary_alone(folder, tmp_path):
    refllm.convert(folder, tmp_path / "vocab.gguf", vocabulary_only=True)
    with gguf.open(tmp_path / "vocab.gguf") as f:
        assert not f.tensors
        tokenizer = refllm.tokenizers.from_gguf(f)
    assert tokenizer.decode(tokenizer.encode("你好中 red文")) == "你好中 red文"


def test_split(folder, tmp_path):
    refllm.convert(folder, tmp_path / "whole.gguf")
    paths = refllm.convert(folder, tmp_path / "part.gguf", split_max_size=60_000)
    assert len(paths) > 2 and paths[0].name == f"part-00001-of-{len(paths):05d}.gguf"
    assert contents(paths[0]) == contents(tmp_path / "whole.gguf")
    assert dict(gguf.open(paths[0]).metadata).keys() == gguf.open(tmp_path / "whole.gguf").metadata.keys()


def test_the_default_name(own_folder):
    assert refllm.convert(own_folder) == [own_folder / "ggml-model-f16.gguf"]


def test_an_interrupt_leaves_nothing(folder, tmp_path, monkeypatch):
    calls = []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) > 3:
            raise KeyboardInterrupt
        return real(*arguments)

    real = quants.Scheme.dequantize
    monkeypatch.setattr(quants.Scheme, "dequantize", interrupted)
    for options in ({}, {"split_max_size": 60_000}):
        calls.clear()
        with pytest.raises(KeyboardInterrupt):
            refllm.convert(folder, tmp_path / "out.gguf", **options)
        assert list(tmp_path.iterdir()) == []


# --- one error for each fault


def spoil_index(folder, change):
    path = folder / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    change(index["weight_map"])
    checkpoints.write_json(path, index)


def rename(folder, old, new):
    """A tensor with another name in its file and in the index."""
    places = json.loads((folder / "model.safetensors.index.json").read_text())["weight_map"]
    path = folder / places[old]
    state = checkpoints.state("llama")
    names = [name for name, place in places.items() if place == path.name]
    tensors = {new if name == old else name: checkpoints.as_lazy(state[name], "F32") for name in names}
    safetensors_file.write(path, {name: tensor for name, tensor in tensors.items() if name})
    spoil_index(folder, lambda places: places.update({new: places.pop(old)}) if new else places.pop(old))


FAULTS = {
    "a missing shard": (
        lambda folder: (folder / "model-00002-of-00003.safetensors").unlink(),
        r"index.json: '.*' is said to be in model-00002-of-00003.safetensors, which is missing",
    ),
    "an index that names a tensor too many": (
        lambda folder: spoil_index(folder, lambda places: places.update(extra="model-00001-of-00003.safetensors")),
        "'extra' is said to be in model-00001-of-00003.safetensors, which does not hold it",
    ),
    "an index that misses a tensor": (
        lambda folder: spoil_index(folder, lambda places: places.pop("lm_head.weight")),
        "holds 'lm_head.weight', of which model.safetensors.index.json says nothing",
    ),
    "an index that leads out of the folder": (
        lambda folder: spoil_index(folder, lambda places: places.update({"lm_head.weight": "../own/other"})),
        "'../own/other'; expected a file of this folder",
    ),
    "no index": (
        lambda folder: (folder / "model.safetensors.index.json").unlink(),
        "model-00001-of-00003.safetensors is there, its index is missing",
    ),
    "an unknown tensor": (
        lambda folder: rename(folder, "lm_head.weight", "model.layers.0.mlp.side_proj.weight"),
        "tensor 'model.layers.0.mlp.side_proj.weight' has no place in a model of the kind llama",
    ),
    "a layer that lacks something": (
        lambda folder: rename(folder, "model.layers.1.mlp.up_proj.weight", None),
        "layer 1 has no 'ffn_up.weight'; other layers have it",
    ),
    "too many layers": (
        lambda folder: checkpoints.change_json(folder / "config.json", num_hidden_layers=1),
        "holds 'blk.1.*'; expected layers 0 to 0",
    ),
    "a vocabulary too large": (
        lambda folder: checkpoints.change_json(folder / "config.json", vocab_size=100),
        f"'token_embd.weight' has {checkpoints.VOCAB} rows; config.json says vocab_size 100",
    ),
    "more pieces than rows": (
        lambda folder: checkpoints.write_json(folder / "added_tokens.json", {"<extra>": checkpoints.VOCAB}),
        f"the tokenizer has {checkpoints.VOCAB + 1} pieces; the model knows {checkpoints.VOCAB}",
    ),
    "heads that do not fit": (
        lambda folder: checkpoints.change_json(folder / "config.json", num_key_value_heads=4),
        "'blk.0.attn_k.weight' has 32 rows; config.json says 64",
    ),
    "an unknown architecture": (
        lambda folder: checkpoints.change_json(folder / "config.json", architectures=["MambaForCausalLM"]),
        "the architecture is 'MambaForCausalLM'; expected one of LlamaForCausalLM",
    ),
    "a missing field": (
        lambda folder: checkpoints.change_json(folder / "config.json", hidden_size=None),
        "config.json: 'hidden_size' is missing",
    ),
    "no config": (lambda folder: (folder / "config.json").unlink(), "has no config.json"),
    "a config that is no JSON": (lambda folder: (folder / "config.json").write_text("{"), "cannot be read as JSON"),
    "no tokenizer": (lambda folder: (folder / "tokenizer.model").unlink(), "has no tokenizer"),
    "a tokenizer of another kind": (
        lambda folder: (folder / "tokenizer.model").write_bytes(b"\xff" * 30),
        "tokenizer.model: is no SentencePiece model",
    ),
    "a shard cut short": (
        lambda folder: (folder / "model-00001-of-00003.safetensors").write_bytes(
            (folder / "model-00001-of-00003.safetensors").read_bytes()[:-100]
        ),
        "is it complete",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_one_error_for(fault, own_folder, tmp_path):
    spoil, message = FAULTS[fault]
    spoil(own_folder)
    with pytest.raises(RefllmError, match=message):
        refllm.convert(own_folder, tmp_path / "out.gguf", outtype="f32")
    assert not list(tmp_path.glob("*out*"))


def test_no_source_and_no_such_type(tmp_path, folder):
    with pytest.raises(RefllmError, match="is not there"):
        refllm.convert(tmp_path / "nowhere", tmp_path / "out.gguf")
    with pytest.raises(UsageError, match="unknown outtype 'q4_0'"):
        refllm.convert(folder, tmp_path / "out.gguf", outtype="q4_0")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4]}, "is of type F8_E4M3; expected one of"),
        ({"dtype": "F32", "shape": [4], "data_offsets": [0, 12]}, "has 12 bytes; its shape"),
        ({"dtype": "F32", "shape": [-4], "data_offsets": [0, 16]}, "expected dtype, shape and data_offsets"),
        ({"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}, "is it complete"),
        ([], "expected dtype, shape and data_offsets"),
    ],
)
def test_bad_safetensors(tmp_path, entry, message):
    header = json.dumps({"w": entry}).encode()
    (tmp_path / "bad").write_bytes(len(header).to_bytes(8, "little") + header + bytes(16))
    with pytest.raises(RefllmError, match=message):
        safetensors_file.read(tmp_path / "bad")


@pytest.mark.parametrize("data", [b"", bytes(4), b"\xff" * 20, b"\x02" + bytes(7) + b"[]", b"\x01" + bytes(7) + b"{"])
def test_no_safetensors(tmp_path, data):
    (tmp_path / "bad").write_bytes(data)
    with pytest.raises(RefllmError, match="bad: "):
        safetensors_file.read(tmp_path / "bad")


def test_the_safetensors_library_reads_ours(tmp_path):
    from safetensors.numpy import load_file, save_file

    state = checkpoints.state("llama")
    safetensors_file.write(tmp_path / "ours", {name: checkpoints.as_lazy(each, "F32") for name, each in state.items()})
    save_file(state, tmp_path / "theirs")
    for name, array in load_file(tmp_path / "ours").items():
        np.testing.assert_array_equal(array, state[name])
    theirs = safetensors_file.read(tmp_path / "theirs")
    for name, array in state.items():
        np.testing.assert_array_equal(theirs[name].weights(np.arange(theirs[name].height)).reshape(array.shape), array)
