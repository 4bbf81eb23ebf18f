"""K-quants: layouts read number by number, packings that lose nothing, the four steps of encoding, and ggml's traps."""

import itertools

import numpy as np
import pytest

from refllm.quants import get, k, k_minmax, k_symmetric
from refllm.quants.search import fit_scale_and_minimum, fit_symmetric_scale, grid_offsets
from tests.quants import ggml

NAMES = ["Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"]


def random_blocks(scheme, count, seed=0):
    """Any bytes, but for scales that are finite."""
    random = np.random.default_rng(seed)
    blocks = random.integers(0, 256, (count, scheme.block_bytes), np.uint8).view(scheme.dtype).reshape(-1)
    for field in {"d", "dmin"} & set(scheme.dtype.names):
        blocks[field] = random.standard_normal(count)
    return blocks


@pytest.mark.parametrize(
    ("name", "bits"), [("Q2_K", 2.625), ("Q3_K", 3.4375), ("Q4_K", 4.5), ("Q5_K", 5.5), ("Q6_K", 6.5625)]
)
def test_bits_per_weight(name, bits):
    assert get(name).block_size == 256 and get(name).bits_per_weight == bits


# ---- layouts: where a single weight's bits lie, said with plain Python integers ----


def minmax_weight(name, block, i):
    if name == "Q2_K":
        packed = int(block["scales"][i // 16])
        scale, minimum = packed % 16, packed // 16
        level = int(block["qs"][i // 128 * 32 + i % 32]) >> (i % 128 // 32 * 2) & 3
    else:
        scale, minimum = six_bit_numbers([int(byte) for byte in block["scales"]], i // 32)
        level = int(block["qs"][i // 64 * 32 + i % 32]) >> (i % 64 // 32 * 4) & 15
        if name == "Q5_K":
            level += 16 * (int(block["qh"][i % 32]) >> (i // 32) & 1)
    return float(block["d"]) * scale * level - float(block["dmin"]) * minimum


def six_bit_numbers(scales, group):
    if group < 4:
        return scales[group] % 64, scales[group + 4] % 64
    high_scale, high_minimum, low = scales[group - 4] // 64, scales[group] // 64, scales[group + 4]
    return low % 16 + 16 * high_scale, low // 16 + 16 * high_minimum


def symmetric_weight(name, block, i):
    if name == "Q3_K":
        group = i // 16
        low = int(block["scales"][group % 8]) >> (4 * (group // 8)) & 15
        scale = low + 16 * (int(block["scales"][8 + group % 4]) >> (group // 4 * 2) & 3) - 32
        level = int(block["qs"][i // 128 * 32 + i % 32]) >> (i % 128 // 32 * 2) & 3
        level += 4 * (int(block["hmask"][i % 32]) >> (i // 32) & 1) - 4
    else:
        scale = int(block["scales"][i // 16])
        level = int(block["ql"][i // 128 * 64 + i % 64]) >> (i % 128 // 64 * 4) & 15
        level += 16 * (int(block["qh"][i // 128 * 32 + i % 32]) >> (i % 128 // 32 * 2) & 3) - 32
    return float(block["d"]) * scale * level


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_is_read_from_its_own_bits(name):
    blocks = random_blocks(get(name), 4)
    weight = symmetric_weight if name in ("Q3_K", "Q6_K") else minmax_weight
    expected = [[weight(name, block, i) for i in range(256)] for block in blocks]
    np.testing.assert_allclose(get(name).dequantize(blocks).reshape(4, 256), expected, rtol=1e-6)


# ---- packings ----


def test_six_bit_numbers_fill_twelve_bytes():
    packed = np.random.default_rng(0).integers(0, 256, (10, 10, 12), np.uint8)
    scales, minimums = k_minmax.unpack_six_bits(packed)
    assert scales.max() == minimums.max() == 63
    assert (k_minmax.pack_six_bits(scales, minimums) == packed).all()


def test_signed_scales_fill_twelve_bytes():
    packed = np.random.default_rng(0).integers(0, 256, (10, 10, 12), np.uint8)
    scales = k_symmetric.unpack_signed_scales(packed)
    assert scales.min() == -32 and scales.max() == 31
    assert (k_symmetric.pack_signed_scales((scales + 32).astype(np.uint8)) == packed).all()


@pytest.mark.parametrize("size", [16, 32])
def test_groups_go_back_to_their_rows(size):
    levels = np.random.default_rng(0).integers(0, 64, (3, 5, 256)).astype(np.float32)
    groups = k.in_groups(levels, size)
    assert (k.in_rows(groups, size, levels.shape) == levels).all()
    assert (groups[:, 2 * 15 + 7] == levels[1, 2, 2 * size : 3 * size]).all()  # group 2 of block 7


# ---- encoding ----


@pytest.mark.parametrize("name", NAMES)
def test_weights_on_a_block_s_own_grid_come_back_exactly(name):
    """Whole numbers that span all levels in each group, so that every group has the same scale: 1."""
    lowest, highest = {"Q2_K": (0, 3), "Q3_K": (-4, 3), "Q4_K": (0, 15), "Q5_K": (0, 31), "Q6_K": (-32, 31)}[name]
    weights = np.random.default_rng(0).integers(lowest, highest + 1, (2, 512)).astype(np.float32)
    weights[:, ::16], weights[:, 1::16] = lowest, highest
    assert np.allclose(get(name).dequantize(get(name).quantize(weights)), weights, rtol=1e-3, atol=1e-3 * highest)


@pytest.mark.parametrize("name", NAMES)
def test_a_constant_is_kept(name):
    for constant in 0.5, -0.5:
        weights = np.full((1, 256), constant, np.float32)
        assert np.allclose(get(name).dequantize(get(name).quantize(weights)), weights, rtol=2e-3)


def test_more_bits_make_less_error():
    weights = np.random.default_rng(0).standard_normal((4, 1024)).astype(np.float32)
    errors = [np.square(get(name).dequantize(get(name).quantize(weights)) - weights).mean() for name in NAMES]
    assert all(fine < coarse / 2 for coarse, fine in itertools.pairwise(errors))


@pytest.mark.parametrize("name", NAMES)
def test_an_importance_lowers_the_error_that_it_weighs(name):
    random = np.random.default_rng(0)
    weights = random.standard_normal((16, 1024)).astype(np.float32)
    importance = np.exp(2 * random.standard_normal(1024)).astype(np.float32)
    error = {}
    for given in None, importance:
        read_back = get(name).dequantize(get(name).quantize(weights, importance=given))
        error[given is None] = (importance * np.square(read_back - weights)).mean()
    assert error[False] < 0.97 * error[True]


def test_the_second_rounding_is_worth_it():
    """Step 4: levels for the stored scales have less error than the search's own levels read with the stored scales."""
    weights = np.random.default_rng(0).standard_normal((1, 64, 256)).astype(np.float32)
    values = k.in_groups(weights, 32)
    block = k_minmax.Q4_K.quantize(weights.reshape(1, -1))
    scales, minimums = k_minmax.unpack_six_bits(block["scales"])
    scale, minimum = k.as_read(block["d"], scales), k.as_read(block["dmin"], minimums)
    weighting = np.abs(values) + np.sqrt(np.square(values).mean(axis=0))
    searched = fit_scale_and_minimum(values, weighting, 15, grid_offsets(-1.0, 0.1, 20))[2]
    once = np.square(searched * scale - minimum - values).mean()
    twice = np.square(k_minmax.Q4_K.dequantize(block) - weights.reshape(1, -1)).mean()
    assert twice < 0.99 * once


def test_a_group_whose_scale_rounds_to_zero_keeps_the_levels_of_its_search():
    weights = np.random.default_rng(0).standard_normal((1, 1, 256)).astype(np.float32)
    weights[..., 16:32] *= 1e-6
    block = k_symmetric.Q6_K.quantize(weights.reshape(1, -1))
    assert block["scales"][0, 0, 1] == 0
    searched = fit_symmetric_scale(k.in_groups(weights, 16), np.square(k.in_groups(weights, 16)), 32)[1][:, 1]
    low, high = block["ql"].reshape(-1)[16:32] & 15, block["qh"].reshape(-1)[16:32] & 3
    assert (low | high << 4 == searched).all()


def test_an_unusable_scale_of_huge_weights_is_carried():
    """1e30 has no float16: the block's scale is infinite, as in ggml, and reading it back gives no finite number."""
    weights = np.full((1, 256), 1e30, np.float32) * np.linspace(-1, 1, 256, dtype=np.float32)
    block = k_minmax.Q4_K.quantize(weights)
    assert np.isinf(block["d"]).all() and not np.isfinite(k_minmax.Q4_K.dequantize(block)).all()


# ---- traps, beside ggml: what the registry-wide comparison does not aim at ----


def bytes_of(name, weights, importance=None):
    ours = get(name).quantize(weights, importance=importance)
    return ours.view(np.uint8).reshape(len(weights), -1), ggml.quantize(get(name).id, weights, importance)


@pytest.mark.conformance
@pytest.mark.parametrize("name", NAMES)
def test_groups_in_which_a_single_column_matters_equal_ggml(name):
    """Their line goes through zero with a negative scale: ggml's bytes wrap round, and it clamps them in Q5_K only."""
    random = np.random.default_rng(0)
    weights = random.standard_normal((128, 2048)).astype(np.float32)
    importance = (random.random(2048) * (random.random(2048) < 1 / 32)).astype(np.float32)
    ours, theirs = bytes_of(name, weights, importance)
    assert (ours == theirs).all()


@pytest.mark.conformance
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("run", [16, 256])
def test_magnitudes_from_subnormal_to_nearly_infinite_equal_ggml(name, run):
    """Inverse scales become infinite and squares overflow: nearest_int wraps round, NaN loses every comparison."""
    random = np.random.default_rng(run)
    magnitude = np.repeat(10.0 ** random.uniform(-44, 37, (64, 2048 // run)), run, axis=1)
    weights = (random.standard_normal((64, 2048)) * magnitude).astype(np.float32)
    for importance in None, random.random(2048).astype(np.float32):
        ours, theirs = bytes_of(name, weights, importance)
        assert (ours == theirs).all()
