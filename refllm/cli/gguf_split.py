"""examples:
  refllm gguf-split model.gguf model                           model-00001-of-00003.gguf ..., 128 tensors in each
  refllm gguf-split --split-max-size 2G model.gguf model       as many shards as needed, none with more than 2 GB
  refllm gguf-split --split-max-size 2G --dry-run model.gguf model
  refllm gguf-split --merge model-00001-of-00003.gguf whole.gguf

M and G are 1,000,000 and 1,000,000,000 bytes of tensors. Every program that reads GGUF opens a split model by its first
shard; only the first holds the metadata. A tensor is never cut in two. IN is left as it is."""

import argparse
import pathlib

from refllm import gguf
from refllm.errors import RefllmError, UsageError
from refllm.gguf.splits import plan_split

UNITS = {"M": 10**6, "G": 10**9}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--split", action="store_true", help="split IN into shards (this is the default)")
    what.add_argument(
        "--merge", action="store_true", help="merge the shards of which IN is the first into the file OUT"
    )
    limit = parser.add_mutually_exclusive_group()
    limit.add_argument("--split-max-tensors", metavar="N", type=count, help="tensors per shard (default: 128)")
    limit.add_argument("--split-max-size", metavar="N(M|G)", type=size, help="bytes of tensors per shard")
    parser.add_argument("--no-tensor-first-split", action="store_true", help="the first shard gets only the metadata")
    parser.add_argument("--dry-run", action="store_true", help="print the plan and write nothing")
    parser.add_argument("input", metavar="IN", help="the file to split, or the first shard to merge")
    parser.add_argument("output", metavar="OUT", help="the shards' names up to -00001-of-..., or the merged file")


def count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no count; expected 1 or more")
    return int(text)


def size(text: str) -> int:
    number, unit = text[:-1], text[-1:].upper()
    if unit not in UNITS or not number.isdecimal() or int(number) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; expected a number and M or G, such as 500M")
    return int(number) * UNITS[unit]


def run(args: argparse.Namespace) -> None:
    if args.merge:
        merge(args)
    else:
        split(args)


def split(args: argparse.Namespace) -> None:
    limits = {"max_tensors": args.split_max_tensors, "max_size": args.split_max_size}
    with gguf.open(args.input) as file:
        groups = plan_split(file.tensors.values(), **limits)
    groups = [[], *groups] if args.no_tensor_first_split else groups
    for index, group in enumerate(groups, 1):
        size = sum(tensor.nbytes for tensor in group)
        print(f"shard {index:05} of {len(groups):05}: {size:,} bytes in {len(group)} tensors")
    if not args.dry_run:
        for path in gguf.split(args.input, args.output, **limits, tensors_in_first=not args.no_tensor_first_split):
            print(f"written: {path}")


def merge(args: argparse.Namespace) -> None:
    if args.split_max_tensors or args.split_max_size or args.no_tensor_first_split:
        raise UsageError("--merge takes all shards; limits go with --split")
    if pathlib.Path(args.output).exists():
        raise RefllmError(f"{args.output}: exists already; expected the name of a new file")
    if not args.dry_run:
        gguf.merge(args.input, args.output)
    with gguf.open(args.input if args.dry_run else args.output) as file:
        print(f"{'would write' if args.dry_run else 'written'}: {args.output}, {len(file.tensors)} tensors")
