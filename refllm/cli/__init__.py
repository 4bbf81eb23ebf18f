"""The `refllm` command: finds the subcommand, runs it, turns errors into one line and an exit status.

Each subcommand is one file here with two functions, `add_arguments(parser)` and `run(args)`, and is imported only when
it is called, so `refllm --help` never waits for JAX. Exit status: 0 done, 1 something given was bad, 2 typed wrongly,
130 interrupted with Ctrl+C. `-v` shows where in the code an error came from.

>>> main(["--version"])  # doctest: +ELLIPSIS
refllm ...
0
"""

import argparse
import importlib
import io
import os
import sys
import traceback

import refllm
from refllm.errors import RefllmError, UsageError

COMMANDS = {
    "chat": "talk with a model",
    "main": "let a model go on with a text, as llama.cpp's program of that name did in 2023",
    "inspect": "show what a GGUF file holds, or change its metadata",
    "gguf-split": "split a GGUF file into shards, or merge shards into one file",
    "convert": "make a GGUF file of a checkpoint or of an older file",
    "convert-llama-weights-to-hf": "bring Meta's LLaMA weights into the form of Hugging Face",
    "merge-lora": "merge LoRA adapters into the model that they were trained for",
    "download": "fetch a model from Hugging Face or ModelScope",
    "lora-to-gguf": "make a GGUF file of a LoRA adapter",
    "quantize": "store the weights of a GGUF file in fewer bits",
    "exam": "ask a model the 600 questions of the little world",
    "world": "show what the embedded model learns from",
    "train": "make the embedded model, or a smaller one, from nothing",
    "tokenize": "cut a text into the tokens of a GGUF file's vocabulary",
}
FILES = {"main": "classic"}  # a file of that name would take the place of the function below


class _Parser(argparse.ArgumentParser):
    """argparse that raises instead of exiting, so that every error leaves through one door."""

    def error(self, message: str):
        raise UsageError(f"{message} (see '{self.prog} --help')")


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal without Chinese letters gets codes, not a crash
    argv = list(sys.argv[1:] if argv is None else argv)
    verbose = "-v" in argv or "--verbose" in argv
    try:
        return _dispatch(argv) or 0
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader (head, less) has gone
        return 0
    except (RefllmError, OSError) as error:
        if verbose:
            traceback.print_exc()
        print(f"refllm: {_one_line(error)}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except Exception as error:
        if verbose:
            traceback.print_exc()
        print(f"refllm: internal error: {type(error).__name__}: {_one_line(error)} (-v shows where)", file=sys.stderr)
        return 1


def _dispatch(argv: list[str]) -> int | None:
    if not argv or argv[0] in ("-h", "--help"):
        print(_overview())
        return 0
    if argv[0] == "--version":
        print(f"refllm {refllm.__version__}")
        return 0
    name, arguments = argv[0], [_hyphens(argument) for argument in argv[1:]]
    if name not in COMMANDS:
        raise UsageError(f"unknown command {name!r}; expected one of {', '.join(COMMANDS)} (see 'refllm --help')")
    command = importlib.import_module(f"refllm.cli.{FILES.get(name) or name.replace('-', '_')}")
    parser = _Parser(prog=f"refllm {name}", description=COMMANDS[name], epilog=command.__doc__, allow_abbrev=False)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    command.add_arguments(parser)
    parser.add_argument("-v", "--verbose", action="store_true", help="show the traceback of an error")
    try:
        args = parser.parse_args(arguments)
    except SystemExit as end:  # --help has printed itself
        return int(end.code or 0)
    return command.run(args)


def _hyphens(argument: str) -> str:
    """Accept `--repeat_penalty` for `--repeat-penalty`: the classic flags are spelled both ways."""
    if not argument.startswith("--"):
        return argument
    name, equals, value = argument.partition("=")
    return name.replace("_", "-") + equals + value


def _overview() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {line}" for name, line in COMMANDS.items()]
    return f"""usage: refllm COMMAND [arguments]

A llama.cpp you can read.

commands:
{chr(10).join(lines)}

'refllm COMMAND --help' explains a command; 'refllm --version' prints the version."""


def _one_line(error: Exception) -> str:
    """The message without line breaks, and without control characters from a file's name that a terminal would obey."""
    text = str(error)
    if isinstance(error, OSError) and error.filename is not None:
        text = f"{error.filename}: {error.strerror}"
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in " ".join(text.split()))
