"""examples:
  refllm inspect model.gguf                              architecture, size, file type, tokenizer ...
  refllm inspect model.gguf --tensors                    every tensor: name, shape, type, bytes, offset
  refllm inspect model.gguf --metadata --full            every metadata entry, long values whole
  refllm inspect model.gguf --hexdump 0:256              the first 256 bytes, each with the field it belongs to
  refllm inspect model.gguf --hexdump 0x100:+64          64 bytes from byte 256 on
  refllm inspect model.gguf --hexdump=-64:               the last 64 bytes
  refllm inspect model.gguf --hexdump general.name       only the fields whose name contains this
  refllm inspect model.gguf --json --metadata            for programs
  refllm inspect model.gguf --set general.name="My model"
  refllm inspect model.gguf --set llama.rope.freq_base:float32=1e6 --remove general.url -o changed.gguf

A changed file replaces the old one at once and only when it is complete. An entry that exists keeps its type, which
KEY:TYPE=VALUE changes; types are uint8 int8 uint16 int16 uint32 int32 uint64 int64 float32 float64 bool string, and
each with [] behind for a list, which is written as JSON: --set 'tags:string[]=["a", "b"]'."""

import argparse
import pathlib

from refllm import gguf
from refllm.errors import UsageError
from refllm.gguf import describe


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a GGUF file; the first shard stands for a split model")
    shown = parser.add_argument_group("what to show (a summary, unless told otherwise)")
    shown.add_argument("--tensors", action="store_true", help="a table of the tensors")
    shown.add_argument("--metadata", action="store_true", help="a table of the metadata")
    shown.add_argument(
        "--hexdump",
        metavar="RANGE",
        nargs="?",
        const="",
        help="the bytes with their meaning: all, FIRST:END, FIRST:+COUNT, or the fields with this in their name",
    )
    shown.add_argument("--full", action="store_true", help="do not shorten what is long")
    shown.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    changed = parser.add_argument_group("what to change in the metadata (each may be given several times)")
    changed.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="add or replace an entry")
    changed.add_argument("--remove", metavar="KEY", action="append", default=[], help="remove an entry")
    changed.add_argument("--rename", metavar="OLD=NEW", action="append", default=[], help="give an entry another key")
    changed.add_argument("-o", "--out", metavar="OUT", help="write to this file and leave FILE as it is")


def run(args: argparse.Namespace) -> None:
    showing = args.tensors or args.metadata or args.hexdump is not None or args.full or args.json
    if args.set or args.remove or args.rename:
        if showing:
            raise UsageError("to show and to change are two calls; expected only one of them")
        change(args)
    elif args.out:
        raise UsageError("-o is where a changed file goes; expected --set, --remove or --rename with it")
    elif args.json:
        from refllm.gguf import report

        print(report.as_json(args.file, args.metadata, args.tensors, args.hexdump, args.full))
    else:
        show(args)


def show(args: argparse.Namespace) -> None:
    with gguf.open(args.file) as file:
        if not (args.tensors or args.metadata or args.hexdump is not None):
            print(*describe.summary(file), sep="\n")
        if args.metadata:
            print(*describe.metadata_table(file, args.full), sep="\n")
        if args.tensors:
            print(*describe.tensor_table(file), sep="\n")
    if args.hexdump is not None:
        from refllm.gguf import hexdump

        for line in hexdump.lines(args.file, args.hexdump, args.full):
            print(line)


def change(args: argparse.Namespace) -> None:
    from refllm.gguf import assignment
    from refllm.gguf.edit import renamed
    from refllm.gguf.reader import open_one

    names = dict(assignment.pair(text, "OLD=NEW") for text in args.rename)
    with open_one(pathlib.Path(args.file)) as file:
        values = assignment.assignments(args.set, renamed(file.metadata, names))
    gguf.edit(args.file, args.out, set=values, remove=args.remove, rename=names)
    counts = f"{len(values)} set, {len(args.remove)} removed, {len(names)} renamed"
    print(f"{args.out or args.file}: {counts}")
