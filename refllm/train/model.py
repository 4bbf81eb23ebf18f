"""A fresh model and its loss, through the very decoder that inference runs.

>>> import dataclasses
>>> from refllm.train.recipe import SMALL
>>> weights = fresh_weights(SMALL.model, jax.random.key(0))
>>> weights["layers"][0]["gate"].shape, weights["output_norm"].shape
((256, 128), (128,))
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from refllm.models import Config, decoder
from refllm.models import cache as memory
from refllm.models.weights import ATTENTION, DENSE, LAYER_TENSORS, MODEL_TENSORS, axis_sizes

Weights = dict


def fresh_weights(config: Config, key: Key[Array, ""]) -> Weights:
    """Random matrices, norms of one. What writes into the residual stream starts smaller, the more layers there are."""
    keys = iter(jax.random.split(key, 2 + config.layers * 16))
    axes = axis_sizes(config)

    def fresh(place, deep: bool = False):
        shape = tuple(axes[axis] for axis in place.axes)
        if len(shape) == 1:
            return jnp.ones(shape)
        spread = 0.02 / (2 * config.layers) ** 0.5 if deep else 0.02
        return spread * jax.random.normal(next(keys), shape)

    def layer():
        names = sorted(ATTENTION | DENSE)
        return {name: fresh(LAYER_TENSORS[name], deep=name in ("attention_output", "down")) for name in names}

    model = {name: fresh(MODEL_TENSORS[name]) for name in ("token_embedding", "output_norm")}
    return model | {"layers": [layer() for _ in range(config.layers)]}


def logits(config: Config, weights: Weights, tokens: Int[Array, "rows length"]) -> Float[Array, "rows length vocab"]:
    """The scores after every token of every row."""

    def of_row(row):
        empty = memory.empty(config.layers, len(row), config.kv_heads, config.head_dim)
        return decoder.forward(config, weights, row, empty)[0]

    return jax.vmap(of_row)(tokens)


@functools.partial(jax.jit, static_argnums=0)
def loss(
    config: Config, weights: Weights, tokens: Int[Array, "rows length"], counts: Float[Array, "rows length"]
) -> Float[Array, ""]:
    """The mean surprise, in nats, at each token that counts."""
    chances = jax.nn.log_softmax(logits(config, weights, tokens[:, :-1]))
    surprise = -jnp.take_along_axis(chances, tokens[:, 1:, None], axis=-1)[..., 0]
    return (surprise * counts[:, 1:]).sum() / jnp.maximum(counts[:, 1:].sum(), 1.0)
