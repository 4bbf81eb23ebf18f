"""One decoder for a whole family: from token ids to logits, read top to bottom.

`forward` is a pure function. The config says which choices a model makes, the weights say which optional parts (biases,
extra norms, experts) it has. New tokens take the positions after those in the cache; the cache with their keys and
values comes back. Padding tokens at the end of a chunk are harmless: nobody earlier sees them, and `cache.advance` does
not count them. Sampling, batching and the growth of the cache are the engine's.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from refllm.kernels import matmul, take_rows
from refllm.layers import attention, feed_forward, masks, norms, rope
from refllm.models import cache as memory
from refllm.models.cache import Cache
from refllm.models.config import Config

Tokens = Int[Array, " tokens"]
Hidden = Float[Array, "tokens dim"]


def forward(config: Config, weights: dict, tokens: Tokens, cache: Cache) -> tuple[Float[Array, "tokens vocab"], Cache]:
    """The logits of the token after each of these, and the cache with these in it (not yet counted)."""
    hidden, cache = hidden_states(config, weights, tokens, cache)
    return logits(config, weights, hidden), cache


def hidden_states(config: Config, weights: dict, tokens: Tokens, cache: Cache) -> tuple[Hidden, Cache]:
    """What the model thinks at each token, after the last norm."""
    x = take_rows(weights["token_embedding"], tokens) * config.embedding_scale
    for number, layer in enumerate(weights["layers"]):
        attended, cache = attend(config, number, layer, rms(config, x, layer["attention_norm"]), weights, cache)
        x = x + post_norm(config, attended, layer.get("attention_post_norm"))
        fed = feed(config, layer, rms(config, x, layer["ffn_norm"]))
        x = x + post_norm(config, fed, layer.get("ffn_post_norm"))
    return rms(config, x, weights["output_norm"]), cache


def logits(config: Config, weights: dict, hidden: Hidden) -> Float[Array, "tokens vocab"]:
    """A score for every piece of the vocabulary; models without an output matrix use the embedding again."""
    scores = matmul(hidden, weights.get("output", weights["token_embedding"]))
    return scores if config.final_softcap is None else attention.soft_cap(scores, config.final_softcap)


def attend(config: Config, number: int, layer: dict, x: Hidden, weights: dict, cache: Cache) -> tuple[Hidden, Cache]:
    """Attention of layer `number`: project, turn by position, remember, look back, project again."""
    positions = cache.length + jnp.arange(len(x))
    query = project(x, layer, "query", config.heads)
    key = project(x, layer, "key", config.kv_heads)
    value = project(x, layer, "value", config.kv_heads)
    if "query_norm" in layer:
        query = rms(config, query, layer["query_norm"])
        key = rms(config, key, layer["key_norm"])
    query, key = (turn(config, number, heads, positions, weights) for heads in (query, key))

    cache = memory.write(cache, number, key, value)
    seen = masks.causal(positions, jnp.arange(cache.capacity))
    if config.is_local(number):
        seen = seen & masks.within(positions, jnp.arange(cache.capacity), config.window)
    gathered = attention.attention(
        query, cache.keys[number], cache.values[number], seen, config.score_scale, softcap=config.attention_softcap
    )
    mixed = matmul(gathered.reshape(len(x), -1), layer["attention_output"])
    return feed_forward.add_bias(mixed, layer.get("attention_output_bias")), cache


def project(x: Hidden, layer: dict, name: str, heads: int) -> Float[Array, "tokens heads head_dim"]:
    return feed_forward.add_bias(matmul(x, layer[name]), layer.get(f"{name}_bias")).reshape(len(x), heads, -1)


def turn(config: Config, number: int, heads, positions: Tokens, weights: dict):
    """RoPE as this layer does it."""
    return rotate(config, number, heads, positions, weights, config.layer_rope(number).magnitude)


def rotate(config: Config, number: int, heads, positions: Tokens, weights: dict, magnitude: float):
    """Heads turned by positions, which may be negative: `engine` turns keys back when it drops tokens."""
    kind = config.layer_rope(number)
    frequency = jnp.asarray(kind.frequency()) / rope_factors(config, weights)
    turned = rope.rotate_interleaved if kind.layout == "interleaved" else rope.rotate_half_split
    return turned(heads, rope.angles(positions, frequency), magnitude)


def rope_factors(config: Config, weights: dict):
    """Divisors of the frequencies that some files bring as a tensor (Llama 3, Phi-3); else ones."""
    stretched = config.context_length > config.rope.trained_context
    name = "rope_factors" if "rope_factors" in weights else f"rope_factors_{'long' if stretched else 'short'}"
    return weights.get(name, np.ones(config.rope.dims // 2, np.float32))


def feed(config: Config, layer: dict, x: Hidden) -> Hidden:
    if "router" not in layer:
        return feed_forward.gated(x, layer["gate"], layer["up"], layer["down"], config.activation)
    experts = layer["expert_gate"], layer["expert_up"], layer["expert_down"]
    return feed_forward.mixture(x, layer["router"], *experts, config.activation, config.experts_used, True)


def rms(config: Config, x, weight):
    return norms.rms_norm(x, weight, config.norm_eps)


def post_norm(config: Config, x: Hidden, weight) -> Hidden:
    """Gemma 2 and 3 norm what a block adds as well as what it reads."""
    return x if weight is None else rms(config, x, weight)
