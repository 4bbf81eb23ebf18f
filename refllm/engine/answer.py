"""An answer in the making: the options it obeys, its tokens, its text, and whether it has come to its end.

It knows nothing of models or caches: it is fed tokens and says when enough is enough.

>>> chosen = options(max_tokens=2, stop="User:", top_k=10)
>>> chosen.max_tokens, chosen.stop, chosen.sampling.top_k, chosen.sampling.temperature
(2, ('User:',), 10, 0.8)
"""

import dataclasses
from collections.abc import Callable

from refllm.engine.completion import Completion, Timings, View
from refllm.engine.stopping import StopStrings
from refllm.sampling import Settings, TokenMask, settings
from refllm.tokenizers import Tokenizer


@dataclasses.dataclass(frozen=True)
class Options:
    """How to write: the arguments of `generate`, together. How tokens are chosen is in `sampling`."""

    max_tokens: int | None = None  # None: until the context is full
    stop: tuple[str, ...] = ()
    stop_ids: tuple[int, ...] = ()
    ignore_eos: bool = False
    context_shift: bool = False  # when the context is full, drop old tokens instead of ending
    keep: int = 0  # tokens at the beginning that are never dropped
    grammar: TokenMask | None = None
    negative_prompt: str | tuple[int, ...] = ""  # what to keep away from, where cfg_scale is not 1
    return_candidates: int = 0  # so many of the best, before and after each sampler
    sampling: Settings = dataclasses.field(default_factory=Settings)


def options(**given) -> Options:
    """Options from the arguments of `generate`; a single stop string or a list of them will do."""
    own, of_sampling = ([field.name for field in dataclasses.fields(kind)] for kind in (Options, Settings))
    known = [name for name in own if name != "sampling"] + of_sampling
    unknown = sorted(given.keys() - set(known))
    if unknown:
        raise TypeError(f"generate() got an unknown option {unknown[0]!r}; known: {', '.join(known)}")
    if isinstance(given.get("stop"), str):
        given["stop"] = (given["stop"],)
    chosen = {name: given.pop(name) for name in own if name in given}
    chosen = {name: tuple(value) if isinstance(value, list) else value for name, value in chosen.items()}
    return Options(**chosen, sampling=settings(**given))


@dataclasses.dataclass
class Answer:
    """What has been written so far, as ids and as text, and whether it has come to its end."""

    tokenizer: Tokenizer
    options: Options
    show: Callable[[str], None] = lambda text: None  # called with each piece of text as it becomes certain
    ids: list[int] = dataclasses.field(default_factory=list)
    logprobs: list[float] = dataclasses.field(default_factory=list)
    candidates: list[list[View]] = dataclasses.field(default_factory=list)
    text: str = ""
    finish_reason: str = ""

    def __post_init__(self):
        self.decoder = self.tokenizer.stream(continues=True)
        self.stops = StopStrings(list(self.options.stop))
        self.end_ids = set(self.options.stop_ids)
        if not self.options.ignore_eos:
            self.end_ids |= set(self.tokenizer.end_ids)
        if self.options.max_tokens is not None and self.options.max_tokens <= 0:
            self.finish("length")

    @property
    def finished(self) -> bool:
        return bool(self.finish_reason)

    @property
    def next_is_last(self) -> bool:
        """Whether the answer ends with the next token, whatever it is."""
        return self.options.max_tokens is not None and len(self.ids) + 1 >= self.options.max_tokens

    def take(self, token: int, logprob: float) -> None:
        """Add a token; it may end the answer."""
        self.ids.append(token)
        self.logprobs.append(logprob)
        if token in self.end_ids:
            self.finish("stop")
            return
        self._add(self.stops.feed(self.decoder.feed(token)))
        if self.stops.stopped:
            self.finish_reason = "stop"
        elif self.options.max_tokens is not None and len(self.ids) >= self.options.max_tokens:
            self.finish("length")

    def finish(self, reason: str) -> None:
        self._add(self.stops.feed(self.decoder.flush()))
        self._add(self.stops.flush())
        self.finish_reason = reason

    def completion(self, timings: Timings) -> Completion:
        return Completion(self.text, self.ids, self.logprobs, self.finish_reason, timings, self.candidates)

    def _add(self, text: str) -> None:
        self.text += text
        if text:
            self.show(text)
