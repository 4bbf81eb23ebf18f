"""The notebook lane bites: with the Makefile's own flags a true lesson is green, and what is damaged in it is red."""

import pathlib
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as xml

import nbformat.v4 as v4
import nbval.plugin
import pytest

from refllm.teach import rebuild

ROOT = pathlib.Path(__file__).parents[2]
WARNING = "import warnings\nwarnings.warn('old')"
NETWORK = "import urllib.request\nurllib.request.urlopen('http://192.0.2.1', timeout=5)"


def lane_flags() -> list[str]:
    """The flags of the notebook lane as `make test` gives them."""
    recipe = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    return re.search(r"-m pytest (\S.*--nbval .*?)\$\(sort", recipe)[1].split()


def without_figure(notebook):
    """The sample lesson without matplotlib, whose import takes longer than all the rest."""
    notebook.cells = [cell for cell in notebook.cells if cell.cell_type == "code" and "plt" not in cell.source]
    return notebook


def damaged(notebook):
    """The lesson broken in six ways: `RED` says where that must show."""
    _, size, _, function, _ = notebook.cells
    size.outputs[0].data["text/plain"] = "19"
    function.source = function.source.replace("-offset", "offset")
    notebook.cells += [v4.new_code_cell(source, execution_count=9) for source in (WARNING, NETWORK)]
    notebook.metadata["refllm"]["seconds"] = 0.01
    return notebook


RED = {
    "Cell 1": "one stored output is changed",
    "Cell 3": "a solution is wrong: its check says so",
    "Cell 4": "the summary counts it as open",
    "Cell 5": "a warning comes on stderr",
    "Cell 6": "the network is asked for",
    "running time": "the lesson takes longer than three times the declared time",
}


@pytest.fixture(scope="module")
def lane(sample, tmp_path_factory):
    """One run of the lane over a true and a damaged lesson: the names of the red tests of each, and what it printed."""
    folder = tmp_path_factory.mktemp("lane")
    shutil.copy(ROOT / "notebooks" / "conftest.py", folder)
    rebuild.write(folder / "true.ipynb", without_figure(rebuild.read(sample)))
    rebuild.write(folder / "damaged.ipynb", damaged(without_figure(rebuild.read(sample))))
    command = [sys.executable, "-m", "pytest", "-c", "pyproject.toml", "--rootdir", folder, *lane_flags()]
    command += ["--junitxml", folder / "report.xml", *folder.glob("*.ipynb")]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (folder / "report.xml").exists(), run.stderr
    red = {"true": set(), "damaged": set()}
    for case in xml.parse(folder / "report.xml").iter("testcase"):
        if case.find("failure") is not None:
            red[case.attrib["classname"].partition(".")[0]].add(case.attrib["name"])
    return red, run.stdout


def test_a_true_lesson_is_green(lane):
    assert lane[0]["true"] == set()


@pytest.mark.parametrize("name", RED, ids=RED.values())
def test_a_damaged_lesson_is_red(lane, name):
    assert name in lane[0]["damaged"]


def test_what_was_not_damaged_is_green(lane):
    assert lane[0]["damaged"] <= set(RED)


def test_the_network_was_refused_and_not_merely_out_of_reach(lane):
    assert "lessons run without network; tried 192.0.2.1" in lane[1]


def test_the_running_time_is_reported_beside_the_declared_one(lane):
    assert re.search(r"^true.ipynb: \d+\.\d s \(declared: 10 s\)$", lane[1], re.MULTILINE)


@pytest.mark.parametrize("text", ["0x46554747", "offset 0x0000000000000040", "1.23456789", "1 x 640x480"])
def test_the_sanitizer_leaves_what_a_lesson_is_about(text):
    patterns = nbval.plugin.get_sanitize_patterns((ROOT / "notebooks" / "sanitize.cfg").read_text())
    assert len(patterns) == 2
    for pattern, replacement in patterns:
        assert re.sub(pattern, replacement, text) == text
