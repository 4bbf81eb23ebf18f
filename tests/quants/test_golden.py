"""Every scheme against stored vectors that ggml made (`tests/golden/quants/make.py`): needs nothing outside a clone."""

import pathlib

import numpy as np
import pytest

from refllm import quants
from tests.quants import samples

GOLDEN = np.load(pathlib.Path(__file__).parents[1] / "golden" / "quants" / "blocks.npz")


@pytest.mark.parametrize("key", [key for key in GOLDEN if key.endswith(("/plain", "/weighted"))])
def test_quantize(key):
    name, way = key.split("/")
    blocks = quants.get(name).quantize(GOLDEN["weights"], GOLDEN["importance"] if way == "weighted" else None)
    np.testing.assert_array_equal(blocks.view(np.uint8).reshape(len(blocks), -1), GOLDEN[key])


@pytest.mark.parametrize("key", [key for key in GOLDEN if key.endswith("/bytes")])
def test_dequantize(key):
    scheme = quants.get(key.split("/")[0])
    weights, expected = scheme.dequantize(GOLDEN[key].view(scheme.dtype)), GOLDEN[f"{scheme.name}/floats"]
    number = ~np.isnan(expected)
    np.testing.assert_array_equal(np.isnan(weights), ~number)
    np.testing.assert_array_equal(weights[number].view(np.uint32), expected[number].view(np.uint32))


def test_no_scheme_is_missing():
    assert {key.split("/")[0] for key in GOLDEN if "/" in key} == set(samples.IN_GGML)
