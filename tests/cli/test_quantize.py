"""`refllm quantize`: the classic positions, the flags, what is printed, and how it ends."""

import struct

import numpy as np
import pytest

from refllm import cli, gguf
from tests.convert.small_models import write_model


@pytest.fixture
def model(tmp_path):
    return write_model(tmp_path / "model.gguf", "grouped")


def quantize(*arguments) -> int:
    return cli.main(["quantize", *map(str, arguments)])


def types(path) -> dict[str, str]:
    return {name: tensor.type for name, tensor in gguf.open(path).tensors.items()}


def test_in_out_type_threads(model, tmp_path, capsys):
    assert quantize(model, tmp_path / "out.gguf", "q4_k_m", "1") == 0
    lines = capsys.readouterr().out.splitlines()
    tensors = gguf.open(tmp_path / "out.gguf").tensors
    assert lines[0] == f"quantizing to '{tmp_path / 'out.gguf'}': '{model}' as Q4_K_M"
    assert len(lines) == 1 + len(tensors) + 3
    output, norm = lines[1], next(line for line in lines if "output_norm" in line)
    assert output.startswith(
        "[   1/  21] output.weight                        - [  256,     3,     1,     1], type =    f32, "
    )
    assert "converting to q6_K .. size =     0.00 MiB ->     0.00 MiB, rmse = 0.0" in output
    assert norm.endswith("type =    f32, size =    0.001 MiB")
    assert lines[-3] == "model size  =     0.06 MiB (32.00 BPW)"
    assert "MiB (" in lines[-2] and lines[-1].startswith("quant error = 0.0")


def test_without_a_name_for_the_output(model, tmp_path):
    assert quantize(model, "15") == 0
    assert types(tmp_path / "ggml-model-Q4_K_M.gguf")["output.weight"] == "Q6_K"


def test_a_dry_run(model, tmp_path, capsys):
    assert quantize("--dry-run", model, "IQ2_XXS") == 0
    out = capsys.readouterr().out
    assert "converting to iq2_xxs .. size" in out and "rmse" not in out
    assert out.endswith("to do it, an importance file is needed (--imatrix)\n")
    assert [path.name for path in tmp_path.iterdir()] == ["model.gguf"]


def test_the_flags(model, tmp_path):
    flags = ["--pure", "--leave_output_tensor", "--token-embedding-type", "q8_0", "--tensor-type", "ATTN_v=q5_0"]
    kv = ["--override-kv", "a=int:7", "--override-kv", "b=float:0.5", "--override-kv", "c=bool:true"]
    assert quantize(*flags, *kv, "--override-kv", "general.name=str:x=y:z", model, tmp_path / "out", "Q4_K_S") == 0
    found = types(tmp_path / "out")
    assert (found["output.weight"], found["token_embd.weight"]) == ("F32", "Q8_0")
    assert (found["blk.0.attn_v.weight"], found["blk.0.attn_q.weight"]) == ("Q5_0", "Q4_K")
    metadata = gguf.open(tmp_path / "out").metadata
    assert [metadata[key] for key in ("a", "b", "c", "general.name")] == [7, 0.5, True, "x=y:z"]
    assert [metadata.type_of(key) for key in ("a", "b", "c")] == ["uint32", "float32", "bool"]
    assert quantize("--output-tensor-type", "f16", model, tmp_path / "out", "Q4_0") == 0
    assert types(tmp_path / "out")["output.weight"] == "F16"


def test_an_importance_file_and_what_was_quantized(model, tmp_path, capsys):
    columns = np.arange(256, dtype=np.float32)
    head = struct.pack("<ii", 1, 19) + b"blk.0.attn_q.weight" + struct.pack("<ii", 1, 256)
    (tmp_path / "imatrix.dat").write_bytes(head + columns.tobytes())
    assert quantize("--imatrix", tmp_path / "imatrix.dat", model, tmp_path / "with", "Q4_0") == 0
    assert quantize(model, tmp_path / "without", "Q4_0") == 0
    with_, without = gguf.open(tmp_path / "with"), gguf.open(tmp_path / "without")
    differing = [n for n in with_.tensors if (with_.tensors[n].data != without.tensors[n].data).any()]
    assert differing == ["blk.0.attn_q.weight"]
    assert with_.metadata["quantize.imatrix.entries_count"] == 1
    capsys.readouterr()
    assert quantize(tmp_path / "with", tmp_path / "again", "Q5_0") == 1
    assert "already; to quantize it again, which loses more, say allow_requantize" in capsys.readouterr().err
    assert quantize("--allow-requantize", tmp_path / "with", tmp_path / "again", "Q5_0") == 0


def test_shards(model, tmp_path):
    first = gguf.split(model, tmp_path / "part", max_tensors=12)[0]
    assert quantize("--keep-split", first, tmp_path / "out.gguf", "Q8_0") == 0
    assert [path.name for path in gguf.open(tmp_path / "out-00002-of-00002.gguf").shards] == [
        "out-00001-of-00002.gguf",
        "out-00002-of-00002.gguf",
    ]
    assert quantize(first, tmp_path / "whole.gguf", "Q8_0") == 0
    assert "split.count" not in gguf.open(tmp_path / "whole.gguf").metadata


def test_odd_rows_are_told(tmp_path, capsys):
    odd = write_model(tmp_path / "odd.gguf", "odd")
    assert quantize(odd, tmp_path / "out", "Q4_K_M") == 0
    out = capsys.readouterr().out
    assert "converting to q5_0" in out and "(instead of q4_K: odd rows)" in out
    assert "8 of 12 tensors have rows too odd for their type and got another" in out


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["{model}"], 2, "no type given; expected IN [OUT] TYPE"),
        (["{model}", "out"], 2, "no type given"),
        (["{model}", "out", "Q4_Z"], 2, "unknown file type 'Q4_Z'; expected one of F32"),
        (["{model}", "Q4_0", "two"], 2, "'two' is no number of threads"),
        (["{model}", "out", "Q4_0", "2", "3"], 2, "'3' is one word too many"),
        (["--output-tensor-type", "Q9", "{model}", "Q4_0"], 2, "unknown type 'Q9'"),
        (["--output-tensor-type", "Q4_2", "{model}", "Q4_0"], 2, "unknown type 'Q4_2'"),
        (["--tensor-type", "attn_v", "{model}", "Q4_0"], 2, "expected PATTERN=TYPE"),
        (["--tensor-type", "attn_(=Q8_0", "{model}", "Q4_0"], 2, "'attn_(' is no regular expression"),
        (["--override-kv", "a=int:-1", "{model}", "Q4_0"], 2, "'a=int:-1' cannot be read; expected KEY=int:3"),
        (["--override-kv", "a=byte:1", "{model}", "Q4_0"], 2, "cannot be read"),
        (["--override-kv", "=int:1", "{model}", "Q4_0"], 2, "cannot be read"),
        (["missing.gguf", "Q4_0"], 1, "missing.gguf: No such file or directory"),
        (["--imatrix", "missing", "{model}", "Q4_0"], 1, "missing: No such file or directory"),
        (["{model}", "{model}", "Q4_0"], 1, "is the file that is read"),
        (["{model}", "no/such/folder", "Q4_0"], 1, "no/such/folder: cannot be written: No such file or directory"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(model, tmp_path, capsys, monkeypatch, arguments, status, message):
    monkeypatch.chdir(tmp_path)
    assert quantize(*(argument.format(model=model) for argument in arguments)) == status
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["model.gguf"]
