"""The bars of an exam count what was answered; the curves of a training are its measurements."""

import json

import pytest

from refllm import plots
from refllm.evaluate.exam import Result
from refllm.world import questions


@pytest.fixture(scope="module")
def results() -> list[Result]:
    """Two topics; every second question is answered rightly."""
    asked = [question for question in questions() if question.dialogue.topic in ("capitals", "primes")]
    return [Result(one, one.expected if number % 2 else "no") for number, one in enumerate(asked)]


def test_every_topic_has_a_bar_for_each_language(results):
    figure = plots.exam_bars(results)
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["capitals", "primes"]
    counts = [text.get_text() for text in axes.texts]
    assert counts == ["18 of 36", "4 of 8", "18 of 36", "4 of 8"]
    widths = [bar.get_width() for bar in axes.patches if bar.get_width()]
    assert widths == [0.5] * 4
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["English: 22 of 44", "Chinese: 22 of 44"]


def test_a_language_that_was_not_asked_has_no_bar(results):
    english = [result for result in results if result.language == "en"]
    (axes,) = plots.exam_bars(english).axes
    assert len(axes.texts) == 2


def test_the_curves_are_the_measurements(tmp_path):
    notes = [
        {"step": 10, "loss": 4.0, "held_out": 4.5, "exam": 0.1},
        {"step": 20, "loss": 3.0, "held_out": 3.5},
        {"step": 30, "loss": 2.0, "held_out": 2.5, "exam": 0.6},
    ]
    log = tmp_path / "training.jsonl"
    log.write_text("".join(f"{json.dumps(note)}\n" for note in notes))
    losses, exam = plots.loss_curve(plots.read_log(log)).axes
    training, kept_back = losses.lines
    assert training.get_ydata().tolist() == [4, 3, 2] and kept_back.get_ydata().tolist() == [4.5, 3.5, 2.5]
    assert exam.lines[0].get_xdata().tolist() == [10, 30] and exam.lines[0].get_ydata() == pytest.approx([10, 60])


def test_without_an_exam_there_is_one_axis():
    assert len(plots.loss_curve([{"step": 1, "loss": 2.0, "held_out": 2.0}]).axes) == 1
