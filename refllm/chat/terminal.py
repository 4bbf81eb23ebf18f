"""The chat in a terminal: a prompt, an answer that appears as it is written, and a few commands.

Answers go to standard output, everything else (figures, errors, help) to standard error, so that
`refllm chat < questions.txt > answers.txt` gives answers only. Ctrl+C stops an answer and not the program; what was
written stays a turn of the conversation. What it does not do: parse arguments (`cli/chat.py`), know templates or ids.
"""

import math
import pathlib
import sys
from collections.abc import Callable

from refllm.chat.conversation import Chat
from refllm.chat.keyboard import ask, noted_interrupt
from refllm.engine import Completion, Timings
from refllm.errors import RefllmError
from refllm.gguf.console import harmless

COMMANDS = {
    "/help": "list the commands",
    "/reset": "forget the conversation, but not what the system says",
    "/system TEXT": "say TEXT before all else from now on; without TEXT: show it",
    "/save FILE": "write the conversation to a JSON file",
    "/load FILE": "go on with a saved conversation",
    "/stats": "show figures about the conversation",
    "/quit": "end the program (so does Ctrl+D)",
}


def converse(chat: Chat, line: str | None, quiet: bool = False, show_prompt: bool = False) -> None:
    """Answer the first line, then read on and answer until there are no more lines."""
    answered: list[Timings] = []
    while line is not None and line.strip() not in ("/quit", "/exit"):
        try:
            if line.startswith("/"):
                obey(line, chat, answered)
            elif line.strip():
                answer(chat, line, answered, quiet, show_prompt)
        except (RefllmError, OSError) as error:
            tell(f"refllm: {' '.join(str(error).split())}")
        line = ask("> ")


def answer(chat: Chat, text: str, answered: list[Timings], quiet: bool, show_prompt: bool) -> None:
    """Print the answer to a text piece by piece, and how fast it came."""
    if show_prompt:
        show_next_prompt(chat, text)
    with noted_interrupt() as interrupted:
        stream, begun = chat.stream(text), False
        try:
            for piece in stream:
                piece = piece if begun else piece.lstrip(" ")  # some templates have the model begin with a space
                begun = begun or piece != ""
                print(harmless(piece), end="", flush=True)
                if interrupted():
                    break
        except KeyboardInterrupt:  # the second one
            pass
        finally:
            stream.close()
            print(flush=True)
    if chat.completion is not None:
        answered.append(chat.completion.timings)
        if not quiet:
            tell(figures(chat.completion))


def show_next_prompt(chat: Chat, text: str) -> None:
    """The exact text and ids that the model is about to get."""
    chat.turns.append({"role": "user", "content": text})
    try:
        prompt, ids = chat.prompt()
    finally:
        chat.turns.pop()
    print(f"{harmless(prompt)}\n{ids}", flush=True)


def obey(line: str, chat: Chat, answered: list[Timings]) -> None:
    """Do what a command says."""
    name, _, rest = line.strip().partition(" ")
    actions: dict[str, Callable[[str], None]] = {
        "/help": lambda _: tell(help_text()),
        "/reset": lambda _: chat.reset(),
        "/system": lambda text: set_system(chat, text),
        "/save": lambda path: chat.save(needed(path, "/save FILE")),
        "/load": lambda path: chat.load(needed(path, "/load FILE")),
        "/stats": lambda _: tell(statistics(chat, answered)),
    }
    if name not in actions:
        raise RefllmError(f"unknown command {name!r}; expected one of {', '.join(actions)}, /quit")
    actions[name](rest.strip())


def set_system(chat: Chat, text: str) -> None:
    if text:
        chat.system = text
    else:
        tell(chat.system if chat.system is not None else "(the system says nothing)")


def needed(path: str, usage: str) -> pathlib.Path:
    if not path:
        raise RefllmError(f"a file name is missing; expected {usage}")
    return pathlib.Path(path).expanduser()


def help_text() -> str:
    width = max(map(len, COMMANDS))
    return "\n".join(f"{name:<{width}}  {meaning}" for name, meaning in COMMANDS.items())


def figures(completion: Completion) -> str:
    """One line about one answer."""
    timings = completion.timings
    return (
        f"[{timings.predicted_n} tokens, {timings.predicted_per_second:.1f} tokens/s; "
        f"read {timings.prompt_n} tokens, {timings.prompt_per_second:.1f} tokens/s]"
    )


def statistics(chat: Chat, answered: list[Timings]) -> str:
    """What has been said, read and written so far."""
    read, read_ms = sum(one.prompt_n for one in answered), math.fsum(one.prompt_ms for one in answered)
    written, written_ms = sum(one.predicted_n for one in answered), math.fsum(one.predicted_ms for one in answered)
    total = Timings(read, read_ms, written, written_ms)
    return (
        f"model    {pathlib.Path(chat.llm.path).name}\n"
        f"turns    {len(chat.turns)}\n"
        f"context  {len(chat.llm.session.ids)} of {chat.llm.context} tokens in use\n"
        f"read     {total.prompt_n} tokens, {total.prompt_per_second:.1f} tokens/s\n"
        f"written  {total.predicted_n} tokens, {total.predicted_per_second:.1f} tokens/s"
    )


def tell(text: str) -> None:
    """Something that is not the answer."""
    sys.stdout.flush()
    print(harmless(text), file=sys.stderr, flush=True)
