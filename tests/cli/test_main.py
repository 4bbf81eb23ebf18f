"""`refllm main`: the commands of the tutorials of 2023, typed at a terminal, and its habits, by pipe."""

import io
import re
import sys

import pytest
import yaml

from refllm import cli

SEED = ["-s", "7"]


@pytest.fixture
def main(monkeypatch, capsys, chatty):
    """Runs `refllm main` on the model with this standard input; gives status, text and messages."""
    monkeypatch.chdir(chatty)

    def run(*arguments: object, typed: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        status = cli.main(["main", "-m", "model.gguf", *map(str, arguments)])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


# --- as typed by a user


def test_two_instructions_in_a_small_context(shell):
    command = "refllm main -m model.gguf --color -f data/prompts/alpaca.txt -ins -c 200 --temp 0.2 -n 256"
    shell.run(*command.split(), "--repeat_penalty", "1.3", *SEED)
    shell.until("\033[33mThe following is an instruction")
    for instruction in ("the cat is", "你好"):
        shell.until("\033[33m\n> ")
        shell.type(f"{instruction}\n")
        shell.until("\n")
    shell.until("\033[33m\n> ")
    told = shell.interrupt_until("status 130\n")
    written = int(re.search(r" eval time = .* / +(\d+) runs", told)[1])
    assert written > 256  # -n for the first, and then some, in a context of 200: it was shifted


def test_a_dialogue_until_the_reverse_prompt(shell, chatty):
    command = "refllm main -c 4096 -m model.gguf --file data/prompts/chat-with-baichuan.txt --logdir logs -i --color"
    shell.run(*command.split(), "--reverse-prompt", "用户：", "-n", "30", *SEED)
    assert "Reverse prompt: '用户：'" in shell.until("\033[33m下面是")
    shell.until("助手：不客气。\n用户：")
    shell.until("\033[1m\033[32m")
    shell.type("法国的首都\\\n")
    shell.type("是哪里？\n")
    shell.until("是哪里？\n")
    shell.until("\033[1m\033[32m")
    shell.interrupt_until("status 0\n", key="\x04")
    log = yaml.safe_load(next((chatty / "logs").glob("*.yml")).read_text())
    assert log["reverse_prompt"] == ["用户："] and log["interactive"] is True and len(log["output_tokens"]) == 60


def test_a_text_and_its_end(shell):
    shell.run("refllm", "main", "-n", "1000", "-e", "-m", "model.gguf", "-p", "糖果的制作步骤", *SEED)
    told = shell.until("status 0\n")
    assert "n_ctx = 512, n_batch = 512, n_predict = 1000, n_keep = 0" in told and "糖果的制作步骤" in told
    prompt = "Building a website can be done in 10 simple steps:"
    shell.run("refllm", "main", "-m", "model.gguf", "-p", prompt, "-n", "512", *SEED)
    told = shell.until("status 0\n")
    assert prompt in told and ("[end of text]" in told or "/   512 runs" in told)


def test_ctrl_c_hands_over_then_ends(shell):
    shell.run("refllm", "main", "-m", "model.gguf", "-i", "-p", "the cat", "--ignore-eos", *SEED)
    shell.until("n_keep = 0")
    shell.until("the cat")
    shell.until_something()
    shell.type("\x03")
    shell.type("one two\n")
    shell.until("one two\n")
    shell.until_something()
    shell.interrupt_until("status 130\n")


# --- habits


def test_parameters_and_timings_are_told(main):
    status, out, err = main("-p", "the cat", "-n", 5, "--temp", 0, "--ignore-eos", "-ngl", 1)
    assert status == 0 and out.startswith("the cat") and out.endswith("\n")
    assert "note: without meaning here and ignored: -ngl\n" in err
    assert "sampling: repeat_last_n = 64, repeat_penalty = 1.100000, presence_penalty = 0.000000, " in err
    assert "temp = 0.000000, mirostat = 0, mirostat_lr = 0.100000, mirostat_ent = 5.000000\n" in err
    assert re.search(r"llama_print_timings:        eval time = +\d+\.\d\d ms / +5 runs", err)
    _, other, _ = main("-p", "the cat", "-n", 5, "--temp", 0, "--ignore-eos", "--samplers", "temperature")
    assert other.startswith("the cat")


def test_escapes_and_files(main, tmp_path):
    path = tmp_path / "prompt.txt"
    path.write_text("one\\ntwo\n")
    assert main("-p", r"one\ntwo", "-n", 0)[1] == "one\\ntwo\n"
    assert main("-e", "-p", r"one\ntwo \xe4\xbd\xa0 \q", "-n", 0)[1] == "one\ntwo 你 \\q\n"
    assert main("-f", path, "-n", 0)[1] == "one\\ntwo\n"


def test_a_reverse_prompt_ends_a_text_that_nobody_joins(main):
    _, whole, _ = main("-p", "the cat", "-n", 30, "--temp", 0, "--ignore-eos")
    ending = whole[15:17]
    _, part, _ = main("-p", "the cat", "-n", 30, "--temp", 0, "--ignore-eos", "-r", ending)
    assert part.rstrip("\n") == whole[: len(part.rstrip("\n"))] and ending in part[-6:] and len(part) < len(whole)


def test_prefix_and_suffix_frame_what_is_typed(main):
    options = ["-i", "-p", "the", "-n", 4, "--temp", 0, "--ignore-eos", "--in-prefix", "[in]", "--in-suffix", "[out]"]
    _, out, _ = main(*options, typed="cat\n")
    assert out.startswith("the") and re.search(r"\[in\]\[out\].", out) and out.count("[in]") == 2


def test_lines_that_go_on(main):
    options = ["--interactive-first", "-n", 1, "--temp", 0, "--ignore-eos", "--verbose-prompt"]
    by_pipe = [
        main(*options, "-p", "the", typed="cat \\\nred\n")[2],
        main(*options, "-p", "the", "--multiline-input", typed="cat \nred\\\n")[2],
    ]
    counts = [re.search(r"prompt eval time = .* / +(\d+) tokens", err)[1] for err in by_pipe]
    assert counts[0] == counts[1]
    without_line_break = main(*options, "-p", "the", typed="cat \\\nred/\n")[2]
    assert int(re.search(r"prompt eval time = .* / +(\d+) tokens", without_line_break)[1]) == int(counts[0]) - 1


def test_a_prompt_is_remembered_in_a_file(main, tmp_path):
    cache = tmp_path / "prompt.npz"
    options = ["-p", "the cat is in the red and one two", "-n", 6, "--temp", 0, "--ignore-eos", "--prompt-cache", cache]
    _, first, err = main(*options)
    read = int(re.search(r"prompt eval time = .* / +(\d+) tokens", err)[1])
    _, again, err = main(*options, "--prompt-cache-ro")
    assert again == first and read > 8 and re.search(r"prompt eval time = .* / +1 tokens", err)
    cache.write_bytes(b"PK\x03\x04 nonsense")
    status, _, err = main(*options)
    assert status == 1 and "is no prompt cache" in err


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["-p", "a", "-f", "data/prompts/alpaca.txt"], 2, "-p and -f"),
        (["-p", "the " * 600], 1, "the context takes 508 at most"),
        (["-f", "none.txt"], 1, "none.txt"),
        (["-r"], 2, "-r"),
    ],
)
def test_what_is_bad_is_one_line(main, arguments, status, said):
    result, out, err = main(*arguments)
    assert result == status and out == "" and said in err and err.count("\n") == 1
