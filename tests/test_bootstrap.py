"""The first thing `make` runs: it must say in one line what a machine lacks, and do nothing when nothing changed."""

import pathlib
import subprocess
import sys
import time

import pytest

from refllm import bootstrap

SCRIPT = pathlib.Path(bootstrap.__file__)


def fake_python(folder: pathlib.Path, lacks: str) -> str:
    """A Python that cannot import some modules, as on a Debian without python3-venv."""
    script = folder / "python"
    checks = " | ".join(f"*'import {name}'*|*'-m {name}'*" for name in lacks.split())
    script.write_text(f'#!/bin/sh\ncase "$*" in {checks}) exit 1;; esac\nexec {sys.executable} "$@"\n')
    script.chmod(0o755)
    return str(script)


def test_too_old_a_python_is_named(monkeypatch, capsys):
    monkeypatch.setattr(bootstrap, "OLDEST", (9, 9))
    monkeypatch.setattr(bootstrap, "CANDIDATES", ())
    assert bootstrap.main([]) == 2
    error = capsys.readouterr().err
    assert error.startswith("setup: Python 9.9 or newer is needed; this is 3.")
    assert error.count("\n") == 1


def test_a_newer_python_on_the_path_is_used_instead(monkeypatch):
    monkeypatch.setattr(bootstrap, "OLDEST", (9, 9))
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: sys.executable)
    assert bootstrap.find_python() == sys.executable


@pytest.mark.parametrize("lacks", ["venv", "ensurepip pip"])
def test_a_missing_venv_module_is_named(tmp_path, monkeypatch, capsys, lacks):
    python = fake_python(tmp_path, lacks)
    monkeypatch.setattr(bootstrap, "find_python", lambda: python)
    monkeypatch.setattr(bootstrap, "ROOT", str(SCRIPT.parents[1]))
    with pytest.raises(bootstrap.SetupError, match="apt install python3-venv"):
        bootstrap.create(python, str(tmp_path / "venv"))
    assert capsys.readouterr().err == ""


def test_an_environment_without_ensurepip_gets_pip_from_outside(tmp_path):
    python = fake_python(tmp_path, "ensurepip")
    folder = tmp_path / "venv"
    try:
        bootstrap.create(python, str(folder))
    except subprocess.CalledProcessError:
        pytest.skip("no package index can be reached from here: pip could not be installed")
    assert subprocess.run([folder / "bin" / "python", "-m", "pip", "--version"], capture_output=True).returncode == 0


def test_nothing_is_done_twice(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(bootstrap, "create", lambda python, folder: pathlib.Path(folder).mkdir(exist_ok=True))
    monkeypatch.setattr(bootstrap, "install", calls.append)
    folder = str(tmp_path / "venv")
    bootstrap.make_environment(sys.executable, folder)
    bootstrap.make_environment(sys.executable, folder)
    assert len(calls) == 1
    monkeypatch.setattr(bootstrap, "fingerprint", lambda python: "the lock has changed")
    bootstrap.make_environment(sys.executable, folder)
    assert len(calls) == 2


def test_the_second_call_takes_no_time():
    """In the environment that `make` has just brought up to date, asking again costs nothing."""
    stamp = pathlib.Path(sys.prefix) / "refllm-stamp"
    if not stamp.exists() or stamp.read_text() != bootstrap.fingerprint(sys.executable):
        pytest.skip("these tests do not run in an environment that make has just brought up to date")
    newest = ["--newest"] if sys.prefix.endswith("-next") else []
    start = time.perf_counter()
    subprocess.run([sys.executable, SCRIPT, *newest], check=True)
    assert time.perf_counter() - start < 1
