"""The log of a training: one line of JSON for each measurement, in the order in which they were made.

>>> import tempfile
>>> path = pathlib.Path(tempfile.mkdtemp()) / "log.jsonl"
>>> note(path, {"step": 100, "loss": 3.5}); note(path, {"step": 200, "loss": 2.0})
>>> forget_after(path, 100)
>>> read_log(path)
[{'step': 100, 'loss': 3.5}]
"""

import json
import os
import pathlib

from refllm.files import atomic_write


def note(path: pathlib.Path, line: dict[str, int | float]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")


def read_log(path: str | os.PathLike) -> list[dict[str, int | float]]:
    return [json.loads(line) for line in pathlib.Path(path).read_text().splitlines()]


def forget_after(path: pathlib.Path, step: int) -> None:
    """Drop the measurements that were made after a checkpoint: they will be made again."""
    if path.exists():
        kept = [json.dumps(line) + "\n" for line in read_log(path) if line["step"] <= step]
        with atomic_write(path) as file:
            file.write("".join(kept).encode())
