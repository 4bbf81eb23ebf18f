"""The memory of RWKV-7: a matrix per head in which a token can also replace what is there (the delta rule).

Each token asks what the matrix S holds under the key `a`, writes that answer back under the key `b` (with a sign that
takes it out), and adds its own pair: S' = S diag(w) + (S a) bᵀ + v kᵀ. Then it reads, S' r. The answers u = S a of a
few tokens depend on one another, but only backwards: they are one triangular system of equations, and `parallel` solves
it instead of going through the tokens one by one. Which vectors a and b are is the model's matter.

>>> import numpy as np
>>> rng = np.random.default_rng(0)
>>> r, k, v, a = (jnp.asarray(rng.standard_normal((8, 2, 4)), jnp.float32) for _ in "rkva")
>>> w, start = jnp.asarray(rng.uniform(size=(8, 2, 4)), jnp.float32), jnp.zeros((2, 4, 4))
>>> together, end = parallel(start, r, w, k, v, a, -0.2 * a)
>>> state = start
>>> for t in range(8):
...     one, state = step(state, r[t], w[t], k[t], v[t], a[t], -0.2 * a[t])
>>> bool(jnp.allclose(one, together[-1], atol=1e-5)), bool(jnp.allclose(state, end, atol=1e-5))
(True, True)
"""

import jax
import jax.numpy as jnp

from refllm.layers.decays import between, einsum, piecewise
from refllm.layers.wkv_matrix import Heads, State, Tokens


def step(state: State, r: Heads, w: Heads, k: Heads, v: Heads, a: Heads, b: Heads) -> tuple[Heads, State]:
    """One token."""
    answer = einsum("hvk,hk->hv", state, a)
    state = state * w[:, None] + answer[:, :, None] * b[:, None] + v[:, :, None] * k[:, None]
    return einsum("hvk,hk->hv", state, r), state


def parallel(state: State, r: Tokens, w: Tokens, k: Tokens, v: Tokens, a: Tokens, b: Tokens) -> tuple[Tokens, State]:
    """Many tokens; one that is to leave no trace has w = 1, k = 0 and b = 0."""
    return piecewise(piece, state, (r, w, k, v, a, b))


def piece(state: State, r: Tokens, w: Tokens, k: Tokens, v: Tokens, a: Tokens, b: Tokens) -> tuple[Tokens, State]:
    """A few tokens at once."""
    left = between(w)
    before, after = left[:-1], left[1:]  # token t asks before it writes, and reads afterwards

    def scores(asking: Tokens, when, keys: Tokens):
        return einsum("thk,tshk,shk->hts", asking, when[:, 1:], keys)

    known = einsum("hts,shv->htv", scores(a, before, k), v) + einsum("hvk,thk->htv", state, before[:, 0] * a)
    answers = solve(scores(a, before, b), known)
    read = einsum("hts,shv->thv", scores(r, after, k), v) + einsum("hts,hsv->thv", scores(r, after, b), answers)
    read = read + einsum("hvk,thk->thv", state, after[:, 0] * r)
    kept = left[-1]
    state = state * kept[0][:, None] + einsum("shv,shk->hvk", v, kept[1:] * k)
    return read, state + einsum("hsv,shk->hvk", answers, kept[1:] * b)


def solve(scores, known):
    """The answers u of u = known + scores u, where `scores` looks only backwards."""
    system = jnp.eye(scores.shape[-1])[None] - scores
    return jax.scipy.linalg.solve_triangular(system, known, lower=True, unit_diagonal=True)
