"""How much is left at one place of a text of what stood at another: the decays that RWKV-5 and later multiply.

Each channel of each head keeps a share w (0 to 1) of its memory at every token. `between` has one row and one column
for each border between tokens: [t, s] is what is left at border t of what was there at border s, the product of the
shares of the tokens in between; nothing where t lies before s. Products are taken as they are, without logarithms, so
shares that are exactly 0 do no harm.

>>> w = jnp.array([0.5, 0.25, 1.0]).reshape(3, 1, 1)
>>> between(w)[:, :, 0, 0].tolist()
[[1.0, 0.0, 0.0, 0.0], [0.5, 1.0, 0.0, 0.0], [0.125, 0.25, 1.0, 0.0], [0.125, 0.25, 1.0, 1.0]]
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped

TOKENS_AT_A_TIME = 16

einsum = functools.partial(jnp.einsum, precision=jax.lax.Precision.HIGHEST)


def between(w: Float[Array, "tokens heads size"]) -> Float[Array, "borders borders heads size"]:
    """What is left at each border of what was at another: from row to row all fades, and one border more begins."""
    starts = jnp.eye(len(w) + 1)[:, :, None, None]

    def pass_token(row, token):
        share, start = token
        row = row * share[None] + start
        return row, row

    first = jnp.broadcast_to(starts[0], (len(w) + 1, *w.shape[1:]))
    _, later = jax.lax.scan(pass_token, first, (w, starts[1:]))
    return jnp.concatenate([first[None], later])


def piecewise(piece: Callable, state: Any, inputs: tuple[Shaped[Array, "..."], ...]):
    """Run `piece(state, *inputs)` over pieces of the text, one after the other; gives all outputs and the last state.

    Inside a piece everything is computed at once. Longer pieces would mean fewer rounds and, since every token looks
    at every other one of its piece, more work in each.
    """
    tokens = inputs[0].shape[0]
    size = math.gcd(tokens, TOKENS_AT_A_TIME)
    pieces = jax.tree.map(lambda array: array.reshape(-1, size, *array.shape[1:]), inputs)
    state, outputs = jax.lax.scan(lambda state, inside: piece(state, *inside)[::-1], state, pieces)
    return outputs.reshape(tokens, *outputs.shape[2:]), state
