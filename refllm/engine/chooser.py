"""The choice of the tokens of one answer: the compiled chain of samplers, what it remembers, and a grammar.

The draw depends on the seed and on the place in the answer only, so a seed gives the same text however the prompt was
read and whatever else runs in the batch. The logits stay where they are; with a grammar its mask goes there, one byte
per token of the vocabulary.

>>> from refllm.engine.answer import options
>>> chooser = Chooser(options(temperature=0.0), prompt=[1], vocab=4, context=64)
>>> choice = chooser.choose(None, jax.numpy.array([0.0, 2.0, 1.0, 0.0]))
>>> int(choice.token), round(float(choice.logprob), 3)
(1, -0.494)
"""

import copy
import dataclasses

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from refllm import sampling
from refllm.engine.answer import Answer, Options
from refllm.engine.completion import View
from refllm.sampling import Settings
from refllm.tokenizers import Tokenizer

Mask = Bool[np.ndarray, " vocab"] | None
Logits = Float[Array, " vocab"]


@dataclasses.dataclass(frozen=True)
class Choice:
    """A token that was chosen (or one for each of a batch); still on the device, perhaps not even computed."""

    token: Int[Array, "*batch"]
    logprob: Float[Array, "*batch"]
    stages: sampling.Stages


class Chooser:
    """Chooses one token after the other, for one answer."""

    def __init__(
        self, options: Options, prompt: list[int], vocab: int, context: int, tokenizer: Tokenizer | None = None
    ):
        settings = options.sampling
        self.plan = sampling.make_plan(settings, context, options.return_candidates)
        self.past = sampling.begin(self.plan, settings, prompt)
        self.numbers = {**sampling.numbers(settings), **vocabulary_numbers(settings, self.plan, vocab, tokenizer)}
        self.grammar = copy.copy(options.grammar)
        self.vocab, self.tokenizer = vocab, tokenizer

    def mask(self) -> Mask:
        """What the grammar allows now; pieces that the model knows and the tokenizer does not are never allowed."""
        if self.grammar is None:
            return None
        mask = self.grammar.mask()
        return np.pad(mask, (0, self.vocab - len(mask)))

    def choose(self, mask: Mask, scores: Logits, negative: Logits | None = None) -> Choice:
        """Choose from the logits; nothing is waited for."""
        token, logprob, self.past, stages = sampling.choose(self.plan, scores, self.numbers, self.past, mask, negative)
        return Choice(token, logprob, stages)

    def give(self, answer: Answer, token: int, logprob: float, stages: sampling.Stages) -> None:
        """Give what was chosen to the answer, and to the grammar."""
        if self.plan.watch:
            answer.candidates.append(views(self.plan, stages, self.tokenizer))
        answer.take(token, logprob)
        if self.grammar is not None and not answer.finished:
            self.grammar.accept(token)


def look_at(choice: Choice) -> tuple[np.ndarray, np.ndarray, sampling.Stages]:
    """Wait for a choice: its token, its log-probability and its stages as numpy arrays, fetched together."""
    return jax.device_get((choice.token, choice.logprob, choice.stages))


def vocabulary_numbers(settings: Settings, plan: sampling.Plan, vocab: int, tokenizer: Tokenizer | None) -> dict:
    """The numbers that depend on the vocabulary: wishes for single tokens, the newline, the breakers of DRY."""
    found = {}
    if settings.logit_bias:
        found["logit_bias"] = dense_bias(settings.logit_bias, vocab, tokenizer)
    if not settings.penalize_nl:
        found["not_penalized"] = np.int32(tokenizer.encode("\n", add_special=False)[-1])
    if "dry" in plan.order:
        found["dry_breakers"] = sampling.find_breakers(tokenizer, settings.dry_sequence_breakers, vocab)
    return jax.device_put(found)


def dense_bias(
    wishes: tuple[tuple[int | str, float], ...], vocab: int, tokenizer: Tokenizer | None
) -> Float[np.ndarray, " vocab"]:
    """One number per token; a text stands for all its tokens."""
    bias = np.zeros(vocab, np.float32)
    for wish, value in wishes:
        ids = tokenizer.encode(wish, add_special=False) if isinstance(wish, str) else [wish]
        bias[ids] += np.float32(value)
    return bias


def views(plan: sampling.Plan, stages: sampling.Stages, tokenizer: Tokenizer) -> list[View]:
    """The stages of a choice as a table that people read."""
    names = [name for name in (*sampling.STAGES, *plan.order) if name in stages]
    return [view(name, stages[name], tokenizer) for name in names]


def view(name: str, stage: sampling.Stage, tokenizer: Tokenizer) -> View:
    shown = [(int(i), float(p)) for i, p in zip(stage.ids, stage.probabilities, strict=True) if p > 0]
    pieces = tokenizer.pieces([i for i, _ in shown])
    candidates = [(i, piece, p) for (i, p), piece in zip(shown, pieces, strict=True)]
    return View(name, int(stage.remaining), candidates)
