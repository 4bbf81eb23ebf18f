"""Rebuilding a lesson: what is stored, what is dropped, and what a failure or Ctrl+C leaves behind."""

import os
import signal
import subprocess
import sys
import time

import nbconvert
import nbformat.v4 as v4
import pytest

from refllm.errors import RefllmError
from refllm.teach import rebuild


def test_the_outputs_are_those_of_a_clean_run(sample):
    notebook = rebuild.read(sample)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert code[-1].outputs[0].text == "example: all 2 exercises passed\n"


def test_a_figure_is_a_picture_with_words(sample):
    picture, line = rebuild.read(sample).cells[3].outputs
    assert picture.data["text/plain"] == "<figure>"
    assert picture.metadata["image/png"] == {"alt": "two bars"}
    assert picture.data["image/png"].startswith("iVBORw0KGgo")
    assert line.text == "Figure: two bars\n"
    page, _ = nbconvert.HTMLExporter(template_name="classic").from_notebook_node(rebuild.read(sample))
    assert 'alt="two bars"' in page


def test_a_second_rebuild_changes_no_byte(sample):
    student = sample.parent / "student" / sample.name
    before = sample.read_bytes(), student.read_bytes()
    assert rebuild.rebuild(sample) == []
    assert (sample.read_bytes(), student.read_bytes()) == before


def test_tidy_drops_what_belongs_to_one_machine(make_lesson):
    notebook = make_lesson("f()")
    notebook.metadata.update(
        kernelspec={"name": "conda-env-x"}, widgets={"state": {}}, language_info={"version": "3.11.7"}
    )
    cell = notebook.cells[0]
    cell.metadata.update(tags=["raises-exception"], execution={"iopub.execute_input": "2025-01-01"}, collapsed=True)
    cell.outputs = [
        v4.new_output("stream", text="a"),
        v4.new_output("stream", text="b"),
        v4.new_output("stream", name="stderr", text="c"),
        v4.new_output("error", ename="KeyError", evalue="'x'", traceback=["File /home/ada/x.py", "KeyError: 'x'"]),
    ]
    rebuild.tidy(notebook)
    assert set(notebook.metadata) == {"kernelspec", "language_info", "refllm"}
    assert notebook.metadata.language_info == {"name": "python"}
    assert notebook.metadata.kernelspec.name == "python3"
    assert cell.metadata == {"tags": ["raises-exception"]}
    assert [output.get("text") for output in cell.outputs] == ["ab", "c", None]
    assert cell.outputs[-1].traceback == ["KeyError: 'x'"]


def test_the_command_shows_a_line_for_each_lesson_and_the_rules_it_breaks(make_lesson, tmp_path, capsys):
    for name in ("02_second.ipynb", "01_first.ipynb"):
        rebuild.write(tmp_path / name, make_lesson("print('ready')"))
    assert rebuild.main([str(tmp_path), "01"]) == 1
    first, *rest = capsys.readouterr().out.splitlines()
    assert first.startswith("01_first.ipynb ... ") and first.endswith(" s")
    assert "  exercise example.1 is never checked" in rest
    assert (tmp_path / "student" / "01_first.ipynb").exists()
    assert not (tmp_path / "student" / "02_second.ipynb").exists()


def test_lessons_come_in_order_and_by_number(tmp_path):
    for name in ("02_b.ipynb", "00_a.ipynb", "11_c.ipynb", "notes.ipynb"):
        (tmp_path / name).touch()
    assert [path.name for path in rebuild.lessons(tmp_path)] == ["00_a.ipynb", "02_b.ipynb", "11_c.ipynb"]
    assert [path.name for path in rebuild.lessons(tmp_path, ["11", "00"])] == ["11_c.ipynb", "00_a.ipynb"]
    with pytest.raises(RefllmError, match=r"no notebook 07_\*\.ipynb$"):
        rebuild.lessons(tmp_path, ["07"])


def test_a_failing_cell_is_named_and_nothing_is_saved(make_lesson, tmp_path, capsys):
    path = tmp_path / "01_bad.ipynb"
    rebuild.write(path, make_lesson("# Bad", "1 / 0"))
    before = path.read_bytes()
    assert rebuild.main([str(tmp_path)]) == 1
    expected = "rebuild: 01_bad.ipynb: cell 2 raised ZeroDivisionError: division by zero; nothing was saved\n"
    assert capsys.readouterr().err == expected
    assert path.read_bytes() == before
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["01_bad.ipynb"]


def test_a_file_that_is_no_notebook_is_named(tmp_path):
    path = tmp_path / "01_bad.ipynb"
    path.write_text("{")
    with pytest.raises(RefllmError, match=r"01_bad\.ipynb: not a readable notebook"):
        rebuild.read(path)


def test_ctrl_c_leaves_the_old_files_whole(make_lesson, tmp_path):
    path = tmp_path / "01_slow.ipynb"
    started = tmp_path / "started"
    rebuild.write(path, make_lesson("open('started', 'w').close()\nimport time\ntime.sleep(60)"))
    before = path.read_bytes()
    command = [sys.executable, "-m", "refllm.teach.rebuild", str(tmp_path)]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while not started.exists():
        assert running.poll() is None
        time.sleep(0.05)
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does: the kernel's own process hears it too
    _, error = running.communicate(timeout=30)
    assert running.returncode == 130
    assert error.strip() == "interrupted; the lesson that was running stays as it was"
    assert path.read_bytes() == before
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["01_slow.ipynb", "started"]
