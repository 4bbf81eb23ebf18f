"""Files from before GGUF, written here as the programs of 2023 wrote them, become today's."""

import io
import struct

import numpy as np
import pytest

import refllm
from refllm import gguf, quants
from refllm.convert import lazy, old_files
from refllm.errors import RefllmError
from refllm.quants import legacy
from tests.models import tiny

MAGIC = {"ggml": 0x67676D6C, "ggmf": 0x67676D66, "ggjt": 0x67676A74}
NAMES = {
    "token_embd": "tok_embeddings",
    "output_norm": "norm",
    "attn_q": "attention.wq",
    "attn_k": "attention.wk",
    "attn_v": "attention.wv",
    "attn_output": "attention.wo",
    "attn_norm": "attention_norm",
    "ffn_gate": "feed_forward.w1",
    "ffn_down": "feed_forward.w2",
    "ffn_up": "feed_forward.w3",
    "blk": "layers",
}
TYPES = {"F32": 0, "F16": 1, "Q4_0": 2, "Q4_1": 3, "Q5_0": 6, "Q5_1": 7, "Q8_0": 8}
CASES = [("ggml", 1, "Q4_0"), ("ggmf", 1, "F16"), ("ggmf", 1, "Q4_1")]
CASES += [("ggjt", version, name) for version in (1, 2, 3) for name in TYPES if name != "F32"]


def old_name(name: str) -> str:
    return ".".join(NAMES.get(part, part) for part in name.split("."))


def old_piece(id: int, piece: str) -> bytes:
    if id < 3:
        return (b" \xe2\x81\x87 ", b"", b"")[id]
    return bytes([id - 3]) if id < 259 else piece.replace("▁", " ").encode()


def write_old_file(path, kind: str, version: int, scheme: str) -> None:
    """The tiny model `llama` in a file of that time."""
    f, vocabulary = io.BytesIO(), tiny.vocabulary()
    fields = tiny.metadata("llama")
    f.write(struct.pack("<I", MAGIC[kind]) + (b"" if kind == "ggml" else struct.pack("<I", version)))
    head = [len(vocabulary["tokenizer.ggml.tokens"]), fields["llama.embedding_length"], 32]
    head += [fields["llama.attention.head_count"], fields["llama.block_count"], 16, 2]
    f.write(struct.pack("<7I", *head))
    scores = vocabulary["tokenizer.ggml.scores"].tolist()
    for id, piece in enumerate(vocabulary["tokenizer.ggml.tokens"]):
        raw = old_piece(id, piece)
        f.write(struct.pack("<I", len(raw)) + raw + (b"" if kind == "ggml" else struct.pack("<f", scores[id])))
    for name, array in tiny.tensors("llama").items():
        own = "F32" if array.ndim == 1 else scheme
        stored = quants.get(own) if version == 3 else legacy.BY_VERSION[version][TYPES[own]]
        raw = old_name(name).encode()
        f.write(
            struct.pack("<3I", array.ndim, len(raw), TYPES[own]) + struct.pack(f"<{array.ndim}I", *array.shape[::-1])
        )
        f.write(raw)
        f.write(bytes(-f.tell() % 32 if kind == "ggjt" else 0))
        f.write(stored.quantize(array).tobytes())
    path.write_bytes(f.getvalue())


@pytest.mark.parametrize(("kind", "version", "scheme"), CASES)
def test_the_tensors_are_those_of_a_gguf_file_of_the_same_weights(tmp_path, kind, version, scheme):
    write_old_file(tmp_path / "ggml-model.bin", kind, version, scheme)
    assert refllm.convert(tmp_path / "ggml-model.bin") == [tmp_path / "ggml-model.gguf"]
    tiny.write("llama", tmp_path / "new.gguf", scheme)
    ours, new = (gguf.open(tmp_path / name).tensors for name in ("ggml-model.gguf", "new.gguf"))
    assert ours.keys() == new.keys()
    for name, tensor in new.items():
        assert (ours[name].type, ours[name].shape) == (tensor.type, tensor.shape)
        if scheme in ("Q4_0", "Q5_0") and version == 1:  # rounded in another way then: a level may be the neighbour
            step = np.abs(tensor.data["d"].astype(np.float32)).max() * 1.01 if tensor.type == scheme else 0
            assert np.abs(ours[name].to_float() - tensor.to_float()).max() <= step
        else:
            assert ours[name].data.tobytes() == tensor.data.tobytes()


def test_levels_are_kept_exactly(tmp_path):
    """Also of version 1: the weights are those that the old blocks stood for, up to the rounding of scales."""
    write_old_file(tmp_path / "old.bin", "ggjt", 1, "Q4_0")
    refllm.convert(tmp_path / "old.bin")
    for name, array in tiny.tensors("llama").items():
        if array.ndim > 1:
            old = legacy.Q4_0_ggjt_v1
            then = old.dequantize(old.quantize(array))
            now = gguf.open(tmp_path / "old.gguf").tensors[name].to_float()
            np.testing.assert_allclose(now, then, rtol=2**-11, atol=1e-9)


