"""Files of a model from a hub: Hugging Face or ModelScope, or a mirror of them, with nothing but the standard library.

A hub lists the files of a repository with sizes and checksums, and gives each of them, also from the middle on. A file
comes into `NAME.partial` and gets its name when its checksum is right, so an interrupted download goes on where it
stopped, and what is there already is not fetched again. `HF_ENDPOINT` and `MODELSCOPE_ENDPOINT` name mirrors;
`HF_TOKEN` opens repositories that ask for it and goes to the hub alone, not where the hub sends us for the bytes.
Nothing is uploaded, and nothing that comes is run.

>>> wanted([Remote("a.gguf", 3, None), Remote("b.gguf", 3, None)], "*b.gguf")
[Remote(path='b.gguf', size=3, checksum=None)]
"""

import dataclasses
import fnmatch
import hashlib
import json
import os
import pathlib
import re
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from refllm.errors import RefllmError, UsageError
from refllm.gguf.writer import progress

SOURCES = ("hf", "modelscope")
ENDPOINTS = {
    "hf": ("HF_ENDPOINT", "https://huggingface.co"),
    "modelscope": ("MODELSCOPE_ENDPOINT", "https://modelscope.cn"),
}
REVISIONS = {"hf": "main", "modelscope": "master"}
SECONDS = 30
LARGEST_LIST = 50_000_000
PIECE = 1 << 20
REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")


@dataclasses.dataclass(frozen=True)
class Remote:
    """A file of a repository; the checksum is `sha256:...`, `git:...` or unknown."""

    path: str
    size: int
    checksum: str | None


def download(
    repository: str, pattern: str = "*", *, source: str = "hf", folder: str | os.PathLike | None = None
) -> list[pathlib.Path]:
    """Fetch the files of a repository (`owner/name`) that match a pattern; gives their places."""
    if source not in SOURCES:
        raise UsageError(f"unknown source {source!r}; expected {' or '.join(SOURCES)}")
    if not REPOSITORY.fullmatch(repository):
        raise UsageError(f"{repository!r} is no name of a repository; expected OWNER/NAME")
    folder = pathlib.Path(folder or repository.partition("/")[2])
    files = wanted(list_files(repository, source), pattern)
    if not files:
        raise RefllmError(f"{repository}: has no file {pattern!r}")
    return [fetch(repository, file, source, folder) for file in files]


def wanted(files: list[Remote], pattern: str) -> list[Remote]:
    return [file for file in files if fnmatch.fnmatchcase(file.path, pattern)]


# ---- the two protocols ----


def endpoint(source: str) -> str:
    variable, default = ENDPOINTS[source]
    return os.environ.get(variable, default).rstrip("/")


def list_files(repository: str, source: str) -> list[Remote]:
    """What a repository holds."""
    base, revision = endpoint(source), REVISIONS[source]
    if source == "hf":
        url = f"{base}/api/models/{repository}/tree/{revision}?recursive=true"
    else:
        url = f"{base}/api/v1/models/{repository}/repo/files?Revision={revision}&Recursive=true"
    with request(url, repository) as answer:
        text = answer.read(LARGEST_LIST)
    try:
        found = json.loads(text)
        entries = found if source == "hf" else found["Data"]["Files"]
        read = from_hugging_face if source == "hf" else from_modelscope
        return [read(entry) for entry in entries if entry.get("type", entry.get("Type")) in ("file", "blob")]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RefllmError(f"{url}: the list of files cannot be read: {error!r}") from error


def from_hugging_face(entry: dict[str, Any]) -> Remote:
    """Large files have a SHA-256 of their own, small ones the checksum of git."""
    checksum = f"sha256:{entry['lfs']['oid']}" if entry.get("lfs") else f"git:{entry['oid']}"
    return Remote(safe(entry["path"]), int(entry["size"]), checksum)


def from_modelscope(entry: dict[str, Any]) -> Remote:
    return Remote(safe(entry["Path"]), int(entry["Size"]), f"sha256:{entry['Sha256']}" if entry.get("Sha256") else None)


def safe(path: str) -> str:
    """A path that stays in the folder."""
    pure = pathlib.PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or not pure.parts or "\\" in path or ":" in path:
        raise ValueError(f"a file with the path {path!r}")
    return path


def url_of(repository: str, file: Remote, source: str) -> str:
    base, revision = endpoint(source), REVISIONS[source]
    if source == "hf":
        return f"{base}/{repository}/resolve/{revision}/{urllib.parse.quote(file.path)}"
    path = urllib.parse.quote(file.path, "")
    return f"{base}/api/v1/models/{repository}/repo?Revision={revision}&FilePath={path}"


def request(url: str, what: str, start: int = 0):
    """An open answer, from byte `start` on; every failure is one line."""
    asked = urllib.request.Request(url, headers={"User-Agent": "refllm"})
    if start:
        asked.add_header("Range", f"bytes={start}-")
    if os.environ.get("HF_TOKEN") and url.startswith(endpoint("hf") + "/"):
        asked.add_unredirected_header("Authorization", f"Bearer {os.environ['HF_TOKEN']}")
    try:
        return urllib.request.urlopen(asked, timeout=SECONDS)
    except urllib.error.HTTPError as error:
        hints = {401: "; a token in HF_TOKEN may open it", 403: "; its licence must be accepted on the hub first"}
        raise RefllmError(f"{what}: {url} answers {error.code}{hints.get(error.code, '')}") from error
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise RefllmError(f"{what}: {url} cannot be reached: {getattr(error, 'reason', error)}") from error


# ---- one file ----


def fetch(repository: str, file: Remote, source: str, folder: pathlib.Path) -> pathlib.Path:
    """Bring one file into the folder, or the rest of it, and check it."""
    path = folder / file.path
    if path.exists() and path.stat().st_size == file.size and is_right(path, file):
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    start = partial.stat().st_size if partial.exists() else 0
    start = start if start <= file.size else 0
    if start < file.size or not partial.exists():
        receive(url_of(repository, file, source), repository, partial, start, file.size)
    if partial.stat().st_size != file.size:
        raise RefllmError(
            f"{partial}: has {partial.stat().st_size} bytes; expected {file.size} (run it again to go on)"
        )
    if not is_right(partial, file):
        partial.unlink()
        raise RefllmError(f"{path}: its checksum is not {file.checksum}; what came was thrown away")
    partial.replace(path)
    return path


def receive(url: str, what: str, partial: pathlib.Path, start: int, size: int) -> None:
    """Append what comes; a hub that begins anew all the same is taken from the beginning."""
    with request(url, what, start) as answer:
        goes_on = start > 0 and answer.status == 206
        with partial.open("ab" if goes_on else "wb") as out, progress(partial.stem, size) as bar:
            bar.update(start if goes_on else 0)
            try:
                while piece := answer.read(PIECE):
                    if out.tell() + len(piece) > size:
                        raise RefllmError(f"{what}: {url} sends more than the {size} bytes that were promised")
                    out.write(piece)
                    bar.update(len(piece))
            except OSError as error:
                raise RefllmError(f"{what}: the connection broke: {error}; run it again to go on") from error


def is_right(path: pathlib.Path, file: Remote) -> bool:
    """Whether the file has its checksum; git's is that of a header and the content."""
    if file.checksum is None:
        return True
    kind, _, expected = file.checksum.partition(":")
    digest = hashlib.sha256() if kind == "sha256" else hashlib.sha1(b"blob %d\0" % file.size, usedforsecurity=False)
    with path.open("rb") as content:
        while piece := content.read(PIECE):
            digest.update(piece)
    return digest.hexdigest() == expected
