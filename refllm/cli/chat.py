"""examples:
  refllm chat                                            talk with the embedded model
  refllm chat -m model.gguf --system "Answer briefly."   with another one
  refllm chat -p "What is the capital of France?"        one question, one answer
  refllm chat -q < questions.txt > answers.txt           a line is a question
  refllm chat --show-prompt -p "你好"                     also the exact text and ids that the model gets
  refllm chat -m base.gguf --chat-template llama2        for a file that brings no template
  refllm chat --temp 0.2 --top-k 20 -s 7

/help lists the commands inside. Ctrl+C stops an answer and not the program."""

import argparse
import concurrent.futures
import logging
import pathlib
import sys

from refllm import gguf
from refllm.chat import keyboard
from refllm.cli import generation
from refllm.gguf.console import harmless


def add_arguments(parser: argparse.ArgumentParser) -> None:
    generation.add_model_flags(parser)
    parser.add_argument("-p", "--prompt", metavar="TEXT", help="ask this, print the answer, and end")
    parser.add_argument("-sys", "--system", "--system-prompt", metavar="TEXT", help="what the system says first")
    parser.add_argument(
        "--chat-template", metavar="NAME", help="one of llama.cpp's names, or a template, instead of the file's own"
    )
    parser.add_argument("--chat-template-file", metavar="FILE", help="a template from a file")
    parser.add_argument("-n", "--predict", "--n-predict", metavar="N", type=int, help="at most N tokens in an answer")
    parser.add_argument("--load", metavar="FILE", type=pathlib.Path, help="go on with a saved conversation")
    parser.add_argument("--show-prompt", action="store_true", help="print the exact text and ids before each answer")
    parser.add_argument("-q", "--quiet", action="store_true", help="only answers, no figures and no greeting")
    generation.add_sampling_flags(parser)
    generation.add_ignored_flags(parser)


def run(args: argparse.Namespace) -> None:
    generation.tell_ignored(args)
    if args.quiet:
        logging.getLogger("refllm").setLevel(logging.ERROR)
    keyboard.accept_any_bytes()
    if args.prompt is not None:
        chat = make_chat(args)
        chat_terminal().answer(chat, args.prompt, [], args.quiet, args.show_prompt)
        return
    chat, line = while_loading(args) if sys.stdin.isatty() else (make_chat(args), keyboard.ask(""))
    chat_terminal().converse(chat, line, args.quiet, args.show_prompt)


def while_loading(args: argparse.Namespace):
    """The first line, typed while the model is being loaded; a file that is none is found out before."""
    name = "the embedded model"
    if args.model is not None and not pathlib.Path(args.model).is_dir():
        gguf.open(args.model)
        name = pathlib.Path(args.model).name
    if not args.quiet:
        hints = "/help lists the commands, Ctrl+C stops an answer, Ctrl+D ends"
        print(f"{harmless(name)}: {hints}", file=sys.stderr)
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        loading = thread.submit(make_chat, args)
        line = keyboard.ask("> ")
        return loading.result(), line


def make_chat(args: argparse.Namespace):
    from refllm.chat import Chat

    llm = generation.load_model(args)
    template = generation.read_text(args.chat_template_file) if args.chat_template_file else args.chat_template
    options = generation.options(args, llm.tokenizer)
    if args.predict is not None and args.predict >= 0:
        options["max_tokens"] = args.predict
    chat = Chat(llm, args.system, template, **options)
    if args.load:
        chat.load(args.load)
    return chat


def chat_terminal():
    """The module, which needs the engine: imported when there is a model."""
    from refllm.chat import terminal

    return terminal
