"""The links of the chains: each sampler with the settings it obeys and what it looks at beside the logits.

>>> from refllm.sampling.settings import settings
>>> [name for name, sampler in SAMPLERS.items() if sampler.takes_part(settings())]
['top_k', 'top_p', 'min_p', 'temperature', 'mirostat_1', 'mirostat_2']
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, UInt32

from refllm.sampling import dont_repeat, mirostat, repetition, temperatures, truncation, typicality
from refllm.sampling.arrays import Counts
from refllm.sampling.settings import Settings

Scores = Float[Array, " candidates"]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Past:
    """What a chain remembers from token to token."""

    recent: Int[Array, "*batch window"]  # the newest last; -1: nothing yet
    position: Int[Array, "*batch"]  # of the next token in the answer: each has dice of its own
    dice: UInt32[Array, "*batch 2"]  # the key of the seed; as plain numbers, which are handed over faster
    mu: Float[Array, "*batch"]  # mirostat's allowance of surprise


@dataclasses.dataclass(frozen=True)
class Moment:
    """What a sampler may look at beside the logits."""

    past: Past
    ids: Int[Array, " candidates"]
    vocab: int
    chance: Float[Array, ""]

    def of_candidates(self, per_token: Counts) -> Counts:
        return per_token if len(self.ids) == self.vocab else per_token[self.ids]

    def recent(self, last_n: Int[Array, ""]) -> Int[Array, " window"]:
        """The last n tokens; those before them are forgotten."""
        window = self.past.recent
        return jnp.where(jnp.arange(len(window)) >= len(window) - last_n, window, -1)


@dataclasses.dataclass(frozen=True)
class Sampler:
    """One link of a chain: when it takes part, and what it does."""

    takes_part: Callable[[Settings], bool]
    apply: Callable[[Scores, dict, Moment], Scores]


def _penalties(scores: Scores, n: dict, moment: Moment) -> Scores:
    counts = repetition.count_tokens(moment.recent(n["repeat_last_n"]), moment.vocab)
    counts = jnp.where(jnp.arange(moment.vocab) == n["not_penalized"], 0, counts)
    rates = n["repeat_penalty"], n["frequency_penalty"], n["presence_penalty"]
    return repetition.penalties(scores, moment.of_candidates(counts), *rates)


def _dry(scores: Scores, n: dict, moment: Moment) -> Scores:
    recent = moment.recent(n["dry_penalty_last_n"])
    lengths = moment.of_candidates(dont_repeat.repeats(recent, moment.vocab, n["dry_breakers"]))
    return dont_repeat.dry(scores, lengths, n["dry_multiplier"], n["dry_base"], n["dry_allowed_length"])


def _xtc(scores: Scores, n: dict, moment: Moment) -> Scores:
    return truncation.xtc(scores, n["xtc_probability"], n["xtc_threshold"], moment.chance, n["min_keep"])


def _temperature(scores: Scores, n: dict, moment: Moment) -> Scores:
    return temperatures.dynamic_temperature(scores, n["temperature"], n["dynatemp_range"], n["dynatemp_exponent"])


SAMPLERS = {
    "penalties": Sampler(
        lambda s: s.repeat_last_n != 0 and (s.repeat_penalty, s.frequency_penalty, s.presence_penalty) != (1, 0, 0),
        _penalties,
    ),
    "dry": Sampler(lambda s: s.dry_multiplier != 0 and s.dry_base >= 1 and s.dry_penalty_last_n != 0, _dry),
    "top_n_sigma": Sampler(
        lambda s: s.top_n_sigma > 0, lambda scores, n, _: truncation.top_n_sigma(scores, n["top_n_sigma"])
    ),
    "top_k": Sampler(lambda s: s.top_k > 0, lambda scores, n, _: truncation.top_k(scores, n["top_k"])),
    "typ_p": Sampler(
        lambda s: s.typical_p < 1, lambda scores, n, _: typicality.typical(scores, n["typical_p"], n["min_keep"])
    ),
    "tfs_z": Sampler(
        lambda s: s.tfs_z < 1, lambda scores, n, _: typicality.tail_free(scores, n["tfs_z"], n["min_keep"])
    ),
    "top_p": Sampler(lambda s: s.top_p < 1, lambda scores, n, _: truncation.top_p(scores, n["top_p"], n["min_keep"])),
    "min_p": Sampler(lambda s: s.min_p > 0, lambda scores, n, _: truncation.min_p(scores, n["min_p"], n["min_keep"])),
    "xtc": Sampler(lambda s: s.xtc_probability > 0 and s.xtc_threshold <= 0.5, _xtc),
    "temperature": Sampler(lambda s: s.temperature != 1 or s.dynatemp_range > 0, _temperature),
    "mirostat_1": Sampler(lambda s: True, lambda scores, n, moment: mirostat.mirostat_1(scores, moment.past.mu)),
    "mirostat_2": Sampler(lambda s: True, lambda scores, n, moment: mirostat.mirostat_2(scores, moment.past.mu)),
}
