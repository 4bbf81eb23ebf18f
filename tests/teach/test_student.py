"""The student's copy: what a solution turns into, and what stays as it is."""

import ast

import pytest

from refllm.errors import RefllmError
from refllm.teach.student import one_folder_deeper, student_copy, without_solutions

RAISE = '    raise NotImplementedError("your turn")'
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"


@pytest.mark.parametrize(
    ("solution", "stub"),
    [
        ("x = 3", "x = ...  # your turn"),
        ("x, (y, *z) = f()", "x = ...  # your turn\ny = ...  # your turn\nz = ...  # your turn"),
        ("x = y = 3", "x = ...  # your turn\ny = ...  # your turn"),
        ("x: int = 3", "x = ...  # your turn"),
        ("x = []\nfor i in range(3):\n    x = [*x, i]", "x = ...  # your turn"),
        ("x = 1\nx = x + 1", "x = ...  # your turn"),
        ("print(3)", "...  # your turn"),
        ("def f():\n    return 1\n\ndef g():\n    return 2", f"def f():\n{RAISE}\n\n\ndef g():\n{RAISE}"),
        (
            "x = 1\ndef f():\n    return x\ny = 2",
            f"x = ...  # your turn\n\n\ndef f():\n{RAISE}\n\n\ny = ...  # your turn",
        ),
        ("", "...  # your turn"),
        ("def f(a, *, b=2):\n    return a", 'def f(a, *, b=2):\n    raise NotImplementedError("your turn")'),
        (
            'def f(a):\n    """What f does.\n\n    More.\n    """\n    return a',
            'def f(a):\n    """What f does.\n\n    More.\n    """\n    raise NotImplementedError("your turn")',
        ),
    ],
)
def test_stub_of_a_solution(solution, stub):
    region = f"{BEGIN}\n{solution}\n{END}" if solution else f"{BEGIN}\n{END}"
    assert without_solutions(f"a = 1\n{region}\nb = 2") == f"a = 1\n{stub}\nb = 2"
    ast.parse(stub)


def test_a_solution_inside_a_function_keeps_what_is_given():
    source = f"def f(a):\n    given = 1\n    {BEGIN}\n    for b in a:\n        given += b\n    {END}\n    return given"
    stub = 'def f(a):\n    given = 1\n    raise NotImplementedError("your turn")\n    return given'
    assert without_solutions(source) == stub


def test_two_solutions_in_one_cell():
    source = f"{BEGIN}\nx = 1\n{END}\n{BEGIN}\ny = 2\n{END}"
    assert without_solutions(source) == "x = ...  # your turn\ny = ...  # your turn"


@pytest.mark.parametrize(
    "source",
    [f"{BEGIN}\nx = 1", f"x = 1\n{END}", f"{BEGIN}\nx = 1\n  {END}", f"x = 1  {BEGIN}\n{END}"],
    ids=["no end", "no beginning", "other indent", "not alone on its line"],
)
def test_a_region_that_is_not_closed_would_give_the_solution_away(source):
    with pytest.raises(RefllmError, match="a solution needs both"):
        without_solutions(source)


def test_the_copy_has_no_outputs_and_the_lesson_is_not_touched(make_lesson):
    lesson = make_lesson("# See ![a](images/a.png)", f"{BEGIN}\nx = 1\n{END}")
    lesson.cells[1].execution_count = 1
    copy = student_copy(lesson)
    assert copy.cells[0].source == "# See ![a](../images/a.png)"
    assert (copy.cells[1].source, copy.cells[1].execution_count) == ("x = ...  # your turn", None)
    assert (lesson.cells[1].execution_count, copy.metadata) == (1, lesson.metadata)


@pytest.mark.parametrize(
    "link", ["](https://a.b/c.png)", "](#part)", "](02_blocks.ipynb)", "](/root)", '<img src="//a.b/c">']
)
def test_links_that_stay(link):
    assert one_folder_deeper(link) == link


@pytest.mark.parametrize(
    ("link", "deeper"),
    [("](README.md)", "](../README.md)"), ("<img alt='x' src='images/a.png'>", "<img alt='x' src='../images/a.png'>")],
)
def test_links_that_need_one_step_more(link, deeper):
    assert one_folder_deeper(link) == deeper
