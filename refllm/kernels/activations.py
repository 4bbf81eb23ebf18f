"""Activations as ggml multiplies them: int8 with a scale per block.

In `compute="fast"` a quantized matrix never meets float activations: each block of 32 (or 256, for the super-blocks of
the K- and IQ-schemes) becomes 8-bit integers and a scale first. `round_to_int8` returns the float values that those
integers stand for, so that the product shows exactly the error that this costs.

>>> import jax.numpy as jnp
>>> x = jnp.linspace(-1, 1, 64)[None]
>>> rounded = round_to_int8(x, 32)
>>> bool((rounded == x).all()), bool(abs(rounded - x).max() <= 1 / 254)
(False, True)
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

LEVELS = 127


def round_to_int8(x: Float[Array, "*batch columns"], block_size: int) -> Float[Array, "*batch columns"]:
    """x with every block on its grid of 255 steps; blocks of 32 keep their scale in float16, larger ones in float32."""
    blocks = x.reshape(*x.shape[:-1], -1, block_size)
    scale = jnp.abs(blocks).max(axis=-1, keepdims=True) / LEVELS
    quants = jnp.round(blocks / jnp.where(scale == 0, 1.0, scale))
    stored = scale.astype(jnp.float16).astype(jnp.float32) if block_size == 32 else scale
    return (quants * stored).reshape(x.shape)
