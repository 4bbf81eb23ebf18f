"""The flags of programs that let a model write: shared by `chat`, `main` and whatever else generates.

Not a command. Each flag has the names it has in llama.cpp, today's and those of 2023; `-` and `_` inside a name are the
same (`cli/__init__.py`). Only what was typed becomes an option of `generate`; the rest keeps its default there.

>>> parser = argparse.ArgumentParser()
>>> add_sampling_flags(parser)
>>> options(parser.parse_args(["--temp", "0.2", "-s", "7", "-l", "15043-1.5"]))
{'temperature': 0.2, 'seed': 7, 'logit_bias': ((15043, -1.5),)}
"""

import argparse
import pathlib
import re
import sys
from typing import Any

from refllm.errors import RefllmError

NUMBERS = (  # flags, the option of `generate`, what it is, what it does
    (("--temp", "--temperature"), "temperature", float, "0 takes the likeliest token, more makes bolder (0.8)"),
    (("-s", "--seed"), "seed", int, "same seed, same text; -1: another text every time"),
    (("--top-k",), "top_k", int, "only the N likeliest tokens (40; 0: all)"),
    (("--top-p",), "top_p", float, "only the likeliest tokens that together have this probability (0.95)"),
    (("--min-p",), "min_p", float, "only tokens with this share of the likeliest one's probability (0.05)"),
    (("--tfs",), "tfs_z", float, "tail-free sampling (1: off)"),
    (("--typical", "--typical-p"), "typical_p", float, "locally typical sampling (1: off)"),
    (("--top-nsigma", "--top-n-sigma"), "top_n_sigma", float, "only logits within N deviations (-1: off)"),
    (("--xtc-probability",), "xtc_probability", float, "how often the likeliest tokens are taken out (0)"),
    (("--xtc-threshold",), "xtc_threshold", float, "from which probability on (0.1)"),
    (("--dynatemp-range",), "dynatemp_range", float, "let the temperature vary by this much (0)"),
    (("--dynatemp-exp",), "dynatemp_exponent", float, "how entropy becomes temperature (1)"),
    (("--repeat-last-n",), "repeat_last_n", int, "tokens that count as repeated (64; -1: the context)"),
    (("--repeat-penalty",), "repeat_penalty", float, "make repetition less likely (1: off; 2023: 1.1)"),
    (("--presence-penalty",), "presence_penalty", float, "the same, by subtraction, for each token that is there (0)"),
    (("--frequency-penalty",), "frequency_penalty", float, "the same, for each time that it is there (0)"),
    (("--dry-multiplier",), "dry_multiplier", float, "penalty for repeating whole sequences (0: off)"),
    (("--dry-base",), "dry_base", float, "how the penalty grows with the sequence (1.75)"),
    (("--dry-allowed-length",), "dry_allowed_length", int, "sequences that may be repeated (2)"),
    (("--dry-penalty-last-n",), "dry_penalty_last_n", int, "how far back they count (-1: the context)"),
    (("--mirostat",), "mirostat", int, "hold the surprise constant: version 1 or 2 (0: off)"),
    (("--mirostat-ent",), "mirostat_tau", float, "the surprise to hold (5)"),
    (("--mirostat-lr",), "mirostat_eta", float, "how fast it is corrected (0.1)"),
    (("--cfg-scale",), "cfg_scale", float, "how far to keep from the negative prompt (1: off)"),
)
OF_TODAY = {"min_p", "top_n_sigma", "xtc_probability", "dynatemp_range", "dry_multiplier"}  # unknown in 2023


def add_model_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-m", "--model", metavar="FILE", help="a GGUF file (default: the embedded model)")
    parser.add_argument("-c", "--ctx-size", metavar="N", type=int, help="tokens that the model remembers")


def load_model(args: argparse.Namespace):
    """The model that the arguments name, loaded."""
    import refllm

    path = [] if args.model is None else [args.model]
    return refllm.load(*path, context=args.ctx_size or None)


