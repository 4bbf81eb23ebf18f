"""RoPE: a token's position, written into query and key as a rotation.

Pair i of a head turns by position times frequency i; the product of a rotated query and a rotated key then depends only
on how far apart the two tokens are. Two layouts exist and must not be mixed up: *interleaved* pairs neighbours
(2i, 2i+1), as in LLaMA's own files; *half-split* pairs i with i + dims/2, as in Hugging Face's, Qwen, Gemma and Phi.
Longer contexts than trained come from slower frequencies: linear, NTK-aware, YaRN, Llama 3's. Nothing here knows which
model wants which; `models` does.

>>> import jax.numpy as jnp
>>> frequency = frequencies(dims=4, base=10000.0)
>>> [round(float(f), 6) for f in frequency]
[1.0, 0.01]
>>> turns = angles(jnp.array([0, 1]), frequency)            # positions 0 and 1
>>> x = jnp.array([[[1.0, 0.0, 1.0, 0.0]]] * 2)             # two tokens, one head
>>> [f"{v:.2f}" for v in rotate_interleaved(x, turns)[1, 0]]
['0.54', '0.84', '1.00', '0.01']
>>> [f"{v:.2f}" for v in rotate_half_split(x, turns)[1, 0]]
['-0.30', '0.00', '1.38', '0.00']
"""

import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int

Frequency = Float32[np.ndarray, " pairs"]
Heads = Float[Array, "tokens heads head_dim"]
Angles = Float[Array, "tokens pairs"]


def frequencies(dims: int, base: float) -> Frequency:
    """How far each pair turns per position: from 1 radian down to almost 1/base."""
    return (base ** (-np.arange(0, dims, 2) / dims)).astype(np.float32)


def linear_scaling(frequency: Frequency, factor: float) -> Frequency:
    """Position interpolation: `factor` times as many positions share the old angles."""
    return frequency / np.float32(factor)


def ntk_base(base: float, dims: int, factor: float) -> float:
    """NTK-aware scaling: a larger base slows the slow pairs by `factor` and leaves the fastest alone."""
    return base * factor ** (dims / (dims - 2))


def llama3_scaling(
    frequency: Frequency, factor: float, low_factor: float, high_factor: float, trained_context: int
) -> Frequency:
    """Llama 3: pairs that turned less than `low_factor` times in training are slowed, those past `high_factor` kept."""
    turns = trained_context * frequency / (2 * math.pi)
    share_kept = np.clip((turns - low_factor) / (high_factor - low_factor), 0, 1)
    return (frequency * (share_kept + (1 - share_kept) / factor)).astype(np.float32)


def yarn_scaling(
    frequency: Frequency,
    factor: float,
    trained_context: int,
    base: float,
    turns_kept: float = 32.0,
    turns_slowed: float = 1.0,
) -> Frequency:
    """YaRN: as Llama 3's, with the ramp laid over the pair's index. Goes with `yarn_magnitude`."""
    dims = 2 * len(frequency)

    def pair_that_turns(times: float) -> float:
        return dims * math.log(trained_context / (times * 2 * math.pi)) / (2 * math.log(base))

    first = max(0, math.floor(pair_that_turns(turns_kept)))
    last = min(dims - 1, math.ceil(pair_that_turns(turns_slowed)))
    ramp = np.clip((np.arange(len(frequency)) - first) / max(0.001, last - first), 0, 1)
    return (frequency * ((1 - ramp) + ramp / factor)).astype(np.float32)


def yarn_magnitude(factor: float) -> float:
    """YaRN sharpens attention a little: queries and keys grow by this."""
    return 1 + 0.1 * math.log(factor)


def angles(positions: Int[Array, " tokens"], frequency: Frequency | Float[Array, " pairs"]) -> Angles:
    """The angle of every pair at every position."""
    return positions.astype(jnp.float32)[:, None] * jnp.asarray(frequency)[None, :]


def rotate_interleaved(x: Heads, turns: Angles, magnitude: float = 1.0) -> Heads:
    """Rotate neighbours (2i, 2i+1); dims beyond the pairs pass through."""
    turned, kept = _split_rotated(x, turns)
    pairs = turned.reshape(*turned.shape[:-1], -1, 2)
    first, second = _turn(pairs[..., 0], pairs[..., 1], turns, magnitude)
    return jnp.concatenate([jnp.stack([first, second], axis=-1).reshape(turned.shape), kept], axis=-1)


def rotate_half_split(x: Heads, turns: Angles, magnitude: float = 1.0) -> Heads:
    """Rotate i with i + dims/2; dims beyond the pairs pass through."""
    turned, kept = _split_rotated(x, turns)
    first, second = _turn(*jnp.split(turned, 2, axis=-1), turns, magnitude)
    return jnp.concatenate([first, second, kept], axis=-1)


def rotate_two_dimensional(x: Heads, turns: Angles, block_turns: Angles) -> Heads:
    """ChatGLM-6B: the first half of a head turns with the position, the second with the position in the answer."""
    first, second = jnp.split(x, 2, axis=-1)
    return jnp.concatenate([rotate_half_split(first, turns), rotate_half_split(second, block_turns)], axis=-1)


def _split_rotated(x: Heads, turns: Angles):
    dims = 2 * turns.shape[-1]
    return x[..., :dims], x[..., dims:]


def _turn(first, second, turns: Angles, magnitude: float):
    """The plane rotation: (a, b) -> (a cos - b sin, a sin + b cos)."""
    cosine = jnp.cos(turns)[:, None, :] * magnitude
    sine = jnp.sin(turns)[:, None, :] * magnitude
    return first * cosine - second * sine, first * sine + second * cosine
