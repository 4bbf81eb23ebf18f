"""What `make chat` shows while there is no model to talk to, and how light the room is to enter."""

import subprocess
import sys

import gguf
import pytest

from refllm.teach import first_look


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=60)


def test_it_says_that_there_is_no_model_and_inspects_a_file():
    ended = run("-m", "refllm.teach.first_look")
    assert (ended.returncode, ended.stderr) == (0, "")
    before, command, after = ended.stdout.partition("first_look.gguf\n")
    assert "does not exist yet" in before
    assert command
    for shown in ("A first look", "llama", "Q4_0", "Q8_0", "F16", "F32"):
        assert shown in after


def test_another_reader_finds_the_same_file(tmp_path):
    path = first_look.write_tiny_llama(tmp_path)
    found = {tensor.name: (tensor.tensor_type.name, tensor.shape.tolist()) for tensor in gguf.GGUFReader(path).tensors}
    assert len(found) == 2 + 9 * first_look.LAYERS + 1
    assert found["blk.1.ffn_down.weight"] == ("Q8_0", [192, 64])
    assert found["token_embd.weight"] == ("F16", [64, 259])


@pytest.mark.parametrize("heavy", ["jax", "matplotlib", "nbformat", "nbclient", "IPython", "numpy"])
def test_entering_the_room_loads_nothing_heavy(heavy):
    ended = run("-c", f"import sys; from refllm import teach; print({heavy!r} in sys.modules)")
    assert ended.stdout == "False\n"
