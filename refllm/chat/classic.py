r"""The program `main` of llama.cpp as the tutorials of 2023 knew it: text goes on, and a person may join in.

Without `-i` it completes the prompt and ends. Interactively it hands over when it meets a reverse prompt, the end of
the text, the limit of tokens, or Ctrl+C; what is typed goes behind the text, and it writes on. The instruct mode
(`-ins`) frames every line as an instruction. When the context is full, half of what follows the first `keep` tokens is
dropped. What it does not do: templates (that is `chat`); it knows nothing but text.

>>> unescape(r"one\ntwo \x41 \q")
'one\ntwo A \\q'
>>> ends_with_one_of("... fine.\nUser: ", ["User:"], slack=2), ends_with_one_of("User: I", ["User:"], slack=0)
(True, False)
"""

import dataclasses
import re
import time

from refllm.chat.conversation import make_room
from refllm.chat.keyboard import noted_interrupt, read_line
from refllm.chat.screen import Screen
from refllm.chat.template import encode_within
from refllm.engine import LLM, Timings
from refllm.engine import answer as answers
from refllm.engine.answer import Answer
from refllm.errors import RefllmError

INSTRUCTION, RESPONSE = "\n\n### Instruction:\n\n", "\n\n### Response:\n\n"
UNTIL_FULL = -2  # as a number of tokens to predict; -1: for ever
SPARE = 4  # tokens of the context that no prompt may take
ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"'": b"'", b'"': b'"', b"\\": b"\\"}


@dataclasses.dataclass
class Settings:
    """What the flags say, apart from how tokens are chosen."""

    prompt: str = ""
    predict: int = -1
    keep: int = 0
    interactive: bool = False
    interactive_first: bool = False
    instruct: bool = False
    multiline: bool = False
    reverse_prompts: list[str] = dataclasses.field(default_factory=list)
    in_prefix: str = ""
    in_suffix: str = ""
    in_prefix_bos: bool = False


