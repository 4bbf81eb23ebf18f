"""The cache in pictures: what it holds, what it saves, what it weighs, and what is dropped when it is full.

Numbers and times are measured by whoever calls; these functions only draw them.

>>> passes(prompt=3, answer=2, cached=False).sum(), passes(prompt=3, answer=2, cached=True).sum()
(np.int64(7), np.int64(4))
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float32

from refllm.plots.rounding import COLOURS, _panels

READ, KNOWN, EMPTY, DROPPED = COLOURS[0], "#CFE3F1", "#F4F4F4", "#D55E00"
KEPT, MOVED = "#009E73", "#56B4E9"


def passes(prompt: int, answer: int, cached: bool) -> Bool[np.ndarray, "steps tokens"]:
    """Which tokens go through the model at each step of an answer; the last token of it need not."""
    table = np.tri(answer, prompt + answer - 1, prompt - 1, dtype=bool)
    if cached:
        table[1:] &= ~table[:-1]
    return table


def passes_drawn(prompt: int, answer: int):
    """Each step a row: dark what goes through the model, light what is remembered."""
    figure, axes = _panels(1, 2, (10, 0.7 + 0.2 * answer), sharey=True)
    everything = passes(prompt, answer, cached=False)
    for panel, cached, title in zip(axes[0], (False, True), ("without a cache", "with a cache"), strict=True):
        table = passes(prompt, answer, cached)
        colours = np.where(table[..., None], rgb(READ), np.where(everything[..., None], rgb(KNOWN), rgb(EMPTY)))
        draw_cells(panel, colours)
        panel.set_title(f"{title}: {table.sum()} tokens go through the model", fontsize=9)
        panel.set_xlabel("token", fontsize=8)
    axes[0][0].set_ylabel("step", fontsize=8)
    return figure


def rgb(colour: str) -> np.ndarray:
    """Red, green and blue of a colour, from 0 to 1.

    >>> rgb("#FF0000").tolist()
    [1.0, 0.0, 0.0]
    """
    return np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])


def draw_cells(axes, colours: np.ndarray) -> None:
    """A box for each entry of a table of colours, with white lines between them."""
    rows, columns = colours.shape[:2]
    axes.imshow(colours, aspect="auto", interpolation="none", extent=(0, columns, rows, 0))
    axes.vlines(range(columns + 1), 0, rows, color="white", linewidth=1)
    axes.hlines(range(rows + 1), 0, columns, color="white", linewidth=1)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def cache_drawn(keys: Float32[np.ndarray, "capacity numbers"], values: Float32[np.ndarray, "capacity numbers"], length):
    """What one layer remembers: a column per token, keys above values; behind `length` nothing is known yet."""
    figure, axes = _panels(2, 1, (10, 3.6), sharex=True)
    for panel, name, table in zip(axes[:, 0], ("keys", "values"), (keys, values), strict=True):
        strongest = np.percentile(np.abs(table[:length]), 99) or 1
        panel.imshow(table.T, aspect="auto", interpolation="none", cmap="PuOr", vmin=-strongest, vmax=strongest)
        panel.axvline(length - 0.5, color="black", linewidth=1.2)
        panel.set_ylabel(f"{name}: {table.shape[1]} numbers", fontsize=8)
        panel.set_yticks([])
    axes[1][0].set_xlabel("token", fontsize=8)
    axes[0][0].text(length, -4, "free", fontsize=8, va="bottom")
    axes[0][0].text(length - 1, -4, "known", fontsize=8, va="bottom", ha="right")
    return figure


def times_over(
    numbers: Sequence[int], runs: Mapping[str, Sequence[float]], numbers_are: str, times_are: str, log: bool = False
):
    """Times over a number of tokens, a line per run."""
    figure, ((axes,),) = _panels(1, 1, (8, 3))
    for (name, times), colour in zip(runs.items(), COLOURS, strict=False):
        axes.plot(numbers, times, "o-", color=colour, markersize=4, linewidth=1.4, label=name)
    axes.set(xlabel=numbers_are, ylabel=times_are, xticks=list(numbers))
    if log:
        axes.set(xscale="log", yscale="log")
        axes.set_xticks(list(numbers), [str(number) for number in numbers])
        axes.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
        axes.tick_params(axis="y", which="minor", labelsize=7)
    else:
        axes.set_ylim(0, None)
    axes.grid(alpha=0.3)
    if len(runs) > 1:
        axes.legend(fontsize=8)
    return figure


def cache_sizes(sizes: Mapping[str, Mapping[str, int]]):
    """Bytes by kind of attention and, within it, by type of the numbers."""
    kinds, types = list(sizes), list(next(iter(sizes.values())))
    figure, ((axes,),) = _panels(1, 1, (9, 0.9 + 0.2 * len(kinds) * (len(types) + 1)))
    for row, kind in enumerate(kinds):
        for place, (name, colour) in enumerate(zip(types, COLOURS, strict=False)):
            height, mebibytes = row * (len(types) + 1) + place, sizes[kind][name] / 2**20
            axes.barh(height, mebibytes, height=0.8, color=colour, label=name if row == 0 else None)
            axes.text(mebibytes, height, f" {mebibytes:,.0f}", fontsize=7, va="center")
    axes.set_yticks([row * (len(types) + 1) + (len(types) - 1) / 2 for row in range(len(kinds))], kinds)
    axes.invert_yaxis()
    axes.set_xlabel("MiB", fontsize=8)
    axes.legend(fontsize=8, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def shift_drawn(before: Sequence[int], after: Sequence[int], keep: int, context: int):
    """The places of a full cache before and after a shift, each with the number that its token had."""
    figure, ((axes,),) = _panels(1, 1, (10, 1.9))
    dropped = set(before) - set(after)
    table = np.empty((2, context, 3))
    table[:] = rgb(EMPTY)
    for row, tokens in enumerate((before, after)):
        for place, token in enumerate(tokens):
            moved = place >= keep
            table[row, place] = rgb(DROPPED if token in dropped else MOVED if moved else KEPT)
            axes.text(place + 0.5, row + 0.5, f"{token}", fontsize=7, ha="center", va="center")
    draw_cells(axes, table)
    axes.set(yticks=(0.5, 1.5), yticklabels=("full", "shifted"), xlabel="position")
    for name, colour in (("kept", KEPT), ("dropped", DROPPED), ("moved up", MOVED), ("free", EMPTY)):
        axes.bar(0, 0, color=colour, label=name)
    axes.legend(ncols=4, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1), frameon=False)
    return figure


def turns_drawn(known: Sequence[int], read: Sequence[int], written: Sequence[int]):
    """Tokens of each turn of a conversation: what was in the cache, what was read, what was written."""
    figure, ((axes,),) = _panels(1, 1, (8, 3))
    turns, height = np.arange(1, len(known) + 1), np.zeros(len(known))
    parts = (("in the cache", known, KNOWN), ("read", read, READ), ("written", written, KEPT))
    for name, counts, colour in parts:
        axes.bar(turns, counts, bottom=height, color=colour, label=name)
        height = height + np.asarray(counts)
    axes.set(xlabel="turn", ylabel="tokens", xticks=turns)
    axes.legend(fontsize=8, loc="upper left")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def compiled_drawn(lengths: Sequence[int], programs: Mapping[str, Sequence[int]]):
    """Programs compiled so far, after prompts of these lengths were read one after the other."""
    figure, ((axes,),) = _panels(1, 1, (8, 2.6))
    for (name, counts), colour in zip(programs.items(), COLOURS, strict=False):
        axes.step(range(len(lengths)), counts, where="mid", color=colour, marker="o", markersize=4, label=name)
    axes.set_xticks(range(len(lengths)), [f"{length}" for length in lengths])
    axes.set(xlabel="length of the prompt", ylabel="programs", ylim=(0, None))
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3)
    return figure
