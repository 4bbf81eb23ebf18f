"""examples:
  refllm lora-to-gguf alpaca-lora-7b --base llama-7b-hf
  refllm lora-to-gguf alpaca-lora-7b --base llama-7b-hf --outfile alpaca-lora.gguf

The file is added to a model while it runs. An adapter with layers that were trained as a whole (a larger vocabulary)
cannot be such a file: `refllm merge-lora` merges it."""

import argparse

from refllm.convert.lora_gguf import lora_to_gguf


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("adapter", metavar="ADAPTER", help="the folder of the adapter, as peft saves it")
    parser.add_argument("--base", metavar="FOLDER", required=True, help="the folder of its model; config.json is read")
    parser.add_argument(
        "--outfile", metavar="FILE", help="the file to write (default: ggml-adapter-f32.gguf in ADAPTER)"
    )


def run(args: argparse.Namespace) -> None:
    print(f"written: {lora_to_gguf(args.adapter, args.base, args.outfile)}")
