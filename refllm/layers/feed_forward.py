"""The feed-forward layer: each token by itself, up into a wider space, through a bend, and down again.

*Plain* (GPT-2, BLOOM) bends the upward projection itself; *gated* (LLaMA and most since) multiplies it by a bent gate.
A mixture of experts runs, for each token, the few gated layers that a router picks. Weights are what `kernels.matmul`
takes: float matrices or quantized blocks, one row per output.

>>> import jax.numpy as jnp
>>> x, eye = jnp.array([[1.0, -1.0]]), jnp.eye(2)
>>> gated(x, gate=eye, up=eye, down=eye, activation="relu")
Array([[1., 0.]], dtype=float32)
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from refllm.kernels import Weight, matmul

Tokens = Float[Array, "tokens dim"]

ACTIVATIONS = {
    "silu": jax.nn.silu,
    "gelu_tanh": lambda x: jax.nn.gelu(x, approximate=True),
    "gelu_erf": lambda x: jax.nn.gelu(x, approximate=False),
    "relu": jax.nn.relu,
    "relu_squared": lambda x: jnp.square(jax.nn.relu(x)),
}


def gated(x: Tokens, gate: Weight, up: Weight, down: Weight, activation: str) -> Tokens:
    """down(bend(gate x) * up x)"""
    return matmul(ACTIVATIONS[activation](matmul(x, gate)) * matmul(x, up), down)


def plain(x: Tokens, up: Weight, down: Weight, activation: str, up_bias=None, down_bias=None) -> Tokens:
    """down(bend(up x + bias)) + bias"""
    return add_bias(matmul(ACTIVATIONS[activation](add_bias(matmul(x, up), up_bias)), down), down_bias)


def add_bias(x: Float[Array, "tokens dim"], bias: Float[Array, " dim"] | None) -> Float[Array, "tokens dim"]:
    return x if bias is None else x + bias[None, :]


def mixture(
    x: Tokens, router: Weight, gate: Weight, up: Weight, down: Weight, activation: str, used: int, renormalise: bool
) -> Tokens:
    """The `used` experts that the router likes best for each token, weighted by how much it likes them.

    `gate`, `up` and `down` hold all experts, [experts, rows, columns]. Every expert is computed for every token and the
    unused ones weigh nothing: simple and exact, wasteful when there are many experts.
    """
    chosen, share = choose_experts(matmul(x, router), used, renormalise)
    experts = gate.shape[0]
    weight = jnp.zeros((x.shape[0], experts)).at[jnp.arange(x.shape[0])[:, None], chosen].set(share)

    def add_expert(total: Tokens, expert):
        (gate, up, down), column = expert
        return total + column[:, None] * gated(x, gate, up, down, activation), None

    total, _ = jax.lax.scan(add_expert, jnp.zeros_like(x), ((gate, up, down), weight.T))
    return total


def choose_experts(
    scores: Float[Array, "tokens experts"], used: int, renormalise: bool
) -> tuple[Int[Array, "tokens used"], Float[Array, "tokens used"]]:
    """The best experts of each token and their shares."""
    share, chosen = jax.lax.top_k(jax.nn.softmax(scores, axis=-1), used)
    return chosen, share / share.sum(axis=-1, keepdims=True) if renormalise else share
