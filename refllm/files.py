"""Writing a file so that nobody ever sees half of it.

The bytes go to a file beside the destination, which is renamed over it at the end. A program killed in between leaves
the old file untouched (and a `.partial` file that may be deleted). It does not lock: two writers of one path both
succeed and the later one wins.

>>> import pathlib, tempfile
>>> folder = pathlib.Path(tempfile.mkdtemp())
>>> with atomic_write(folder / "a.txt") as file:
...     _ = file.write(b"whole")
>>> [path.name for path in folder.iterdir()]
['a.txt']
"""

import contextlib
import os
import pathlib
import tempfile
from collections.abc import Iterator
from typing import BinaryIO

from refllm.errors import RefllmError


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """Open a file for writing that appears at `path` only when the block ends without an error."""
    path = pathlib.Path(path)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
    except OSError as error:
        raise RefllmError(f"{path}: cannot be written: {error.strerror}") from error
    partial = pathlib.Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.chmod(_mode_of_a_new_file(path))
        partial.replace(path)
    except OSError as error:
        raise RefllmError(f"{path}: cannot be written: {error.strerror}; nothing was changed") from error
    finally:
        partial.unlink(missing_ok=True)


def _mode_of_a_new_file(path: pathlib.Path) -> int:
    """The permissions `path` has, or those that an ordinary `open(path, "wb")` would give it."""
    if path.exists():
        return path.stat().st_mode & 0o777
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask
