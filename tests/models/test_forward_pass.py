"""The embedded model layer by layer, against what llama.cpp has there (`tests/golden/models/make_forward_pass.py`)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from refllm import embedded, gguf, kernels, models
from refllm.models import cache, decoder

GOLDEN = np.load(embedded.folder() / "forward_pass.npz")
TOLERANCE = 1e-5  # of the largest number in the layer


@pytest.fixture(scope="module")
def config():
    return models.read_config(gguf.open(embedded.path()).metadata)


@pytest.fixture(scope="module")
def weights(config):
    return jax.tree.map(kernels.to_float, models.load_weights(config, gguf.open(embedded.path()).tensors))


def through_the_layers(config, weights) -> np.ndarray:
    """What every token is before the first layer and after each: by models of one layer, two layers ..."""
    passed = []
    for count in range(config.layers + 1):
        memory = cache.empty(config.layers, 32, config.kv_heads, config.head_dim)
        first = {**weights, "layers": weights["layers"][:count], "output_norm": jnp.ones(config.dim)}
        passed.append(decoder.hidden_states(config, first, jnp.asarray(GOLDEN["ids"]), memory)[0])
    return np.stack(passed)


def normed(hidden: np.ndarray, eps: float) -> np.ndarray:
    return hidden / np.sqrt(np.mean(hidden.astype(np.float64) ** 2, axis=-1, keepdims=True) + eps)


def test_the_values_belong_to_the_embedded_model():
    assert GOLDEN["sha256"] == embedded.sums()[embedded.MODEL], "run tests/golden/models/make_forward_pass.py"


def test_every_layer_is_that_of_llama_cpp(config, weights):
    expected = normed(GOLDEN["layers"], config.norm_eps)
    found = through_the_layers(config, weights)
    assert len(found) == config.layers + 1
    for number, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
        assert np.abs(ours - theirs).max() < TOLERANCE * np.abs(theirs).max(), f"after {number} layers"


def test_the_logits_are_those_of_llama_cpp(config, weights):
    memory = cache.empty(config.layers, 32, config.kv_heads, config.head_dim)
    logits, _ = models.forward(config, weights, jnp.asarray(GOLDEN["ids"]), memory)
    spread = np.ptp(GOLDEN["logits"])
    assert np.abs(logits[-1] - GOLDEN["logits"]).max() < TOLERANCE * spread
    assert np.abs(logits[-1] - GOLDEN["logits_float16"]).max() < 0.01 * spread
