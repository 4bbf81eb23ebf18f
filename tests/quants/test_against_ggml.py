"""Every scheme against ggml itself, live: blocks and weights equal bit for bit.

By default a few thousand values of each kind; with REFLLM_LONG=1 in the environment four million of each.
"""

import os

import numpy as np
import pytest

from refllm import quants
from tests.quants import ggml, samples

pytestmark = pytest.mark.conformance

LONG = os.environ.get("REFLLM_LONG") == "1"
ROWS_AT_A_TIME = 512 if LONG else 8
REPEATS = 16 if LONG else 1  # 16 * 512 rows of 512 weights are 4 million

# Where the squares or cubes of weights overflow a float32, ggml finds no grid point and aborts the whole process: with
# these schemes soon; with IQ1_M and enormous weights in one row of some thousands.
ABORTS = {
    "huge": {"IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S"},
    "enormous": {"IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S"},
}


@pytest.mark.parametrize("distribution", samples.DISTRIBUTIONS)
@pytest.mark.parametrize("name", samples.IN_GGML)
def test_quantize_equals_ggml(name, distribution):
    if name in ABORTS.get(distribution, ()):
        with pytest.raises(quants.QuantError, match="overflow"):
            quants.get(name).quantize(samples.weights(distribution, rows=8), samples.importance())
        return
    for seed in range(REPEATS):
        weights = samples.weights(distribution, ROWS_AT_A_TIME, seed)
        for importance in (None, samples.importance(seed)):
            rows = without_overflow(name, weights, importance) if distribution == "enormous" else weights
            check_quantize(name, rows, importance)


def without_overflow(name: str, weights: np.ndarray, importance: np.ndarray | None) -> np.ndarray:
    """The rows that refllm does not refuse, almost all: ggml would abort at the others."""

    def overflows(rows: np.ndarray) -> bool:
        try:
            quants.get(name).quantize(rows, importance)
        except quants.QuantError as error:
            return "overflow" in str(error)
        return False

    kept = weights if not overflows(weights) else weights[[not overflows(row[None]) for row in weights]]
    assert len(kept) > 0.99 * len(weights)
    return kept


@pytest.mark.parametrize("name", samples.IN_GGML)
def test_quantize_equals_ggml_on_a_trained_model(name, fixtures):
    tensors = samples.rwkv_tensors(fixtures / "rwkv" / "tiny-rwkv-4v0-660K-FP32.bin")
    trained = np.concatenate([tensor.reshape(-1) for tensor in tensors.values() if tensor.ndim == 2])
    rows = trained[: trained.size // samples.COLUMNS * samples.COLUMNS].reshape(-1, samples.COLUMNS)
    rows = rows if LONG else rows[:: len(rows) // 16]
    check_quantize(name, rows, None)
    check_quantize(name, rows, samples.importance())


@pytest.mark.parametrize("name", [name for name in samples.IN_GGML if name not in samples.ACTIVATIONS])
def test_quantize_equals_ggml_where_one_column_alone_matters(name):
    check_quantize(name, samples.weights("normal", ROWS_AT_A_TIME), samples.importance_of_one_column())


def check_quantize(name: str, weights: np.ndarray, importance: np.ndarray | None) -> None:
    scheme = quants.get(name)
    if scheme.needs_importance and importance is None:
        with pytest.raises(quants.QuantError, match="needs an importance"):
            scheme.quantize(weights)
        return
    if name in samples.ACTIVATIONS:
        expected = ggml.quantize_reference(scheme.id, weights)
    else:
        expected = ggml.quantize(scheme.id, weights, importance)
    blocks = scheme.quantize(weights, importance)
    different = (blocks.view(np.uint8).reshape(-1, scheme.block_bytes) != expected.reshape(-1, scheme.block_bytes)).any(
        1
    )
    assert not different.any(), f"{different.sum()} of {blocks.size} blocks; importance: {importance is not None}"


@pytest.mark.parametrize("name", [name for name in samples.IN_GGML if name != "Q8_1"])  # which ggml never reads back
def test_dequantize_equals_ggml(name):
    scheme = quants.get(name)
    blocks = samples.random_blocks(name, (4_000_000 if LONG else 40_000) // scheme.block_size)
    weights, expected = scheme.dequantize(blocks), ggml.dequantize(scheme.id, blocks)
    same = (weights.view(np.uint32) == expected.view(np.uint32)) | (np.isnan(weights) & np.isnan(expected))
    assert same.all()


@pytest.mark.parametrize("name", samples.IN_GGML)
def test_needs_importance_exactly_where_ggml_does(name):
    scheme = quants.get(name)
    assert scheme.needs_importance == ggml.library().ggml_quantize_requires_imatrix(scheme.id)


@pytest.mark.parametrize("number", range(43))
def test_block_size_and_bytes_are_those_of_ggml(number):
    info = ggml.traits(number)
    if number in quants.REMOVED:
        assert info.block_size == 0
        assert quants.REMOVED[number] in info.type_name.decode().upper() or number in (4, 5)
        with pytest.raises(quants.QuantError, match=quants.REMOVED[number]):
            quants.get(number)
        return
    scheme = quants.get(number)
    assert (scheme.block_size, scheme.block_bytes) == (info.block_size, info.block_bytes)
    assert scheme.name == info.type_name.decode().upper()
