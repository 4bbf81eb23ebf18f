"""examples:
  refllm train --out data              make the embedded model again, from nothing
  refllm train --small --out small     a model of a twentieth of the size, in minutes
  refllm train --out data --steps 6000 --every 200

The training can be interrupted at any time; the same command goes on from the last checkpoint in --work. What is
learned depends on the recipe and the seed alone (and on the machine's rounding)."""

import argparse
import pathlib
import sys


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", metavar="FOLDER", type=pathlib.Path, required=True, help="where the model goes")
    parser.add_argument(
        "--work", metavar="FOLDER", type=pathlib.Path, default=pathlib.Path("work/model"), help="where checkpoints lie"
    )
    parser.add_argument("--small", action="store_true", help="the recipe that is a twentieth of the embedded model's")
    parser.add_argument("--steps", type=int, metavar="N", help="train so many batches instead of the recipe's")
    parser.add_argument("--seed", type=int, metavar="N", help="of the weights, the corpus and the vocabulary")
    parser.add_argument("--every", type=int, default=100, metavar="N", help="measure and save after so many batches")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress bar")


def run(args: argparse.Namespace) -> None:
    import dataclasses

    from refllm.engine.compilation import keep_compiled_programs
    from refllm.train.make_model import make_model
    from refllm.train.recipe import EMBEDDED, SMALL

    keep_compiled_programs()
    changes = {name: value for name in ("steps", "seed") if (value := getattr(args, name)) is not None}
    recipe = dataclasses.replace(SMALL if args.small else EMBEDDED, **changes)
    print(f"{recipe.weights / 1e6:.1f} million weights, {recipe.steps} batches of {recipe.batch_tokens} tokens")
    command = " ".join(["refllm", "train", *sys.argv[2:]])
    measured = make_model(recipe, command, args.out, args.work, args.every, not args.quiet)
    draw(measured, args.out / "curve.png")
    print("   step    loss  held out  exam")
    for line in measured:
        marks = f"{line['exam']:>5.0%}" if "exam" in line else ""
        print(f"{line['step']:>7} {line['loss']:>7.3f} {line['held_out']:>9.3f} {marks}")
    print(f"{args.out}: written")


def draw(measured: list[dict], path: pathlib.Path) -> None:
    """The curve as a picture, where matplotlib is installed."""
    try:
        from refllm.plots.training import loss_curve
    except ImportError:
        return
    loss_curve(measured).savefig(path, dpi=100, bbox_inches="tight")
