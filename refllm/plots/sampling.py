"""How a token is chosen, in pictures: what samplers leave, what temperature does, where an answer turns in circles.

Everywhere a probability keeps its place: the candidates of a figure stand in one order in all of its panels, and what a
sampler was given stands in grey behind what it left. Nothing is sampled here; the numbers come from `sampling` or from
the candidates that `generate` returns.

>>> repeat_lengths([5, 1, 2, 3, 1, 2, 3, 9])  # at the end, 1 2 3 has been there before
[0, 0, 0, 0, 1, 2, 3, 0]
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from refllm.plots.rounding import COLOURS, _panels
from refllm.plots.tokens import labels as labels_of

LEFT, GIVEN, MARKED, GRID = COLOURS[0], "#C8C8C8", COLOURS[1], "#DDDDDD"

Shares = Sequence[float] | Float[np.ndarray, " candidates"]


def small_multiples(labels: Sequence[str], panels: Mapping[str, Shares], columns: int = 4, chain: bool = False):
    """The probabilities of the same candidates after each sampler; in grey those of the first panel.

    In a `chain` the grey ones are those of the panel before.
    """
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    figure, axes = _panels(rows, columns, (10, rows * (0.55 + 0.19 * len(labels))), sharex=True, sharey=True)
    places, given = np.arange(len(labels)), None
    for panel, (title, shares) in zip(axes.flat, panels.items(), strict=False):
        if given is not None:
            panel.barh(places, given, height=0.86, color=GIVEN)
        panel.barh(places, shares, height=0.5, color=LEFT)
        panel.set_title(title, fontsize=9)
        panel.set_axisbelow(True)
        panel.grid(axis="x", color=GRID, linewidth=0.6)
        panel.spines[["top", "right"]].set_visible(False)
        given = shares if given is None or chain else given
    axes[0][0].set(yticks=places, yticklabels=[shown(label) for label in labels], ylim=(len(labels) - 0.4, -0.6))
    for unused in axes.flat[len(panels) :]:
        unused.set_visible(False)
    for panel in axes[-1]:
        panel.set_xlabel("probability", fontsize=8)
    return figure


def shown(piece: str) -> str:
    """A piece as a label in letters that every font has.

    >>> shown("mat"), shown(" a"), shown("猫")
    ('mat', '·a', 'U+732B')
    """
    return labels_of(piece.encode())[0]


def of_views(views: Sequence, most: int = 12) -> tuple[list[str], dict[str, list[float]]]:
    """Labels and panels for `small_multiples` from the views of one token, `completion.candidates[0]`."""
    best = sorted(views[0].candidates, key=lambda candidate: -candidate[2])[:most]
    panels = {}
    for view in views:
        left = {id: share for id, _, share in view.candidates}
        panels[f"{view.sampler}: {view.remaining:,} left"] = [left.get(id, 0.0) for id, _, _ in best]
    return [piece for _, piece, _ in best], panels


def line_of_chance(labels: Sequence[str], shares: Shares, chances: Sequence[float]):
    """The probabilities end to end on a line from 0 to 1, and the places on which some chances fall."""
    figure, ((axes,),) = _panels(1, 1, (10, 1.5))
    ends = np.cumsum(shares)
    for number, (label, share, end) in enumerate(zip(labels, shares, ends, strict=True)):
        colour = COLOURS[number % 6]
        axes.barh(0, share, left=end - share, height=0.6, color=colour, alpha=0.45, edgecolor="white")
        axes.text(end - share / 2, 0, shown(label), fontsize=8, ha="center", va="center", rotation=90 * (share < 0.05))
    for chance in chances:
        axes.annotate(
            f"{chance:g}", (chance, 0.3), (chance, 0.75), ha="center", fontsize=9, color=MARKED,
            arrowprops={"arrowstyle": "->", "color": MARKED},
        )  # fmt: skip
    axes.set(xlim=(0, ends[-1]), ylim=(-0.35, 0.95), yticks=[], xticks=np.linspace(0, 1, 11))
    axes.spines[["top", "right", "left"]].set_visible(False)
    return figure


def temperatures(labels: Sequence[str], logits: Float[np.ndarray, " candidates"], shown_at: Sequence[float]):
    """The same logits at several temperatures, and the entropy over all of them."""
    from refllm.sampling import softmax, temperature  # here: the drawing of a file needs no JAX

    figure, ((left, right),) = _panels(1, 2, (10, 3.1))
    for t, colour in zip(shown_at, COLOURS, strict=False):
        left.plot(softmax(temperature(logits, t)), "o-", color=colour, markersize=4, linewidth=1.2, label=f"{t:g}")
        right.plot(t, bits_at(logits, t), "o", color=colour, markersize=6, zorder=3)
    left.set(xticks=range(len(labels)), ylabel="probability")
    left.set_xticklabels([shown(label) for label in labels], rotation=35, ha="right")
    left.legend(title="temperature", fontsize=7, title_fontsize=7)
    grid = np.linspace(0.05, max(shown_at) * 1.15, 120)
    right.plot(grid, [bits_at(logits, t) for t in grid], color="#555555", linewidth=1.2)
    right.axhline(np.log2(len(labels)), color=GRID, linewidth=1)
    right.text(0.03, np.log2(len(labels)), f"all {len(labels)} alike", fontsize=7, va="bottom")
    right.set(xlabel="temperature", ylabel="entropy in bits", ylim=(0, np.log2(len(labels)) * 1.12))
    return figure


def bits_at(logits: Float[np.ndarray, " candidates"], t: float) -> float:
    """The entropy at a temperature, in bits.

    >>> bits_at(np.zeros(8, np.float32), 0.7)
    3.0
    """
    from refllm.sampling import entropy, softmax, temperature

    return round(float(entropy(softmax(temperature(logits, t))) / np.log(2)), 6)


def repeat_lengths(ids: Sequence[int]) -> list[int]:
    """For each token, the length of the longest piece that ends with it and has been there before."""
    lengths, before = [], [0] * len(ids)  # before[i]: how far the text up to i agrees with the text up to here
    for place, token in enumerate(ids):
        before = [(before[i - 1] + 1 if i else 1) if ids[i] == token else 0 for i in range(place)] + before[place:]
        lengths.append(max(before[:place], default=0))
    return lengths


def repetition_strips(runs: Mapping[str, Sequence[int]], darkest: int = 16):
    """An answer per row, a token per box: the darker, the longer the piece that has been there before."""
    figure, ((axes,),) = _panels(1, 1, (10, 0.75 + 0.42 * len(runs)))
    longest = max(map(len, runs.values()))
    table = np.full((len(runs), longest), np.nan)
    for row, ids in enumerate(runs.values()):
        table[row, : len(ids)] = repeat_lengths(ids)
    drawn = axes.pcolormesh(table, cmap="OrRd", vmin=0, vmax=darkest, edgecolors="white", linewidth=0.4)
    axes.set(ylim=(len(runs), 0), yticks=np.arange(len(runs)) + 0.5, yticklabels=list(runs))
    axes.set_xlabel("token", fontsize=8)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(drawn, ax=axes, fraction=0.02, pad=0.01, extend="max")
    bar.set_label("tokens repeated", fontsize=7)
    bar.ax.tick_params(labelsize=7)
    return figure


def surprise_over_time(runs: Mapping[str, Any], tau: float, smoothing: int = 40):
    """The surprise of every token in bits, its running mean, and the surprise that was asked for."""
    figure, axes = _panels(1, len(runs), (10, 2.7), sharey=True)
    for panel, (title, bits), colour in zip(axes[0], runs.items(), COLOURS, strict=False):
        panel.plot(bits, ".", color=colour, markersize=2.5, alpha=0.45)
        panel.plot(running_mean(bits, smoothing), color=colour, linewidth=1.8)
        panel.axhline(tau, color="#222222", linewidth=1, linestyle="--")
        panel.set_title(title, fontsize=9)
        panel.set_xlabel("token", fontsize=8)
    axes[0][0].set_ylabel("surprise in bits", fontsize=8)
    return figure


def running_mean(values: Any, width: int) -> Float[np.ndarray, " values"]:
    """The mean of the last `width` values at each place, of fewer at the beginning.

    >>> running_mean([4.0, 2.0, 0.0, 4.0], 2)
    array([4., 3., 1., 2.])
    """
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - width, 0)
    return (sums[ends] - sums[starts]) / (ends - starts)
