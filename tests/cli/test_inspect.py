"""`refllm inspect` and `refllm gguf-split`: what they print and what they change."""

import json
import os
import pathlib
import pty
import resource
import subprocess
import sys

import numpy as np
import pytest

from refllm import cli, gguf
from tests.gguf import craft

ROOT = pathlib.Path(__file__).parents[2]

TYPES = {
    "uint8": 7, "int8": -7, "uint16": 7, "int16": -7, "uint32": 7, "int32": -7, "uint64": 2**63, "int64": -(2**63),
    "float32": 0.1, "float64": 0.1, "bool": True, "string": "词元",
}  # fmt: skip


@pytest.fixture
def model(tmp_path):
    """A small file with one value of every type, two tensors, and a vocabulary long enough to be shortened."""
    metadata = gguf.Metadata({"general.architecture": "llama", "general.name": "小模型", "general.file_type": 7})
    metadata |= gguf.Metadata(
        {f"value.{kind}": value for kind, value in TYPES.items()}, {f"value.{kind}": kind for kind in TYPES}
    )
    metadata |= {
        "llama.context_length": 2048,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "qwen2",
        "tokenizer.ggml.tokens": [f"<{i}>" for i in range(500)],
        "tokenizer.ggml.scores": np.arange(500, dtype=np.float32),
        "tokenizer.chat_template": "{{ messages }}",
    }
    tensors = {
        "token_embd.weight": (np.zeros((500, 2), gguf_dtype("Q8_0")), "Q8_0"),
        "output_norm.weight": np.ones(64, np.float32),
    }
    gguf.write(tmp_path / "model.gguf", metadata, tensors)
    return tmp_path / "model.gguf"


def gguf_dtype(name):
    from refllm import quants

    return quants.get(name).dtype


