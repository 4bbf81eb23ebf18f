"""Nobody ever sees half a file: not when the program is killed while it writes, not when the disk is full.

Eight rewrites are killed; fifty when the variable REFLLM_LONG is set.
"""

import hashlib
import os
import pathlib
import random
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from refllm import gguf
from refllm.errors import RefllmError

ROOT = pathlib.Path(__file__).parents[2]
KILLS = 50 if os.environ.get("REFLLM_LONG") else 8
MEGABYTES = 8

REWRITERS = """
import itertools, os, sys
from refllm import gguf
for line in sys.stdin:  # each line asks for one more process that rewrites the file until it is killed
    child = os.fork()
    if child:
        print(child, flush=True)
        os.waitpid(child, 0)
        continue
    for name in itertools.cycle(["old", "new"]):
        gguf.edit(sys.argv[1], set={"general.name": name})
"""


@pytest.fixture
def model(tmp_path) -> pathlib.Path:
    weights = np.random.default_rng(0).standard_normal((MEGABYTES << 18,)).astype(np.float32)
    gguf.write(tmp_path / "model.gguf", {"general.name": "old"}, {"w": weights})
    return tmp_path / "model.gguf"


def digest(path: pathlib.Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_killed_at_random_moments(model):
    whole = {digest(model)}
    gguf.edit(model, set={"general.name": "new"})
    whole.add(digest(model))
    rng, interrupted = random.Random(0), 0
    command = [sys.executable, "-c", REWRITERS, str(model)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as rewriters:
        for _ in range(KILLS):
            print(file=rewriters.stdin, flush=True)
            child = int(rewriters.stdout.readline())
            time.sleep(rng.uniform(0, 0.3))
            os.kill(child, signal.SIGKILL)
            assert digest(model) in whole
            left_over = list(model.parent.glob(".*.partial"))
            interrupted += bool(left_over)
            for path in left_over:
                path.unlink(missing_ok=True)
    print(f"{interrupted} of {KILLS} kills came in the middle of a rewrite")
    assert interrupted, "no kill came in the middle of a rewrite: nothing was tested"
    gguf.edit(model, set={"general.name": "old"})
    assert digest(model) in whole


@pytest.fixture
def full_disk():
    """A limit on the size of files stands in for a disk that is full after as many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MEGABYTES << 19, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


CALLS = {
    "edit in place": lambda path, out: gguf.edit(path, set={"general.name": "new"}),
    "edit": lambda path, out: gguf.edit(path, out, remove=["general.name"]),
    "write": lambda path, out: gguf.write(out, {}, gguf.open(path).tensors),
    "split": lambda path, out: gguf.split(path, out, max_tensors=1),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_full_disk(model, full_disk, call):
    before = digest(model)
    with pytest.raises(RefllmError, match="cannot be written") as caught:
        CALLS[call](model, model.with_name("new.gguf"))
    assert "\n" not in str(caught.value)
    assert digest(model) == before
    assert [path.name for path in model.parent.iterdir()] == ["model.gguf"]


def test_a_failing_source_leaves_no_file(model):
    class Broken:
        """A tensor whose numbers cannot be had."""

        shape, scheme = (64,), gguf.open(model).tensors["w"].scheme

        def slices(self):
            yield np.zeros(32, np.float32)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        gguf.write(model.with_name("new.gguf"), {}, {"w": Broken()})
    assert [path.name for path in model.parent.iterdir()] == ["model.gguf"]
