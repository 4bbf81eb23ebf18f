"""What `check` says to a right, a wrong, an empty and a broken answer, and what it remembers."""

import pytest

from refllm.errors import RefllmError
from refllm.teach import checks, exercise


@pytest.fixture(autouse=True)
def fresh_memory(monkeypatch):
    monkeypatch.setattr(checks, "_results", {})
    monkeypatch.setattr(checks, "_wrong_answers", type(checks._wrong_answers)())


def said(capsys, id, answer) -> list[str]:
    assert checks.check(id, answer) is None  # a value would be shown as the cell's output
    return capsys.readouterr().out.splitlines()


def test_a_right_answer_gets_one_line(capsys):
    assert said(capsys, "example.1", 18) == ["example.1 correct: How many bytes do 32 weights of 4.5 bits take?"]


def test_the_second_wrong_answer_gets_the_stronger_hint(capsys):
    first, second, third = (said(capsys, "example.1", answer) for answer in (144, 16, 16))
    assert first == ["example.1 not yet: 144 is the number of bits", "     hint: the unit is the byte, of 8 bits"]
    assert second[1] == third[1] == "     stronger hint: 4.5 bits for each of 32 weights, divided by 8"


def test_an_empty_stub_is_no_wrong_answer(capsys):
    for _ in range(3):
        first = said(capsys, "example.1", ...)
    assert first == ["example.1 not yet: there is no answer here", "     hint: the unit is the byte, of 8 bits"]


@pytest.mark.parametrize("stub", [..., (3, ...), [..., ...]])
def test_empty_values(stub):
    assert exercise.problem(exercise.find("example.1"), stub) == exercise.NO_ANSWER


def test_an_unwritten_function_is_empty():
    def align(offset, alignment):
        raise NotImplementedError("your turn")

    assert exercise.problem(exercise.find("example.2"), align) == exercise.NO_ANSWER


def test_an_exception_in_the_learners_function_is_named_with_its_line():
    learner = {"__name__": "__main__"}
    exec("def align(offset, alignment):\n    return offset // (alignment - 32)", learner)
    found = exercise.problem(exercise.find("example.2"), learner["align"])
    assert found == "align stopped with ZeroDivisionError: integer division or modulo by zero (line 2 of its cell)"


def test_an_answer_of_a_strange_kind_is_refused_without_an_exception():
    found = exercise.problem(exercise.find("example.2"), lambda offset: "far")
    assert found.startswith("an answer of type function does not fit here (TypeError: ")


def test_the_summary_counts_what_was_not_checked_as_open(capsys):
    checks.check("example.1", 144)
    capsys.readouterr()
    checks.summary("example")
    expected = "example: 0 of 2 exercises passed; open: example.1 (wrong), example.2 (not checked)\n"
    assert capsys.readouterr().out == expected
    checks.check("example.1", 18)
    checks.check("example.2", lambda offset, alignment: offset + -offset % alignment)
    capsys.readouterr()
    checks.summary("example")
    assert capsys.readouterr().out == "example: all 2 exercises passed\n"


def test_the_last_answer_counts(capsys):
    assert not checks.passed("example.1")
    checks.check("example.1", 18)
    assert checks.passed("example.1")
    checks.check("example.1", 17)
    assert not checks.passed("example.1")


@pytest.mark.parametrize(
    ("id", "message"),
    [
        ("example.9", "no exercise 'example.9'; lesson 'example' has example.1, example.2"),
        ("77.1", "lesson '77' has no exercises; expected them in refllm.teach.exercises.lesson_77"),
    ],
)
def test_an_unknown_exercise_is_named(id, message):
    with pytest.raises(RefllmError, match=f"^{message}$"):
        checks.check(id, 1)
