"""Measuring two or more ways of doing the same thing, fairly: in turns, several times, and taking the median.

A machine's speed drifts (other programs, heat), so the contestants take turns instead of running one after the other,
and what is worth remembering is their ratio, not the seconds.

>>> seconds = take_turns({"short": lambda: sum(range(10)), "long": lambda: sum(range(100_000))}, rounds=3)
>>> seconds["short"] < seconds["long"]
True
>>> print(table([{"type": "Q4_0", "ratio": 3.14159}]))
type  ratio
Q4_0   3.14
"""

import statistics
import time
from collections.abc import Callable


def take_turns(contestants: dict[str, Callable[[], object]], rounds: int = 7) -> dict[str, float]:
    """The median seconds of each contestant; a first round warms up and is not counted."""
    seconds = {name: [] for name in contestants}
    for _ in range(rounds + 1):
        for name, work in contestants.items():
            start = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times[1:]) for name, times in seconds.items()}


def table(rows: list[dict]) -> str:
    """Rows of the same keys as text in columns."""
    lines = [list(rows[0])] + [[_shown(value) for value in row.values()] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    numeric = [isinstance(value, int | float) for value in rows[0].values()]
    return "\n".join("  ".join(map(_aligned, line, widths, numeric)).rstrip() for line in lines)


def _aligned(cell: str, width: int, numeric: bool) -> str:
    return cell.rjust(width) if numeric else cell.ljust(width)


def _shown(value) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
