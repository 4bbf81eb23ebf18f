"""The training itself: step after step, with a checkpoint now and then, resumable after a sudden end.

A checkpoint holds the weights, the optimizer's memory and the number of steps; the batches of a step depend on its
number alone. So a training that was killed and started again makes the same weights as one that was not. Each
checkpoint is written beside the old one and renamed, and each measurement is a line of `log.jsonl`.
"""

import functools
import pathlib
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax
from tqdm import tqdm

from refllm.errors import RefllmError
from refllm.files import atomic_write
from refllm.tokenizers import Tokenizer
from refllm.train import model, optimizer
from refllm.train.batches import Batch, batches, held_out
from refllm.train.log import forget_after, note
from refllm.train.recipe import Recipe

State = tuple[dict, optax.OptState]
CHECKPOINT, LOG = "checkpoint.npz", "log.jsonl"
HELD_OUT_BATCHES = 8


def train(
    recipe: Recipe,
    tokenizer: Tokenizer,
    folder: pathlib.Path,
    examine: Callable[[dict], float] | None = None,
    every: int = 100,
    progress: bool = True,
) -> dict:
    """The trained weights. Goes on from the checkpoint in `folder`, and leaves one after `every` steps."""
    state = start(recipe)
    first, state = resume(folder, state)
    forget_after(folder / LOG, first)
    bar = tqdm(total=recipe.steps, initial=first, unit="step", disable=not progress)
    losses: list[float] = []
    began = time.monotonic()
    for step, batch in zip(range(first, recipe.steps), batches(recipe, tokenizer, first), strict=False):
        state, loss = one_step(recipe, state, batch.tokens, batch.weights)
        losses.append(float(loss))  # waits for the step, so that the bar tells the truth
        bar.update()
        if (step + 1) % every == 0 or step + 1 == recipe.steps:
            line = {"step": step + 1, "loss": float(np.mean(losses)), "seconds": round(time.monotonic() - began, 1)}
            line |= measure(recipe, tokenizer, state[0], examine)
            note(folder / LOG, line)
            save(folder, step + 1, state)
            bar.set_postfix({name: f"{value:.3f}" for name, value in line.items() if name not in ("step", "seconds")})
            losses, began = [], time.monotonic()
    bar.close()
    return state[0]


def start(recipe: Recipe) -> State:
    weights = model.fresh_weights(recipe.model, jax.random.key(recipe.seed))
    return weights, optimizer.make(recipe).init(weights)


@functools.partial(jax.jit, static_argnums=0, donate_argnums=1)
def one_step(recipe: Recipe, state: State, tokens, counts):
    """One batch: how the loss changes with every weight, and the optimizer's answer to it."""
    weights, memory = state
    loss, slopes = jax.value_and_grad(model.loss, argnums=1)(recipe.model, weights, tokens, counts)
    with jax.numpy_dtype_promotion("standard"):  # optax mixes its counters with floats
        changes, memory = optimizer.make(recipe).update(slopes, memory, weights)
    return (optax.apply_updates(weights, changes), memory), loss


def measure(recipe: Recipe, tokenizer: Tokenizer, weights: dict, examine) -> dict[str, float]:
    """The loss on text that was never seen, and the share of the exam that is answered rightly."""
    losses = [float(model.loss(recipe.model, weights, b.tokens, b.weights)) for b in _held_out(recipe, tokenizer)]
    found = {"held_out": float(np.mean(losses))}
    return found | ({"exam": examine(weights)} if examine else {})


_kept: dict[Recipe, list[Batch]] = {}


def _held_out(recipe: Recipe, tokenizer: Tokenizer) -> list[Batch]:
    if recipe not in _kept:
        _kept[recipe] = held_out(recipe, tokenizer, HELD_OUT_BATCHES)
    return _kept[recipe]


# ---- checkpoints ----


def save(folder: pathlib.Path, step: int, state: State) -> None:
    """All numbers of the state, in the order of its tree."""
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(state)]
    with atomic_write(folder / CHECKPOINT) as file:
        np.savez(file, step=step, **{f"leaf_{number}": leaf for number, leaf in enumerate(leaves)})


def resume(folder: pathlib.Path, fresh: State) -> tuple[int, State]:
    """The step and the state of the checkpoint; without one, the beginning."""
    path = folder / CHECKPOINT
    if not path.exists():
        return 0, fresh
    leaves, tree = jax.tree.flatten(fresh)
    with np.load(path, allow_pickle=False) as found:
        stored = [found[f"leaf_{number}"] for number in range(len(found.files) - 1)]
        step = int(found["step"])
    if [leaf.shape for leaf in leaves] != [leaf.shape for leaf in stored]:
        raise RefllmError(f"{path}: is of another recipe; remove it to begin anew")
    restored = [jnp.asarray(new, dtype=old.dtype) for new, old in zip(stored, leaves, strict=True)]
    return step, jax.tree.unflatten(tree, restored)
