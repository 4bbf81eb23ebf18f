"""Nobody ever sees half a file: not when the program is killed while it writes, not when the disk is full.

Eight rewrites are killed; fifty when the variable REFLLM_LONG is set.
"""

import hashlib
import os
import pathlib
import random
import resource
import subprocess
import sys
import time

import numpy as np
import pytest

from refllm import gguf

ROOT = pathlib.Path(__file__).parents[2]
KILLS = 50 if os.environ.get("REFLLM_LONG") else 8
MEGABYTES = 8

REWRITER = """
import itertools, sys
from refllm import gguf
for turn in itertools.count():
    gguf.edit(sys.argv[1], set={"general.name": ["old", "new"][turn % 2]})
    print(turn, flush=True)
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
    for _ in range(KILLS):
        process = subprocess.Popen([sys.executable, "-c", REWRITER, str(model)], cwd=ROOT, stdout=subprocess.PIPE)
        process.stdout.readline()  # the first rewrite is done, others follow
        time.sleep(rng.uniform(0, 0.2))
        process.kill()
        process.communicate()
        assert digest(model) in whole
        left_over = list(model.parent.glob(".*.partial"))
        interrupted += bool(left_over)
        for path in left_over:
            path.unlink()
    print(f"{interrupted} of {KILLS} kills came in the middle of a rewrite")
    assert interrupted, "no kill came in the middle of a rewrite: nothing was tested"
    gguf.edit(model, set={"general.name": "old"})
    assert digest(model) in whole


LIMIT = 4 << 20  # bytes a file may have: what a full disk does after as much


@pytest.mark.parametrize(
    "call",
    [
        "gguf.edit(path, set={'general.name': 'new'})",
        "gguf.edit(path, path + '.new', remove=['general.name'])",
        "gguf.write(path + '.new', {}, gguf.open(path).tensors)",
        "gguf.split(path, path + '.part', max_tensors=1)",
    ],
)
def test_a_full_disk(model, call):
    before = digest(model)
    code = f"""
import sys
from refllm import gguf
from refllm.errors import RefllmError
path = sys.argv[1]
try:
    {call}
except RefllmError as error:
    print(error)
    sys.exit(9)
"""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, LIMIT))

    result = subprocess.run(
        [sys.executable, "-c", code, str(model)], cwd=ROOT, capture_output=True, text=True, preexec_fn=limit, timeout=60
    )
    assert result.returncode == 9, result.stderr
    assert result.stdout.count("\n") == 1
    assert "cannot be written" in result.stdout
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
