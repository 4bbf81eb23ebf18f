"""What is wrong with a file is named; quantized weights give what their dequantized twins give."""

import jax.numpy as jnp
import numpy as np
import pytest

import refllm
from refllm import gguf, models, quants
from refllm.engine import Session
from refllm.models import ModelError, decoder
from refllm.tokenizers import TokenizerError
from tests.models import tiny

WIDE = {"embedding_length": 256, "feed_forward_length": 512, "block_count": 1}


def written(path, change, variant="llama"):
    """The tiny model with its metadata and tensors changed."""
    metadata, tensors = tiny.metadata(variant), tiny.tensors(variant)
    change(metadata, tensors)
    gguf.write(path, metadata, tensors)
    return path


def session_of(path, compute="exact"):
    file = gguf.open(path)
    config = models.read_config(file.metadata)
    return Session(config, models.load_weights(config, file.tensors, compute), 128)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m, t: t.pop("blk.1.attn_k.weight"), "tensor 'blk.1.attn_k.weight' is missing"),
        (lambda m, t: t.pop("token_embd.weight"), "tensor 'token_embd.weight' is missing"),
        (lambda m, t: t.update({"blk.1.what.weight": t["output_norm.weight"]}), "'blk.1.what.weight' has no place"),
        (lambda m, t: t.update({"blk.7.ffn_up.weight": t["blk.1.ffn_up.weight"]}), "'blk.7.ffn_up.weight' has no"),
        (
            lambda m, t: t.update({"blk.0.attn_q.weight": t["blk.0.attn_q.weight"][:90]}),
            r"tensor 'blk.0.attn_q.weight' has shape \[90, 96\]; expected \[96, 96\]",
        ),
        (lambda m, t: m.update({"general.architecture": "mamba"}), "unknown architecture 'mamba'; known: baichuan"),
        (lambda m, t: m.pop("general.architecture"), "unknown architecture None"),
        (lambda m, t: m.pop("llama.block_count"), "'llama.block_count' is missing"),
    ],
)
def test_a_file_that_does_not_describe_a_model(tmp_path, change, message):
    with pytest.raises(ModelError, match=message):
        session_of(written(tmp_path / "bad.gguf", change))


def test_an_unknown_pre_tokenizer_is_refused_by_name(tmp_path):
    from refllm.engine import load

    def change(metadata, tensors):
        metadata.update({"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "martian", "tokenizer.ggml.merges": []})

    with pytest.raises(TokenizerError, match="martian"):
        load(written(tmp_path / "bad.gguf", change))


def wide_logits(path, scheme, compute, monkeypatch):
    monkeypatch.setattr(tiny, "COMMON", {**tiny.COMMON, **WIDE})
    tiny.write("llama", path, scheme)
    return session_of(path, compute).read_all(tiny.prompt(16))[0]


NOT_FOR_WEIGHTS = {"F32", "F64", "I8", "I16", "I32", "I64", "Q8_1", "Q8_K"}
IN_FILES = [
    name
    for name, scheme in quants.SCHEMES.items()
    if scheme.id is not None and not scheme.needs_importance and name not in NOT_FOR_WEIGHTS
]


@pytest.mark.parametrize("scheme", IN_FILES)
def test_quantized_weights_equal_their_dequantized_twins(tmp_path, monkeypatch, scheme):
    blocks = wide_logits(tmp_path / "blocks.gguf", scheme, "exact", monkeypatch)
    file = gguf.open(tmp_path / "blocks.gguf")
    assert scheme in {tensor.type for tensor in file.tensors.values()}
    twins = {name: tensor.to_float() for name, tensor in file.tensors.items()}
    gguf.write(tmp_path / "floats.gguf", file.metadata, twins)
    floats = session_of(tmp_path / "floats.gguf").read_all(tiny.prompt(16))[0]
    assert np.abs(blocks - floats).max() <= 1e-5 * np.ptp(floats)


@pytest.mark.parametrize("scheme", ["Q8_0", "Q4_0", "Q4_K"])
def test_fast_rounds_activations_and_exact_does_not(tmp_path, monkeypatch, scheme):
    exact = wide_logits(tmp_path / "m.gguf", scheme, "exact", monkeypatch)
    fast = session_of(tmp_path / "m.gguf", "fast").read_all(tiny.prompt(16))[0]
    gap = np.abs(fast - exact).max() / np.ptp(exact)
    assert 1e-6 < gap < 0.02, gap


def test_a_fused_matrix_is_taken_apart_in_its_blocks(tmp_path):
    tiny.write("phi3", tmp_path / "m.gguf", "Q8_0")
    weights = session_of(tmp_path / "m.gguf").weights["layers"][0]
    assert weights["query"].scheme == "Q8_0" and weights["key"].shape == (32, 96) and weights["gate"].shape == (160, 96)
    assert jnp.isfinite(weights["up"].fields["d"]).all()


def test_the_context_in_use_chooses_between_the_factors_of_phi3(tmp_path):
    path = tiny.write("phi3-long", tmp_path / "phi3.gguf")  # trained on 32 tokens; the file says 256
    for context, which in ((32, "short"), (33, "long"), (None, "long")):
        llm = refllm.load(path, context=context)
        expected = tiny.tensors("phi3-long")[f"rope_factors_{which}.weight"]
        np.testing.assert_array_equal(decoder.rope_factors(llm.config, llm.weights), expected)
