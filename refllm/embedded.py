"""The files that come with refllm: the little model in `data/`, found and checked.

In a checkout they lie beside the package, in an installed wheel within it. A list of checksums lies with them; what is
missing or was changed is named, with the way to restore it. The tensors themselves are read by `gguf`.

>>> path("tokenizer.model").name
'tokenizer.model'
>>> path("nothing.bin")
Traceback (most recent call last):
    ...
refllm.errors.RefllmError: nothing.bin: is no file of data/; expected one of ...
"""

import hashlib
import pathlib

from refllm.errors import RefllmError

MODEL = "little-world.gguf"
SUMS = "SHA256SUMS"
HOW_TO_RESTORE = "restore it with 'git checkout -- data' in a clone, or by installing refllm again"


def folder() -> pathlib.Path:
    """Where `data/` is."""
    package = pathlib.Path(__file__).parent
    within, beside = package / "data", package.parent / "data"
    return within if within.is_dir() else beside


def path(name: str = MODEL) -> pathlib.Path:
    """The way to a file of `data/`, after a look at its checksum."""
    file = folder() / name
    expected = sums().get(name)
    if expected is None:
        raise RefllmError(f"{name}: is no file of data/; expected one of {', '.join(sums())}")
    if not file.is_file():
        raise RefllmError(f"{file}: is missing; {HOW_TO_RESTORE}")
    if hashlib.sha256(file.read_bytes()).hexdigest() != expected:
        raise RefllmError(f"{file}: was changed (its checksum is not the one in {SUMS}); {HOW_TO_RESTORE}")
    return file


def sums() -> dict[str, str]:
    """The checksum of every file, by name."""
    file = folder() / SUMS
    if not file.is_file():
        raise RefllmError(f"{file}: is missing; {HOW_TO_RESTORE}")
    return {name: digest for digest, name in map(str.split, file.read_text().splitlines())}
