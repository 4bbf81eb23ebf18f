"""A matrix in blocks multiplies as its float twin, inside and outside of jit, and never leaves its blocks in memory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from refllm import kernels, quants

RNG = np.random.default_rng(0)
ENCODABLE = [name for name, scheme in quants.SCHEMES.items() if scheme.block_size > 1 and not scheme.needs_importance]


@pytest.mark.parametrize("name", ENCODABLE)
def test_matmul_equals_the_dequantized_twin(name):
    scheme = quants.get(name)
    if not np.issubdtype(scheme.dequantize(np.zeros(1, scheme.dtype)).dtype, np.float32):
        pytest.skip(f"{name} does not decode to float32")
    rows = RNG.normal(size=(6, 2 * max(scheme.block_size, 32))).astype(np.float32)
    matrix = kernels.from_float(rows, name)
    assert matrix.shape == rows.shape
    assert matrix.nbytes * 8 == scheme.bits_per_weight * rows.size
    x = RNG.normal(size=(3, rows.shape[1])).astype(np.float32)
    twin = scheme.dequantize(scheme.quantize(rows)).astype(np.float64)
    for product in (kernels.matmul, jax.jit(kernels.matmul)):
        np.testing.assert_allclose(product(jnp.array(x), matrix), x @ twin.T, rtol=1e-4, atol=1e-4)


def test_rows_are_taken_without_unpacking_the_rest():
    rows = RNG.normal(size=(10, 64)).astype(np.float32)
    matrix = kernels.from_float(rows, "Q8_0")
    taken = kernels.take_rows(matrix, jnp.array([7, 0, 7]))
    np.testing.assert_array_equal(taken, np.asarray(kernels.dequantize(matrix))[[7, 0, 7]])
    np.testing.assert_array_equal(kernels.take_rows(jnp.array(rows), jnp.array([3])), rows[3:4])


def test_a_qtensor_travels_through_jax():
    matrix = kernels.from_float(RNG.normal(size=(3, 4, 64)).astype(np.float32), "Q4_0")
    assert matrix.shape == (3, 4, 64) and matrix.ndim == 3
    one = jax.tree.map(lambda field: field[1], matrix)
    assert one.shape == (4, 64) and one.scheme == "Q4_0"
    _, products = jax.lax.scan(lambda x, m: (x, kernels.matmul(x, m)), jnp.ones((2, 64)), matrix)
    assert products.shape == (3, 2, 4)
