"""The way to `data/` from any notebook, and the source that a lesson shows."""

import pathlib

import pytest

from refllm.teach import data, exercise, show_source

ROOT = pathlib.Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("folder", "way"), [("notebooks", "../data/x.gguf"), ("notebooks/instructor", "../../data/x.gguf")]
)
def test_the_way_to_data_is_relative(monkeypatch, folder, way):
    monkeypatch.chdir(ROOT / folder)
    assert data("x.gguf") == pathlib.Path(way)


def test_the_source_shown_is_that_of_the_package(capsys):
    show_source(exercise.require)
    shown = capsys.readouterr().out
    assert shown.startswith("def require(condition, message: str) -> None:\n")
    assert shown.strip() in pathlib.Path(exercise.__file__).read_text()
