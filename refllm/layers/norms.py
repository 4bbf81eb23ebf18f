"""RMSNorm and LayerNorm: keep the numbers of a layer near one.

RMSNorm divides by the root of the mean square; LayerNorm first subtracts the mean. Both work along the last axis and
compute in float32. Gemma's "1 + weight" is no case here: its files store the sum.

>>> import jax.numpy as jnp
>>> x = jnp.array([[3.0, 4.0]])
>>> rms_norm(x, jnp.ones(2), eps=0.0)                       # divided by sqrt((9 + 16) / 2)
Array([[0.84852815, 1.1313709 ]], dtype=float32)
>>> layer_norm(x, jnp.ones(2), jnp.zeros(2), eps=0.0)       # mean 3.5, deviation 0.5
Array([[-1.,  1.]], dtype=float32)
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def rms_norm(x: Float[Array, "*batch dim"], weight: Float[Array, " dim"], eps: float) -> Float[Array, "*batch dim"]:
    mean_square = jnp.mean(x * x, axis=-1, keepdims=True)
    return x * jax.lax.rsqrt(mean_square + eps) * _along_last(weight, x)


def layer_norm(
    x: Float[Array, "*batch dim"], weight: Float[Array, " dim"], bias: Float[Array, " dim"] | None, eps: float
) -> Float[Array, "*batch dim"]:
    centred = x - jnp.mean(x, axis=-1, keepdims=True)
    variance = jnp.mean(centred * centred, axis=-1, keepdims=True)
    scaled = centred * jax.lax.rsqrt(variance + eps) * _along_last(weight, x)
    return scaled if bias is None else scaled + _along_last(bias, x)


def _along_last(vector: Float[Array, " dim"], x: Float[Array, "..."]) -> Float[Array, "..."]:
    """The vector with as many axes as x, so that it multiplies along the last one and no other."""
    return jnp.expand_dims(vector, tuple(range(x.ndim - 1)))
