"""RWKV checkpoints become GGUF: `.pth` files, and rwkv.cpp's files of both versions in all their types."""

import json
import struct

import numpy as np
import pytest

import refllm
from refllm import gguf, quants
from refllm.convert import lazy, rwkv_file, rwkv_vocabulary, torch_file
from refllm.errors import RefllmError
from refllm.quants import legacy
from refllm.tokenizers import from_gguf
from tests.models import rwkv_reference as reference

TYPES = {"F32": 0, "F16": 1, "Q4_0": 2, "Q4_1": 3, "Q5_0": 7, "Q5_1": 8, "Q8_0": 9}  # as rwkv.cpp numbers them
BLOCKS = {"Q4_0": 2, "Q4_1": 3, "Q5_0": 6, "Q5_1": 7, "Q8_0": 8}  # as ggml does
FIXTURES = {"4v0-660K": "rwkv4", "7v0-834K": "rwkv7"}
PROMPT = list(b'"in')


def prepared(kind: str, weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What rwkv.cpp's converter makes of a checkpoint."""
    made = {}
    for name, array in weights.items():
        part = name.rpartition("att.")[2]
        if "time_" in name:
            array = array.squeeze()
        if part == "time_decay" and kind == "rwkv4":
            array = -np.exp(array)
        elif part == "time_decay" and kind.startswith("rwkv5"):
            array = np.exp(-np.exp(array)).reshape(len(array), -1, 1)
        elif part == "time_first" and kind == "rwkv5.0":
            array = np.exp(array).reshape(-1, 1, 1)
        elif part == "time_decay" and kind == "rwkv6":
            array = array.reshape(-1, reference.HEAD, 1)
        elif part == "time_faaaa":
            array = array[:, :, None]
        elif part in ("time_maa_w1", "time_maa_w2", "time_decay_w1", "time_decay_w2", "w1", "w2"):
            array = array.swapaxes(-1, -2)
        elif part in ("a1", "a2", "v1", "v2", "g1", "g2"):
            array = array.T
        made[name] = array
    if kind == "rwkv7":
        for layer in range(reference.LAYERS):
            parts = [made.pop(f"blocks.{layer}.att.x_{purpose}").reshape(1, 1, -1) for purpose in "rwkvag"]
            made[f"blocks.{layer}.att.x_rwkvag"] = np.concatenate(parts)
    return made


def write_rwkv_file(path, kind: str, version: int, type_name: str, weights: dict[str, np.ndarray]) -> None:
    """The checkpoint as rwkv.cpp writes it: matrices are quantized, but embedding, head and what is computed with."""
    vocabulary, dim = weights["emb.weight"].shape
    data = [struct.pack("<6I", 0x67676D66, version, vocabulary, dim, reference.LAYERS, TYPES[type_name])]
    for name, array in prepared(kind, weights).items():
        is_matrix = array.ndim == 2 and name.endswith(".weight")
        own = type_name if is_matrix and (type_name == "F16" or name not in ("emb.weight", "head.weight")) else "F32"
        scheme = quants.get(own)
        if version == 100 and own in BLOCKS:
            scheme = legacy.BY_VERSION[1][BLOCKS[own]]
        raw = name.encode()
        data.append(struct.pack(f"<{3 + array.ndim}I", array.ndim, len(raw), TYPES[own], *array.shape[::-1]) + raw)
        data.append(scheme.quantize(np.ascontiguousarray(array, np.float32)).tobytes())
    path.write_bytes(b"".join(data))


def write_pth(path, weights: dict[str, np.ndarray], scheme: str = "F32") -> None:
    stored = {name: lazy.encoded(lazy.from_array(array), quants.get(scheme), name) for name, array in weights.items()}
    torch_file.write(path, stored)


def converted(path, outtype: str = "f32"):
    return gguf.open(refllm.convert(path, outtype=outtype)[0])


@pytest.mark.parametrize("kind", reference.KINDS)
def test_rwkv_cpps_file_holds_what_the_checkpoint_holds(kind, tmp_path):
    weights = reference.checkpoint(kind)
    write_pth(tmp_path / "model.pth", weights)
    write_rwkv_file(tmp_path / "prepared.bin", kind, 101, "F32", weights)
    ours, theirs = converted(tmp_path / "model.pth"), converted(tmp_path / "prepared.bin")
    assert ours.metadata["general.architecture"] == kind[:5]
    for key in ours.metadata.keys() | theirs.metadata.keys():
        if key not in ("general.name", "general.quantization_version"):
            assert np.array_equal(ours.metadata[key], theirs.metadata[key]), key
    assert ours.tensors.keys() == theirs.tensors.keys()
    for name, tensor in ours.tensors.items():
        np.testing.assert_allclose(theirs.tensors[name].to_float(), tensor.to_float(), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("version", [100, 101])
@pytest.mark.parametrize("type_name", TYPES)
def test_every_type_of_rwkv_cpp_is_read(type_name, version, tmp_path):
    """Blocks of version 101 are today's; those of version 100 are rearranged and keep their levels."""
    weights = reference.checkpoint("rwkv4")
    write_rwkv_file(tmp_path / "model.bin", "rwkv4", version, type_name, weights)
    file = converted(tmp_path / "model.bin")
    name = "blk.1.time_mix_key.weight"
    assert file.tensors[name].type == type_name and file.tensors["token_embd.weight"].type in ("F32", type_name)
    old = quants.get(type_name)
    if version == 100 and type_name in BLOCKS:
        old = legacy.BY_VERSION[1][BLOCKS[type_name]]
    expected = old.dequantize(old.quantize(weights["blocks.1.att.key.weight"]))
    rounding = 0 if version == 101 else 2e-3 * np.abs(expected).max()  # scales of 32 bits become ones of 16
    np.testing.assert_allclose(file.tensors[name].to_float(), expected, rtol=0, atol=rounding)
    file_types = {"F32": 0, "F16": 1, "Q4_0": 2, "Q4_1": 3, "Q8_0": 7, "Q5_0": 8, "Q5_1": 9}
    assert file.metadata["general.file_type"] == file_types[type_name]


@pytest.mark.parametrize(("stored", "outtype", "expected"), [("BF16", "auto", "BF16"), ("F16", "q8_0", "Q8_0")])
def test_a_pth_file_gets_the_type_that_is_asked_for(stored, outtype, expected, tmp_path):
    write_pth(tmp_path / "model.pth", reference.checkpoint("rwkv6"), stored)
    types = {name: tensor.type for name, tensor in converted(tmp_path / "model.pth", outtype).tensors.items()}
    assert types["blk.0.time_mix_key.weight"] == expected
    floats = ("time_mix_w1", "time_mix_w2", "time_mix_first", "time_mix_decay", "time_mix_lerp_fused", "attn_norm")
    assert {types[f"blk.0.{name}.weight"] for name in floats} == {"F32"}


def test_names_and_shapes_are_llama_cpps(tmp_path):
    shapes = {}
    for kind in ("rwkv6", "rwkv7"):
        write_pth(tmp_path / f"{kind}.pth", reference.checkpoint(kind))
        file = converted(tmp_path / f"{kind}.pth")
        shapes[kind] = {name: tensor.shape for name, tensor in file.tensors.items()}
    assert shapes["rwkv6"]["blk.0.time_mix_w1.weight"] == (80, reference.DIM)
    assert shapes["rwkv6"]["blk.0.time_mix_w2.weight"] == (5, reference.DIM, 16)
    assert shapes["rwkv6"]["blk.0.time_mix_lerp_fused.weight"] == (5, 1, 1, reference.DIM)
    assert shapes["rwkv6"]["blk.0.time_mix_decay.weight"] == (reference.DIM,)
    assert shapes["rwkv7"]["blk.0.time_mix_lerp_fused.weight"] == (6, 1, 1, reference.DIM)
    assert shapes["rwkv7"]["blk.0.time_mix_r_k.weight"] == (reference.DIM,)
    assert (
        shapes["rwkv7"]["blk.0.time_mix_v1.weight"]
        == shapes["rwkv7"]["blk.0.time_mix_a1.weight"]
        == (16, reference.DIM)
    )
    assert shapes["rwkv7"]["blk.1.time_mix_v1.weight"] == (8, reference.DIM)
    assert file.metadata["rwkv7.attention.value_residual_mix_lora_rank"] == 8


@pytest.mark.parametrize("mix", ["Q4_0", "Q4_K_M"])
def test_converted_models_can_be_quantized(mix, tmp_path):
    weights = reference.checkpoint("rwkv7", dim=256, hidden=512)
    write_pth(tmp_path / "model.pth", weights)
    converted(tmp_path / "model.pth")
    refllm.quantize(tmp_path / "model.gguf", tmp_path / "small.gguf", mix)
    small = gguf.open(tmp_path / "small.gguf").tensors
    assert small["blk.0.channel_mix_key.weight"].type == mix.removesuffix("_M")
    assert small["blk.0.time_mix_w1.weight"].type == small["blk.0.time_mix_a1.weight"].type == "F32"


# ---- the fixtures of rwkv.cpp ----


def logits(path, compute: str) -> tuple[np.ndarray, np.ndarray]:
    """After three tokens, read at once and one by one."""
    llm = refllm.load(path, compute=compute)
    one_by_one = llm.new_session()
    for token in PROMPT:
        one_by_one.write(token)
    return np.asarray(llm.new_session().read(PROMPT)), np.asarray(one_by_one.logits)


@pytest.mark.conformance
@pytest.mark.parametrize("name", FIXTURES)
def test_logits_are_those_of_rwkv_cpp(name, fixtures, tmp_path):
    """Its own bound: the differences add up to less than 0.001. Ours are a thousand times closer, each of them."""
    expected = np.fromfile(fixtures / "rwkv" / f"expected-logits-{name}.bin", "<f4")
    refllm.convert(fixtures / "rwkv" / f"tiny-rwkv-{name}-FP32.bin", tmp_path / "model.gguf")
    assert gguf.open(tmp_path / "model.gguf").metadata["general.architecture"] == FIXTURES[name]
    for found in logits(tmp_path / "model.gguf", "exact"):
        assert abs((found - expected).sum()) < 0.001
        assert np.abs(found - expected).max() <= 1e-6 * np.ptp(expected)


@pytest.mark.conformance
def test_a_quantized_fixture_is_as_far_away_as_in_rwkv_cpp(fixtures, tmp_path):
    """Which rounds activations to int8, as `compute="fast"` does: its sum is 0.278034."""
    expected = np.fromfile(fixtures / "rwkv" / "expected-logits-4v0-660K.bin", "<f4")
    refllm.convert(fixtures / "rwkv" / "tiny-rwkv-4v0-660K-Q5_1.bin", tmp_path / "model.gguf")
    assert gguf.open(tmp_path / "model.gguf").tensors["blk.0.time_mix_key.weight"].type == "Q5_1"
    for found in logits(tmp_path / "model.gguf", "fast"):
        assert abs((found - expected).sum() - 0.278034) < 0.005


@pytest.mark.conformance
def test_the_trained_fixture_writes_text(fixtures, tmp_path):
    refllm.convert(fixtures / "rwkv" / "tiny-rwkv-4v0-660K-FP32.bin", tmp_path / "model.gguf")
    llm = refllm.load(tmp_path / "model.gguf")
    assert llm.tokenizer.encode('"in 你') == [*b'"in \xe4\xbd\xa0']
    assert llm.generate('"in', max_tokens=24, temperature=0.0).text.count(" the") >= 3


# ---- vocabularies ----

TABLE = "1 '\\x00' 1\n2 b'\\x80' 1\n3 'a' 1\n4 'ab' 2\n5 '\\n\\n' 2\n6 '你' 3\n7 \"'\" 1\n8 '\\\\' 1\n"


def with_vocabulary(weights: dict[str, np.ndarray], size: int) -> dict[str, np.ndarray]:
    return weights | {name: weights[name][:size] for name in ("emb.weight", "head.weight")}


def test_the_world_vocabulary(tmp_path):
    (tmp_path / rwkv_vocabulary.TABLE).write_text(TABLE, "utf-8")
    write_pth(tmp_path / "model.pth", with_vocabulary(reference.checkpoint("rwkv4"), 10))
    file = converted(tmp_path / "model.pth")
    tokenizer = from_gguf(file)
    assert tokenizer.encode("aab你\n\n'\\") == [3, 4, 6, 5, 7, 8]
    assert tokenizer.decode([4, 6, 7, 8, 1]) == "ab你'\\\x00"
    assert tokenizer.end_ids >= {0, 5} and file.metadata["tokenizer.ggml.tokens"][9] == "[PAD9]"
    assert file.metadata["tokenizer.chat_template"] == "rwkv-world"


def test_the_vocabulary_of_gpt_neox(tmp_path):
    letters = [chr(c) for c in range(33, 127)] + ["Ġ"]
    vocab = {text: id for id, text in enumerate(["<|endoftext|>", *letters, "th"])}
    content = {
        "model": {"type": "BPE", "vocab": vocab, "merges": ["t h"]},
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False},
        "added_tokens": [{"id": 0, "content": "<|endoftext|>", "special": True}],
    }
    (tmp_path / "20B_tokenizer.json").write_text(json.dumps(content))
    write_pth(tmp_path / "model.pth", with_vocabulary(reference.checkpoint("rwkv4"), len(vocab) + 2))
    tokenizer = from_gguf(converted(tmp_path / "model.pth"))
    assert tokenizer.encode("the") == [vocab["th"], vocab["e"]] and 0 in tokenizer.end_ids


# ---- what is wrong with a file is named ----


def damaged(change):
    def write(path, weights):
        write_rwkv_file(path, "rwkv4", 101, "Q4_0", weights)
        path.write_bytes(change(path.read_bytes()))

    return write


def without(name):
    return lambda path, weights: write_pth(path, {key: array for key, array in weights.items() if key != name})


def instead(name, array):
    return lambda path, weights: write_pth(path, weights | {name: array})


FAULTS = {
    "a version of the future": (
        damaged(lambda data: data[:4] + b"\xff" + data[5:]),
        "version 255; expected 100 or 101",
    ),
    "an end too early": (damaged(lambda data: data[:-100]), "is it complete"),
    "a type that is no more": (
        damaged(
            lambda data: data.replace(struct.pack("<5I", 2, 23, 2, 128, 128), struct.pack("<5I", 2, 23, 4, 128, 128))
        ),
        "tensor 'blocks.0.att.key.weight' is of type 4; expected one of F32",
    ),
    "no head": (without("head.weight"), "has no tensor 'head.weight'; expected a checkpoint of RWKV"),
    "a layer without a norm": (without("blocks.1.ln1.bias"), "layer 1 has no 'attn_norm.bias'"),
    "a mix missing": (
        without("blocks.1.att.time_mix_k"),
        r"blk.1 mixes tokens for \['r', 'v'\]; expected \['k', 'r', 'v",
    ),
    "an unknown name": (
        instead("blocks.0.att.what", np.ones(4, np.float32)),
        "'blocks.0.att.what' has no place in a mo",
    ),
    "a wrong size": (instead("blocks.0.att.time_decay", np.ones(7, np.float32)), r"\[128\] cannot be made of \[7\]"),
    "no vocabulary": (
        lambda path, weights: write_pth(path, with_vocabulary(weights, 10)),
        "knows 10 pieces; expected rwkv_vocab_v20230424.txt or 20B_tokenizer.json",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_one_error_for(fault, tmp_path):
    write, message = FAULTS[fault]
    path = tmp_path / ("model.bin" if write.__qualname__.startswith("damaged") else "model.pth")
    write(path, reference.checkpoint("rwkv4"))
    with pytest.raises(RefllmError, match=message):
        refllm.convert(path, outtype="f32")
    assert not path.with_suffix(".gguf").exists()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("1 'a'\n", "line 1 is"),
        ("1 'a' 2\n", "line 1 is"),
        ("0 'a' 1\n", "has the id 0"),
        ("11 'a' 1", "has the id 11"),
    ],
)
def test_a_table_that_cannot_be_read(table, message, tmp_path):
    (tmp_path / rwkv_vocabulary.TABLE).write_text(table, "utf-8")
    with pytest.raises(RefllmError, match=message):
        rwkv_vocabulary.read_vocabulary(tmp_path / "model.pth", 10)


def test_ggmf_files_of_llama_cpp_are_not_rwkvs(tmp_path):
    (tmp_path / "model.bin").write_bytes(struct.pack("<9I", 0x67676D66, 1, *[0] * 7))
    assert not rwkv_file.is_rwkv_file(tmp_path / "model.bin")
