"""A mutation fuzzer for everything that reads GGUF files: good files are damaged in many ways and then used.

A damaged file may be refused with `GGUFError` or read in full: `open`, the metadata, every tensor's data and weights,
the byte map, and the texts that `refllm inspect` shows. Anything else is a finding: another exception, more than a
second of the processor, more than 100 MB. Memory is bounded by the system itself: whatever reaches beyond gets a
`MemoryError`. The run follows from the seed, so a finding is made again by its number.

    python -m tests.gguf.fuzz                          2,000 files
    python -m tests.gguf.fuzz --count 200000           the long run
    python -m tests.gguf.fuzz --only 1234 --keep f.gguf    the file with this number, kept

With `--compare`, ggml's own reader (the package llama-cpp-python must be installed) is asked about each file too, and
files that only one of both takes are counted.
"""

import argparse
import collections
import pathlib
import random
import re
import resource
import struct
import sys
import tempfile
import time

import numpy as np

from refllm import gguf, quants
from refllm.gguf import describe, hexdump, report
from tests.gguf import craft

SECONDS, MEGABYTES = 1.0, 100
BITS = (7, 8, 15, 16, 24, 30, 31, 32, 40, 61, 62, 63)
INTERESTING = [sign * (2**bits + more) for bits in BITS for sign in (1, -1) for more in (-1, 0, 1)]
INTERESTING += [*range(-2, 14), 31, 33, 42, 43, 48, 255, 1000, 65535]


FIRST_SHARD = {"split.no": np.uint16(0), "split.tensors.count": np.int32(1), "split.count": np.uint16(2)}
SECOND_SHARD = FIRST_SHARD | {"split.no": np.uint16(1)}
EXPECTED = {  # refusals that the C library leaves to the program that loads the tensors, and one that it does not need
    r"byte \d+: (tensors\[.*\]\.data|padding) is cut off": "refused without its data",
    r"shard|split": "refused as a shard",
    r"also as float32": "refused as larger than an array can be",
}
BIG_ENDIAN = "C takes no big-endian files"


# --- the good files


def seeds() -> dict[str, bytes]:
    """Small files that between them hold every kind of field."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "seed.gguf"

        def file(metadata, tensors, **options) -> bytes:
            gguf.write(path, metadata, tensors, **options)
            return path.read_bytes()

        found = {"empty": craft.gguf(), "model": file(model(), tensors())}
        found |= {"big endian": file(model(), tensors(), byte_order=">"), "version 2": file(model(), {}, version=2)}
        found |= {f"alignment {size}": file({"general.alignment": size}, tensors()) for size in (1, 256)}
        found["vocabulary"] = file({"tokenizer.ggml.tokens": [f"<{i}>" for i in range(300)]}, {})
        found["shard"] = file(FIRST_SHARD, {})
        found["empty tensors"] = file({}, {"a": np.zeros((0, 4), np.float32), "b": np.zeros((2, 0, 3), np.float16)})
        return found


def model() -> gguf.Metadata:
    """One value and one array of every type, and the keys that `inspect` asks for."""
    kinds = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)] + ["float32", "float64"]
    metadata = gguf.Metadata(dict.fromkeys(kinds, 1), {kind: kind for kind in kinds})
    metadata |= {f"{kind}s": np.ones(3, kind) for kind in [*kinds, "bool"]}
    metadata |= {"bool": True, "string": "词元", "strings": ["", "a"]}
    return metadata | {
        "general.architecture": "llama", "general.name": "x", "general.file_type": 2, "llama.context_length": 8,
        "tokenizer.ggml.model": "llama", "tokenizer.ggml.pre": "p", "tokenizer.ggml.tokens": ["a", "b"],
        "tokenizer.chat_template": "{{ x }}",
    }  # fmt: skip


def tensors() -> dict:
    """Numbers of several types and blocks of every scheme that a file can hold."""
    plain = {kind: np.ones((2, 3), kind) for kind in ("float32", "float16", "float64", "int8", "int64")}
    schemes = [scheme for scheme in quants.SCHEMES.values() if scheme.id is not None and scheme.dtype.names]
    return plain | {scheme.name: (np.zeros((1, 1), scheme.dtype), scheme.name) for scheme in schemes}


# --- damage


def mutated(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """The file with one to four mutations."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        data = rng.choice(MUTATIONS)(bytearray(data), others, rng)
    return bytes(data)


def flip_bits(data: bytearray, others, rng) -> bytearray:
    for _ in range(rng.choice((1, 1, 2, 8))):
        if data:
            data[place(data, rng)] ^= 1 << rng.randrange(8)
    return data


def set_byte(data: bytearray, others, rng) -> bytearray:
    if data:
        data[place(data, rng)] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
    return data


def set_number(data: bytearray, others, rng) -> bytearray:
    """An interesting number over four or eight bytes, wherever a count or a length might be."""
    code = rng.choice(("I", "Q")) if rng.random() < 0.8 else "H"
    order, start = rng.choice("<<<>"), place(data, rng)
    raw = struct.pack(order + code, rng.choice(INTERESTING) % 2 ** (8 * struct.calcsize(code)))
    data[start : start + len(raw)] = raw
    return data


def change_number(data: bytearray, others, rng) -> bytearray:
    """A little more or less in place of what is there."""
    start = place(data, rng)
    if start + 8 <= len(data):
        (number,) = struct.unpack_from("<Q", data, start)
        struct.pack_into("<Q", data, start, (number + rng.choice((-8, -2, -1, 1, 2, 8, 32))) % 2**64)
    return data


