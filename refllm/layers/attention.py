"""Attention: every token gathers from the tokens it may look at, weighted by how well query and key agree.

Grouped-query attention is the general case: `kv_heads` keys and values serve `heads` queries in groups (one group of
all is multi-query, groups of one are the classic multi-head). Position enters beforehand (RoPE) or as `bias` (ALiBi).
The softmax is taken in float32. There is no cache here: `key` and `value` are whatever the engine kept.

>>> import jax.numpy as jnp
>>> query = jnp.array([[[1.0, 0.0]]])                               # one token, one head of two dims
>>> key = jnp.array([[[9.0, 0.0]], [[0.0, 9.0]], [[9.0, 0.0]]])     # three keys; the last may not be seen
>>> value = jnp.array([[[1.0]], [[2.0]], [[3.0]]])
>>> attention(query, key, value, mask=jnp.array([[True, True, False]]), scale=1.0).round(3)
Array([[[1.]]], dtype=float32)
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

HIGHEST = jax.lax.Precision.HIGHEST


def attention(
    query: Float[Array, "tokens heads head_dim"],
    key: Float[Array, "context kv_heads head_dim"],
    value: Float[Array, "context kv_heads value_dim"],
    mask: Bool[Array, "tokens context"],
    scale: float,
    bias: Float[Array, "heads tokens context"] | None = None,
    softcap: float | None = None,
) -> Float[Array, "tokens heads value_dim"]:
    """softmax(query key^T * scale + bias) value, over the keys that the mask lets through."""
    probabilities = attention_weights(query, key, mask, scale, bias, softcap)
    kv_heads = value.shape[1]
    grouped = probabilities.reshape(kv_heads, -1, *probabilities.shape[1:])
    gathered = jnp.einsum("kgtc,ckd->tkgd", grouped, value.astype(jnp.float32), precision=HIGHEST)
    return gathered.reshape(*query.shape[:2], value.shape[-1])


def attention_weights(
    query: Float[Array, "tokens heads head_dim"],
    key: Float[Array, "context kv_heads head_dim"],
    mask: Bool[Array, "tokens context"],
    scale: float,
    bias: Float[Array, "heads tokens context"] | None = None,
    softcap: float | None = None,
) -> Float[Array, "heads tokens context"]:
    """How much of each key every query takes: the heatmap of the lessons."""
    tokens, heads, head_dim = query.shape
    grouped = query.reshape(tokens, key.shape[1], -1, head_dim)
    scores = jnp.einsum("tkgd,ckd->kgtc", grouped, key.astype(jnp.float32), precision=HIGHEST) * scale
    scores = scores.reshape(heads, tokens, -1)
    if softcap is not None:
        scores = soft_cap(scores, softcap)
    if bias is not None:
        scores = scores + bias
    # The most negative float, not -inf: a row of padding that sees nothing must not become NaN.
    scores = jnp.where(mask[None], scores, jnp.finfo(jnp.float32).min)
    return jax.nn.softmax(scores, axis=-1)


def soft_cap(x: Float[Array, "..."], cap: float) -> Float[Array, "..."]:
    """Squeeze into -cap..cap, almost unchanged near zero (Gemma 2)."""
    return cap * jnp.tanh(x / cap)
