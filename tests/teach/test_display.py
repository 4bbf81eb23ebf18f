"""The way to `data/` and to the model from any notebook, a picture's colours, and the source that a lesson shows."""

import io
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from refllm import gguf
from refllm.teach import data, exercise, model, scratch, show_source
from refllm.teach.display import few_colours

ROOT = pathlib.Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("folder", "way"), [("notebooks", "../data/x.gguf"), ("notebooks/instructor", "../../data/x.gguf")]
)
def test_the_way_to_data_is_relative(monkeypatch, folder, way):
    monkeypatch.chdir(ROOT / folder)
    assert data("x.gguf") == pathlib.Path(way)


@pytest.mark.parametrize("folder", ["notebooks", "notebooks/instructor"])
def test_the_way_to_the_model_is_relative_and_leads_to_a_model(monkeypatch, folder):
    monkeypatch.chdir(ROOT / folder)
    assert not model().is_absolute()
    with gguf.open(model()) as file:
        assert file.metadata["general.architecture"] == "llama"


def test_what_a_lesson_writes_lies_in_a_folder_that_git_does_not_see(monkeypatch):
    monkeypatch.chdir(ROOT / "notebooks")
    assert scratch("x.gguf") == pathlib.Path("../.refllm/x.gguf")
    assert scratch("x.gguf").parent.is_dir()
    assert "/.refllm/" in (ROOT / ".gitignore").read_text().split()


@pytest.mark.parametrize("heavy", ["jax", "matplotlib", "nbformat", "nbclient", "IPython", "numpy"])
def test_entering_the_room_loads_nothing_heavy(heavy):
    command = [sys.executable, "-c", f"import sys; from refllm import teach; print({heavy!r} in sys.modules)"]
    assert subprocess.run(command, capture_output=True, text=True, timeout=60).stdout == "False\n"


def test_a_picture_keeps_its_size_and_its_colours():
    colours = np.array([[[0, 114, 178], [255, 255, 255]], [[240, 228, 66], [1, 2, 3]]], np.uint8)
    drawn = io.BytesIO()
    Image.fromarray(colours).save(drawn, format="png")
    found = np.asarray(Image.open(io.BytesIO(few_colours(drawn))).convert("RGB"))
    assert np.array_equal(found, colours)


def test_the_source_shown_is_that_of_the_package(capsys):
    show_source(exercise.require)
    shown = capsys.readouterr().out
    assert shown.startswith("def require(condition, message: str) -> None:\n")
    assert shown.strip() in pathlib.Path(exercise.__file__).read_text()
