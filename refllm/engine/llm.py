"""A loaded model that reads and writes text: what `refllm.load()` returns.

`generate` and `stream` are the same loop: read the prompt (reusing what the last call has already read), then choose
and write one token at a time until an end token, a stop string, or the limit. Several prompts at once share each step.
How tokens are chosen is the matter of `sampling`; turns and templates of `chat`.

The model is started on a token before anybody has seen it, so it never waits for Python; when the token turns out to
end the answer, that step was in vain and the session forgets it.
"""

import dataclasses
import time
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float32

import refllm
from refllm.engine import answer as answers
from refllm.engine.answer import Answer, Options
from refllm.engine.batch import write_together
from refllm.engine.chooser import Chooser, look_at
from refllm.engine.completion import Completion, Timings
from refllm.engine.embedding import normalise, pool
from refllm.engine.session import Session
from refllm.models import AnyConfig
from refllm.tokenizers import Tokenizer

Prompt = str | list[int]


@dataclasses.dataclass
class LLM:
    """A model, its tokenizer, and the session that remembers the last sequence."""

    path: str
    config: AnyConfig
    weights: dict
    tokenizer: Tokenizer
    context: int
    cache_type: str = "float32"
    session: Session | None = None
    chat_templates: dict[str, str] = dataclasses.field(default_factory=dict)  # the file's own, by name

    def __post_init__(self):
        self.session = self.new_session()

    def new_session(self) -> Session:
        return Session(self.config, self.weights, self.context, self.cache_type)

    def generate(self, prompt: Prompt | list[str] | list[list[int]], **options) -> Completion | list[Completion]:
        """Complete a prompt (text or ids), or several at once; see `Options` for what may be given."""
        chosen = answers.options(**options)
        if isinstance(prompt, list) and prompt and isinstance(prompt[0], str | list):
            made = [Answer(self.tokenizer, chosen) for _ in prompt]
            return write_together(self, made, [self.encode(one) for one in prompt])
        *_, completion = self.write(self.encode(prompt), Answer(self.tokenizer, chosen))
        return completion

    def stream(self, prompt: Prompt, **options) -> Iterator[str]:
        """The same text as `generate`, piece by piece; a piece never ends inside a character."""
        pieces: list[str] = []
        answer = Answer(self.tokenizer, answers.options(**options), show=pieces.append)
        for _ in self.write(self.encode(prompt), answer):
            yield from pieces
            pieces.clear()

    def encode(self, prompt: Prompt | tuple[int, ...]) -> list[int]:
        """Ids of a prompt; text gets its BOS, ids are taken as they are."""
        if isinstance(prompt, str):
            return self.tokenizer.encode(prompt, add_special=True, parse_special=False)
        return [int(i) for i in prompt]

    def logits(self, ids: list[int]) -> Float32[np.ndarray, "tokens vocab"]:
        """The logits after each of the tokens."""
        return self.new_session().read_all(ids)[0]

    def embed(
        self, texts: list[str], pooling: str = "mean", normalised: bool = True
    ) -> Float32[np.ndarray, "..."] | list[Float32[np.ndarray, "tokens dim"]]:
        """One vector per text (with `pooling="none"` a list of one per token), of length one unless asked otherwise."""
        vectors = [pool(self.new_session().read_all(self.encode(text))[1], pooling) for text in texts]
        vectors = [normalise(vector) for vector in vectors] if normalised else vectors
        return vectors if pooling == "none" else np.stack(vectors)

    def chat(self, **options):
        """A conversation with this model: a `refllm.chat.Chat`, which takes the options.

        That room stands above this one, so it is reached through the front door of the package.
        """
        return refllm.chat.Chat(self, **options)

    def write(self, ids: list[int], answer: Answer) -> Iterator[Completion | None]:
        """The loop: yields after every token that `answer` took, and at last the completion.

        Whoever stops listening finds all that was written in `answer`. The session is either good afterwards or a new
        one.
        """
        try:
            yield from self._write(ids, answer)
        except GeneratorExit:
            raise  # somebody stopped listening, between two steps
        except BaseException:
            self.session = self.new_session()  # Ctrl+C in the middle of a step: its cache was given away
            raise

    def _write(self, ids: list[int], answer: Answer) -> Iterator[Completion | None]:
        """Yields after every token, and at last the completion."""
        start = time.perf_counter()
        new = self.session.keep_common_prefix(ids)
        self.session.read(new)
        sessions = [self.session, *self._negative_session(ids, answer.options)]
        scores = [session.logits.block_until_ready() for session in sessions]
        chooser = self.chooser(ids, answer.options)
        read = time.perf_counter()
        while not answer.finished:
            mask = chooser.mask()
            if mask is not None and not mask.any():
                answer.finish("stop")
                break
            if not self._has_room(sessions, answer.options):
                answer.finish("length")
                break
            choice = chooser.choose(mask, *scores)
            if not answer.next_is_last:
                scores = [session.write_ahead(choice.token) for session in sessions]
            token, logprob, stages = look_at(choice)
            chooser.give(answer, int(token), float(logprob), stages)
            yield None
            if not answer.finished:
                for session in sessions:
                    session.ids.append(answer.ids[-1])
        written = time.perf_counter()
        timings = Timings(len(new), 1000 * (read - start), len(answer.ids), 1000 * (written - read))
        yield answer.completion(timings)

    def chooser(self, prompt: list[int], options: Options) -> Chooser:
        """What chooses the tokens of an answer to this prompt."""
        return Chooser(options, prompt, self.config.vocab_size, self.context, self.tokenizer)

    def _negative_session(self, prompt: list[int], options: Options) -> list[Session]:
        """A session that has read the negative prompt (at least something), where there is to be guidance."""
        if options.sampling.cfg_scale == 1:
            return []
        session = self.new_session()
        session.read(self.encode(options.negative_prompt) or prompt[-1:])
        return [session]

    def _has_room(self, sessions: list[Session], options: Options) -> bool:
        """Whether one more token can be remembered; drops old ones where that was asked for."""
        for session in sessions:
            if len(session.ids) >= self.context:
                if not options.context_shift:
                    return False
                session.shift(options.keep)
        return True
