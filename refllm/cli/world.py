"""examples:
refllm world --show 20             what the embedded model reads in its training
refllm world --show 20 --seed 7    another part of it
refllm world --questions           the exam, with the right answers"""

import argparse
import itertools


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--show", type=int, default=10, metavar="N", help="so many dialogues and documents")
    parser.add_argument("--seed", type=int, default=1, help="where the corpus begins")
    parser.add_argument("--questions", action="store_true", help="show the questions of the exam instead")


def run(args: argparse.Namespace) -> None:
    from refllm.world import Dialogue, questions, stream

    if args.questions:
        for question in questions():
            print(f"[{question.dialogue.topic}] {' / '.join(question.asked)} -> {question.expected}")
        return
    for item in itertools.islice(stream(args.seed), args.show):
        if isinstance(item, Dialogue):
            lines = [f"system: {item.system}"] if item.system else []
            lines += [line for asked, answered in item.turns for line in (f"> {asked}", f"< {answered}")]
            print(*lines, sep="\n", end="\n\n")
        else:
            print(item.text, end="\n\n")
