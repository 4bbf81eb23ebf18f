"""The exam as bars: how much of each topic is known, in each language.

>>> from refllm.evaluate.exam import Result
>>> from refllm.world import questions
>>> asked = questions()[:2]
>>> figure = exam_bars([Result(question, question.expected) for question in asked])
>>> [text.get_text() for text in figure.axes[0].texts]
['2 of 2']
"""

from collections.abc import Sequence

from refllm.plots.rounding import _panels

COLOURS = {"en": "#0072B2", "zh": "#D55E00"}
NAMES = {"en": "English", "zh": "Chinese"}
HALF = 0.38  # of a topic's row, for each language


def exam_bars(results: Sequence):
    """Results of `evaluate.exam`: a row for each topic, a bar for each language, beside it how many were right."""
    topics = list(dict.fromkeys(result.topic for result in results))
    figure, panels = _panels(1, 1, (7.5, 0.9 + 0.34 * len(topics)))
    axes = panels[0][0]
    for number, language in enumerate(COLOURS):
        for row, topic in enumerate(topics):
            group = [result for result in results if (result.topic, result.language) == (topic, language)]
            if group:
                draw_bar(axes, row + (number - 0.5) * HALF, group, COLOURS[language])
        own = [result for result in results if result.language == language]
        label = f"{NAMES[language]}: {sum(result.right for result in own)} of {len(own)}"
        axes.barh(0, 0, color=COLOURS[language], label=label)
    axes.set(ylim=(len(topics) - 0.5, -0.5), xlim=(0, 1.12), xticks=[0, 0.25, 0.5, 0.75, 1])
    axes.set_xticklabels(["0", "25 %", "50 %", "75 %", "100 %"], fontsize=8)
    axes.set_yticks(range(len(topics)), topics, fontsize=8)
    axes.grid(axis="x", alpha=0.3)
    axes.spines[["top", "right", "left"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=2, fontsize=8, frameon=False)
    return figure


def draw_bar(axes, height: float, group: Sequence, colour: str) -> None:
    right = sum(result.right for result in group)
    axes.barh(height, right / len(group), HALF * 0.9, color=colour)
    count = f"{right} of {len(group)}"
    axes.text(right / len(group) + 0.01, height, count, va="center", fontsize=6.5, color=colour)
