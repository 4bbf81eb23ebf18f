"""examples:
  refllm tokenize -m model.gguf "Hello, 世界"              the pieces, coloured on a terminal, else parted by |
  refllm tokenize -m model.gguf "Hello, 世界" --ids        [1, 15043, 29892, ...]
  refllm tokenize -m model.gguf "Hello, 世界" --pieces     one token on each line, with its id
  refllm tokenize -m model.gguf -f story.txt              the text of a file; without -f and text: standard input
  refllm tokenize -m model.gguf -f story.txt --compare tokenizer.json

--compare tells whether the tokenizer that a model was published with (tokenizer.json, tokenizer.model) gives the same
ids for the text alone, without the tokens that begin and end it; if it does not, where they part, and exit status 1.
The file needs no tensors."""

import argparse
import pathlib
import sys

from refllm import tokenizers
from refllm.errors import RefllmError
from refllm.gguf.console import colours_wanted, harmless

COLOURS = (104, 102, 103, 105, 106)  # bright backgrounds, with black letters on them


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", metavar="TEXT", nargs="?", help="the text; not given: -f, or standard input")
    parser.add_argument("-m", "--model", metavar="FILE", required=True, help="a GGUF file")
    parser.add_argument("-f", "--file", metavar="FILE", type=pathlib.Path, help="read the text from this file")
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--ids", action="store_true", help="print the ids, as a list")
    shown.add_argument("--pieces", action="store_true", help="print each id with its piece")
    shown.add_argument(
        "--compare", metavar="FILE", type=pathlib.Path, help="compare with this tokenizer.json or .model"
    )
    parser.add_argument("--no-bos", action="store_true", help="without the tokens that begin and end a text")
    parser.add_argument("--parse-special", action="store_true", help="take <s> in the text for the token of that name")
    parser.add_argument("--force-pre", metavar="NAME", help="cut words like this pre-tokenizer, whatever the file says")


def run(args: argparse.Namespace) -> None:
    tokenizer = tokenizers.from_gguf(args.model, args.force_pre)
    text = read(args)
    ids = tokenizer.encode(text, add_special=not (args.no_bos or args.compare), parse_special=args.parse_special)
    pieces = [harmless(piece) for piece in tokenizer.pieces(ids)]
    if args.compare:
        compare(args.compare, text, ids, tokenizer)
    elif args.ids:
        print(ids)
    elif args.pieces:
        for id, piece in zip(ids, pieces, strict=True):
            print(f"{id:6d} -> '{piece}'")
    elif colours_wanted():
        print("".join(coloured(piece, COLOURS[place % len(COLOURS)]) for place, piece in enumerate(pieces)))
        print(f"{len(ids)} tokens")
    else:
        print("|".join(pieces))


def read(args: argparse.Namespace) -> str:
    """The text, with every byte of it: no newline is added, removed or changed."""
    if args.text is not None:
        return args.text
    data = args.file.read_bytes() if args.file else sys.stdin.buffer.read()
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise RefllmError(
            f"{args.file or 'standard input'}: byte {error.start}: is not UTF-8; expected text"
        ) from error


def coloured(piece: str, colour: int) -> str:
    """The piece on a coloured background; lines end without it, or the terminal would paint the rest of the row."""
    return "\n".join(f"\033[30;{colour}m{line}\033[0m" if line else "" for line in piece.split("\n"))


def compare(path: pathlib.Path, text: str, ids: list[int], tokenizer: tokenizers.Tokenizer) -> None:
    others = encode_with(path, text)
    if ids == others:
        print(f"{path}: the same {len(ids)} ids")
        return
    place = next((i for i, (a, b) in enumerate(zip(ids, others, strict=False)) if a != b), min(len(ids), len(others)))
    here, there = (repr(some[place : place + 5])[1:-1] or "the end" for some in (ids, others))
    before = tokenizer.decode(ids[:place])[-20:]
    raise RefllmError(f"{path}: other ids from token {place} on, after {before!r}: here {here}, there {there}")


def encode_with(path: pathlib.Path, text: str) -> list[int]:
    """The ids by the library that the file belongs to."""
    data = path.read_bytes()
    if path.suffix == ".model":
        import sentencepiece

        try:
            return sentencepiece.SentencePieceProcessor(model_proto=data).encode(text)
        except RuntimeError as error:
            raise RefllmError(f"{path}: is not a SentencePiece model") from error
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise RefllmError(f"{path}: comparing with it needs the package tokenizers: pip install tokenizers") from error
    try:
        return Tokenizer.from_buffer(data).encode(text, add_special_tokens=False).ids
    except Exception as error:  # the library raises nothing more precise
        raise RefllmError(f"{path}: is not a tokenizer.json: {error}") from error
