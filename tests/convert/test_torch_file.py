"""Files of torch, read without torch: what it saved itself, and files that want to do harm or are damaged."""

import io
import os
import pathlib
import pickle
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

import refllm
from refllm.convert import lazy, pickles, torch_file
from refllm.errors import RefllmError
from tests.convert import checkpoints

GOLDEN = pathlib.Path(__file__).parents[1] / "golden" / "convert"
LONG = bool(os.environ.get("REFLLM_LONG"))
NUMBERS = np.arange(24, dtype=np.float32).reshape(4, 6) / 2


def values(tensor: lazy.Lazy) -> np.ndarray:
    return tensor.weights(np.arange(tensor.height)).reshape(tensor.shape)


@pytest.mark.parametrize("name", ["torch_zip.bin", "torch_old.bin"])
def test_what_torch_saved(name):
    found = torch_file.read(GOLDEN / name)
    expected = dict.fromkeys(("float32", "float16", "bfloat16", "float64", "same"), NUMBERS)
    expected |= {"int64": np.arange(5), "transposed": NUMBERS.T, "part": NUMBERS[1:3, 2:5], "parameter": NUMBERS[0]}
    expected |= {"scalar": np.float32(2.5), "empty": np.empty((0, 3))}
    assert found.keys() == expected.keys()  # without the mask: GGUF has no such numbers
    for key, array in expected.items():
        np.testing.assert_array_equal(values(found[key]), array)
    assert [found[key].scheme.name for key in ("float16", "bfloat16", "int64")] == ["F16", "BF16", "I64"]


def test_written_and_read(tmp_path):
    tensors = {"a": checkpoints.as_lazy(NUMBERS, "BF16"), "b": lazy.interleaved(checkpoints.as_lazy(NUMBERS, "F32"), 1)}
    torch_file.write(tmp_path / "x.pth", tensors)
    found = torch_file.read(tmp_path / "x.pth")
    assert found["a"].scheme.name == "BF16"
    np.testing.assert_array_equal(values(found["a"]), NUMBERS)
    np.testing.assert_array_equal(values(found["b"]), NUMBERS[[0, 2, 1, 3]])


@pytest.mark.parametrize("shards", [1, 2])
def test_a_checkpoint_in_bin_files(tmp_path, shards):
    whole = checkpoints.write_folder(tmp_path / "safe" / "model", "llama")
    folder = checkpoints.write_folder(tmp_path / "bin" / "model", "llama", shards=shards, form="pytorch_model.bin")
    assert not list(folder.glob("*.safetensors"))
    refllm.convert(whole, tmp_path / "safe.gguf")
    refllm.convert(folder, tmp_path / "bin.gguf")
    assert (tmp_path / "safe.gguf").read_bytes() == (tmp_path / "bin.gguf").read_bytes()


# --- hostile files


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def touch(path: pathlib.Path) -> str:
    return f"__import__('pathlib').Path({str(path)!r}).touch()"


def hostile(trap: pathlib.Path) -> dict[str, bytes]:
    """Programs that would make the file `trap` if Python's own unpickler ran them."""
    command = f"touch {trap}"
    nested = Call(getattr, Call(__import__, "os"), "system")
    return {
        "os.system": pickle.dumps(Call(os.system, command)),
        "builtins.eval": pickle.dumps(Call(eval, touch(trap))),
        "builtins.exec": pickle.dumps(Call(exec, touch(trap)), 4),
        "nested": pickle.dumps({"w": [Call(os.popen, command), nested]}),
        "numpy reconstruct": pickle.dumps(np.arange(3)),
        "old instruction": f"(S'{command}'\nios\nsystem\n.".encode(),
        "object": b"(cos\nsystem\nS'" + command.encode() + b"'\no.",
        "attribute of a known name": b"\x80\x04\x8c\x05torch\x94\x8c\x0dSize.__class__\x94\x93.",
        "call of a value": b"\x80\x02(X\x01\x00\x00\x00aX\x01\x00\x00\x00btR.",
        "extension": b"\x80\x02\x82\x01.",
    }


@pytest.mark.parametrize("name", hostile(pathlib.Path("trap")))
@pytest.mark.parametrize("form", ["archive", "old"])
def test_nothing_runs(tmp_path, name, form):
    trap, program = tmp_path / "trap", hostile(tmp_path / "trap")[name]
    if form == "archive":
        path = archive(tmp_path, program)
    else:
        path = tmp_path / "pytorch_model.bin"
        path.write_bytes(b"".join(map(old, (torch_file.OLD_MAGIC, 1001, {"little_endian": True}))) + program)
    with pytest.raises(RefllmError, match=r"pytorch_model\.bin: "):
        torch_file.read(path)
    assert not trap.exists()
    if name in ("os.system", "builtins.eval"):  # the trap works, or this test could not fail
        pickle.loads(program)
        assert trap.exists()


def old(value) -> bytes:
    return pickle.dumps(value, 2)