def cut(data: bytearray, others, rng) -> bytearray:
    return data[: place(data, rng)]


def drop(data: bytearray, others, rng) -> bytearray:
    start = place(data, rng)
    del data[start : start + rng.choice((1, 4, 8, 40))]
    return data


def insert(data: bytearray, others, rng) -> bytearray:
    start = place(data, rng)
    data[start:start] = rng.randbytes(rng.choice((1, 4, 8, 40)))
    return data


def splice(data: bytearray, others, rng) -> bytearray:
    """A piece of another file."""
    source = rng.choice(others)
    first, start = rng.randrange(len(source)), place(data, rng)
    piece = source[first : first + rng.randrange(100)]
    data[start : start + rng.choice((0, len(piece)))] = piece
    return data


def repeat(data: bytearray, others, rng) -> bytearray:
    first = place(data, rng)
    return data[:first] + data[max(0, first - rng.randrange(100)) :]


def place(data: bytearray, rng: random.Random) -> int:
    """Anywhere, but mostly near the beginning, where the fields are."""
    start = rng.randrange(24) if rng.random() < 0.15 else int(len(data) * rng.random() ** 2)
    return max(0, min(start, len(data) - 1))


MUTATIONS = (flip_bits, set_byte, set_number, set_number, change_number, cut, drop, insert, splice, repeat)


# --- use


def use(path: pathlib.Path) -> str:
    """Do with a file whatever can be done with one, and say what came of it."""
    try:
        with gguf.open(path) as file:
            for tensor in file.tensors.values():
                assert tensor.data.nbytes == tensor.nbytes <= path.stat().st_size
                assert tensor.to_float().shape == tensor.shape
            lines = [*describe.summary(file), *describe.metadata_table(file), *describe.tensor_table(file)]
        lines += hexdump.lines(path)
        report.as_json(path, metadata=True, tensors=True, byte_range="")
        check_map(path)
    except gguf.GGUFError as error:
        assert "\n" not in str(error) and len(str(error)) < 1000
        return next((name for words, name in EXPECTED.items() if re.search(words, str(error))), "refused")
    for line in lines:
        assert line.isprintable(), line
    return "read"


def check_map(path: pathlib.Path) -> None:
    position = 0
    for region in gguf.regions(path, each_item=True):
        assert region.offset == position and region.size > 0
        position += region.size
    assert position == path.stat().st_size


def limit_memory(megabytes: int) -> None:
    """From here on this process gets so much more memory and then a `MemoryError`."""
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[0])
    size = pages * resource.getpagesize() + megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (size, resource.getrlimit(resource.RLIMIT_AS)[1]))


# --- the run


def made(number: int, seed: int, good: list[bytes]) -> bytes:
    rng = random.Random(f"{seed}/{number}")
    return mutated(rng.choice(good), good, rng)


def run(numbers, good: list[bytes], path: pathlib.Path, seed: int, compare: bool):
    """What came out how often, the longest time, and the findings."""
    outcomes, slowest, findings = collections.Counter(), 0.0, []
    for number in numbers:
        path.write_bytes(data := made(number, seed, good))
        start = time.process_time()
        try:
            outcome = use(path)
        except Exception as error:
            outcome = type(error).__name__
            findings.append(f"{number}: {outcome}: {error}")
        slowest = max(slowest, seconds := time.process_time() - start)
        if seconds > SECONDS:
            findings.append(f"{number}: took {seconds:.2f} s")
        outcomes[outcome] += 1
        if compare:
            outcomes[compared(data, outcome)] += 1
    return outcomes, slowest, findings


def main() -> int:
    options = arguments()
    good = list(seeds().values())
    if options.keep:
        options.keep.write_bytes(made(options.only, options.seed, good))
    numbers = range(options.count) if options.only is None else [options.only]
    with tempfile.TemporaryDirectory(dir="/dev/shm" if pathlib.Path("/dev/shm").is_dir() else None) as folder:
        path = pathlib.Path(folder) / "fuzz-00001-of-00002.gguf"
        gguf.write(path.with_name("fuzz-00002-of-00002.gguf"), SECOND_SHARD, {"w": np.ones(8, np.float32)})
        for data in good:  # everything is imported and allocated once before memory is counted
            path.write_bytes(data)
            assert use(path) == "read"
            assert not options.compare or compared(data, "read") in ("C reads what is read", BIG_ENDIAN)
        limit_memory(MEGABYTES)
        start = time.perf_counter()
        outcomes, slowest, findings = run(numbers, good, path, options.seed, options.compare)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(f"{len(numbers)} files with seed {options.seed} in {time.perf_counter() - start:.0f} s: {dict(outcomes)}")
    print(f"slowest {slowest:.3f} s, peak of the process {peak:.0f} MB, findings {len(findings)}")
    print(*findings[:20], sep="\n", end="\n" if findings else "")
    return bool(findings)


def compared(data: bytes, outcome: str) -> str:
    from tests.gguf import libgguf

    if data[4:6] == b"\0\0":
        return BIG_ENDIAN
    return f"C {'refuses' if libgguf.refusal(data) else 'reads'} what is {outcome}"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="the number of one file")
    parser.add_argument("--keep", type=pathlib.Path, help="keep the file that --only names here")
    parser.add_argument("--compare", action="store_true", help="ask ggml's reader too")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
