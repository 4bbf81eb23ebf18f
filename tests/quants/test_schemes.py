"""What is true of every scheme: numpy and JAX agree, slices and shapes do not matter, bad input gets one clear line."""

import subprocess
import sys

import hypothesis.extra.numpy as hypothesis_numpy
import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refllm import quants
from refllm.quants import scheme as scheme_module

SCHEMES = list(quants.SCHEMES.values())
BLOCKED = [scheme for scheme in SCHEMES if scheme.block_size > 1]
every_scheme = pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.name)
every_block_scheme = pytest.mark.parametrize("scheme", BLOCKED, ids=lambda scheme: scheme.name)


def ordinary_blocks(scheme, count, seed=0):
    """Random bytes, but 32-bit and 8-bit scales that are ordinary numbers: XLA takes subnormal ones for zero."""
    random = np.random.default_rng(seed)
    blocks = random.integers(0, 256, count * scheme.block_bytes, np.uint8).view(scheme.dtype)
    for name, layout in scheme.layout.items():
        if layout.kind == "f" and layout.itemsize > 2 and scheme.dtype.names:
            blocks[name] = random.normal(size=count)
        if name == "e":
            blocks[name] = random.integers(2, 255, count)
    if scheme.dtype.names is None and scheme.dtype.kind == "f":
        return random.normal(size=count).astype(scheme.dtype)
    return blocks


def importance_for(scheme, columns):
    return np.ones(columns, np.float32) if scheme.needs_importance else None


# ---- the same bits everywhere ----


