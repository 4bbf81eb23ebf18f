"""A weight matrix that stays in its blocks: `QTensor`, and `matmul`, the one door through which it is multiplied.

A `QTensor` holds each field of the block layout (scales, low bits, high bits ...) as an array of its own, so it takes
as much memory as in the file. The scheme and the shape are static, so `jax.jit` compiles for them. `dequantize` runs
the very functions that `refllm.quants` runs on numpy: equal bit for bit. It does not know files, layers or caches.

>>> import jax.numpy as jnp, numpy as np
>>> rows = np.linspace(-1, 1, 4 * 64, dtype=np.float32).reshape(4, 64)
>>> matrix = from_float(rows, "Q8_0")
>>> matrix.shape, matrix.nbytes                      # 4 rows of 2 blocks of 34 bytes
((4, 64), 272)
>>> x = jnp.ones((3, 64))
>>> matmul(x, matrix).shape                          # a row of the matrix per output, as files store it
(3, 4)
>>> bool(jnp.allclose(matmul(x, matrix), x @ rows.T, atol=0.1))
True
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from refllm import quants
from refllm.kernels.activations import round_to_int8


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class QTensor:
    """Quantized weights [..., rows, columns] as the fields of their blocks, each [..., rows, blocks, (count)]."""

    fields: dict[str, Shaped[Array, "..."]]
    scheme: str = dataclasses.field(metadata={"static": True})
    compute: str = dataclasses.field(default="exact", metadata={"static": True})  # "exact" or "fast": see `matmul`

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the weights that the blocks stand for."""
        scheme = quants.get(self.scheme)
        name = scheme.dtype.names[0]
        inner = len(scheme.dtype[name].shape)
        blocks = self.fields[name].shape[: self.fields[name].ndim - inner]
        return (*blocks[:-1], blocks[-1] * scheme.block_size)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        return sum(field.nbytes for field in self.fields.values())


Weight = Float[Array, "..."] | QTensor


def from_blocks(blocks: Shaped[np.ndarray, "... blocks"], scheme: str, compute: str = "exact") -> QTensor:
    """The blocks of a file, field by field, as JAX arrays."""
    fields = {name: jnp.asarray(native(field)) for name, field in quants.get(scheme).fields(blocks).items()}
    return QTensor(fields, scheme, compute)


def from_float(weights: Float[np.ndarray, "... columns"], scheme: str, compute: str = "exact") -> QTensor:
    """Weights quantized here and now."""
    return from_blocks(quants.get(scheme).quantize(weights), scheme, compute)


def native(array: Shaped[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
    """The array in one piece and in this machine's byte order, as JAX wants it."""
    return np.ascontiguousarray(array, array.dtype.newbyteorder("="))


def dequantize(matrix: QTensor) -> Float[Array, "..."]:
    """The float32 weights that the blocks stand for, equal to `quants` bit for bit."""
    return quants.get(matrix.scheme).decode(matrix.fields).reshape(matrix.shape)


def to_float(weight: Weight) -> Float[Array, "..."]:
    """Any weight as float32."""
    return dequantize(weight) if isinstance(weight, QTensor) else weight.astype(jnp.float32)


def matmul(x: Float[Array, "*batch columns"], weight: Weight) -> Float[Array, "*batch rows"]:
    """x times the transposed weight [rows, columns]: every row gives one output.

    Exact: float32 times the dequantized weights. Fast: the activations are rounded to int8 per block first, as ggml
    does it. A float matrix is always multiplied exactly.
    """
    if isinstance(weight, QTensor) and weight.compute == "fast":
        x = round_to_int8(x, 256 if quants.get(weight.scheme).block_size == 256 else 32)
    return jnp.einsum("...c,rc->...r", x, to_float(weight), precision=jax.lax.Precision.HIGHEST)


def take_rows(weight: Weight, rows: Shaped[Array, " tokens"]) -> Float[Array, "tokens columns"]:
    """Some rows of a matrix as float32: the look-up of token embeddings, without unpacking the others."""
    return to_float(jax.tree.map(lambda field: field[rows], weight))
