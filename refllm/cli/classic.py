"""examples:
  refllm main -m model.gguf -p "Building a website can be done in 10 simple steps:" -n 512
  refllm main -m model.gguf -n 1000 -e -p "One line\\nand another"
  refllm main -m model.gguf --color -f data/prompts/alpaca.txt -ins -c 2048 --temp 0.2 -n 256 --repeat-penalty 1.3
  refllm main -m model.gguf -f data/prompts/chat-with-baichuan.txt -i --color --reverse-prompt "用户：" --logdir logs

The program `main` of llama.cpp as it was in 2023: with only its name changed, a command from a tutorial of that time
works. Tokens are chosen as then (--samplers llama_cpp: as today). Ctrl+C while it writes lets you say something; a
second time, or while you are asked, it ends the program. A line that ends in \\ goes on in the next one; one that ends
in / is continued by the model on the same line. For a model with a chat template, `refllm chat` talks better."""

import argparse
import sys
import time

from refllm.chat import keyboard
from refllm.cli import generation
from refllm.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    generation.add_model_flags(parser)
    add_text_flags(parser.add_argument_group("the text"))
    add_dialogue_flags(parser.add_argument_group("the dialogue"))
    group = parser.add_argument_group("files")
    group.add_argument("--prompt-cache", metavar="FILE", help="remember the prompt there, and do not read it again")
    group.add_argument("--prompt-cache-all", action="store_true", help="remember the answer too")
    group.add_argument("--prompt-cache-ro", action="store_true", help="use the file but do not change it")
    group.add_argument("-ld", "--logdir", metavar="FOLDER", help="write a YAML log of the run there")
    generation.add_sampling_flags(parser)
    generation.add_ignored_flags(parser)


def add_text_flags(group) -> None:
    group.add_argument("-p", "--prompt", metavar="TEXT", default="", help="the text to go on with")
    group.add_argument("-f", "--file", metavar="FILE", help="the same from a file")
    group.add_argument("-e", "--escape", action="store_true", help=r"\n, \t, \x41 in texts of flags mean what they say")
    group.add_argument(
        *("-n", "--n-predict", "--predict"), dest="predict", metavar="N", type=int, default=-1,
        help="tokens to write (default -1: until the text ends; -2: until the context is full)",
    )  # fmt: skip
    group.add_argument("--keep", metavar="N", type=int, default=0, help="tokens never dropped (-1: the prompt)")
    group.add_argument("--verbose-prompt", action="store_true", help="show the prompt's tokens first")


def add_dialogue_flags(group) -> None:
    group.add_argument("-i", "--interactive", action="store_true", help="a person may join in")
    group.add_argument("--interactive-first", action="store_true", help="and speaks first")
    group.add_argument("-ins", "--instruct", action="store_true", help="every line is an instruction (Alpaca's form)")
    group.add_argument(
        *("-r", "--reverse-prompt"), metavar="TEXT", action="append", default=[], help="hand over where this is written"
    )
    group.add_argument("--in-prefix", metavar="TEXT", default="", help="put before what is typed")
    group.add_argument("--in-suffix", metavar="TEXT", default="", help="put behind what is typed")
    group.add_argument("--in-prefix-bos", action="store_true", help="the token that begins a text before that")
    group.add_argument("--multiline-input", action="store_true", help=r"lines go on without \ at their end")
    group.add_argument("--color", "--colour", dest="colour", action="store_true", help="prompt yellow, input green")


def run(args: argparse.Namespace) -> int:
    generation.tell_ignored(args)
    if args.prompt and args.file:
        raise UsageError("-p and -f both give the prompt; expected one of them")
    if args.ctx_size is None:
        args.ctx_size = 512  # as in 2023
    start = time.perf_counter()
    llm = generation.load_model(args)
    load_ms = 1000 * (time.perf_counter() - start)
    from refllm.chat import report
    from refllm.chat.classic import Classic
    from refllm.chat.screen import Screen

    keyboard.accept_any_bytes()
    options = generation.options(args, llm.tokenizer, classic=True)
    program = Classic(llm, settings(args), options, Screen(args.colour))
    tell_parameters(args, program)
    use_cache(args, program)
    status = 0
    try:
        program.run()
    except KeyboardInterrupt:
        status = 130
    finally:
        program.screen.begin("text")
        if program.screen.line:
            print(flush=True)
        total_ms = 1000 * (time.perf_counter() - start)
        print(*report.timing_lines(load_ms, program.timings, total_ms), sep="\n", file=sys.stderr)
    keep_cache(args, program)
    if args.logdir:
        write_log(args, program, load_ms, total_ms)
    return status


def settings(args: argparse.Namespace):
    """What the flags say about the text and the dialogue."""
    from refllm.chat.classic import Settings, unescape

    read = unescape if args.escape else str
    prompt = generation.read_text(args.file).removesuffix("\n") if args.file else read(args.prompt)
    return Settings(
        prompt=prompt,
        predict=args.predict,
        keep=args.keep,
        interactive=args.interactive,
        interactive_first=args.interactive_first,
        instruct=args.instruct,
        multiline=args.multiline_input,
        reverse_prompts=[read(text) for text in args.reverse_prompt],
        in_prefix=read(args.in_prefix),
        in_suffix=read(args.in_suffix),
        in_prefix_bos=args.in_prefix_bos,
    )


def tell_parameters(args: argparse.Namespace, program) -> None:
    """The parameters, and how to take part."""
    from refllm.chat import report

    lines = [report.sampling_line(program.chosen_options().sampling)]
    lines.append(report.generate_line(program.llm.context, 512, args.predict, program.keep))
    if args.verbose_prompt:
        pieces = program.llm.tokenizer.pieces(program.ids)
        lines = [f"{id:6d} -> '{piece}'" for id, piece in zip(program.ids, pieces, strict=True)] + lines
    if program.settings.interactive:
        lines += [f"Reverse prompt: {text!r}" for text in program.reverse_prompts]
        lines += ["", "You may join in: Ctrl+C hands over to you, Return hands back.", r"End a line with \ to go on in"]
        lines[-1] += " the next one, with / to hand back in the middle of a line."
    print(*lines, "", sep="\n", file=sys.stderr, flush=True)


def use_cache(args: argparse.Namespace, program) -> None:
    """Let the model remember what the cache file holds, if there is one already."""
    import pathlib

    from refllm.chat import prompt_cache

    if args.prompt_cache and pathlib.Path(args.prompt_cache).exists():
        program.llm.session = prompt_cache.load(args.prompt_cache, program.llm)


def keep_cache(args: argparse.Namespace, program) -> None:
    """Write the cache file: of the prompt, or of everything."""
    from refllm.chat import prompt_cache

    session = program.llm.session
    if not args.prompt_cache or args.prompt_cache_ro or session.memory is None:
        return
    if not args.prompt_cache_all:
        session.keep_common_prefix([*program.prompt_ids, -1])
    prompt_cache.save(args.prompt_cache, program.llm)


def write_log(args: argparse.Namespace, program, load_ms: float, total_ms: float) -> None:
    from refllm.chat import report

    told = {name: value for name, value in vars(args).items() if isinstance(value, str | int | float | bool | list)}
    times = {"t_load_us": round(1000 * load_ms), "t_total_us": round(1000 * total_ms)}
    report.write_log(args.logdir, program.llm, told, program.prompt_ids, program.written, times)