@every_scheme
def test_decode_is_the_same_under_jit(scheme):
    blocks = ordinary_blocks(scheme, 6 * max(1, 512 // scheme.block_size)).reshape(6, -1)
    with jax.enable_x64(True):  # for F64 and I64
        fields = {name: jax.numpy.asarray(np.ascontiguousarray(field)) for name, field in scheme.fields(blocks).items()}
        jitted = np.asarray(jax.jit(scheme.decode)(fields))
    weights = scheme.dequantize(blocks)
    assert jitted.dtype == np.float32 and jitted.shape == (*blocks.shape, scheme.block_size)
    jitted, number = jitted.reshape(weights.shape), ~np.isnan(weights)
    assert (np.isnan(jitted) == ~number).all()
    if scheme.name.startswith("Q4_1_ggjt"):  # float32 scale times level plus minimum: XLA fuses what C rounds twice
        np.testing.assert_allclose(jitted[number], weights[number], rtol=1e-6, atol=1e-6)
    else:
        np.testing.assert_array_equal(jitted[number].view(np.uint32), weights[number].view(np.uint32))


@every_scheme
def test_big_endian_blocks_mean_the_same(scheme):
    blocks = ordinary_blocks(scheme, 64)
    swapped = blocks.astype(scheme.dtype.newbyteorder(">"))
    if scheme.dtype.itemsize > 1 and scheme.dtype.newbyteorder(">") != scheme.dtype:
        assert swapped.tobytes() != blocks.tobytes()
    np.testing.assert_array_equal(scheme.dequantize(swapped), scheme.dequantize(blocks))


@every_scheme
def test_slices_and_threads_change_nothing(scheme, monkeypatch):
    columns = 2 * max(scheme.block_size, 32)
    weights = np.random.default_rng(0).normal(size=(2, 3, columns)).astype(np.float32)
    for importance in (importance_for(scheme, columns), np.linspace(0.1, 2, columns, dtype=np.float32)):
        whole = scheme.quantize(weights, importance)
        read = scheme.dequantize(whole)
        assert whole.shape == (2, 3, columns // scheme.block_size) and read.shape == weights.shape
        with monkeypatch.context() as patch:
            patch.setattr(scheme_module, "WEIGHTS_PER_SLICE", 2 * columns)
            patch.setattr(scheme_module, "DECODED_PER_SLICE", 2 * columns)
            in_parts = scheme.quantize(weights, importance)
            np.testing.assert_array_equal(in_parts, whole)
            np.testing.assert_array_equal(scheme.dequantize(in_parts), read)
        row = scheme.quantize(weights[1, 2], importance)
        np.testing.assert_array_equal(row, whole[1, 2])


@every_scheme
def test_no_rows_and_no_columns(scheme):
    for shape in ((0, 2 * scheme.block_size), (3, 0)):
        blocks = scheme.quantize(np.zeros(shape, np.float32), importance_for(scheme, shape[1]))
        assert blocks.shape == (shape[0], shape[1] // scheme.block_size)
        assert scheme.dequantize(blocks).shape == shape


@every_scheme
def test_zero_stays_zero(scheme):
    zeros = np.zeros(2 * scheme.block_size, np.float32)
    assert not scheme.dequantize(scheme.quantize(zeros, importance_for(scheme, zeros.size))).any()


@every_scheme
def test_half_precision_and_double_are_taken(scheme):
    weights = np.random.default_rng(0).integers(-4, 5, 2 * scheme.block_size).astype(np.float16)
    importance = importance_for(scheme, weights.size)
    expected = scheme.quantize(weights.astype(np.float32), importance)
    for other in (np.float16, np.float64):
        np.testing.assert_array_equal(scheme.quantize(weights.astype(other), importance), expected)


# ---- derived facts ----


@every_scheme
def test_a_block_has_no_gaps(scheme):
    assert sum(layout.itemsize for layout in scheme.layout.values()) == scheme.block_bytes
    assert scheme.bits_per_weight * scheme.block_size == 8 * scheme.block_bytes


def test_every_number_of_a_file_is_known():
    known = {scheme.id for scheme in SCHEMES} - {None}
    assert known | set(quants.REMOVED) == set(range(43))
    assert not known & set(quants.REMOVED)
    for number in known:
        assert quants.get(quants.get(number).name) is quants.get(number)


@pytest.mark.parametrize("number", [-1, 43, 2**31])
def test_other_numbers_are_refused(number):
    with pytest.raises(quants.QuantError, match=f"unknown quantization scheme {number}; expected 0 to 42"):
        quants.get(number)


def test_importing_the_room_leaves_jax_alone():
    code = "import sys, refllm.quants; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# ---- what is refused ----


def refused(scheme, message, *args):
    with pytest.raises(quants.QuantError, match=message) as caught:
        scheme.quantize(*args)
    assert "\n" not in str(caught.value) and str(caught.value).startswith(f"{scheme.name}: ")


@every_block_scheme
def test_bad_weights_are_refused(scheme):
    columns = 4 * scheme.block_size
    importance = importance_for(scheme, columns)
    for bad in (np.nan, np.inf, -np.inf):
        weights = np.ones((3, columns), np.float32)
        weights[1, 7] = bad
        for weighting in (importance, np.ones(columns, np.float32)):
            message = f"row 1, column 7: the weight is {bad}; expected a finite number"
            refused(scheme, message, weights, weighting)
    odd = np.ones((2, scheme.block_size + 1), np.float32)
    refused(scheme, f"rows of {odd.shape[1]} weights do not divide into blocks of {scheme.block_size}", odd)


@every_block_scheme
def test_bad_importance_is_refused(scheme):
    weights = np.ones((2, 2 * scheme.block_size), np.float32)
    short = np.ones(scheme.block_size, np.float32)
    refused(scheme, f"importance for {short.size} columns; expected {weights.shape[1]}", weights, short)
    refused(scheme, "importance of a column is not finite", weights, np.full(weights.shape[1], np.nan, np.float32))
    if scheme.needs_importance:
        refused(scheme, "needs an importance for every column; none was given", weights)


def test_blocks_of_another_layout_are_refused():
    with pytest.raises(quants.QuantError, match="Q8_0: the blocks are uint8; expected"):
        quants.get("Q8_0").dequantize(np.zeros(34, np.uint8))


@pytest.mark.parametrize(("name", "value"), [("I8", 128), ("I16", -32769), ("I32", 2.0**31), ("I64", 2.0**63)])
def test_integers_refuse_what_does_not_fit(name, value):
    refused(quants.get(name), "is not between", np.float32([0, value]))


# ---- how near the blocks are ----

LINEAR = {"Q4_0": 1.0, "Q5_0": 1.0, "Q4_1": 0.5, "Q5_1": 0.5, "Q8_0": 0.5, "Q4_2": 1.0, "Q4_3": 0.5}  # in steps
moderate = st.floats(-(2.0**10), 2.0**10, width=32)
blocks_of_weights = hypothesis_numpy.arrays(np.float32, 32, elements=moderate)


@pytest.mark.parametrize("name", LINEAR)
@given(weights=blocks_of_weights)
@settings(max_examples=20, deadline=None)
def test_no_weight_moves_farther_than_its_step(name, weights):
    """Half a step; a whole one where the level of the largest magnitude has no counterpart of the other sign."""
    scheme = quants.get(name)
    blocks = scheme.quantize(weights)
    steps = np.abs(blocks["d"].astype(np.float64)).repeat(scheme.block_size)
    rounding = 2.0**-10 * np.abs(weights).max() + 2.0**-15  # of scale and minimum to float16
    assert (np.abs(scheme.dequantize(blocks) - weights) <= LINEAR[name] * steps + rounding).all()


@every_block_scheme
@given(exponent=st.integers(-2, 6), seed=st.integers(0, 99))  # below that Q6_K's float16 scale turns subnormal
@settings(max_examples=2, deadline=None)
def test_a_power_of_two_scales_the_result(scheme, exponent, seed):
    weights = np.random.default_rng(seed).normal(size=scheme.block_size).astype(np.float32)
    importance = importance_for(scheme, weights.size)
    factor = np.float32(2.0**exponent)
    once, scaled = (scheme.dequantize(scheme.quantize(x, importance)) for x in (weights, weights * factor))
    np.testing.assert_array_equal(scaled, once * factor)


@pytest.mark.parametrize("name", ["TQ1_0", "TQ2_0"])
@given(
    levels=hypothesis_numpy.arrays(np.int8, 256, elements=st.integers(-1, 1)), scale=st.sampled_from([0.25, 1.5, 3.0])
)
@settings(max_examples=30, deadline=None)
def test_ternary_weights_survive(name, levels, scale):
    weights = levels.astype(np.float32) * np.float32(scale)
    np.testing.assert_array_equal(quants.get(name).dequantize(quants.get(name).quantize(weights)), weights)


@pytest.mark.parametrize("name", ["F16", "BF16"])
def test_every_16_bit_float_survives(name):
    scheme = quants.get(name)
    bits = np.arange(65536, dtype=np.uint16)
    again = scheme.quantize(scheme.dequantize(bits.view(scheme.dtype))).view(np.uint16)
    number = ~np.isnan(scheme.dequantize(bits.view(scheme.dtype)))
    np.testing.assert_array_equal(again[number], bits[number])
    assert np.isnan(scheme.dequantize(again[~number].view(scheme.dtype))).all()


# ---- the threads ----


@pytest.mark.parametrize("processors", [1, 3])
def test_every_slice_is_worked_on_once(processors, monkeypatch):
    monkeypatch.setattr(scheme_module.os, "cpu_count", lambda: processors)
    seen = []
    scheme_module.in_slices(seen.append, 10, 4)
    assert sorted(part.start for part in seen) == [0, 4, 8] and all(part.stop - part.start == 4 for part in seen)


@pytest.mark.parametrize("processors", [1, 3])
def test_an_error_stops_the_other_slices(processors, monkeypatch):
    monkeypatch.setattr(scheme_module.os, "cpu_count", lambda: processors)
    seen = []

    def work(part):
        seen.append(part)
        raise quants.QuantError("no")

    with pytest.raises(quants.QuantError, match="no"):
        scheme_module.in_slices(work, 1000, 1)
    assert len(seen) <= processors
