"""The record of a training: the page that lies beside the model and says how it was made and how good it is.

>>> from refllm.train.recipe import SMALL
>>> lines = [{"step": 20, "loss": 5.0, "held_out": 4.0, "exam": 0.0, "seconds": 30.0},
...          {"step": 40, "loss": 3.0, "held_out": 2.0, "exam": 0.5, "seconds": 30.0}]
>>> print(figures(SMALL, lines)[-1])
- held-out perplexity: 7.39
"""

import importlib.metadata
import math
import platform

from refllm.evaluate.exam import Result, share, table
from refllm.train.recipe import Recipe

PACKAGES = ("jax", "optax", "sentencepiece", "numpy")


def page(recipe: Recipe, command: str, measured: list[dict], results: list[Result]) -> str:
    """The text of `README.md` beside the model."""
    return "\n".join(
        [
            "# The embedded model",
            "",
            "A small LLaMA that refllm trained from nothing on the text of its little world (`refllm world --show 20`)",
            "in English and Chinese. `refllm.load()`, `make chat`, the notebooks and the tests use it. Nothing in it",
            "comes from outside.",
            "",
            "| file | what |",
            "|---|---|",
            "| `little-world.gguf` | the model in float16, for refllm and llama.cpp |",
            "| `model.safetensors`, `*config.json` | the weights in bfloat16, as Hugging Face lays them out |",
            "| `tokenizer.model`, `tokenizer_config.json` | the SentencePiece vocabulary, and the chat template |",
            "| `training.jsonl`, `curve.png` | what was measured on the way |",
            "| `SHA256SUMS` | the checksums that `refllm.embedded` compares |",
            "",
            "## How it was made",
            "",
            f"    {command}",
            "",
            *figures(recipe, measured),
            "",
            "![losses and exam over the steps](curve.png)",
            "",
            "## The exam",
            "",
            f"`refllm exam` asks 600 questions; {share(results):.1%} of the answers are right, letter for letter.",
            "",
            "```",
            *table(results),
            "```",
            "",
        ]
    )


def figures(recipe: Recipe, measured: list[dict]) -> list[str]:
    """What was trained with, for how long, and where the losses ended."""
    model, last = recipe.model, measured[-1]
    sizes = f"{model.layers} layers of width {model.dim}, {model.heads} heads ({model.kv_heads} for keys and values)"
    hours = sum(line["seconds"] for line in measured) / 3600
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    return [
        f"- {recipe.weights / 1e6:.1f} million weights: {sizes}, {model.vocab_size} pieces",
        f"- {recipe.steps} batches of {recipe.batch_tokens} tokens, seed {recipe.seed}",
        f"- {hours:.1f} hours; Python {platform.python_version()}, {versions}",
        f"- loss {last['loss']:.3f}, on held-out text {last['held_out']:.3f}",
        f"- held-out perplexity: {math.exp(last['held_out']):.2f}",
    ]
