"""The `refllm` command as a shell sees it: exit status, standard error, signals, pipes, and what it imports."""

import os
import pathlib
import resource
import signal
import subprocess
import sys

import pytest

import refllm
from refllm import cli
from tests.gguf import craft

ROOT = pathlib.Path(__file__).parents[2]
COMMANDS = list(cli.COMMANDS)


def run(*arguments, **options) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "refllm", *map(str, arguments)], cwd=ROOT, capture_output=True, timeout=60, **options
    )


@pytest.fixture
def model(tmp_path) -> pathlib.Path:
    path = tmp_path / "model.gguf"
    name = craft.pair("general.name", craft.STRING, craft.string("小模型"))
    tensors = [craft.info(f"blk.{i}.weight", [8, 4], craft.TENSOR_F32, 128 * i) for i in range(3)]
    path.write_bytes(craft.gguf([name], tensors, bytes(3 * 128)))
    return path


def failed(capsys, *arguments) -> tuple[int, str]:
    """The exit status and the one line on standard error of a call that must fail and print nothing else."""
    status = cli.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("refllm: ")
    assert captured.err.count("\n") == 1
    assert "internal error" not in captured.err
    return status, captured.err


# --- what was typed wrongly: 2


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["conjure"], "'conjure'"),
        (["--conjure"], "'--conjure'"),
        (["inspect"], "FILE"),
        (["inspect", "--tensor", "FILE"], "--tensor"),
        (["inspect", "FILE", "FILE"], "unrecognized"),
        (["inspect", "FILE", "--set", "name"], "KEY=VALUE"),
        (["inspect", "FILE", "--set", "=7"], "KEY=VALUE"),
        (["inspect", "FILE", "--set", "a:int128=7"], "int128"),
        (["inspect", "FILE", "--set", "a:uint8=256"], "256"),
        (["inspect", "FILE", "--rename", "general.name"], "OLD=NEW"),
        (["inspect", "FILE", "--set", "a=1", "--json"], "show"),
        (["inspect", "FILE", "-o", "out.gguf"], "-o"),
        (["inspect", "FILE", "--hexdump", "9999:"], "9999:"),
        (["inspect", "FILE", "--hexdump", "no.such.key"], "no.such.key"),
        (["gguf-split", "FILE"], "OUT"),
        (["gguf-split", "--split-max-size", "2K", "FILE", "OUT"], "2K"),
        (["gguf-split", "--split-max-tensors", "0", "FILE", "OUT"], "'0'"),
        (["gguf-split", "--merge", "--split", "FILE", "OUT"], "--merge"),
        (["gguf-split", "--merge", "--split-max-tensors", "2", "FILE", "OUT"], "--merge"),
    ],
)
def test_typed_wrongly(capsys, model, arguments, named):
    status, line = failed(capsys, *[model if argument == "FILE" else argument for argument in arguments])
    assert status == 2
    assert named in line


# --- what was given is bad: 1


@pytest.mark.parametrize("arguments", [["inspect", "FILE"], ["gguf-split", "FILE", "OUT"]])
@pytest.mark.parametrize("kind", ["missing", "folder", "empty", "text", "cut", "unreadable name"])
def test_bad_file(capsys, tmp_path, model, kind, arguments):
    path = tmp_path / {"unreadable name": "new\nline\x1b[31m.gguf"}.get(kind, kind)
    if kind == "folder":
        path.mkdir()
    elif kind != "missing":
        path.write_bytes({"text": b"# not a model\n", "cut": model.read_bytes()[:50]}.get(kind, b""))
    status, line = failed(capsys, *[path if argument == "FILE" else argument for argument in arguments])
    assert status == 1
    assert path.name in line or kind == "unreadable name"
    assert "\x1b" not in line


@pytest.mark.parametrize(
    "arguments",
    [
        ["inspect", "FILE", "--remove", "no.such.key"],
        ["inspect", "FILE", "--rename", "no.such.key=b"],
        ["inspect", "FILE", "--set", "a=1", "-o", "no/such/folder/out.gguf"],
        ["gguf-split", "--merge", "FILE", "merged.gguf"],
        ["gguf-split", "--merge", "FILE", "FILE"],
    ],
)
def test_what_cannot_be_done(capsys, model, arguments):
    before = model.read_bytes()
    assert failed(capsys, *[model if argument == "FILE" else argument for argument in arguments])[0] == 1
    assert model.read_bytes() == before


