"""Positions as rotations: the hands of a clock for each pair, who is paired with whom, and how far a head can see.

>>> figure = clocks(np.array([1.0, 0.01], np.float32), pairs=(0, 1), positions=4)
>>> [axes.get_title() for axes in figure.axes]
['pair 0: 57.3° a token', 'pair 1: 0.573° a token']
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float32

from refllm.plots.rounding import COLOURS, _panels

LABELLED = 0.15  # radians: where hands stand closer, only the first and the last have a number
LAYOUTS = ("interleaved", "half_split")


def clocks(frequency: Float32[np.ndarray, " pairs"], pairs: Sequence[int], positions: int):
    """Where some pairs point at positions 0, 1, 2 ...: one hand for each, darker with the position."""
    figure, panels = _panels(1, len(pairs), (9, 9 / len(pairs) + 0.3))
    circle = np.linspace(0, 2 * np.pi, 120)
    for axes, pair in zip(panels[0], pairs, strict=True):
        axes.plot(np.cos(circle), np.sin(circle), color="#CCCCCC", linewidth=0.8)
        for position in range(positions):
            angle = position * float(frequency[pair])
            shade = 0.25 + 0.75 * position / max(1, positions - 1)
            tip = np.cos(angle), np.sin(angle)
            axes.plot([0, tip[0]], [0, tip[1]], color=COLOURS[0], alpha=shade, linewidth=1.6)
            if position in (0, positions - 1) or frequency[pair] > LABELLED:
                axes.text(1.17 * tip[0], 1.17 * tip[1], position, fontsize=8, ha="center", va="center", alpha=shade)
        axes.set_title(f"pair {pair}: {np.degrees(frequency[pair]):.3g}° a token", fontsize=9)
        axes.set(xlim=(-1.35, 1.35), ylim=(-1.35, 1.35), aspect="equal")
        axes.axis("off")
    return figure


def pairings(dims: int):
    """Which numbers of a head are turned together, in both layouts: an arc joins the two of a pair."""
    figure, panels = _panels(len(LAYOUTS), 1, (9, 3.2))
    half_circle = np.linspace(0, np.pi, 60)
    for axes, layout in zip(panels[:, 0], LAYOUTS, strict=True):
        for pair, (first, second) in enumerate(partners(dims, layout)):
            middle, radius = (first + second) / 2, (second - first) / 2
            colour = COLOURS[pair % len(COLOURS)]
            arc = middle + radius * np.cos(half_circle), np.sin(half_circle) * (0.35 + radius / dims)
            axes.plot(*arc, color=colour, linewidth=1.6)
            for place in (first, second):
                axes.plot(place, 0, "o", color=colour, markersize=13)
                axes.text(place, 0, place, color="white", fontsize=8, ha="center", va="center")
        axes.set_title(layout.replace("_", "-"), fontsize=9, loc="left")
        axes.set(xlim=(-0.6, dims - 0.4), ylim=(-0.2, 1.0))
        axes.axis("off")
    return figure


def partners(dims: int, layout: str) -> list[tuple[int, int]]:
    """The two places of each pair of a head.

    >>> partners(6, "interleaved"), partners(6, "half_split")
    ([(0, 1), (2, 3), (4, 5)], [(0, 3), (1, 4), (2, 5)])
    """
    pairs = range(dims // 2)
    return [(2 * i, 2 * i + 1) if layout == "interleaved" else (i, i + dims // 2) for i in pairs]


def reach(frequency: Float32[np.ndarray, " pairs"], slopes: Float[np.ndarray, " heads"], distance: int):
    """What distance does to a score: under RoPE to a query that is its own key, under ALiBi in each head."""
    figure, panels = _panels(1, 2, (9, 2.8))
    far = np.arange(distance)
    panels[0][0].plot(far, np.cos(far[:, None] * frequency).mean(axis=1), color=COLOURS[0], linewidth=1)
    panels[0][0].set_title("RoPE: the score is multiplied by", fontsize=9)
    for head, slope in enumerate(slopes):
        panels[0][1].plot(far, -slope * far, color=COLOURS[head % len(COLOURS)], linewidth=1.4, label=f"head {head}")
    panels[0][1].set_title("ALiBi: to the score is added", fontsize=9)
    panels[0][1].set_ylim(-12, 0.5)
    panels[0][1].legend(fontsize=7, loc="lower left")
    for axes in panels[0]:
        axes.set_xlabel("tokens between the two", fontsize=8)
        axes.grid(alpha=0.3)
    return figure
