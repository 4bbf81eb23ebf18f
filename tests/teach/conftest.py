"""A lesson of one minute that keeps every rule, so that the harness is tested without waiting for a real one."""

import pathlib

import nbformat.v4 as v4
import pytest

from refllm.teach import rebuild

CELLS = (
    "# A lesson\n\nWhat `teach` does, once each.",
    "import os\nfrom refllm import teach",
    "import matplotlib.pyplot as plt",
    "figure, axes = plt.subplots(figsize=(3, 2))\n_ = axes.bar(['a', 'b'], [1, 2])\nteach.show(figure, alt='two bars')",
    "size = 6 * 3\nsize",
    "### BEGIN SOLUTION\nanswer = size\n### END SOLUTION\nteach.check('example.1', answer)",
    "def align(offset, alignment):\n    ### BEGIN SOLUTION\n    return offset + -offset % alignment\n"
    "    ### END SOLUTION\n\nteach.check('example.2', align)",
    'teach.summary("example")',
)


def lesson(*sources: str):
    """A notebook of these cells; one that begins with `#` and a space is prose."""
    cells = [v4.new_markdown_cell(text) if text.startswith("# ") else v4.new_code_cell(text) for text in sources]
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"
    return v4.new_notebook(cells=cells, metadata={"refllm": {"lesson": "example", "minutes": 1, "seconds": 10}})


@pytest.fixture(scope="session")
def make_lesson():
    """The function that makes a notebook of the given cells."""
    return lesson


@pytest.fixture(scope="session")
def sample(tmp_path_factory) -> pathlib.Path:
    """The sample lesson, rebuilt: its file, beside it the folder `student`."""
    path = tmp_path_factory.mktemp("notebooks") / "98_sample.ipynb"
    rebuild.write(path, lesson(*CELLS))
    assert rebuild.rebuild(path) == []
    return path
