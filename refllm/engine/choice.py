"""The choice of a token from its logits: greedy at temperature 0, else a draw.

The draw depends on the seed and on the position in the answer only, so the same seed gives the same text however the
prompt was read and whatever else runs in the batch. The full set of samplers is the matter of `sampling`.

>>> import jax.numpy as jnp
>>> token, logprob = choose(jnp.array([0.0, 2.0, 1.0]), temperature=0.0, seed=0, position=0)
>>> token, round(logprob, 3)
(1, -0.408)
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

Logits = Float[Array, " vocab"]


def choose(scores: Logits, temperature: float, seed: int, position: int) -> tuple[int, float]:
    """The next token and its log-probability under the model's own distribution."""
    key = jax.random.fold_in(jax.random.key(seed), position)
    token, logprob = draw(scores, key, jnp.asarray(temperature, jnp.float32))
    return int(token), float(logprob)


@jax.jit
def draw(scores: Logits, key: Key[Array, ""], temperature: Float[Array, ""]) -> tuple[Int[Array, ""], Float[Array, ""]]:
    drawn = jax.random.categorical(key, scores / jnp.where(temperature > 0, temperature, 1.0))
    token = jnp.where(temperature > 0, drawn, scores.argmax())
    return token, jax.nn.log_softmax(scores)[token]
