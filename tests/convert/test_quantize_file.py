"""Whole files: the bytes of the C library, streaming, and every way in which it can go wrong.

With REFLLM_LONG a model of 124 million weights is quantized to 12 mixes beside the C library, which takes minutes.
"""

import dataclasses
import hashlib
import json
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

import refllm
from benchmarks import synthetic
from refllm import gguf
from refllm.errors import RefllmError
from refllm.quants import mixes
from refllm.quants.mixes import MIXES, NO_WISHES, Wishes
from tests.convert.small_models import MODELS, importance, numbers, write_model
from tests.golden.make_quantize import CASES, label
from tests.quants import llama_quant

ROOT = pathlib.Path(__file__).parents[2]
GOLDEN = json.loads((ROOT / "tests" / "golden" / "quantize.json").read_text())
LONG = pytest.mark.skipif(not os.environ.get("REFLLM_LONG"), reason="takes minutes; REFLLM_LONG=1 runs it")
LONG_MIXES = (
    "Q8_0",
    "Q4_0",
    "Q5_1",
    "Q2_K",
    "Q3_K_M",
    "Q4_K_S",
    "Q4_K_M",
    "Q5_K_M",
    "Q6_K",
    "IQ4_XS",
    "IQ3_S",
    "TQ2_0",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("models")
    for model in MODELS:
        write_model(folder / model, model)
    return folder


@pytest.fixture
def source(tmp_path) -> pathlib.Path:
    return write_model(tmp_path / "model.gguf", "grouped")


def digest(path: pathlib.Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def names(folder: pathlib.Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(("model", "mix", "measured"), CASES)
def test_the_file_is_that_of_the_c_library(folder, tmp_path, model, mix, measured):
    refllm.quantize(folder / model, tmp_path / "out", mix, importance(model) if measured else None)
    assert digest(tmp_path / "out") == GOLDEN[label(model, mix, measured)]


def same_as_c(source, folder, mix, measured=None, wishes=NO_WISHES, override=(), **both) -> bool:
    """Whether both libraries make the same files."""
    for name in ("ours", "theirs"):
        (folder / name).mkdir()
    llama_quant.quantize(source, folder / "theirs" / "out", mixes.get(mix).id, wishes, measured, override, **both)
    asked = dataclasses.asdict(wishes) | {"override": dict(override)}
    refllm.quantize(source, folder / "ours" / "out", mix, measured, **asked, **both)
    ours, theirs = ([path.read_bytes() for path in sorted((folder / name).iterdir())] for name in ("ours", "theirs"))
    return names(folder / "ours") == names(folder / "theirs") and ours == theirs


@LONG
@pytest.mark.conformance
@pytest.mark.parametrize("measured", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_every_mix_beside_the_c_library(folder, tmp_path, model, measured):
    columns = importance(model) if measured else None
    for mix in (mix for mix in MIXES if mix != "NVFP4"):
        (tmp_path / mix).mkdir()
        try:
            assert same_as_c(folder / model, tmp_path / mix, mix, columns), mix
        except RuntimeError as refusal:
            ours = {"requires an imatrix": "needs an importance", "no tensor type fallback": "nothing stands in"}
            expected = [message for theirs, message in ours.items() if theirs in str(refusal)]
            with pytest.raises(RefllmError, match=expected[0]):
                refllm.quantize(folder / model, tmp_path / "out", mix, columns)


WISHES = {
    "pure": Wishes(pure=True),
    "leave output": Wishes(leave_output=True),
    "types": Wishes(
        output="F16", token_embedding="Q8_0", tensors=(("ffn_down", "Q3_K"), (r"blk\.[01]\.attn_[kq]", "BF16"))
    ),
    "tied output": Wishes(output="Q5_1"),
}


@pytest.mark.conformance
@pytest.mark.parametrize("model", ["grouped", "tied"])
@pytest.mark.parametrize("wishes", WISHES)
def test_wishes_beside_the_c_library(folder, tmp_path, wishes, model):
    assert same_as_c(folder / model, tmp_path, "Q4_K_M", wishes=WISHES[wishes])


@pytest.mark.conformance
def test_overrides_beside_the_c_library(folder, tmp_path):
    """Four experts instead of eight change the types of the tensors too."""
    override = {"llama.expert_count": 4, "general.name": "another", "x.float": 0.5, "x.bool": True}
    assert same_as_c(folder / "experts", tmp_path, "Q3_K_M", override=tuple(override.items()))


@pytest.mark.conformance
@pytest.mark.parametrize("start", ["Q6_K", "Q8_0", "F16", "BF16"])
def test_quantized_again_beside_the_c_library(folder, tmp_path, start):
    refllm.quantize(folder / "grouped", tmp_path / "start", start)
    assert same_as_c(tmp_path / "start", tmp_path, "Q4_K_M", allow_requantize=True)


@pytest.mark.conformance
@pytest.mark.parametrize("shards", [1, 4])
@pytest.mark.parametrize("keep_split", [False, True])
def test_shards_beside_the_c_library(source, tmp_path, shards, keep_split):
    if shards > 1:
        source = gguf.split(source, tmp_path / "part", max_tensors=10)[0]
    assert same_as_c(source, tmp_path, "Q4_K_M", keep_split=keep_split)


@LONG
@pytest.mark.conformance
def test_124_million_weights_beside_the_c_library(tmp_path):
    source = synthetic.write_model(tmp_path / "model.gguf", "124M", "F16")
    for mix in LONG_MIXES:
        (tmp_path / mix).mkdir()
        assert same_as_c(source, tmp_path / mix, mix), mix
        shutil.rmtree(tmp_path / mix)


def test_what_is_told_about_each_tensor(source, tmp_path):
    told = []
    result = refllm.quantize(source, tmp_path / "out", "Q4_K_M", when_done=lambda *each: told.append(each))
    old, new = gguf.open(source).tensors, gguf.open(tmp_path / "out").tensors
    assert [each[1:] for each in told] == [(number, len(old)) for number in range(1, len(old) + 1)]
    for conversion, _, _ in told:
        error = new[conversion.name].to_float().astype(float) - old[conversion.name].to_float()
        assert conversion.rmse == pytest.approx(np.sqrt(np.square(error).mean()), rel=1e-4)
        assert conversion.is_copy == (conversion.squared_error == 0)
    assert result.bytes_after == sum(tensor.nbytes for tensor in new.values())
    assert 4.5 < result.bits_per_weight < 8.5
    changed = [conversion for conversion, _, _ in told if not conversion.is_copy]
    assert min(each.rmse for each in changed) < result.rmse < max(each.rmse for each in changed)


def test_the_metadata(source, tmp_path):
    columns = refllm.convert.importance.Importance(importance("grouped"), "text.imatrix", ("text",), 7)
    refllm.quantize(source, tmp_path / "out", "Q4_K_M", columns, override={"general.name": "new", "a": np.uint32(3)})
    before, after = gguf.open(source).metadata, gguf.open(tmp_path / "out").metadata
    changed = {
        "general.quantization_version": 2,
        "general.file_type": 15,
        "general.name": "new",
        "a": 3,
        "quantize.imatrix.file": "text.imatrix",
        "quantize.imatrix.dataset": "text",
        "quantize.imatrix.entries_count": len(columns.values),
        "quantize.imatrix.chunks_count": 7,
    }
    kept = [key for key in before if key not in changed]
    assert list(after) == [*kept, *changed]
    assert {key: after[key] for key in changed} == changed
    assert all(after[key] == before[key] for key in kept)
    assert after.type_of("general.file_type") == after.type_of("quantize.imatrix.chunks_count") == "uint32"


def test_the_byte_order_and_the_alignment_stay(tmp_path):
    weights = numbers((8, 256), seed=0)
    gguf.write(tmp_path / "big", {"general.alignment": 128}, {"x.weight": weights}, byte_order=">")
    gguf.write(tmp_path / "little", {}, {"x.weight": weights})
    for name in ("big", "little"):
        refllm.quantize(tmp_path / name, tmp_path / f"{name}.q", "Q4_K_S")
    big, little = gguf.open(tmp_path / "big.q"), gguf.open(tmp_path / "little.q")
    assert (big.byte_order, big.alignment) == (">", 128)
    assert (big.tensors["x.weight"].to_float() == little.tensors["x.weight"].to_float()).all()


def test_tensors_without_rows_are_copied(tmp_path):
    tensors = {
        "a.weight": np.float32(3),
        "b.weight": np.zeros((0, 256), np.float32),
        "c.weight": np.arange(4, dtype="i4"),
    }
    gguf.write(tmp_path / "in", {}, tensors)
    refllm.quantize(tmp_path / "in", tmp_path / "out", "Q4_0")
    after = gguf.open(tmp_path / "out").tensors
    assert [(each.type, each.shape) for each in after.values()] == [("F32", ()), ("Q4_0", (0, 256)), ("I32", (4,))]
    assert after["a.weight"].data == 3
    assert after["c.weight"].data.tolist() == [0, 1, 2, 3]


def test_a_dry_run_writes_nothing(source, tmp_path):
    planned = refllm.quantize(source, tmp_path / "out", "Q4_K_M", dry_run=True)
    assert names(tmp_path) == ["model.gguf"]
    done = refllm.quantize(source, tmp_path / "out", "Q4_K_M")
    assert planned.bytes_after == done.bytes_after
    assert [each.scheme for each in planned.conversions] == [each.scheme for each in done.conversions]


def set_weight(path: pathlib.Path, tensor: str, value: float) -> None:
    f = gguf.open(path)
    with path.open("r+b") as file:
        file.seek(f.tensors[tensor].offset + 4 * 77)
        file.write(np.float32(value).tobytes())


def cut(path: pathlib.Path, size: int) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - size)


BAD_INPUTS = {
    "cut by a byte": (lambda path: cut(path, 1), "Q8_0", "cut off"),
    "cut in half": (lambda path: cut(path, path.stat().st_size // 2), "Q8_0", "cut off"),
    "cut in the header": (lambda path: cut(path, path.stat().st_size - 100), "Q8_0", "byte"),
    "no GGUF": (lambda path: path.write_bytes(b"text" * 100), "Q8_0", "byte 0"),
    "empty": (lambda path: path.write_bytes(b""), "Q8_0", "empty"),
    "missing": (lambda path: path.unlink(), "Q8_0", "No such file"),
    "unknown type": (lambda path: None, "Q4_Z", "unknown file type 'Q4_Z'"),
    "NaN in a norm": (
        lambda path: set_weight(path, "output_norm.weight", np.nan),
        "Q8_0",
        "'output_norm.weight': holds",
    ),
    "NaN in a matrix": (lambda path: set_weight(path, "blk.1.ffn_up.weight", np.nan), "Q8_0", "'blk.1.ffn_up.weight'"),
    "NaN for F16": (
        lambda path: set_weight(path, "blk.1.ffn_up.weight", np.nan),
        "F16",
        "'blk.1.ffn_up.weight': holds",
    ),
    "too large for F16": (lambda path: set_weight(path, "blk.1.ffn_up.weight", 1e6), "F16", "F16 cannot hold"),
    "no importance": (lambda path: None, "IQ2_XXS", "needs an importance file"),
}


@pytest.mark.parametrize("bad", BAD_INPUTS)
def test_a_bad_input_is_one_error_and_no_file(source, tmp_path, bad):
    spoil, mix, message = BAD_INPUTS[bad]
    spoil(source)
    before = names(tmp_path)
    with pytest.raises((RefllmError, OSError), match=message) as caught:
        refllm.quantize(source, tmp_path / "out", mix)
    assert "\n" not in str(caught.value)
    assert names(tmp_path) == before


def test_a_quantized_input(source, tmp_path):
    refllm.quantize(source, tmp_path / "q8", "Q8_0")
    with pytest.raises(RefllmError, match=r"'output\.weight' is Q8_0 already; .*allow_requantize"):
        refllm.quantize(tmp_path / "q8", tmp_path / "out", "Q4_0")
    refllm.quantize(tmp_path / "q8", tmp_path / "copy", "Q8_0")  # nothing has to be quantized again
    assert digest(tmp_path / "copy") == digest(tmp_path / "q8")
    gguf.write(tmp_path / "whole", {}, {"x.weight": np.ones((2, 256), np.int32)})
    with pytest.raises(RefllmError, match=r"'x\.weight' is I32; expected F32, F16, BF16 or a quantized type"):
        refllm.quantize(tmp_path / "whole", tmp_path / "out", "Q4_0")


def test_the_input_is_never_the_output(source, tmp_path):
    before = digest(source)
    for out in (source, tmp_path / "." / "model.gguf"):
        with pytest.raises(RefllmError, match="is the file that is read"):
            refllm.quantize(source, out, "Q8_0")
    assert digest(source) == before


def test_an_old_file_stays_when_the_new_one_fails(source, tmp_path):
    (tmp_path / "out").write_text("old")
    set_weight(source, "blk.1.ffn_up.weight", np.inf)
    with pytest.raises(RefllmError):
        refllm.quantize(source, tmp_path / "out", "Q8_0")
    assert (tmp_path / "out").read_text() == "old"


def test_shards_that_were_written_go_when_a_later_one_fails(source, tmp_path):
    set_weight(source, "blk.1.ffn_up.weight", np.inf)
    first = gguf.split(source, tmp_path / "part", max_tensors=10)[0]
    before = names(tmp_path)
    with pytest.raises(RefllmError):
        refllm.quantize(first, tmp_path / "out", "Q8_0", keep_split=True)
    assert names(tmp_path) == before


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"blk.0.attn_q.weight": np.ones(255, np.float32)},
            "'blk.0.attn_q.weight' has 255 columns; the tensor has 256",
        ),
        ({"blk.0.attn_q.weight": np.full(256, np.nan, np.float32)}, "not finite"),
    ],
)
def test_a_bad_importance(source, tmp_path, columns, message):
    with pytest.raises(RefllmError, match=message):
        refllm.quantize(source, tmp_path / "out", "Q4_K_M", columns)
    assert names(tmp_path) == ["model.gguf"]


def test_a_wish_for_an_unknown_type(source, tmp_path):
    with pytest.raises(RefllmError, match="unknown quantization scheme 'Q9'"):
        refllm.quantize(source, tmp_path / "out", "Q4_0", output="Q9")
    with pytest.raises(RefllmError, match="rows of 100"):
        gguf.write(tmp_path / "odd", {}, {"output.weight": np.ones((2, 100), np.float32)})
        refllm.quantize(tmp_path / "odd", tmp_path / "out", "Q4_0", output="Q4_K")


def test_a_full_disk(source, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(RefllmError, match="out: cannot be written: File too large; nothing was changed"):
            refllm.quantize(source, tmp_path / "out", "Q8_0")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert names(tmp_path) == ["model.gguf"]


SLOWLY = """
import sys, time, refllm
from refllm.convert.conversion import Conversion
convert = Conversion.convert
def slowly(self, *piece):
    print(self.name, flush=True)
    time.sleep(0.05)
    return convert(self, *piece)
Conversion.convert = slowly
from refllm import cli
sys.exit(cli.main(["quantize", *sys.argv[1:]]))
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_stopped_in_the_middle(source, tmp_path, how):
    command = [sys.executable, "-c", SLOWLY, str(source), str(tmp_path / "out"), "Q4_K_M"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        while "blk.1.attn_q.weight" not in running.stdout.readline():
            pass
        assert any(name.endswith(".partial") for name in names(tmp_path))
        running.send_signal(how)
        errors = running.communicate(timeout=60)[1]
    if how is signal.SIGKILL:
        assert "out" not in names(tmp_path)
    else:
        assert (running.returncode, errors) == (130, "interrupted\n")
        assert names(tmp_path) == ["model.gguf"]


MOST_MEMORY = """
import pathlib, re
def most_memory():  # in MB; the figure of getrusage would begin with what the parent process has
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", pathlib.Path("/proc/self/status").read_text())[1]) / 1024
"""


@pytest.mark.skipif(not pathlib.Path("/proc/self/status").exists(), reason="the system tells no process its memory")
def test_memory_does_not_grow_with_the_file(tmp_path):
    """A tensor of 64 MB in a process that may take half of that more than it starts with."""
    gguf.write(tmp_path / "large", {}, {"x.weight": np.broadcast_to(np.float16(0.5), (1 << 13, 4096))})
    code = f"""{MOST_MEMORY}
import refllm
refllm.quantize
before = most_memory()
refllm.quantize({str(tmp_path / "large")!r}, {str(tmp_path / "out")!r}, "Q8_0", threads=2)
print(before, most_memory())
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    before, after = map(float, run.stdout.split())
    assert 0 < before < after < before + 32
