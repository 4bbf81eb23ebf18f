"""Downloading from a small server on this machine that speaks the protocols of the hubs."""

import hashlib
import http.server
import json
import threading
import urllib.parse

import pytest

from refllm import cli
from refllm.convert import download as downloads
from refllm.convert.download import download
from refllm.errors import RefllmError, UsageError

FILES = {"config.json": b'{"a": 1}', "model.safetensors": bytes(range(256)) * 2000, "sub/notes 1.txt": "你好".encode()}
LARGE = "model.safetensors"


class Hub(http.server.BaseHTTPRequestHandler):
    """Lists and gives FILES; what a test changes stands in `server.faults`."""

    def do_GET(self):
        url, faults = urllib.parse.urlparse(self.path), self.server.faults
        query = dict(urllib.parse.parse_qsl(url.query))
        self.server.log.append((self.path, self.headers.get("Range"), self.headers.get("Authorization")))
        if "status" in faults:
            return self.send_error(faults["status"])
        if url.path == "/api/models/o/m/tree/main":
            return self.answer(json.dumps(faults.get("list", hugging_face_list())).encode())
        if url.path == "/api/v1/models/o/m/repo/files":
            return self.answer(json.dumps({"Data": {"Files": modelscope_list()}}).encode())
        if "moved" in faults and "moved" not in query:
            self.send_response(302)
            self.send_header("Location", f"{faults['moved']}{self.path}?moved=yes")
            return self.end_headers()
        name = query.get("FilePath") or urllib.parse.unquote(url.path.removeprefix("/o/m/resolve/main/"))
        return self.give(faults.get("files", FILES)[name])

    def give(self, content: bytes):
        wanted = self.headers.get("Range")
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and "no range" not in self.server.faults else 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start:])

    def answer(self, content: bytes):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


def git_checksum(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def hugging_face_list() -> list[dict]:
    found = [{"type": "directory", "path": "sub", "size": 0, "oid": ""}]
    for path, content in FILES.items():
        entry = {"type": "file", "path": path, "size": len(content), "oid": git_checksum(content)}
        lfs = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content)}
        found.append(entry | ({"lfs": lfs, "oid": "of the pointer"} if path == LARGE else {}))
    return found


def modelscope_list() -> list[dict]:
    return [
        {"Type": "blob", "Path": path, "Size": len(content), "Sha256": hashlib.sha256(content).hexdigest()}
        for path, content in FILES.items()
    ]


@pytest.fixture
def hub(monkeypatch):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        server.faults, server.log = {}, []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        for variable, _ in downloads.ENDPOINTS.values():
            monkeypatch.setenv(variable, f"http://127.0.0.1:{server.server_port}")
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("source", downloads.SOURCES)
def test_a_whole_repository(hub, tmp_path, source):
    paths = download("o/m", source=source, folder=tmp_path / "m")
    assert [path.relative_to(tmp_path / "m").as_posix() for path in paths] == list(FILES)
    assert [path.read_bytes() for path in paths] == list(FILES.values())
    assert len([path for path in (tmp_path / "m").rglob("*") if path.is_file()]) == len(FILES)
    asked = len(hub.log)
    download("o/m", source=source, folder=tmp_path / "m")
    assert len(hub.log) == asked + 1  # only the list: what is there and right is not fetched again


def test_one_file_and_the_command(hub, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["download", "o/m", "*.safetensors"]) == 0
    assert capsys.readouterr().out == "m/model.safetensors\n"
    assert (tmp_path / "m" / LARGE).read_bytes() == FILES[LARGE]


@pytest.mark.parametrize("goes_on", [True, False])
def test_an_interrupted_download_goes_on(hub, tmp_path, goes_on):
    (tmp_path / f"{LARGE}.partial").write_bytes(FILES[LARGE][:1000])
    hub.faults |= {} if goes_on else {"no range": True}
    (path,) = download("o/m", LARGE, folder=tmp_path)
    assert path.read_bytes() == FILES[LARGE]
    assert hub.log[-1][1] == "bytes=1000-"
    assert not (tmp_path / f"{LARGE}.partial").exists()


def test_a_wrong_checksum(hub, tmp_path):
    hub.faults["files"] = FILES | {LARGE: FILES[LARGE][:-1] + b"!"}
    with pytest.raises(RefllmError, match=r"its checksum is not sha256:.*; what came was thrown away"):
        download("o/m", LARGE, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_too_much_and_too_little(hub, tmp_path):
    hub.faults["files"] = FILES | {LARGE: FILES[LARGE] + b"more"}
    with pytest.raises(RefllmError, match="sends more than the 512000 bytes"):
        download("o/m", LARGE, folder=tmp_path)
    hub.faults["files"] = FILES | {LARGE: FILES[LARGE][:300_000]}
    (tmp_path / f"{LARGE}.partial").unlink()
    with pytest.raises(RefllmError, match=r"has 300000 bytes; expected 512000 \(run it again to go on\)"):
        download("o/m", LARGE, folder=tmp_path)
    hub.faults.clear()
    assert download("o/m", LARGE, folder=tmp_path)[0].read_bytes() == FILES[LARGE]


@pytest.mark.parametrize("path", ["../evil", "/etc/evil", "a/../../evil", "C:evil", "..\\evil", ""])
def test_a_file_that_would_leave_the_folder(hub, tmp_path, path):
    hub.faults["list"] = [{"type": "file", "path": path, "size": 1, "oid": "x"}]
    with pytest.raises(RefllmError, match="the list of files cannot be read"):
        download("o/m", folder=tmp_path / "m")
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("status", "message"), [(404, "answers 404"), (401, "answers 401; a token in HF_TOKEN"), (403, "its licence")]
)
def test_answers_that_are_no_files(hub, tmp_path, status, message):
    hub.faults["status"] = status
    with pytest.raises(RefllmError, match=message):
        download("o/m", folder=tmp_path)


def test_a_token_goes_to_its_hub_only(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret")
    download("o/m", "config.json", folder=tmp_path)
    assert {token for *_, token in hub.log} == {"Bearer secret"}
    hub.faults["moved"] = f"http://localhost:{hub.server_port}"
    (tmp_path / f"{LARGE}.partial").write_bytes(FILES[LARGE][:1000])
    assert download("o/m", LARGE, folder=tmp_path)[0].read_bytes() == FILES[LARGE]
    assert hub.log[-1][1:] == ("bytes=1000-", None) and hub.log[-2][1:] == ("bytes=1000-", "Bearer secret")
    hub.faults.clear()
    monkeypatch.setenv("HF_ENDPOINT", "http://elsewhere.invalid")
    download("o/m", "config.json", source="modelscope", folder=tmp_path / "other")
    assert hub.log[-1][2] is None


def test_what_is_asked_wrongly(hub, tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="expected OWNER/NAME"):
        download("m", folder=tmp_path)
    with pytest.raises(UsageError, match="unknown source 'ftp'"):
        download("o/m", source="ftp", folder=tmp_path)
    with pytest.raises(RefllmError, match=r"has no file '\*\.gguf'"):
        download("o/m", "*.gguf", folder=tmp_path)
    hub.faults["list"] = {"error": "none"}
    with pytest.raises(RefllmError, match="the list of files cannot be read"):
        download("o/m", folder=tmp_path)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(RefllmError, match="cannot be reached"):
        download("o/m", folder=tmp_path)
