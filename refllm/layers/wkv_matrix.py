"""The memory of RWKV-5 and 6: a matrix per head that keys and values are written into and that fades with time.

A token reads the matrix S as it was before it, S r, where its own pair counts with a bonus; then the matrix fades,
channel by channel of the keys, and the token's pair is added: S' = S diag(w) + v kᵀ. RWKV-5 has one w for all tokens,
RWKV-6 computes one for each. `step` is this as it stands; `parallel` gives the same for many tokens at once, as sums
over what each token has written and what is left of it (`decays`).

>>> import jax.numpy as jnp, numpy as np
>>> rng = np.random.default_rng(0)
>>> r, k, v = (jnp.asarray(rng.standard_normal((8, 2, 4)), jnp.float32) for _ in "rkv")
>>> w, bonus, start = jnp.asarray(rng.uniform(size=(8, 2, 4)), jnp.float32), jnp.ones((2, 4)), jnp.zeros((2, 4, 4))
>>> together, end = parallel(start, r, w, k, v, bonus)
>>> state = start
>>> for t in range(8):
...     one, state = step(state, r[t], w[t], k[t], v[t], bonus)
>>> bool(jnp.allclose(one, together[-1], atol=1e-5)), bool(jnp.allclose(state, end, atol=1e-5))
(True, True)
"""

from jaxtyping import Array, Float

from refllm.layers.decays import between, einsum, piecewise

State = Float[Array, "heads values keys"]
Heads = Float[Array, "heads size"]
Tokens = Float[Array, "tokens heads size"]


def step(state: State, r: Heads, w: Heads, k: Heads, v: Heads, bonus: Heads) -> tuple[Heads, State]:
    """One token."""
    own = (r * bonus * k).sum(-1, keepdims=True) * v
    read = einsum("hvk,hk->hv", state, r) + own
    return read, state * w[:, None] + v[:, :, None] * k[:, None]


def parallel(state: State, r: Tokens, w: Tokens, k: Tokens, v: Tokens, bonus: Heads) -> tuple[Tokens, State]:
    """Many tokens; one that is to leave no trace has w = 1 and k = 0."""
    return piecewise(lambda state, *inside: piece(state, *inside, bonus), state, (r, w, k, v))


def piece(state: State, r: Tokens, w: Tokens, k: Tokens, v: Tokens, bonus: Heads) -> tuple[Tokens, State]:
    """A few tokens at once."""
    left = between(w)
    scores = einsum("thk,tshk,shk->hts", r, left[:-1, 1:], k)  # written after token s, read before token t
    read = einsum("hts,shv->thv", scores, v) + einsum("hvk,thk->thv", state, left[:-1, 0] * r)
    own = (r * bonus[None] * k).sum(-1, keepdims=True) * v
    kept = left[-1]
    return read + own, state * kept[0][:, None] + einsum("shv,shk->hvk", v, kept[1:] * k)
