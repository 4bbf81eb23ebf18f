"""Every exercise from both sides: wrong answers and empty stubs are refused, and an empty copy runs to its end.

That the solutions pass is what the notebook lane shows: their "correct" lines are stored outputs (test_series.py looks
that they are there).
"""

import pathlib
import pkgutil

import pytest

from refllm.teach import exercise, exercises, kernels, rebuild
from refllm.teach.student import student_copy

NOTEBOOKS = pathlib.Path(__file__).parents[2] / "notebooks"
MODULES = [module.name for module in pkgutil.iter_modules(exercises.__path__)]
EXERCISES = [found for name in MODULES for found in exercise.of_lesson(name.removeprefix("lesson_")).values()]
each_exercise = pytest.mark.parametrize("one", EXERCISES, ids=[one.id for one in EXERCISES])


@each_exercise
def test_wrong_answers_are_refused_each_with_a_message(one):
    assert len(one.wrong) >= 2
    for answer in one.wrong:
        with pytest.raises(exercise.Wrong, match=r"\w+"):
            one.holds(answer)


@each_exercise
def test_an_empty_answer_is_refused(one):
    assert exercise.problem(one, ...) == exercise.NO_ANSWER


@each_exercise
def test_has_two_hints_and_says_what_it_asks(one):
    first, second = one.hints
    assert first.strip() and second.strip() and first != second
    assert one.asks.strip()


def test_every_module_of_exercises_belongs_to_a_lesson():
    lessons = {f"lesson_{path.name[:2]}" for path in rebuild.lessons(NOTEBOOKS)}
    assert set(MODULES) - {"lesson_example"} <= lessons


def test_ids_name_their_lesson():
    for name in MODULES:
        lesson = name.removeprefix("lesson_")
        assert all(id.partition(".")[0] == lesson for id in exercise.of_lesson(lesson))


def run_all(path: pathlib.Path, tmp_path: pathlib.Path):
    """The student's copy of a lesson after Run All, in its own folder."""
    notebook = student_copy(rebuild.read(path))
    kernels.execute(notebook, path.parent / "student", kernels.environment(tmp_path))
    return notebook


def test_an_empty_copy_of_the_sample_reaches_its_end(sample, tmp_path):
    assert_all_open(run_all(sample, tmp_path), "example")


@pytest.mark.parametrize("path", rebuild.lessons(NOTEBOOKS), ids=lambda path: path.stem)
def test_an_empty_copy_reaches_its_end(path, tmp_path):
    assert_all_open(run_all(path, tmp_path), path.name[:2])


def assert_all_open(notebook, lesson: str):
    """Each exercise was checked, found empty and given its first hint; the summary counts none as passed."""
    printed = "".join(
        output.text for cell in notebook.cells for output in cell.get("outputs", []) if output.output_type == "stream"
    )
    known = exercise.of_lesson(lesson)
    for one in known.values():
        assert f"{one.id} not yet: {exercise.NO_ANSWER}\n     hint: {one.hints[0]}\n" in printed
    assert f"{lesson}: 0 of {len(known)} exercises passed" in printed
