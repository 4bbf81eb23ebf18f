"""The optimizer: Muon for the matrices of the layers, Adam for the embedding and the norms.

Adam scales the step of every weight on its own. Muon (Jordan, 2024) replaces the step of a whole matrix by the nearest
orthogonal one, so that what is rarely asked for moves as far as what comes all the time. Both are optax's; the learning
rate rises, stays and falls as the recipe says.

>>> from refllm.train.recipe import EMBEDDED
>>> [round(float(learning_rate(EMBEDDED, jnp.asarray(step))), 5) for step in (0, 99, 600, EMBEDDED.steps)]
[3e-05, 0.003, 0.003, 0.0]
"""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int
from optax import contrib

from refllm.train.recipe import Recipe

RMS_OF_ADAM = 0.2  # Muon's steps are scaled to the usual size of Adam's, so that one learning rate serves both


def make(recipe: Recipe) -> optax.GradientTransformation:
    return optax.chain(
        optax.clip_by_global_norm(1.0),
        contrib.muon(
            lambda step: learning_rate(recipe, step),
            weight_decay=recipe.weight_decay,
            consistent_rms=RMS_OF_ADAM,
            adam_b2=0.98,
            muon_weight_dimension_numbers=matrices_of_layers,
        ),
    )


def learning_rate(recipe: Recipe, step: Int[Array, ""]) -> Float[Array, ""]:
    """Up in a straight line, level, and down to zero in a straight line."""
    step = step.astype(jnp.float32)
    decay = max(1, round(recipe.steps * recipe.decay_share))
    rising, falling = (step + 1) / recipe.warm_up, (recipe.steps - step) / decay
    return recipe.learning_rate * jnp.clip(jnp.minimum(rising, falling), 0.0, 1.0)


def matrices_of_layers(weights: dict) -> dict:
    """Which weights Muon moves."""

    def dimensions(path, leaf):
        in_layer = path[0] == jax.tree_util.DictKey("layers")
        return contrib.MuonDimensionNumbers() if in_layer and leaf.ndim == 2 else None

    return jax.tree_util.tree_map_with_path(dimensions, weights)
