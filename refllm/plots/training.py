"""The course of a training: its loss, the loss on text that was kept back, and the share of the exam that is passed.

The training notes one line of JSON for each measurement: `{"step": 100, "loss": 3.2, "held_out": 3.3, "exam": 0.1}`.

>>> notes = [{"step": 1, "loss": 8.0, "held_out": 8.1}, {"step": 2, "loss": 4.0, "held_out": 4.5, "exam": 0.5}]
>>> [axes.get_ylabel() for axes in loss_curve(notes).axes]
['loss per token', 'exam']
"""

import json
import os
import pathlib
from collections.abc import Mapping, Sequence

from refllm.plots.rounding import _panels

LOSS, HELD_OUT, EXAM = "#0072B2", "#D55E00", "#009E73"


def read_log(path: str | os.PathLike) -> list[dict[str, float | int]]:
    """The measurements of a training, in their order."""
    return [json.loads(line) for line in pathlib.Path(path).read_text().splitlines()]


def loss_curve(notes: Sequence[Mapping[str, float | int]]):
    """Both losses on the left axis, logarithmic, and the exam on the right one, where it was held."""
    figure, panels = _panels(1, 1, (8, 3.4))
    axes = panels[0][0]
    steps = [note["step"] for note in notes]
    axes.plot(steps, [note["loss"] for note in notes], color=LOSS, linewidth=1.5, label="training")
    axes.plot(steps, [note["held_out"] for note in notes], color=HELD_OUT, linewidth=1.5, label="kept back")
    axes.set(yscale="log", xlim=(0, max(steps)))
    axes.set_xlabel("step", fontsize=8)
    axes.set_ylabel("loss per token", fontsize=8)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:g}")
    axes.tick_params(which="both", labelsize=7)
    examined = [note for note in notes if "exam" in note]
    if examined:
        draw_exam(axes.twinx(), examined)
    figure.legend(loc="outside upper center", ncols=3, fontsize=8, frameon=False)
    return figure


def draw_exam(axes, notes: Sequence[Mapping[str, float | int]]) -> None:
    shares = [100 * note["exam"] for note in notes]
    axes.plot([note["step"] for note in notes], shares, "o-", markersize=3, color=EXAM, linewidth=1, label="exam")
    axes.set(ylim=(0, 102), ylabel="exam")
    axes.yaxis.label.set_size(8)
    axes.yaxis.set_major_formatter("{x:g} %")
    axes.tick_params(labelsize=7)
