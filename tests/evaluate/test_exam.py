"""The exam: how it asks, what it counts, and that the shipped model passes."""

import pytest

import refllm
from refllm.evaluate import exam
from refllm.evaluate.exam import Result
from refllm.world import questions


@pytest.fixture(scope="module")
def llm():
    return refllm.load()


def test_only_the_exact_answer_counts():
    question = questions()[0]
    assert Result(question, f" {question.expected}\n").right
    assert not Result(question, question.expected.lower()).right
    assert not Result(question, question.expected + " Yes.").right


def test_the_table_has_a_line_for_every_topic_and_language():
    asked = questions()
    lines = exam.table(
        [Result(question, "?" if place % 4 else question.expected) for place, question in enumerate(asked)]
    )
    assert len(lines) == 2 * 18 + 2 + 3
    assert lines[-1].split() == ["all", "150", "of", "600", "25", "%"]


def test_turns_are_asked_one_after_the_other_and_the_model_hears_itself(llm):
    """A batch of dialogues gives what a chat gives, turn by turn."""
    longest = sorted(questions(), key=lambda question: -len(question.asked))[:3]
    single = next(question for question in questions() if len(question.asked) == 1)
    together = exam.answers(llm, [*longest, single])
    for question, answer in zip([*longest, single], together, strict=True):
        chat = llm.chat()
        for asked in question.asked:
            said = chat.send(asked, temperature=0.0, max_tokens=exam.LONGEST).text
        assert said == answer


def test_the_shipped_model_passes(llm):
    """A part of the exam; `refllm exam` asks all of it."""
    results = exam.examine(llm, questions()[::15])
    assert exam.share(results) >= 0.9, "\n".join(exam.table(results))
