"""examples:
  refllm convert-llama-weights-to-hf --input_dir models --model_size 7B --output_dir llama-7b-hf

The folder INPUT/SIZE, or INPUT itself, holds what Meta gave out: consolidated.00.pth and its siblings, params.json; the
tokenizer.model lies there or beside it."""

import argparse
import pathlib

from refllm.convert.hf_folder import from_meta
from refllm.errors import RefllmError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--input-dir", metavar="INPUT", required=True, help="the folder with Meta's files")
    parser.add_argument("--model-size", metavar="SIZE", default="", help="the name of the folder in it: 7B, 13B ...")
    parser.add_argument("--output-dir", metavar="FOLDER", required=True, help="where the new form goes")


def run(args: argparse.Namespace) -> None:
    source = pathlib.Path(args.input_dir)
    if (source / args.model_size / "params.json").exists():
        source = source / args.model_size
    if not (source / "params.json").exists():
        raise RefllmError(f"{source / args.model_size}: has no params.json; expected a folder of Meta's")
    for path in from_meta(source, pathlib.Path(args.output_dir)):
        print(f"written: {path}")