def printed(capsys, *arguments) -> str:
    assert cli.main([str(argument) for argument in arguments]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


# --- showing


def test_summary(capsys, model):
    shown = dict(line.split("  ", 1) for line in printed(capsys, "inspect", model).splitlines())
    shown = {label: text.strip() for label, text in shown.items()}
    bits = 8 * (1000 * 34 + 64 * 4) / (32000 + 64)
    assert shown["architecture"] == "llama"
    assert shown["name"] == "小模型"
    assert shown["parameters"] == "32.1 K (32,064)"
    assert shown["bits per weight"] == f"{bits:.4g}"
    assert shown["file type"] == "Q8_0"
    assert shown["context length"] == "2,048 tokens"
    assert shown["tokenizer"] == "gpt2 (pre-tokenizer qwen2), 500 tokens"
    assert shown["chat template"] == "present"
    assert shown["format"] == "GGUF version 3, little endian, alignment 32"
    assert shown["tensors"] == "2: 1 Q8_0, 1 F32"
    assert f"({model.stat().st_size:,})" in shown["size"]


def test_summary_of_a_file_that_holds_nothing(capsys, tmp_path):
    (tmp_path / "empty.gguf").write_bytes(craft.gguf(version=2, order=">"))
    shown = printed(capsys, "inspect", tmp_path / "empty.gguf")
    assert "GGUF version 2, big endian" in shown
    assert "bits per weight" not in shown


@pytest.mark.parametrize("key", [
    "general.architecture", "general.name", "general.file_type", "llama.context_length", "tokenizer.ggml.model",
    "tokenizer.ggml.pre", "tokenizer.ggml.tokens", "tokenizer.chat_template", "split.count",
])  # fmt: skip
def test_well_known_keys_with_values_of_the_wrong_kind(capsys, tmp_path, key):
    wrong = [7, -1, 0.5, True, "x", np.zeros(3, np.int8), [], ["x"], "\x1b[2J\n\udcff"]
    for value in wrong:
        architecture = {} if key == "general.architecture" else {"general.architecture": "llama"}
        try:
            gguf.write(tmp_path / "odd.gguf", architecture | {key: value}, {})
            for flags in ([], ["--json"], ["--metadata"]):
                shown = printed(capsys, "inspect", tmp_path / "odd.gguf", *flags)
                assert "\x1b" not in shown
        except AssertionError:
            assert key == "split.count"


def test_metadata_table(capsys, model):
    lines = printed(capsys, "inspect", model, "--metadata").splitlines()
    assert lines[0].split() == ["key", "type", "value"]
    rows = {line.split()[0]: line.split(maxsplit=2)[1:] for line in lines[1:]}
    assert rows["value.uint64"] == ["uint64", "9223372036854775808"]
    assert rows["value.float64"] == ["float64", "0.1"]
    assert rows["value.string"] == ["string", "'词元'"]
    assert rows["tokenizer.ggml.tokens"] == ["string[]", "['<0>', '<1>', '<2>', ...] (500 items)"]
    whole = printed(capsys, "inspect", model, "--metadata", "--full")
    assert "'<499>'" in whole
    assert "498.0, 499.0]" in whole


def test_tensor_table(capsys, model):
    lines = printed(capsys, "inspect", model, "--tensors").splitlines()
    file = gguf.open(model)
    assert len(lines) == 1 + len(file.tensors)
    assert lines[1].replace("×", "x").split() == [
        "token_embd.weight", "500", "x", "64", "Q8_0", "34,000", "8.5", f"{gguf.open(model).data_offset:,}",
    ]  # fmt: skip


def test_hexdump_shows_every_byte_once_and_in_order(capsys, model):
    shown = printed(capsys, "inspect", model, "--hexdump", "--full")
    bytes_shown = b"".join(bytes.fromhex(line[10:57]) for line in shown.splitlines())
    assert bytes_shown == model.read_bytes()


def test_hexdump_shortens(capsys, model):
    shown = printed(capsys, "inspect", model, "--hexdump")
    assert max(map(len, shown.splitlines())) <= 120
    assert "more bytes" in shown
    assert len(shown) < 20_000


@pytest.mark.parametrize(
    ("span", "first", "last"), [("0:4", 0, 4), ("6:+7", 6, 13), ("-5:", -5, None), ("0x10:0x20", 16, 32)]
)
def test_hexdump_of_a_range(capsys, model, span, first, last):
    shown = printed(capsys, "inspect", model, f"--hexdump={span}")
    assert b"".join(bytes.fromhex(line[10:57]) for line in shown.splitlines()) == model.read_bytes()[first:last]


def test_hexdump_of_a_field(capsys, model):
    shown = printed(capsys, "inspect", model, "--hexdump", "general.name")
    assert "'小模型'" in shown
    assert printed(capsys, "inspect", model, "--hexdump", "value.float32").endswith("metadata['value.float32'] = 0.1\n")
    assert "general.architecture" not in shown


@pytest.mark.parametrize("columns", [40, 80, 109, 110, 200])
def test_nothing_is_wider_than_the_terminal(capsys, model, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    from refllm.gguf.console import columns_of

    for flags in ([], ["--metadata"], ["--hexdump"]):
        assert max(map(columns_of, printed(capsys, "inspect", model, *flags).splitlines())) <= columns


def test_json(capsys, model):
    answer = json.loads(printed(capsys, "inspect", model, "--json", "--metadata", "--tensors", "--hexdump", "0:24"))
    assert answer["parameters"] == 32064
    assert answer["metadata"]["value.uint64"] == {"type": "uint64", "value": 2**63}
    assert answer["metadata"]["tokenizer.ggml.tokens"]["value"]["count"] == 500
    assert answer["tensors"]["output_norm.weight"]["shape"] == [64]
    assert [field["field"] for field in answer["bytes"]] == [region.field for region in gguf.regions(model)[:4]]
    whole = json.loads(printed(capsys, "inspect", model, "--json", "--metadata", "--full"))
    assert whole["metadata"]["tokenizer.ggml.scores"]["value"] == list(range(500))


def test_json_holds_only_what_json_has(capsys, tmp_path):
    values = {"nan": float("nan"), "inf": float("-inf"), "broken": "\udcff", "array": np.array([np.nan, 1], np.float64)}
    gguf.write(tmp_path / "odd.gguf", values, {})
    shown = printed(capsys, "inspect", tmp_path / "odd.gguf", "--json", "--metadata")

    def refuse(constant):
        raise AssertionError(constant)

    assert json.loads(shown, parse_constant=refuse)["metadata"]["nan"]["value"] == "nan"
    assert shown.isascii()


# --- colours


def on_a_terminal(*arguments, **variables) -> str:
    """What the command writes when its output is a terminal."""
    ours, theirs = pty.openpty()
    environment = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    command = [sys.executable, "-m", "refllm", *map(str, arguments)]
    process = subprocess.Popen(command, stdout=theirs, cwd=ROOT, env={**environment, "TERM": "xterm", **variables})
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 65536):
            shown += piece
    except OSError:  # Linux tells the end of a terminal in this way
        pass
    assert process.wait(60) == 0
    return shown.decode()


def test_colours_only_on_a_terminal(capsys, model):
    coloured = on_a_terminal("inspect", model, "--hexdump", "0:64")
    plain = on_a_terminal("inspect", model, "--hexdump", "0:64", NO_COLOR="1")
    assert "\x1b[1;35m" in coloured
    assert "\x1b" not in plain
    assert "\x1b" not in printed(capsys, "inspect", model, "--hexdump", "0:64")


# --- changing


def test_set_keeps_the_type(capsys, model):
    for kind, value in TYPES.items():
        typed = {"bool": "false", "string": "7"}.get(kind, "1")
        printed(capsys, "inspect", model, "--set", f"value.{kind}={typed}")
        changed = gguf.open(model).metadata
        assert changed.types[f"value.{kind}"] == kind
        assert changed[f"value.{kind}"] == {"bool": False, "string": "7"}.get(kind, 1) != value


def test_set_with_a_type_and_without(capsys, model):
    asked = [
        "a:uint8=255", "b=-1", "c=1.5", "d=true", "e=text with = and 中文", 'f:string[]=["x", "y"]', "g=[1, 2]",
        "h=", "value.string:uint16=9", "i:float32=7", "j=0x10", "k=NaN",
    ]  # fmt: skip
    printed(capsys, "inspect", model, *[word for text in asked for word in ("--set", text)])
    metadata = gguf.open(model).metadata
    expected = {
        "a": ("uint8", 255), "b": ("int32", -1), "c": ("float32", 1.5), "d": ("bool", True),
        "e": ("string", "text with = and 中文"), "f": ("string[]", ["x", "y"]), "h": ("string", ""),
        "value.string": ("uint16", 9), "i": ("float32", 7.0), "j": ("uint32", 16),
    }  # fmt: skip
    assert {key: (metadata.types[key], metadata[key]) for key in expected} == expected
    assert metadata.types["g"] == "uint32[]"
    assert metadata["g"].tolist() == [1, 2]
    assert np.isnan(metadata["k"])


def test_remove_and_rename_leave_all_else_alone(capsys, model, tmp_path):
    before, bytes_before = gguf.open(model), model.read_bytes()
    flags = ["--remove", "general.file_type", "--rename", "general.name=general.basename", "-o", tmp_path / "out.gguf"]
    printed(capsys, "inspect", model, *flags)
    after = gguf.open(tmp_path / "out.gguf")
    names = [
        {"general.name": "general.basename"}.get(key, key) for key in before.metadata if key != "general.file_type"
    ]
    assert list(after.metadata) == names
    assert model.read_bytes() == bytes_before
    for name, tensor in before.tensors.items():
        assert after.tensors[name].data.tobytes() == tensor.data.tobytes()


def test_a_changed_alignment_moves_the_tensors(capsys, model):
    before = {name: tensor.data.tobytes() for name, tensor in gguf.open(model).tensors.items()}
    printed(capsys, "inspect", model, "--set", "general.alignment=4096")
    file = gguf.open(model)
    assert file.alignment == 4096
    assert all(tensor.offset % 4096 == 0 for tensor in file.tensors.values())
    assert {name: tensor.data.tobytes() for name, tensor in file.tensors.items()} == before


@pytest.mark.parametrize("extra", [[], ["-o", "out.gguf"]])
def test_a_full_disk(capsys, model, monkeypatch, extra):
    """Stood in for by a limit on the size of files."""
    monkeypatch.chdir(model.parent)
    before = model.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))
    try:
        assert cli.main(["inspect", "model.gguf", "--set", "general.name=new", *extra]) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    errors = capsys.readouterr().err
    assert "cannot be written" in errors
    assert errors.count("\n") == 1
    assert model.read_bytes() == before
    assert [path.name for path in model.parent.iterdir()] == ["model.gguf"]


# --- splitting


def test_split_and_merge(capsys, model, tmp_path):
    shown = printed(capsys, "gguf-split", "--split-max-tensors", 1, model, tmp_path / "part")
    assert shown.splitlines()[0] == "shard 00001 of 00002: 34,000 bytes in 1 tensors"
    first = tmp_path / "part-00001-of-00002.gguf"
    assert list(gguf.open(first).tensors) == ["token_embd.weight", "output_norm.weight"]
    assert "in 2 shards" in printed(capsys, "inspect", first)
    printed(capsys, "gguf-split", "--merge", first, tmp_path / "whole.gguf")
    assert (tmp_path / "whole.gguf").read_bytes() == model.read_bytes()


def test_dry_run_writes_nothing(capsys, model, tmp_path):
    shown = printed(
        capsys, "gguf-split", "--split-max-size", "1M", "--no-tensor-first-split", "--dry-run", model, tmp_path / "x"
    )
    assert shown.splitlines() == [
        "shard 00001 of 00002: 0 bytes in 0 tensors",
        "shard 00002 of 00002: 34,256 bytes in 2 tensors",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["model.gguf"]
