"""A conversation with a model: turns go in, answers come out, and only what is new is read.

The whole conversation is rendered for every turn, as the template wants it, but the model remembers what it has read
and written. So the new ids are the remembered ones, the tokens of the answer as they were drawn included, and behind
them the ids of the text that has been added. Where a template tells the past in another way (reasoning is left out, an
answer trimmed), reading starts again from the first token that differs.

A conversation that outgrows the context goes on: the oldest half of what follows the system's turn is dropped from the
cache, as llama.cpp does it. What it does not do: call tools. `turns` may hold calls and results, and the template shows
them to the model.
"""

import dataclasses
import json
import os
import pathlib
from collections.abc import Iterator

from refllm.chat.template import MARK, Template, named, unmarked
from refllm.engine import LLM, Completion
from refllm.engine import answer as answers
from refllm.engine.answer import Answer, Options
from refllm.errors import RefllmError
from refllm.files import atomic_write
from refllm.tokenizers import Tokenizer


@dataclasses.dataclass
class Known:
    """What the model has in mind after an answer."""

    prompt: str  # the rendered text that stood before the answer
    ids: list[int]  # of prompt and answer, without what was dropped to make room
    answer_ids: list[int]


class Chat:
    """A model, a template, and the turns so far; `completion` is the last answer with all its figures."""

    def __init__(
        self, llm: LLM, system: str | None = None, template: str | None = None, tools: list | None = None, **options
    ):
        answers.options(**options)  # what is unknown is refused now
        self.llm = llm
        self.tools = tools
        self.options = options
        self.template = Template(named(template, llm.chat_templates, bool(tools)), llm.tokenizer)
        self.turns: list[dict] = []
        self.completion: Completion | None = None
        self.reset()
        self.system = system

    @property
    def system(self) -> str | None:
        """What the system says before all else; it may be changed at any time."""
        return self.turns[0]["content"] if self._system_turns else None

    @system.setter
    def system(self, text: str | None) -> None:
        self.turns[: len(self._system_turns)] = [] if text is None else [{"role": "system", "content": text}]

    def reset(self) -> None:
        """Forget all turns but the system's."""
        self.turns = list(self._system_turns)
        self.known: Known | None = None
        self._left_out = 0  # turns that are not told any more, since they did not fit

    def send(self, text: str, **options) -> Completion:
        """Say something; returns the answer. Options given here count for this turn."""
        for _ in self.stream(text, **options):
            pass
        return self.completion

    def stream(self, text: str, **options) -> Iterator[str]:
        """As `send`, piece by piece. An answer that nobody listens to any longer ends there and stays as it is."""
        self.turns.append({"role": "user", "content": text})
        count, left_out = len(self.turns), self._left_out
        try:
            yield from self.answer(**options)
        finally:
            if len(self.turns) == count:  # there is no answer to it, not even the beginning of one
                self.turns.pop()
                self._left_out = left_out

    def answer(self, **options) -> Iterator[str]:
        """Let the model speak next, whatever the last turn is (a tool's result, say)."""
        chosen = self._options(options)
        prompt, ids = self._prompt(chosen)
        pieces: list[str] = []
        answer = Answer(self.llm.tokenizer, chosen, show=pieces.append)
        self.completion = None
        try:
            for completion in self.llm.write(ids, answer):
                yield from pieces
                pieces.clear()
                self.completion = completion
        finally:
            if answer.ids or answer.finished:
                self.turns.append({"role": "assistant", "content": answer.text})
                in_mind = self.llm.session.ids or ids + answer.ids[:-1]  # nothing, if a step was broken off
                self.known = Known(prompt, in_mind + answer.ids[-1:], answer.ids)

    def prompt(self) -> tuple[str, list[int]]:
        """The text that the model is shown now, and its ids."""
        text, ids = self._prompt(self._options({}))
        return unmarked(text), ids

    def save(self, path: str | os.PathLike) -> None:
        """Write the turns to a JSON file."""
        data = {"refllm": "conversation", "model": pathlib.Path(self.llm.path).name, "turns": self.turns}
        with atomic_write(path) as file:
            file.write(json.dumps(data, ensure_ascii=False, indent=1).encode("utf-8", "replace") + b"\n")

    def load(self, path: str | os.PathLike) -> None:
        """Go on with the turns of a JSON file; whatever model they were made with."""
        turns = read_turns(path)
        self.reset()
        self.turns = turns

    @property
    def _system_turns(self) -> list[dict]:
        return self.turns[:1] if self.turns and self.turns[0]["role"] == "system" else []

    def _prompt(self, options: Options) -> tuple[str, list[int]]:
        """The text, with marks where a control token was typed, and ids that fit into the context if they can."""
        while True:
            text = self.template.render_marked(self._told(), tools=self.tools)
            ids = self._ids(text)
            if options.context_shift:
                ids = make_room(self.llm, ids, options.keep)
            if len(ids) <= self.llm.context or not (options.context_shift and self._leave_out()):
                return text, ids

    def _told(self) -> list[dict]:
        return self._system_turns + self.turns[len(self._system_turns) + self._left_out :]

    def _options(self, given: dict) -> Options:
        """The options of a turn: an answer is never longer than the context, or a model that finds no end goes on."""
        defaults = {"max_tokens": self.llm.context, "context_shift": True}
        chosen = answers.options(**{**defaults, **self.options, **given})
        return dataclasses.replace(chosen, keep=max(chosen.keep, self._system_size()))

    def _system_size(self) -> int:
        """How many tokens stand before the first question: all that two conversations have in common."""
        texts = [
            self.template.render_marked([*self._system_turns, {"role": "user", "content": one}], tools=self.tools)
            for one in "AB"
        ]
        common = next(place for place, letters in enumerate(zip(*texts, strict=False)) if len(set(letters)) > 1)
        return len(self.template.encode(texts[0][:common]))

    def _ids(self, text: str) -> list[int]:
        """The ids of the rendered conversation: those in mind as far as they say the same, then new ones."""
        known = self.known
        if known is None or not text.startswith(known.prompt):
            return self.template.encode(text)
        rest = text[len(known.prompt) :]
        count, size = agreeing(known.answer_ids, unmarked(rest).encode(), self.llm.tokenizer)
        left = len(known.ids) - len(known.answer_ids) + count
        if left <= 0:
            return self.template.encode(text)
        return known.ids[:left] + self.template.encode(after(rest, size), continues=True)

    def _leave_out(self) -> bool:
        """Tell one question less, and what followed it; False when only the last one is left."""
        told = self._told()
        places = [place for place, turn in enumerate(told) if turn["role"] == "user"]
        if len(places) < 2:
            return False
        self._left_out += places[1] - places[0]
        self.known = None
        return True


