"""The second opinion: the `gguf` package's table of types and its decoders, written in numpy by llama.cpp's authors."""

import gguf
import numpy as np
import pytest
from gguf.constants import GGML_QUANT_SIZES

from refllm import quants
from tests.quants import samples

DECODED_BY_GGUF = [number.name for number in gguf.quants._type_traits]
ENCODED_BY_GGUF = ["BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "TQ1_0", "TQ2_0", "MXFP4"]


@pytest.mark.parametrize("number", GGML_QUANT_SIZES, ids=lambda number: number.name)
def test_block_size_and_bytes(number):
    block_size, block_bytes = GGML_QUANT_SIZES[number]
    if number.name == "Q8_1":
        block_bytes = 36  # the package says 40, what it was in 2023 with float32 scales; ggml today says 36
    scheme = quants.get(number.value)
    assert (scheme.name, scheme.block_size, scheme.block_bytes) == (number.name, block_size, block_bytes)


@pytest.mark.parametrize("name", DECODED_BY_GGUF)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # the package multiplies NaN and infinity without precaution
def test_dequantize(name):
    blocks = samples.random_blocks(name, 8192 // quants.get(name).block_size)
    expected = gguf.quants.dequantize(blocks.view(np.uint8).reshape(8, -1), gguf.GGMLQuantizationType[name])
    weights = quants.get(name).dequantize(blocks.reshape(8, -1))
    number = ~np.isnan(expected)
    np.testing.assert_array_equal(np.isnan(weights), ~number)
    np.testing.assert_array_equal(weights[number].view(np.uint32), expected[number].view(np.uint32))


@pytest.mark.parametrize("name", ENCODED_BY_GGUF)
def test_quantize(name):
    weights = samples.weights("heavy_tailed", rows=16, seed=3)
    expected = gguf.quants.quantize(weights, gguf.GGMLQuantizationType[name])
    blocks = quants.get(name).quantize(weights)
    np.testing.assert_array_equal(blocks.view(np.uint8).reshape(16, -1), expected.view(np.uint8))
