"""examples:
  refllm convert Llama-2-7b-hf                              writes Llama-2-7b-hf/ggml-model-f16.gguf
  refllm convert Llama-2-7b-hf --outfile llama.gguf --outtype q8_0
  refllm convert models/7B/                                 Meta's own files: consolidated.00.pth and params.json
  refllm convert ggml-model-q4_0.bin new.gguf               a file from before GGUF; its weights stay as they are
  refllm convert RWKV-x060-World-1B6.pth                    RWKV-4 to 7; its vocabulary's file lies beside it

SRC is a folder with config.json (as transformers saves it), a folder of Meta's, an old llama.cpp file, or an RWKV: a
.pth file or one of rwkv.cpp. Afterwards `refllm quantize` makes the file smaller."""

import argparse

from refllm.cli.gguf_split import size
from refllm.convert.model import FILE_TYPES
from refllm.convert.to_gguf import convert
from refllm.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("src", metavar="SRC", help="the folder or file to convert")
    parser.add_argument("dst", metavar="OUT", nargs="?", help="the same as --outfile")
    parser.add_argument("--outfile", metavar="FILE", help="the file to write (default: ggml-model-TYPE.gguf in SRC)")
    parser.add_argument(
        "--outtype", choices=[*FILE_TYPES, "auto"], default="f16", help="type of the matrices (default: f16)"
    )
    parser.add_argument("--vocab-only", action="store_true", help="only the tokenizer, no weights")
    parser.add_argument("--split-max-size", metavar="N(M|G)", type=size, help="bytes of tensors per file")
    parser.add_argument(
        "--no-normalize-head", action="store_true", help="leave the rows of Baichuan2's head as long as they are"
    )


def run(args: argparse.Namespace) -> None:
    if args.dst and args.outfile:
        raise UsageError("OUT and --outfile are both given; expected one of them")
    paths = convert(
        args.src,
        args.outfile or args.dst,
        args.outtype,
        vocabulary_only=args.vocab_only,
        split_max_size=args.split_max_size,
        normalize_head=not args.no_normalize_head,
    )
    for path in paths:
        print(f"written: {path}")
