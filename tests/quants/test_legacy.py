"""The layouts of 2023: each weight read by plain arithmetic, encoding followed number by number, and a file of then."""

import math

import numpy as np
import pytest

from refllm import quants
from refllm.quants import legacy
from tests.quants import samples

NAMES = [scheme.name for scheme in legacy.SCHEMES]


def level_of(name: str, block, i: int) -> int:
    """The stored level of weight i, before a zero point is taken off."""
    if name.startswith("Q8"):
        return int(block["qs"][i])
    neighbours = not name.endswith("v2")
    byte, high = (i // 2, i % 2) if neighbours else (i % 16, i // 16)
    level = int(block["qs"][byte]) >> (4 * high) & 15
    if name.startswith("Q5"):
        level += 16 * (int.from_bytes(bytes(block["qh"]), "little") >> i & 1)
    return level


def weight_of(name: str, block, i: int) -> np.float32:
    zero = {"Q4_0": 8, "Q4_2": 8, "Q5_0": 16}.get(name[:4], 0)
    weight = np.float32(level_of(name, block, i) - zero) * np.float32(block["d"])
    return weight + np.float32(block["m"]) if "m" in block.dtype.names else weight


@pytest.mark.parametrize("name", NAMES)
def test_each_weight_is_where_it_should_be(name):
    scheme = quants.get(name)
    blocks = samples.random_blocks(name, 12)
    for field in {"d", "m"} & set(scheme.dtype.names):
        blocks[field] = np.random.default_rng(1).normal(size=12)
    weights = scheme.dequantize(blocks).reshape(12, -1)
    expected = [[weight_of(name, block, i) for i in range(scheme.block_size)] for block in blocks]
    np.testing.assert_array_equal(weights, np.float32(expected))


def encoded(name: str, weights) -> tuple[np.float32, list[int]]:
    """Scale and levels by the rules of May 2023, one number at a time."""
    one, extreme = np.float32(1), max(weights, key=abs)
    if name.startswith("Q8"):
        scale = abs(extreme) / np.float32(127)
        return scale, [half_away(weight * (one / scale)) for weight in weights]
    if name[:4] in ("Q4_1", "Q4_3", "Q5_1"):
        highest = 31 if name.startswith("Q5") else 15
        scale = (max(weights) - min(weights)) / np.float32(highest)
        return scale, [int((weight - min(weights)) * (one / scale) + np.float32(0.5)) for weight in weights]
    half = 16 if name.startswith("Q5") else 8
    scale = extreme / np.float32(-half)
    if name == "Q4_0_ggjt_v1":
        return scale, [min(15, half_away(weight * (one / scale)) + 8) for weight in weights]
    return scale, [min(2 * half - 1, int(weight * (one / scale) + np.float32(half + 0.5))) for weight in weights]


def half_away(x: float) -> int:
    return int(math.copysign(math.floor(abs(float(x)) + 0.5), x))


@pytest.mark.parametrize("name", NAMES)
def test_encoding_follows_the_rules_of_then(name):
    scheme = quants.get(name)
    weights = samples.weights("normal", rows=2, seed=5)
    for row, block in zip(weights.reshape(-1, scheme.block_size), scheme.quantize(weights).reshape(-1), strict=True):
        scale, levels = encoded(name, row)
        assert block["d"] == scale.astype(block["d"].dtype)
        assert [level_of(name, block, i) for i in range(scheme.block_size)] == levels


@pytest.mark.parametrize("name", NAMES)
def test_encoding_what_was_decoded_gives_it_back(name):
    """True where scales are exact: the largest magnitude then stands for the same level again."""
    scheme = quants.get(name)
    weights = np.random.default_rng(2).integers(-7, 8, 4 * scheme.block_size).astype(np.float32)
    weights[:: scheme.block_size], weights[1 :: scheme.block_size] = -8, 7
    if scheme.block_size == 32 and name[:4] in ("Q5_0", "Q8_0"):
        weights[:: scheme.block_size] = -127 if name.startswith("Q8") else -16
    if name.startswith("Q5_1"):
        weights[1 :: scheme.block_size] = 23
    np.testing.assert_array_equal(scheme.dequantize(scheme.quantize(weights)), weights)


def test_bits_per_weight():
    expected = {"Q4_0_ggjt_v1": 5.0, "Q4_1_ggjt_v1": 6.0, "Q4_2": 5.0, "Q4_3": 6.0, "Q8_0_ggjt_v2": 9.0}
    assert {name: quants.get(name).bits_per_weight for name in expected} == expected


def test_the_numbers_of_each_version():
    assert [legacy.BY_VERSION[1][number].name for number in (4, 5)] == ["Q4_2", "Q4_3"]
    assert set(legacy.BY_VERSION[1]) - set(legacy.BY_VERSION[2]) == {4, 5}
    assert legacy.BY_VERSION[2][6] is quants.get("Q5_0") is not legacy.BY_VERSION[1][6]


@pytest.mark.conformance
def test_a_q5_1_file_of_2023_comes_out_of_its_float_twin(fixtures):
    """rwkv.cpp wrote both files with the ggml of that summer; its Q5_1 has today's layout."""
    folder = fixtures / "rwkv"
    exact = samples.rwkv_tensors(folder / "tiny-rwkv-4v0-660K-FP32.bin")
    packed = samples.rwkv_tensors(folder / "tiny-rwkv-4v0-660K-Q5_1.bin")
    blocked = [name for name, tensor in packed.items() if tensor.dtype == np.uint8]
    assert len(blocked) > 10
    for name in blocked:
        blocks = quants.get("Q5_1").quantize(exact[name])
        np.testing.assert_array_equal(blocks.view(np.uint8), packed[name].reshape(len(blocks), -1), err_msg=name)