def archive(folder: pathlib.Path, program: bytes, data: bytes = bytes(64), **options) -> pathlib.Path:
    path = folder / "pytorch_model.bin"
    with zipfile.ZipFile(path, "w", **options) as file:
        file.writestr("x/data.pkl", program)
        file.writestr("x/data/0", data)
    return path


def described(shape=(4, 4), strides=(4, 1), offset=0, length=16, storage="FloatStorage", key="0") -> bytes:
    """A pickle of one tensor; 64 bytes of numbers lie in the archive."""
    kept = b"(" + torch_file.constant("storage") + b"ctorch\n" + storage.encode() + b"\n"
    kept += torch_file.constant(key) + torch_file.constant("cpu") + torch_file.constant(length) + b"tQ"
    sizes = torch_file.constant(offset) + torch_file.constant(shape) + torch_file.constant(strides)
    call = b"ctorch._utils\n_rebuild_tensor_v2\n(" + kept + sizes + b"\x89ccollections\nOrderedDict\n)RtR"
    return b"\x80\x02}" + torch_file.constant("w") + call + b"s."


def test_the_description_that_is_varied_below_is_sound(tmp_path):
    assert torch_file.read(archive(tmp_path, described()))["w"].shape == (4, 4)
    assert torch_file.read(archive(tmp_path, described(shape=(2, 3), strides=(1, 5), offset=4)))["w"].shape == (2, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shape": (4, 5), "strides": (4, 1)}, "reaches beyond its storage of 16 numbers"),
        ({"strides": (1 << 40, 1)}, "reaches beyond its storage"),
        ({"offset": 1}, "reaches beyond its storage"),
        ({"strides": (-4, 1)}, "described in an unknown way"),
        ({"offset": -1}, "described in an unknown way"),
        ({"shape": (1 << 50, 4)}, "described in an unknown way"),
        ({"shape": (1 << 40, 1 << 40), "strides": (0, 0)}, "reaches beyond its storage"),  # no room, no end
        ({"shape": (4,)}, "described in an unknown way"),
        ({"shape": (1,) * 9, "strides": (1,) * 9}, "by something else than"),
        ({"length": 17}, "which is not completely there"),
        ({"length": 1 << 60}, "which is not completely there"),
        ({"key": "7"}, "which is not completely there"),
        ({"storage": "QUInt8Storage"}, "asks for 'torch.QUInt8Storage'"),
    ],
)
def test_tensors_that_reach_out_of_their_storage(tmp_path, changes, message):
    with pytest.raises(RefllmError, match=message):
        torch_file.read(archive(tmp_path, described(**changes)))


def test_an_archive_that_inflates(tmp_path):
    path = archive(tmp_path, described(), bytes(50_000_000), compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 100_000
    tracemalloc.start()
    with pytest.raises(RefllmError, match="is compressed"):
        torch_file.read(path)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


BOMBS = {
    "a memory with a huge number": b"\x80\x02]r\xff\xff\xff\xff.",
    "a text that says it is huge": b"\x80\x04\x8d" + struct.pack("<Q", 1 << 60) + b"a.",
    "a number of a billion digits": b"\x80\x02\x8b" + struct.pack("<i", 1 << 30) + b"1.",
    "keys whose hash takes for ever": b"\x80\x02}N" + b"\x85q\x002\x86" * 60 + b"Ns.",
    "a stack that is empty": b"\x80\x02R.",
    "no end": b"\x80\x02]",
    "no items": b"\x80\x02u.",
    "nothing": b"",
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs(name):
    tracemalloc.start()
    try:
        found = pickles.follow(io.BytesIO(BOMBS[name]), torch_file.KNOWN, torch_file.storage)
        assert found == [] and name == "a memory with a huge number"  # here just a number
    except RefllmError:
        pass
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_too_many_steps(monkeypatch):
    monkeypatch.setattr(pickles, "MOST_STEPS", 1000)
    with pytest.raises(pickles.PickleError, match="more than 1000 steps"):
        pickles.follow(io.BytesIO(b"]" * 5000 + b"."), {}, None)


@pytest.mark.parametrize("name", ["torch_zip.bin", "torch_old.bin"])
def test_damaged_files_give_one_error(tmp_path, name):
    """Whatever byte is changed, the file is read or refused with one line; nothing else happens."""
    whole, path = (GOLDEN / name).read_bytes(), tmp_path / "bad.bin"
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(whole), 2000 if LONG else 30):
        spoiled = bytearray(whole)
        spoiled[place] ^= int(rng.integers(1, 256))
        path.write_bytes(spoiled)
        try:
            for tensor in torch_file.read(path).values():
                values(tensor)
        except RefllmError as error:
            assert str(error).startswith(f"{path}: ")
    for length in rng.integers(0, len(whole), 200 if LONG else 8):
        path.write_bytes(whole[:length])
        with pytest.raises(RefllmError):
            torch_file.read(path)
