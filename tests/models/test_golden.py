"""Every architecture against llama.cpp and against transformers: the golden values in `tests/golden/models`."""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from refllm import gguf, kernels, models
from refllm.engine import Session, steps
from refllm.layers import feed_forward
from tests.models import tiny

GOLDEN = np.load(pathlib.Path(__file__).parents[1] / "golden" / "models" / "llama_cpp.npz")
TORCH = np.load(pathlib.Path(__file__).parents[1] / "golden" / "models" / "torch.npz")
GEMMAS = ("gemma", "gemma2", "gemma3")


def half(x):
    return x.astype(jnp.float16).astype(jnp.float32)


def ggml_gelu(x):
    """GELU as ggml has it on the CPU: looked up in a table with float16 entries, for float16 arguments."""
    looked_up = half(jax.nn.gelu(half(x), approximate=True))
    return jnp.where(x <= -10, 0.0, jnp.where(x >= 10, x, looked_up))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return tmp_path_factory.mktemp("tiny")


def session(path: pathlib.Path) -> Session:
    """A session on float32 weights: one compiled program serves all tests of a model."""
    file = gguf.open(path)
    config = models.read_config(file.metadata)
    weights = models.load_weights(config, file.tensors, "exact")
    return Session(config, jax.tree.map(kernels.to_float, weights), 128)


def logits(path: pathlib.Path) -> np.ndarray:
    return session(path).read_all(tiny.prompt())[0][:, tiny.COLUMNS]


@pytest.mark.parametrize("variant", tiny.VARIANTS)
def test_the_file_is_the_one_that_the_others_ran(variant, files):
    assert tiny.fingerprint(variant) == GOLDEN[f"{variant}/sha256"]


@pytest.mark.parametrize("variant", tiny.VARIANTS)
def test_float32_logits_equal_those_of_llama_cpp(variant, files, monkeypatch):
    """Within 1e-4 of the range of the logits; with ggml's own coarse GELU where the model has one."""
    if variant in GEMMAS:
        monkeypatch.setitem(feed_forward.ACTIVATIONS, "gelu_tanh", ggml_gelu)
        steps.read_all.clear_cache()
    expected = GOLDEN[f"{variant}/f32"]
    ours = logits(tiny.write(variant, files / f"{variant}.gguf"))
    if variant in GEMMAS:
        steps.read_all.clear_cache()
    assert np.abs(ours - expected).max() <= 1e-4 * np.ptp(expected)


@pytest.mark.parametrize("variant", sorted({name.partition("/")[0] for name in TORCH.files if "/" in name}))
def test_float32_logits_equal_those_of_transformers(variant, files):
    expected = TORCH[f"{variant}/f32"]
    ours = logits(tiny.write(variant, files / f"{variant}.gguf"))
    assert np.abs(ours - expected).max() <= 1e-4 * np.ptp(expected)


@pytest.mark.parametrize("variant", tiny.VARIANTS)
def test_float16_logits_are_near_those_of_llama_cpp(variant, files):
    expected = GOLDEN[f"{variant}/f16"]
    ours = logits(tiny.write(variant, files / f"{variant}-f16.gguf", "F16"))
    assert np.abs(ours - expected).max() <= 1e-3 * np.ptp(expected)


@pytest.mark.parametrize("variant", tiny.VARIANTS)
def test_greedy_text_is_that_of_llama_cpp(variant, files):
    """20 answers of 64 tokens each, token by token; no token of them was decided by a hair."""
    reader = session(tiny.write(variant, files / f"{variant}.gguf"))
    assert GOLDEN[f"{variant}/gap"] >= (0.01 if variant in GEMMAS else 1e-3)
    for prompt, answer in zip(GOLDEN[f"{variant}/prompts"].tolist(), GOLDEN[f"{variant}/answers"], strict=True):
        reader.rewind(0)
        scores, _ = reader.read_all([*prompt, *answer.tolist()])
        assert scores[len(prompt) - 1 : -1].argmax(-1).tolist() == answer.tolist()
