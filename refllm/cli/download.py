"""examples:
  refllm download Qwen/Qwen2.5-0.5B-Instruct                     the whole repository, into Qwen2.5-0.5B-Instruct/
  refllm download Qwen/Qwen2.5-0.5B-Instruct-GGUF '*q4_k_m.gguf'
  refllm download --source modelscope Qwen/Qwen2.5-0.5B-Instruct
  HF_ENDPOINT=https://a.mirror refllm download Qwen/Qwen2.5-0.5B-Instruct

Run it again after an interruption: it goes on where it stopped."""

import argparse

from refllm.convert.download import SOURCES, download


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("repository", metavar="REPO", help="OWNER/NAME")
    parser.add_argument("file", metavar="FILE", nargs="?", default="*", help="a file or a pattern (default: all)")
    parser.add_argument("--source", choices=SOURCES, default="hf", help="the hub (default: hf, Hugging Face)")
    parser.add_argument("--output-dir", metavar="FOLDER", help="where the files go (default: a folder called NAME)")


def run(args: argparse.Namespace) -> None:
    for path in download(args.repository, args.file, source=args.source, folder=args.output_dir):
        print(path)
