"""examples:
  refllm exam                        the model in data/
  refllm exam -m model.Q4_K_M.gguf   any model that has read the little world
  refllm exam --wrong                show every wrong answer
  refllm exam --every 6              every sixth question only

Exit status 0 whatever the marks are."""

import argparse
import sys


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-m", "--model", metavar="FILE", help="a GGUF file (the model in data/, unless given)")
    parser.add_argument("--wrong", action="store_true", help="show the questions that were answered wrongly")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="ask every N-th question only")
    parser.add_argument("--compute", choices=("fast", "exact"), default="fast", help="how quantized weights multiply")


def run(args: argparse.Namespace) -> None:
    from tqdm import tqdm

    import refllm
    from refllm.evaluate import exam
    from refllm.world import questions

    llm = refllm.load(args.model, compute=args.compute)
    asked = questions()[:: max(1, args.every)]
    with tqdm(total=len(asked), unit="question", disable=not sys.stderr.isatty()) as bar:
        results = exam.examine(llm, asked, bar.update)
    if args.wrong:
        for result in results:
            if not result.right:
                print(f"{result.question.asked}\n  expected {result.question.expected!r}\n  answered {result.answer!r}")
    print(*exam.table(results), sep="\n")