@pytest.mark.parametrize("flag", [None, "-v", "--verbose"])
def test_verbose_shows_where_an_error_came_from(capsys, flag, tmp_path):
    assert cli.main(["inspect", str(tmp_path / "missing.gguf"), *([flag] if flag else [])]) == 1
    errors = capsys.readouterr().err
    assert ("Traceback" in errors) == bool(flag)
    assert errors.splitlines()[-1].startswith("refllm: ")


def test_a_flaw_of_the_program_itself_is_one_line_too(capsys, monkeypatch):
    monkeypatch.setattr(cli, "_dispatch", lambda argv: 1 // 0)
    assert cli.main([]) == 1
    assert (
        capsys.readouterr().err
        == "refllm: internal error: ZeroDivisionError: integer division or modulo by zero (-v shows where)\n"
    )


# --- help


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_overview(capsys, arguments):
    assert cli.main(arguments) == 0
    assert set(COMMANDS) <= set(capsys.readouterr().out.split())


def test_version(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"refllm {refllm.__version__}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_shows_examples_of_its_own_flags(capsys, command):
    assert cli.main([command, "--help"]) == 0
    printed = capsys.readouterr().out
    usage, _, examples = printed.partition("examples:")
    assert f"refllm {command} " in examples
    words = (word.replace("_", "-") for word in examples.split())  # the classic flags are spelled both ways
    typed = {word.split("=")[0].strip(".,") for word in words if word.startswith("--")}
    assert typed
    assert all(f"{flag} " in usage or f"{flag}\n" in usage or f"{flag}]" in usage for flag in typed)


def test_underscores_are_hyphens(capsys, model, tmp_path):
    assert cli.main(["gguf-split", "--split_max_tensors", "2", "--dry_run", str(model), str(tmp_path / "part")]) == 0
    assert capsys.readouterr().out.startswith("shard 00001 of 00002: ")


# --- what is imported


def imported_by(*arguments) -> set[str]:
    """The modules that are loaded once `refllm ARGUMENTS` has run."""
    code = "import sys; from refllm.cli import main; main(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    result = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], cwd=ROOT, capture_output=True, check=True
    )
    return set(result.stderr.decode().split())


def test_help_imports_nothing_heavy():
    modules = imported_by("--help")
    assert not modules & {"jax", "jaxlib", "numpy", "jaxtyping", "tqdm"}
    assert not {name for name in modules if name.startswith("refllm.") and name not in ("refllm.cli", "refllm.errors")}


@pytest.mark.parametrize("shown", [["--tensors", "--metadata", "--hexdump"], ["--json", "--full", "--hexdump"]])
def test_inspect_imports_nothing_heavy(model, shown):
    modules = imported_by("inspect", model, *shown)
    assert "refllm.gguf" in modules
    assert not modules & {"jax", "jaxlib", "jaxtyping", "torch", "sentencepiece", "jinja2", "tqdm", "asyncio"}


def test_a_summary_leaves_alone_what_it_does_not_need(model):
    modules = imported_by("inspect", model)
    assert not modules & {"refllm.gguf.hexdump", "refllm.gguf.report", "refllm.gguf.assignment", "concurrent.futures"}


def test_inspect_is_quick(model):
    """Processor time, wide of the 0.3 s of an idle machine: importing JAX, or all of a large file, would not fit in."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert run("inspect", model).returncode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime < 1.5


# --- signals, pipes, encodings

BUSY = """
import sys, time
from refllm import cli, gguf
def work(*_):
    print("busy", flush=True)
    while True: sum(range(1000))
gguf.open = work
sys.exit(cli.main(["inspect", "model.gguf"]))
"""


def test_ctrl_c():
    process = subprocess.Popen([sys.executable, "-c", BUSY], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline() == b"busy\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors == b"interrupted\n"


def test_the_reader_of_a_pipe_goes_away(tmp_path):
    """`refllm inspect FILE --metadata | head -1`, with more output than a pipe holds."""
    path = tmp_path / "long.gguf"
    path.write_bytes(craft.gguf([craft.pair(f"key.{i:060}", craft.U8, b"\x07") for i in range(5000)]))
    command = f"{sys.executable} -m refllm inspect {path} --metadata | head -1; exit ${{PIPESTATUS[0]}}"
    result = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, timeout=60)
    assert result.returncode == 0
    assert result.stdout.count(b"\n") == 1
    assert result.stderr == b""


@pytest.mark.parametrize(
    "variables", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]
)
def test_chinese_on_a_terminal_that_has_none(model, variables):
    result = run("inspect", model, env={**os.environ, **variables})
    assert result.returncode == 0
    assert result.stderr == b""
    assert rb"\u5c0f" in result.stdout