class Classic:
    """A text in the making, by a model and a person."""

    def __init__(self, llm: LLM, settings: Settings, options: dict, screen: Screen):
        self.llm, self.settings, self.options, self.screen = llm, settings, options, screen
        self.ids = llm.tokenizer.encode(settings.prompt, add_special=True, parse_special=True) or begin(llm)
        self.prompt_ids = list(self.ids)
        self.written: list[int] = []
        self.reverse_prompts = list(settings.reverse_prompts)
        self.keep = settings.keep
        self.timings: list[Timings] = []
        self.waiting = False  # for the person
        self.at_reverse_prompt = False
        if settings.instruct:
            settings.interactive_first = True
            self.reverse_prompts.append(INSTRUCTION.lstrip("\n"))
        if settings.interactive_first:
            settings.interactive = self.waiting = True
        if settings.instruct or not 0 <= self.keep <= len(self.ids):
            self.keep = len(self.ids)
        if len(self.ids) > llm.context - SPARE:
            raise RefllmError(f"the prompt has {len(self.ids)} tokens; the context takes {llm.context - SPARE} at most")

    def run(self) -> None:
        """Write and listen until there is no more to do."""
        self.screen.show(self.settings.prompt, "prompt")
        while True:
            if self.waiting:
                if not self.listen():
                    return
                self.waiting = False
            reason = self.write()
            if not self.settings.interactive and reason != "interrupted":
                return
            self.waiting = True

    def write(self) -> str:
        """Let the model write; says why it stopped: end, length, reverse prompt or interrupted."""
        self.at_reverse_prompt = False
        answer = Answer(self.llm.tokenizer, self.chosen_options())
        self.ids = make_room(self.llm, self.ids, self.keep + 1)
        shown, reason, start = 0, "", time.perf_counter()
        with noted_interrupt() as interrupted:
            for completion in self.llm.write(self.ids, answer):
                self.screen.show(answer.text[shown:], "text")
                shown = len(answer.text)
                if completion is not None:
                    reason, timings = self.reason(answer), completion.timings
                elif interrupted() or self.meets_reverse_prompt():
                    reason = "reverse prompt" if self.at_reverse_prompt else "interrupted"
                    timings = Timings(0, 0.0, len(answer.ids), 1000 * (time.perf_counter() - start))
                    break
        self.timings.append(timings)
        self.written += answer.ids
        self.ids = self.llm.session.ids + answer.ids[-1:]
        self.say_why(reason)
        return reason

    def chosen_options(self) -> answers.Options:
        predict = self.settings.predict
        limit = {"max_tokens": None if predict < 0 else predict, "context_shift": predict != UNTIL_FULL}
        return answers.options(**{**limit, "keep": self.keep + 1, **self.options})

    def reason(self, answer: Answer) -> str:
        """Why an answer that ended of itself did: the reverse prompt may have come with the last token."""
        if answer.finish_reason == "stop":
            return "end"
        return "reverse prompt" if self.meets_reverse_prompt() else "length"

    def meets_reverse_prompt(self) -> bool:
        slack = 0 if self.settings.interactive else 2
        self.at_reverse_prompt = ends_with_one_of(self.screen.tail, self.reverse_prompts, slack)
        return self.at_reverse_prompt

    def say_why(self, reason: str) -> None:
        """Where the model ended its text, a person sees it, and in a dialogue finds the reverse prompt there."""
        if reason == "end" and not self.settings.interactive:
            self.screen.show(" [end of text]\n", "text")
        elif reason == "end":
            self.screen.show("\n", "text")
            if self.reverse_prompts and not self.settings.instruct:
                self.add(self.reverse_prompts[0], "prompt")
                self.at_reverse_prompt = True

    def listen(self) -> bool:
        """Take what the person types; False when there will be no more of it."""
        settings = self.settings
        if settings.instruct:
            self.screen.show("\n> ", "prompt")
        if settings.in_prefix_bos and self.llm.tokenizer.bos is not None:
            self.ids.append(self.llm.tokenizer.bos)
        self.screen.show(settings.in_prefix, "prompt")
        text = self.typed()
        if text is None:
            return False
        if text.strip():
            framed = settings.instruct and not self.at_reverse_prompt
            inside = settings.in_prefix + text + settings.in_suffix
            self.screen.show(settings.in_suffix, "prompt")
            self.extend((INSTRUCTION if framed else "") + inside + (RESPONSE if settings.instruct else ""))
        return True

    def typed(self) -> str | None:
        r"""Lines up to one without `\` at its end (with --multiline-input: up to one with it), or with `/`."""
        lines: list[str] = []
        while True:
            line = self.line()
            if line is None:
                return "".join(lines) if lines else None
            if line.endswith("/"):
                return "".join([*lines, line[:-1]])
            continues = line.endswith("\\") != self.settings.multiline
            lines.append(line.removesuffix("\\") + "\n")
            if not continues:
                return "".join(lines)

    def line(self) -> str | None:
        self.screen.begin("input")
        try:
            line = read_line(
                already_shown=self.screen.line, codes=(self.screen.code("text"), self.screen.code("input"))
            )
        finally:
            self.screen.begin("text")
        self.screen.note("" if line is None else line + "\n")
        return line

    def add(self, text: str, kind: str) -> None:
        self.screen.show(text, kind)
        self.extend(text)

    def extend(self, text: str) -> None:
        """Put a text behind the ids, shortened where it would not fit into the context at all."""
        ids = encode_within(self.llm.tokenizer, text)
        room = self.llm.context - SPARE - (self.keep + 1)
        if len(ids) > room:
            self.screen.show(f"<<the input is too long: its last {len(ids) - room} tokens are left out>>\n", "error")
        self.ids += ids[:room]


def begin(llm: LLM) -> list[int]:
    """What an empty text begins with; a model must have read something before it can write."""
    first = llm.tokenizer.bos if llm.tokenizer.bos is not None else llm.tokenizer.eos
    if first is None:
        raise RefllmError("the prompt is empty, and the model has no token that begins a text; expected a prompt")
    return [first]


def ends_with_one_of(text: str, endings: list[str], slack: int) -> bool:
    """Whether the text ends with one of these, or up to `slack` letters before its end."""
    return any(ending in text[-len(ending) - slack :] for ending in endings if ending)


def unescape(text: str) -> str:
    r"""The text with `\n`, `\t` and bytes such as `\x41` read as what they mean; other backslashes stay."""

    def meaning(found: re.Match[bytes]) -> bytes:
        return bytes.fromhex(found[1].decode()) if found[1] else ESCAPES.get(found[2], found[0])

    return re.sub(rb"\\(?:x([0-9a-fA-F]{2})|(.))", meaning, text.encode(), flags=re.DOTALL).decode("utf-8", "replace")