def make_room(llm: LLM, ids: list[int], keep: int) -> list[int]:
    """Ids that fit into the context: old ones are dropped from the cache, as long as there is something to drop."""
    session = llm.session
    while len(ids) > llm.context:
        new = session.keep_common_prefix(ids)
        if len(session.ids) - keep < 2:
            break
        session.shift(keep)
        ids = session.ids + new
    return ids


def agreeing(ids: list[int], data: bytes, tokenizer: Tokenizer) -> tuple[int, int]:
    """How many of the ids of an answer, and how many bytes, are the beginning of the data, in whole characters."""
    said = len(ids) - 1 if ids and ids[-1] in tokenizer.end_ids else len(ids)
    whole = tokenizer.decode(ids[:said], continues=True).encode()
    count, size, end = (said, len(whole), len(whole)) if data.startswith(whole) else (0, 0, 0)
    for place, id in enumerate(ids[count:], count + 1):
        piece = tokenizer.token_bytes(id)
        if data[end : end + len(piece)] != piece:
            break
        end += len(piece)
        if end == len(data) or data[end] & 0xC0 != 0x80:
            count, size = place, end
    return count, size


def after(text: str, size: int) -> str:
    """What follows the first `size` bytes of a text in which marks do not count."""
    for place, letter in enumerate(text):
        if size <= 0:
            return text[place:]
        size -= 0 if letter == MARK else len(letter.encode())
    return ""


def read_turns(path: str | os.PathLike) -> list[dict]:
    """The turns of a saved conversation, checked."""
    try:
        data = json.loads(pathlib.Path(path).read_bytes())
    except (ValueError, RecursionError) as error:
        raise RefllmError(f"{path}: is not JSON; expected a saved conversation") from error
    turns = data.get("turns") if isinstance(data, dict) else None
    if not isinstance(turns, list) or not all(isinstance(turn, dict) and "role" in turn for turn in turns):
        raise RefllmError(f"{path}: has no turns; expected a saved conversation")
    for number, turn in enumerate(turns):
        if not isinstance(turn["role"], str) or not isinstance(turn.get("content"), str | None):
            raise RefllmError(f"{path}: turn {number} is damaged; expected a role and what was said")
    return turns
