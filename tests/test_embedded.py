"""The files of `data/`: there, unchanged, and named where they are not."""

import shutil

import pytest

from refllm import embedded
from refllm.cli import main
from refllm.errors import RefllmError


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of `data/` that may be damaged."""
    for name in (*embedded.sums(), embedded.SUMS):
        shutil.copyfile(embedded.folder() / name, tmp_path / name)
    monkeypatch.setattr(embedded, "folder", lambda: tmp_path)
    return tmp_path


def test_every_file_is_there_and_unchanged():
    assert embedded.MODEL in embedded.sums()
    assert all(embedded.path(name).is_file() for name in embedded.sums())


def test_all_of_it_is_under_45_mb():
    files = [path for path in embedded.folder().rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 45e6


@pytest.mark.parametrize("name", [embedded.MODEL, "tokenizer.model", "model.safetensors"])
def test_a_changed_byte_is_noticed(copy, name):
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data)
    with pytest.raises(RefllmError, match=f"{name}: was changed .*git checkout -- data"):
        embedded.path(name)


def test_missing_files_are_named_with_the_way_to_restore_them(copy, capsys):
    (copy / embedded.MODEL).unlink()
    assert main(["exam"]) == 1
    assert main(["exam"]) == 1
    shown = capsys.readouterr().err.splitlines()
    assert len(shown) == 2
    assert f"{embedded.MODEL}: is missing; restore it with 'git checkout -- data'" in shown[0]
    (copy / embedded.SUMS).unlink()
    with pytest.raises(RefllmError, match="SHA256SUMS: is missing"):
        embedded.path()