def add_sampling_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how tokens are chosen")
    for flags, option, kind, meaning in NUMBERS:
        group.add_argument(*flags, dest=option, metavar="N", type=kind, help=meaning)
    group.add_argument("--samplers", metavar="NAMES", help="the order, parted by ';', or llama_cpp, llama_cpp_2023")
    group.add_argument("--sampling-seq", "--sampler-seq", dest="samplers", metavar="LETTERS", help="the same in short")
    group.add_argument("--dry-sequence-breaker", metavar="TEXT", action="append", help="no sequence goes across this")
    group.add_argument("--no-penalize-nl", action="store_true", help="a line break is no repetition")
    group.add_argument(
        "-l", "--logit-bias", metavar="ID(+|-)BIAS", action="append", type=bias, help="make a token (un)likely"
    )
    group.add_argument("--ignore-eos", action="store_true", help="go on where the model would end")
    group.add_argument("--cfg-negative-prompt", metavar="TEXT", help="what to keep away from")
    group.add_argument("--cfg-negative-prompt-file", metavar="FILE", help="the same from a file")
    allowed = group.add_mutually_exclusive_group()
    allowed.add_argument("--grammar", metavar="GBNF", help="allow only what this grammar allows")
    allowed.add_argument("--grammar-file", metavar="FILE", help="the same from a file")
    allowed.add_argument("-j", "--json-schema", metavar="SCHEMA", help="allow only JSON of this schema")


def options(args: argparse.Namespace, tokenizer=None, classic: bool = False) -> dict[str, Any]:
    """The options of `generate` that were typed; `classic` chooses as in 2023, unless something newer is asked for."""
    names = [option for _, option, _, _ in NUMBERS] + ["samplers"]
    chosen = {name: value for name in names if (value := getattr(args, name)) is not None}
    if classic and not OF_TODAY & chosen.keys():
        chosen.setdefault("samplers", "llama_cpp_2023")
    if args.logit_bias:
        chosen["logit_bias"] = tuple(args.logit_bias)
    if args.dry_sequence_breaker:
        chosen["dry_sequence_breakers"] = tuple(args.dry_sequence_breaker)
    if args.no_penalize_nl:
        chosen["penalize_nl"] = False
    if args.ignore_eos:
        chosen["ignore_eos"] = True
    negative = args.cfg_negative_prompt or (args.cfg_negative_prompt_file and read_text(args.cfg_negative_prompt_file))
    if negative:
        chosen["negative_prompt"] = negative
    grammar = grammar_of(args, tokenizer)
    return chosen if grammar is None else {**chosen, "grammar": grammar}


def grammar_of(args: argparse.Namespace, tokenizer):
    """The grammar that was asked for, if any."""
    text = args.grammar or (args.grammar_file and read_text(args.grammar_file))
    if not text and not args.json_schema:
        return None
    from refllm.sampling.grammar.grammar import Grammar

    return Grammar.from_gbnf(text, tokenizer) if text else Grammar.from_json_schema(args.json_schema, tokenizer)


def bias(text: str) -> tuple[int, float]:
    parts = re.fullmatch(r"(\d+)([+-].+)", text)
    if not parts:
        raise argparse.ArgumentTypeError(f"{text!r} is no bias; expected a token id and a number with its sign: 2-inf")
    return int(parts[1]), float(parts[2])


def read_text(path: str) -> str:
    """A text file whole; UTF-8 or an error that says where it is not."""
    data = pathlib.Path(path).read_bytes()
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise RefllmError(f"{path}: byte {error.start}: is not UTF-8; expected text") from error


def add_ignored_flags(parser: argparse.ArgumentParser) -> None:
    """Flags of llama.cpp that have no meaning here; a tutorial's command still works."""
    takes_value = (
        *(("-t", "--threads"), ("-tb", "--threads-batch"), ("-b", "--batch-size"), ("-ub", "--ubatch-size")),
        *(("-ngl", "--gpu-layers", "--n-gpu-layers"), ("-mg", "--main-gpu"), ("-ts", "--tensor-split")),
    )
    alone = ("--mlock", "--no-mmap", "--mmap", "--numa", "--memory-f32", "--low-vram", "--logits-all", "--simple-io")
    group = parser.add_argument_group("accepted for the sake of old commands, without meaning here")
    for flags in takes_value:
        group.add_argument(*flags, dest="ignored", metavar="N", action=Ignored, help=argparse.SUPPRESS)
    for flag in (*alone, "-nommq"):
        group.add_argument(flag, dest="ignored", nargs=0, action=Ignored, help=argparse.SUPPRESS)
    group.description = ", ".join([*(flags[0] for flags in takes_value), *alone, "-nommq"])


class Ignored(argparse.Action):
    """Remembers that a flag was there."""

    def __call__(self, parser, namespace, values, option_string=None):
        namespace.ignored = [*(namespace.ignored or []), option_string]


def tell_ignored(args: argparse.Namespace) -> None:
    if args.ignored:
        print(f"note: without meaning here and ignored: {', '.join(dict.fromkeys(args.ignored))}", file=sys.stderr)
