"""What a generation gives back: the text, how it ended, and what it cost.

>>> timings = Timings(prompt_n=10, prompt_ms=50.0, predicted_n=4, predicted_ms=100.0)
>>> timings.prompt_per_second, timings.predicted_per_second
(200.0, 40.0)
"""

import dataclasses
from typing import NamedTuple


@dataclasses.dataclass(frozen=True)
class Timings:
    """Tokens and milliseconds, for reading the prompt and for writing the answer."""

    prompt_n: int
    prompt_ms: float
    predicted_n: int
    predicted_ms: float

    @property
    def prompt_per_second(self) -> float:
        return 1000 * self.prompt_n / self.prompt_ms if self.prompt_ms else 0.0

    @property
    def predicted_per_second(self) -> float:
        return 1000 * self.predicted_n / self.predicted_ms if self.predicted_ms else 0.0


class View(NamedTuple):
    """The best candidates that one sampler leaves; those it was given are in the view before."""

    sampler: str  # "model" for what the model itself says
    remaining: int  # how many candidates are left in all
    candidates: list[tuple[int, str, float]]  # id, piece, probability


@dataclasses.dataclass(frozen=True)
class Completion:
    """An answer. `ids` holds every token written, an end token included; `text` holds none of the stop strings."""

    text: str
    ids: list[int]
    logprobs: list[float]  # of each token, under the model's own distribution
    finish_reason: str  # "stop": an end token or a stop string; "length": max_tokens or the context is used up
    timings: Timings
    candidates: list[list[View]] = dataclasses.field(default_factory=list)  # for each token, if asked for
