"""`refllm tokenize`: what it prints, where its text comes from, and comparing with the tokenizer of origin."""

import io
import json
import types

import pytest

from refllm import cli
from refllm.cli import tokenize
from tests.tokenizers import vocabularies
from tests.tokenizers.vocabularies import KEY


@pytest.fixture
def model(tmp_path):
    pieces = [
        "<s>",
        "</s>",
        "H",
        "e",
        "l",
        "o",
        "Ġ",
        "Ċ",
        "!",
        "Hello",
        "\x1b",
        *map(chr, range(0xC0, 0x100)),
        "ł",
        "Ń",
    ]
    keys = {"model": "gpt2", "pre": "gpt-2", "tokens": pieces, "merges": ["H e", "l l", "He ll", "Hell o"]}
    keys |= {"token_type": vocabularies.kinds([3, 3] + [1] * (len(pieces) - 2))}
    keys |= {"bos_token_id": 0, "eos_token_id": 1, "add_bos_token": True}
    return vocabularies.written(tmp_path, {KEY + key: value for key, value in keys.items()})


def printed(capsys, *arguments) -> str:
    assert cli.main(["tokenize", *map(str, arguments)]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def failed(capsys, *arguments) -> tuple[int, str]:
    status = cli.main(["tokenize", *map(str, arguments)])
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return status, captured.err


def test_three_ways_to_show(capsys, model):
    assert printed(capsys, "-m", model, "Hello !") == "<s>|Hello| |!\n"
    assert printed(capsys, "-m", model, "Hello !", "--ids") == "[0, 9, 6, 8]\n"
    assert printed(capsys, "-m", model, "Hello !", "--pieces") == (
        "     0 -> '<s>'\n     9 -> 'Hello'\n     6 -> ' '\n     8 -> '!'\n"
    )


def test_options(capsys, model):
    assert printed(capsys, "-m", model, "Hello</s>", "--ids", "--no-bos") == "[9]\n"
    assert printed(capsys, "-m", model, "Hello</s>", "--ids", "--parse-special") == "[0, 9, 1]\n"
    assert printed(capsys, "-m", model, "Hello", "--ids", "--force-pre", "llama-bpe") == "[0, 9]\n"


def test_the_text_of_a_file_byte_by_byte(capsys, model, tmp_path, monkeypatch):
    path = tmp_path / "story.txt"
    path.write_bytes("é\r\n".encode())
    letters = printed(capsys, "-m", model, "-f", path, "--pieces", "--no-bos").splitlines()
    assert letters[0].endswith(r"'\xc3'")
    monkeypatch.setattr("sys.stdin", types.SimpleNamespace(buffer=io.BytesIO(b"Hello\n")))
    assert printed(capsys, "-m", model, "--ids") == "[0, 9, 7]\n"


def test_colours_on_a_terminal(capsys, model, monkeypatch):
    monkeypatch.setattr(tokenize, "colours_wanted", lambda: True)
    text = printed(capsys, "-m", model, "Hello\n!")
    assert text == "\033[30;104m<s>\033[0m\033[30;102mHello\033[0m\n\033[30;105m!\033[0m\n4 tokens\n"


def test_a_terminal_never_obeys_a_piece(capsys, tmp_path):
    metadata = {KEY + "model": "rwkv", KEY + "tokens": [r"\x1b", "[", "3", "1", "m", "\u202e"]}
    path = vocabularies.written(tmp_path, metadata)
    assert printed(capsys, "-m", path, "\x1b[31m\u202e") == "\\x1b|[|3|1|m|\\u202e\n"


def test_what_is_bad(capsys, model, tmp_path):
    path = tmp_path / "latin.txt"
    path.write_bytes(b"caf\xe9")
    assert failed(capsys, "-m", model, "-f", path) == (1, f"refllm: {path}: byte 3: is not UTF-8; expected text\n")
    assert failed(capsys, "-m", model, "-f", tmp_path / "none.txt")[0] == 1
    assert failed(capsys, "-m", tmp_path / "none.gguf", "a")[0] == 1
    assert failed(capsys, "Hello")[0] == 2
    assert failed(capsys, "-m", model, "a", "--ids", "--pieces")[0] == 2
    assert failed(capsys, "-m", model, "a", "--force-pre", "quipu")[1].count("'quipu'") == 1


# --- comparing


def test_compare_with_tokenizer_json(capsys, tmp_path):
    theirs, metadata = vocabularies.trained_byte_pairs("gpt-2", size=400)
    path, other = vocabularies.written(tmp_path, metadata), tmp_path / "tokenizer.json"
    theirs.save(str(other))
    assert printed(capsys, "-m", path, "kato mine 世界!", "--compare", other).startswith(f"{other}: the same ")
    changed = json.loads(theirs.to_str())
    changed["model"]["merges"] = []
    other.write_text(json.dumps(changed))
    status, line = failed(capsys, "-m", path, "!kato", "--compare", other)
    assert status == 1
    assert "other ids from token 1 on, after '!': here " in line


def test_compare_with_tokenizer_model(capsys, tmp_path):
    model = vocabularies.trained(model_type="bpe", vocab_size=400, byte_fallback=True, remove_extra_whitespaces=False)
    path, other = vocabularies.written(tmp_path, vocabularies.metadata_of(model)), tmp_path / "tokenizer.model"
    other.write_bytes(model)
    assert printed(capsys, "-m", path, "kato mine", "--compare", other).startswith(f"{other}: the same ")


def test_compare_with_something_else(capsys, model, tmp_path):
    for name in ("tokenizer.json", "tokenizer.model"):
        path = tmp_path / name
        path.write_bytes(b"{}")
        status, line = failed(capsys, "-m", model, "a", "--compare", path)
        assert status == 1
        assert f"{path}: is not a " in line
