"""Batches: dialogues as ids, each with the weight of its tokens, grouped by length.

Every example begins at position 0, as it will when the model is used. Examples of about the same length share a batch,
padded to the same of a few lengths, so little is wasted and only a few shapes are compiled. The batches of a step
depend on the seed and the number of the step alone: a training that is resumed goes on as if it had never stopped.

>>> batch = Batch.of([([1, 5, 9, 2], [0.0, 0.1, 0.1, 1.0])], length=6)
>>> batch.tokens.tolist(), batch.weights.round(1).tolist()
([[1, 5, 9, 2, 0, 0]], [[0.0, 0.10000000149011612, 0.10000000149011612, 1.0, 0.0, 0.0]])
"""

import dataclasses
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int

from refllm.tokenizers import Tokenizer
from refllm.train.chat_format import parts
from refllm.train.recipe import Recipe
from refllm.world import Dialogue, Document, stream

Example = tuple[list[int], list[float]]
STEPS_PER_PART = 256  # the corpus starts anew, with another seed, after this many batches
HELD_OUT_SEED = 1_000_000_007  # of the text that measures the loss and is never trained on


@dataclasses.dataclass(frozen=True)
class Batch:
    """Rows of ids, and how much each of them counts as something to be foretold."""

    tokens: Int[np.ndarray, "rows length"]
    weights: Float[np.ndarray, "rows length"]

    @classmethod
    def of(cls, examples: list[Example], length: int) -> "Batch":
        tokens = np.zeros((len(examples), length), np.int32)
        weights = np.zeros((len(examples), length), np.float32)
        for row, (ids, counts) in enumerate(examples):
            tokens[row, : len(ids)] = ids
            weights[row, : len(ids)] = counts
        return cls(tokens, weights)


def example(tokenizer: Tokenizer, item: Dialogue | Document, prompt_weight: float) -> Example:
    """The ids of a dialogue or a document; the first id of all cannot be foretold and weighs nothing."""
    written = parts(item) if isinstance(item, Dialogue) else [(f"<s>{item.text}</s>", True)]
    ids: list[int] = []
    weights: list[float] = []
    for text, is_answer in written:
        new = tokenizer.encode(text, add_special=False, parse_special=True)
        ids += new
        weights += [1.0 if is_answer else prompt_weight] * len(new)
    return ids, [0.0, *weights[1:]]


def batches(recipe: Recipe, tokenizer: Tokenizer, first_step: int = 0) -> Iterator[Batch]:
    """The batch of `first_step`, and all that follow."""
    part, step = divmod(first_step, STEPS_PER_PART)
    while True:
        for number, batch in enumerate(_part(recipe, tokenizer, recipe.seed + 1000 * part)):
            if number == STEPS_PER_PART:
                break
            if number >= step:
                yield batch
        part, step = part + 1, 0


def held_out(recipe: Recipe, tokenizer: Tokenizer, count: int) -> list[Batch]:
    """Batches of text that training never sees."""
    made = _part(recipe, tokenizer, HELD_OUT_SEED)
    return [next(made) for _ in range(count)]


def _part(recipe: Recipe, tokenizer: Tokenizer, seed: int) -> Iterator[Batch]:
    """Examples wait in a shelf for their length until there are enough for a batch."""
    shelves: dict[int, list[Example]] = {length: [] for length in recipe.lengths}
    for item in stream(seed):
        ids, weights = example(tokenizer, item, recipe.prompt_weight)
        length = next((length for length in recipe.lengths if len(ids) <= length), None)
        if length is None:
            continue
        shelves[length].append((ids, weights))
        if len(shelves[length]) == max(1, recipe.batch_tokens // length):
            yield Batch.of(shelves[length], length)
            shelves[length] = []
