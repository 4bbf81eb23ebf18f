"""Stop strings in a stream: text is let out as soon as it can no longer be the beginning of a stop string.

>>> out = StopStrings(["User:", "\\n\\n"])
>>> [out.feed(piece) for piece in ["Hello", "\\n", "Us", "er", ": hi"]], out.stopped
(['Hello', '', '\\n', '', ''], True)
>>> free = StopStrings(["User:"])
>>> free.feed("The Us"), free.feed("e"), free.flush(), free.stopped
('The ', '', 'Use', False)
"""


class StopStrings:
    """Holds back what might become a stop string; cuts the text where one is complete."""

    def __init__(self, stops: list[str]):
        self.stops = [stop for stop in stops if stop]
        self.held = ""
        self.stopped = False

    def feed(self, text: str) -> str:
        """The text that may be shown now."""
        self.held += text
        found = [at for stop in self.stops if (at := self.held.find(stop)) >= 0]
        if found:
            self.stopped = True
            shown, self.held = self.held[: min(found)], ""
            return shown
        keep = max((_overlap(self.held, stop) for stop in self.stops), default=0)
        shown, self.held = self.held[: len(self.held) - keep], self.held[len(self.held) - keep :]
        return shown

    def flush(self) -> str:
        """What was held back, at the end of the stream."""
        shown, self.held = self.held, ""
        return shown


def _overlap(text: str, stop: str) -> int:
    """How many characters at the end of the text begin the stop string."""
    return next((n for n in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:n])), 0)
