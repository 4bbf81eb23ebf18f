"""Baichuan 7B: its packed matrix against the original code's activations, and the head of the second version."""

import jax.numpy as jnp
import numpy as np
import pytest

import refllm
from refllm import gguf, models
from refllm.convert import hugging_face
from refllm.models import cache as memory
from refllm.models import decoder
from refllm.tokenizers import sentencepiece_model
from refllm.tokenizers.vocabulary import Vocabulary
from tests.convert import checkpoints

LAYER = "model.layers.0."
SHAPES = {  # in the order of the file
    "model.embed_tokens.weight": (5, 32),
    f"{LAYER}input_layernorm.weight": (32,),
    f"{LAYER}self_attn.W_pack.weight": (96, 32),
    f"{LAYER}self_attn.o_proj.weight": (32, 32),
    f"{LAYER}post_attention_layernorm.weight": (32,),
    f"{LAYER}mlp.gate_proj.weight": (96, 32),
    f"{LAYER}mlp.down_proj.weight": (32, 96),
    f"{LAYER}mlp.up_proj.weight": (96, 32),
    "model.norm.weight": (32,),
}
CONFIG = {
    "architectures": ["BaichuanForCausalLM"],
    "model_type": "baichuan",
    "hidden_size": 32,
    "intermediate_size": 96,
    "num_hidden_layers": 1,
    "num_attention_heads": 8,
    "model_max_length": 4096,
    "rms_norm_eps": 1e-6,
    "vocab_size": 5,
    "tie_word_embeddings": False,
}


def write_folder(folder, state):
    folder.mkdir()
    checkpoints.write_tensors(folder, {name: checkpoints.as_lazy(array, "F32") for name, array in state.items()}, 1)
    checkpoints.write_json(folder / "config.json", CONFIG)
    vocabulary = Vocabulary(["<unk>", "<s>", "</s>", "a", "b"], [2, 3, 3, 1, 1], [0.0] * 5)
    (folder / "tokenizer.model").write_bytes(sentencepiece_model.model_file(vocabulary, sentencepiece_model.BPE, 0))
    return folder


def random_state() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    return {
        name: rng.standard_normal(shape, np.float32) for name, shape in (SHAPES | {"lm_head.weight": (5, 32)}).items()
    }


@pytest.mark.conformance
def test_activations_are_those_of_the_original(fixtures, tmp_path):
    numbers = np.fromfile(fixtures / "glm" / "baichuan7b_model.data", "<f4")
    state, at = {}, 0
    for name, shape in SHAPES.items():
        state[name] = numbers[at : at + np.prod(shape)].reshape(shape)
        at += np.prod(shape)
    folder = write_folder(tmp_path / "baichuan", state | {"lm_head.weight": np.zeros((5, 32), np.float32)})
    refllm.convert(folder, tmp_path / "out.gguf", "f32")
    f = gguf.open(tmp_path / "out.gguf")
    config = models.read_config(f.metadata)
    weights, cache = (
        models.load_weights(config, f.tensors, "exact"),
        memory.empty(config.layers, 8, config.kv_heads, config.head_dim),
    )
    for count in (3, 1, 1):
        tokens, expected = (
            numbers[at : at + count].view("<i4"),
            numbers[at + count : at + 33 * count].reshape(count, 32),
        )
        hidden, cache = decoder.hidden_states(config, weights, jnp.asarray(tokens), cache)
        cache = memory.advance(cache, count)
        assert np.abs(np.asarray(hidden) - expected).max() <= 5e-4
        at += 33 * count
    assert at == len(numbers)


def test_the_packed_matrix_is_taken_apart(tmp_path):
    state = random_state()
    refllm.convert(write_folder(tmp_path / "model", state), tmp_path / "out.gguf", "f32")
    f = gguf.open(tmp_path / "out.gguf")
    packed = state[f"{LAYER}self_attn.W_pack.weight"]
    for index, part in enumerate("qkv"):
        expected = packed[32 * index : 32 * index + 32]
        if part != "v":  # eight heads of four: pairs (0, 2), (1, 3) become neighbours
            expected = expected.reshape(8, 2, 2, 32).swapaxes(1, 2).reshape(32, 32)
        np.testing.assert_array_equal(f.tensors[f"blk.0.attn_{part}.weight"].to_float(), expected)
    assert f.metadata["general.architecture"] == "baichuan" and f.metadata["baichuan.context_length"] == 4096
    np.testing.assert_array_equal(f.tensors["output.weight"].to_float(), state["lm_head.weight"])


def test_the_head_of_the_second_version(tmp_path, monkeypatch):
    """Rows of length one, unless it is asked not to; known by the size of the vocabulary, which is small here."""
    monkeypatch.setattr(hugging_face, "BAICHUAN_2_VOCABULARY", 5)
    state = random_state()
    state["lm_head.weight"][4] = 0
    folder = write_folder(tmp_path / "model", state)
    refllm.convert(folder, tmp_path / "normed.gguf", "f32")
    refllm.convert(folder, tmp_path / "raw.gguf", "f32", normalize_head=False)
    normed, raw = (
        gguf.open(tmp_path / f"{name}.gguf").tensors["output.weight"].to_float() for name in ("normed", "raw")
    )
    np.testing.assert_array_equal(raw, state["lm_head.weight"])
    np.testing.assert_allclose(np.linalg.norm(normed, axis=1), [1, 1, 1, 1, 0], rtol=1e-6)
    lengths = np.linalg.norm(raw[:4], axis=1, keepdims=True)
    np.testing.assert_allclose(normed[:4], raw[:4] / lengths, rtol=1e-6)
