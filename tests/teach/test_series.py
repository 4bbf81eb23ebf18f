"""The lessons in `notebooks/`: each keeps the rules, has its student copy, its teacher's notes, its row on the map."""

import pathlib
import re

import pytest

from refllm.teach import exercise, hygiene, rebuild
from refllm.teach.student import student_copy

NOTEBOOKS = pathlib.Path(__file__).parents[2] / "notebooks"
LESSONS = rebuild.lessons(NOTEBOOKS)
each_lesson = pytest.mark.parametrize("path", LESSONS, ids=[path.stem for path in LESSONS])


def rows_of_the_map() -> dict[str, list[str]]:
    """The table in notebooks/README.md: the cells of each row by the lesson's number."""
    rows = re.findall(r"^\| (\d\d) \|(.*)\|$", (NOTEBOOKS / "README.md").read_text(), re.MULTILINE)
    return {number: [cell.strip() for cell in cells.split("|")] for number, cells in rows}


@each_lesson
def test_keeps_the_rules(path):
    assert hygiene.findings(rebuild.read(path)) == []


@each_lesson
def test_student_copy_is_current(path):
    copy = path.parent / "student" / path.name
    assert copy.exists(), "run 'make notebooks'"
    assert rebuild.read(copy) == student_copy(rebuild.read(path)), "run 'make notebooks'"


def test_no_student_copy_without_its_lesson():
    assert {path.name for path in (NOTEBOOKS / "student").glob("*.ipynb")} == {path.name for path in LESSONS}


@each_lesson
def test_is_called_by_its_number(path):
    assert rebuild.read(path).metadata["refllm"]["lesson"] == path.name[:2]


@each_lesson
def test_teacher_notes_have_every_part(path):
    notes = (NOTEBOOKS / "instructor" / f"{path.name[:2]}.md").read_text()
    for heading in ("## Goals", "## Minutes", "## Wrong answers", "## Cut"):
        assert heading in notes
    for id in exercise.of_lesson(path.name[:2]):
        assert id in notes.partition("## Wrong answers")[2], f"{id}: no wrong answers described"


def test_the_map_tells_the_truth():
    rows = rows_of_the_map()
    assert list(rows) == [f"{number:02}" for number in range(13)]
    written = {number for number, row in rows.items() if row[-1] == "written"}
    assert written == {path.name[:2] for path in LESSONS}
    for path in LESSONS:
        lesson, _room, minutes, *_ = rows[path.name[:2]]
        assert f"]({path.name})" in lesson
        assert int(minutes) == rebuild.read(path).metadata["refllm"]["minutes"]
