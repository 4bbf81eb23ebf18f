"""`refllm chat`: typed at a terminal, and by pipe."""

import io
import json
import sys
import threading
import types

import pytest

from refllm import cli
from refllm.chat import keyboard
from refllm.cli import generation
from tests.chat import models

GREEDY = ["--temp", "0", "--ignore-eos"]


def talk(monkeypatch, capsys, text: str, *arguments: object) -> tuple[int, str, str]:
    """Status, answers and messages of a run whose standard input is a pipe."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    status = cli.main(["chat", *map(str, arguments)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_a_conversation_at_a_terminal(shell, chatty):
    shell.run("refllm", "chat", "-m", "model.gguf", *GREEDY, "-n", "8")
    shell.until("> ")
    shell.type("你好，the cat\n")
    shell.until("你好，the cat\n")
    first = shell.until("tokens/s]\n")
    assert "[8 tokens, " in first
    shell.until("> ")
    shell.type("/help\n")
    assert "/system TEXT  say TEXT before all else" in shell.until("> ")
    shell.type("/save talk.json\n")
    shell.until("> ")
    assert [turn["role"] for turn in json.loads((chatty / "talk.json").read_text())["turns"]] == ["user", "assistant"]
    shell.type("/stats\n")
    assert "turns    2\n" in shell.until("> ")
    shell.type("\x1b[A\x1b[A\x1b[A\x1b[A\n")  # four lines up: 你好 again
    shell.until("[8 tokens, ")
    shell.until("> ")
    shell.type("/quit\n")
    shell.until("status 0\n$ ")


def test_the_prompt_does_not_wait_for_the_model(monkeypatch, capsys, chatty):
    typed = threading.Event()
    load = generation.load_model

    def patient_load(args):
        assert typed.wait(60)
        return load(args)

    def type_line(*_, **__):
        typed.set()
        return None

    monkeypatch.setattr(generation, "load_model", patient_load)
    monkeypatch.setattr(keyboard, "read_line", type_line)
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(isatty=lambda: True))
    assert cli.main(["chat", "-m", str(chatty / "model.gguf")]) == 0
    assert "/help lists the commands" in capsys.readouterr().err


def test_ctrl_c_stops_the_answer_and_not_the_program(shell):
    shell.run("refllm", "chat", "-m", "model.gguf", *GREEDY, "-n", "1000000", "-q")
    shell.until("> ")
    shell.type("the cat\n")
    shell.until("the cat\n")
    shell.until_something()
    shell.type("\x03")
    shell.until("\n> ")
    shell.interrupt_until("(Ctrl+D or /quit ends the program)\n> ")
    shell.type("/stats\n")
    assert "turns    2\n" in shell.until("> ")
    shell.type("\x04")
    shell.until("status 0\n$ ")


def test_a_pipe_gets_answers_only(monkeypatch, capsys, chatty):
    options = ["-m", chatty / "model.gguf", *GREEDY, "-n", 6]
    status, out, err = talk(monkeypatch, capsys, "the cat\n\n你好\n", *options)
    assert status == 0 and out.count("\n") >= 2 and ">" not in err and err.count("[6 tokens, ") == 2
    quiet = talk(monkeypatch, capsys, "the cat\n\n你好\n", *options, "-q")
    assert quiet == (0, out, "")
    assert talk(monkeypatch, capsys, "", *options)[:2] == (0, "")


def test_one_question(monkeypatch, capsys, chatty):
    options = ["-m", chatty / "model.gguf", *GREEDY, "-n", 6, "-q"]
    _, by_pipe, _ = talk(monkeypatch, capsys, "the cat\n", *options)
    assert talk(monkeypatch, capsys, "", *options, "-p", "the cat") == (0, by_pipe, "")


def test_the_exact_prompt_is_shown(monkeypatch, capsys, chatty):
    options = ["-m", chatty / "model.gguf", *GREEDY, "-n", 1, "-q", "--system", "red", "-p", "the </s>"]
    _, out, _ = talk(monkeypatch, capsys, "", *options, "--show-prompt")
    text = "<|im_start|>system\nred<|im_end|>\n<|im_start|>user\nthe </s><|im_end|>\n<|im_start|>assistant\n"
    assert out.startswith(text + "\n[1, 292, ")
    ids = json.loads(out.removeprefix(text).splitlines()[1])
    assert ids.count(292) == 3 and 2 not in ids
    _, out, _ = talk(monkeypatch, capsys, "", *options, "--show-prompt", "--chat-template", "llama2-sys")
    assert out.startswith("[INST] <<SYS>>\nred\n<</SYS>>\n\nthe </s> [/INST]\n[1, ")


def test_commands(monkeypatch, capsys, chatty, tmp_path):
    saved = tmp_path / "talk.json"
    lines = ["the cat", "/system red", "/system", "/nonsense", "/save", f"/save {saved}"]
    lines += ["/reset", f"/load {saved}", f"/load {tmp_path}/none", "/stats", ""]
    status, _, err = talk(monkeypatch, capsys, "\n".join(lines), "-m", chatty / "model.gguf", *GREEDY, "-n", 2)
    said = err.splitlines()
    assert status == 0 and said[1] == "red" and said[2].startswith("refllm: unknown command '/nonsense'; expected ")
    assert said[3] == "refllm: a file name is missing; expected /save FILE" and "none" in said[4]
    assert "turns    3" in said
    roles = [turn["role"] for turn in json.loads(saved.read_text())["turns"]]
    assert roles == ["system", "user", "assistant"]
    status, _, err = talk(monkeypatch, capsys, "/stats\n", "-m", chatty / "model.gguf", "--load", saved)
    assert "turns    3" in err


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["-m", "none.gguf"], 1, "none.gguf"),
        (["-m", "MODEL", "--chat-template", "lama2"], 1, "'lama2'"),
        (["-m", "MODEL", "--chat-template-file", "none.jinja"], 1, "none.jinja"),
        (["-m", "MODEL", "--load", "MODEL"], 1, "is not JSON"),
        (["-m", "MODEL", "--top-k", "many"], 2, "--top-k"),
        (["-m", "MODEL", "-l", "15043"], 2, "15043"),
        (["-m", "MODEL", "-p", "the", "--chat-template", "{{ raise_exception('no') }}"], 1, "no"),
    ],
)
def test_what_is_bad_is_one_line(monkeypatch, capsys, chatty, arguments, status, said):
    given = [chatty / "model.gguf" if word == "MODEL" else word for word in arguments]
    result, out, err = talk(monkeypatch, capsys, "the\n", *given)
    assert result == status and out.strip() == "" and err.count("\n") == 1 and said in err


def test_without_a_template_the_names_are_listed(monkeypatch, capsys, tmp_path):
    path = models.write(tmp_path / "bare.gguf", template=None)
    status, _, err = talk(monkeypatch, capsys, "the\n", "-m", path)
    assert status == 1 and "brings no chat template" in err and " llama2," in err


def test_flags_without_meaning_are_named_once(monkeypatch, capsys, chatty):
    ignored = ["-ngl", "32", "-t", "8", "-t", "4", "--mlock", "--n_gpu_layers", "1"]
    _, _, err = talk(monkeypatch, capsys, "", "-m", chatty / "model.gguf", *ignored)
    assert err == "note: without meaning here and ignored: -ngl, -t, --mlock, --n-gpu-layers\n"
