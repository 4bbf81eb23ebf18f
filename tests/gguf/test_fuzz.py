"""A short run of the fuzzer (the long one is `python -m tests.gguf.fuzz --count 200000`), and proof that it bites."""

import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]

BROKEN = """
import sys, time
from refllm import gguf
from tests.gguf import fuzz
good_open, calls, healthy = gguf.open, [], len(fuzz.seeds())
def slow():
    while time.process_time() < start + 1.1: pass
def bad_open(path):
    global start
    start = time.process_time()
    calls.append(path)
    return {flaw} if len(calls) > healthy else good_open(path)
gguf.open = bad_open
sys.exit(fuzz.main())
"""


def fuzzed(*command) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, timeout=300)


def test_damaged_files_are_refused_or_read():
    result = fuzzed("-m", "tests.gguf.fuzz", "--count", "2000")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "findings 0" in result.stdout
    assert "'read'" in result.stdout  # some damage must leave a file that can be read: else little is tested


FLAWS = {
    "bytearray(150 << 20)": "MemoryError",
    "{}['none']": "KeyError",
    "slow()": "took 1.1",
}


@pytest.mark.parametrize(("flaw", "named"), FLAWS.items())
def test_a_reader_with_a_flaw_is_found(flaw, named):
    result = fuzzed("-c", BROKEN.format(flaw=flaw), "--count", "1")
    assert result.returncode == 1, result.stderr
    assert named in result.stdout


@pytest.mark.conformance
def test_the_c_library_takes_no_other_files():
    """But for the named differences: data that is not there, big-endian files, shards that do not fit together."""
    pytest.importorskip("llama_cpp", reason="llama_cpp is not installed: nothing to compare with")
    result = fuzzed("-m", "tests.gguf.fuzz", "--count", "500", "--compare")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "C reads what is read" in result.stdout
    assert "C refuses what is read" not in result.stdout
    assert "C reads what is refused'" not in result.stdout