def test_a_k_quant_of_ggjt_3_stays_as_it_is():
    """Blocks of 256 do not fit the rows of the tiny model."""
    blocks = quants.get("Q4_K").quantize(np.linspace(-1, 1, 512, dtype=np.float32).reshape(2, 256))
    scheme = old_files.scheme_of(12, 3, "a tensor")
    tensor = old_files.modernized(lazy.from_array(blocks, scheme))
    assert tensor.scheme.name == "Q4_K"
    assert tensor.rows(np.arange(2)).tobytes() == blocks.tobytes()
    with pytest.raises(RefllmError, match="a tensor is of type 13, which version 2 did not have"):
        old_files.scheme_of(13, 2, "a tensor")


def test_q4_2_becomes_f16():
    weights = np.linspace(-1, 1, 64, dtype=np.float32).reshape(2, 32)
    tensor = old_files.modernized(lazy.from_array(legacy.Q4_2.quantize(weights), legacy.Q4_2))
    assert (tensor.scheme.name, tensor.shape) == ("F16", (2, 32))
    expected = legacy.Q4_2.dequantize(legacy.Q4_2.quantize(weights))
    np.testing.assert_allclose(tensor.weights(np.arange(2)), expected, rtol=2**-11)


def test_vocabulary_and_metadata(tmp_path):
    write_old_file(tmp_path / "ggml-model-q4_0.bin", "ggjt", 3, "Q4_0")
    refllm.convert(tmp_path / "ggml-model-q4_0.bin", tmp_path / "new.gguf")
    metadata = gguf.open(tmp_path / "new.gguf").metadata
    for key, value in tiny.vocabulary().items():
        assert np.array_equal(metadata[key], value)
    expected = {name: tiny.COMMON[name] for name in ("embedding_length", "block_count", "feed_forward_length")}
    expected |= {"attention.head_count": 6, "attention.head_count_kv": 2, "context_length": 2048}
    assert {name: metadata[f"llama.{name}"] for name in expected} == expected
    assert (metadata["general.name"], metadata["general.file_type"]) == ("Ggml Model Q4_0", 2)


def test_the_text_is_that_of_the_gguf_file(tmp_path):
    write_old_file(tmp_path / "old.bin", "ggjt", 2, "Q5_1")
    refllm.convert(tmp_path / "old.bin")
    tiny.write("llama", tmp_path / "new.gguf", "Q5_1")
    gguf.edit(tmp_path / "new.gguf", set={"llama.attention.layer_norm_rms_epsilon": np.float32(5e-6)})
    texts = [
        refllm.load(tmp_path / f"{name}.gguf", compute="exact", context=64)
        .generate(tiny.prompt(8), max_tokens=8, temperature=0.0, ignore_eos=True)
        .ids
        for name in ("old", "new")
    ]
    assert texts[0] == texts[1]


FAULTS = {
    "a version of the future": (lambda data: data[:4] + b"\4" + data[5:], "byte 4: ggjt of version 4; expected 1 to 3"),
    "an end too early": (lambda data: data[:-100], "is it complete"),
    "an end in the vocabulary": (lambda data: data[:200], "more bytes expected"),
    "a long piece": (lambda data: data[:36] + b"\xff\xff\xff\x7f" + data[40:], "a text of 2147483647 bytes"),
    "an unknown name": (
        lambda data: data.replace(b"feed_forward.w3", b"feed_forward.w9"),
        "has no place in a LLaMA model",
    ),
    "a layer too many": (lambda data: data.replace(b"layers.2.", b"layers.7."), "expected layers 0 to 2"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_one_error_for(fault, tmp_path):
    spoil, message = FAULTS[fault]
    write_old_file(tmp_path / "old.bin", "ggjt", 3, "Q4_0")
    (tmp_path / "old.bin").write_bytes(spoil((tmp_path / "old.bin").read_bytes()))
    with pytest.raises(RefllmError, match=message):
        refllm.convert(tmp_path / "old.bin")
    assert not (tmp_path / "old.gguf").exists()


def test_files_that_are_none_of_these(tmp_path):
    (tmp_path / "some.bin").write_bytes(b"nothing")
    with pytest.raises(RefllmError, match="is no checkpoint"):
        refllm.convert(tmp_path / "some.bin")
    write_old_file(tmp_path / "part.bin", "ggml", 1, "Q4_0")
    (tmp_path / "part.bin.1").write_bytes(b"")
    with pytest.raises(RefllmError, match=r"is one of several files \(part\.bin\.1\)"):
        refllm.convert(tmp_path / "part.bin")
