"""What `main` shows: text in the colour of its kind, and a memory of the last line and the last words.

The prompt is yellow, what is typed bold green, an error bold red, all else as the terminal has it; without `--color`
there are no colours. What it does not do: wrap or erase.

>>> screen = Screen(colours=False)
>>> screen.show("One.\\nTwo:", "prompt")
One.
Two:
>>> screen.line, screen.tail
('Two:', 'One.\\nTwo:')
"""

import dataclasses

from refllm.gguf.console import harmless

CODES = {"text": "\033[0m", "prompt": "\033[33m", "input": "\033[1m\033[32m", "error": "\033[1m\033[31m"}
REMEMBERED = 1000  # letters; longer than any reverse prompt


@dataclasses.dataclass
class Screen:
    colours: bool
    kind: str = "text"
    tail: str = ""  # the end of all that was shown or typed

    def show(self, text: str, kind: str) -> None:
        if text:
            self.begin(kind)
            print(harmless(text), end="", flush=True)
            self.note(text)
            self.begin("text")

    def begin(self, kind: str) -> None:
        """Go on in the colour of another kind."""
        if self.kind != kind:
            self.kind = kind
            print(self.code(kind), end="", flush=True)

    def code(self, kind: str) -> str:
        return CODES[kind] if self.colours else ""

    def note(self, text: str) -> None:
        """Remember what stands on the screen without having been shown from here."""
        self.tail = (self.tail + text)[-REMEMBERED:]

    @property
    def line(self) -> str:
        """What stands on the line that the cursor is on."""
        return self.tail.rpartition("\n")[2]
