"""examples:
  refllm merge-lora --base_model llama-hf --lora_model chinese-llama-lora --output_type huggingface --output_dir out
  refllm merge-lora --base_model llama-7b-hf --lora_model chinese-llama-lora-7b,chinese-alpaca-lora-7b \\
      --output_type pth --output_dir out
  refllm merge-lora --base_model llama-7b-hf --lora_model alpaca-lora-7b --output_type gguf --output_dir alpaca.gguf

The adapters are merged in the order in which they are named. A larger vocabulary comes with the adapter that has it."""

import argparse

from refllm.convert.merge_lora import OUTPUT_TYPES, merge_lora


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--base-model", metavar="FOLDER", required=True, help="the model, as transformers saves it")
    parser.add_argument("--lora-model", metavar="FOLDER[,FOLDER]", required=True, help="the adapters, in order")
    parser.add_argument("--output-type", choices=OUTPUT_TYPES, default="huggingface", help="(default: huggingface)")
    parser.add_argument("--output-dir", metavar="FOLDER", required=True, help="where the merged model goes")


def run(args: argparse.Namespace) -> None:
    for path in merge_lora(args.base_model, args.lora_model.split(","), args.output_dir, args.output_type):
        print(f"written: {path}")
