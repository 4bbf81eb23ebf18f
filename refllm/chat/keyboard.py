"""Lines from a person or a pipe, and Ctrl+C as a wish instead of an accident.

On a terminal a line can be edited, the arrow keys bring back earlier ones, and Chinese is typed as anywhere; a pipe
gives its lines as they are. While a model writes, the first Ctrl+C is only noted, for the step it is in must come to
its end; a second one interrupts. What it does not do: keep the lines for another day.

>>> with noted_interrupt() as interrupted:
...     signal.raise_signal(signal.SIGINT)
...     interrupted()
True
"""

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator

from refllm.gguf.console import columns_of, width

with contextlib.suppress(ImportError):  # not on Windows
    import readline  # noqa: F401  # importing it is what gives `input` its editing


def is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def read_line(prompt: str = "", already_shown: str = "", codes: tuple[str, str] = ("", "")) -> str | None:
    """One line without its end; None: there are no more.

    `already_shown` stands on the same line of the screen: the editor must know of it, or it would write over it.
    `codes` are the colours of that text and of what is typed.
    """
    if not is_terminal():
        print(prompt, end="", flush=True)
        line = sys.stdin.readline()
        return line.rstrip("\n") if line else None
    if already_shown and columns_of(already_shown) < width():
        prompt = f"\001\r{codes[0]}\002{already_shown}\001{codes[1]}\002{prompt}"
    try:
        return input(prompt)
    except EOFError:
        print()
        return None


def ask(prompt: str) -> str | None:
    """A line for a chat; Ctrl+C throws away what was typed and tells how to leave."""
    while True:
        try:
            return read_line(prompt if sys.stdin.isatty() else "")
        except KeyboardInterrupt:
            print("\n(Ctrl+D or /quit ends the program)", file=sys.stderr)


def accept_any_bytes() -> None:
    """A pipe that is not UTF-8 gives strange letters, not an error."""
    if hasattr(sys.stdin, "reconfigure"):
        sys.stdin.reconfigure(errors="replace")


@contextlib.contextmanager
def noted_interrupt() -> Iterator[Callable[[], bool]]:
    """Inside the block Ctrl+C is noted: the function tells whether it was pressed."""
    pressed = []

    def note(number, frame):
        pressed.append(number)
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, before)
