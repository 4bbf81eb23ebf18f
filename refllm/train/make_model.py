"""From nothing to a folder like `data/`: vocabulary, training, checkpoint, GGUF file, exam.

Each stage leaves a file in the work folder, so a second call goes on where the first was interrupted.
"""

import pathlib
import shutil

import jax
import numpy as np

from refllm import embedded
from refllm.convert import sentencepiece_file
from refllm.engine import LLM, load
from refllm.evaluate import exam
from refllm.files import atomic_write
from refllm.tokenizers import Tokenizer, from_metadata
from refllm.train import loop, record
from refllm.train.chat_format import TEMPLATE
from refllm.train.export import export
from refllm.train.log import read_log
from refllm.train.recipe import Recipe
from refllm.train.vocabulary import train_vocabulary
from refllm.world import questions

ASKED_ON_THE_WAY = 12  # every twelfth question, at each measurement


def make_model(
    recipe: Recipe, command: str, out: pathlib.Path, work: pathlib.Path, every: int = 100, progress: bool = True
) -> list[dict]:
    """Make the model and write it to `out`, with a record; returns the measurements of the training."""
    work.mkdir(parents=True, exist_ok=True)
    vocabulary = vocabulary_file(recipe, work / "tokenizer.model")
    tokenizer = tokenizer_of(vocabulary)
    asked = questions()[::ASKED_ON_THE_WAY]

    def examine(weights: dict) -> float:
        return exam.share(exam.examine(as_llm(recipe, weights, tokenizer), asked))

    weights = loop.train(recipe, tokenizer, work, examine, every, progress)
    export(recipe.model, jax.device_get(weights), vocabulary.read_bytes(), out)
    shutil.copyfile(work / loop.LOG, out / "training.jsonl")
    measured = read_log(work / loop.LOG)
    results = exam.examine(load(out / embedded.MODEL))
    (out / "README.md").write_text(record.page(recipe, command, measured, results), encoding="utf-8")
    return measured


def vocabulary_file(recipe: Recipe, path: pathlib.Path) -> pathlib.Path:
    """The SentencePiece model, trained unless it is there."""
    if not path.exists():
        model = train_vocabulary(recipe.seed, recipe.vocabulary_items, recipe.model.vocab_size)
        with atomic_write(path) as file:
            file.write(model)
    return path


def tokenizer_of(path: pathlib.Path) -> Tokenizer:
    """The tokenizer that the finished GGUF file will have."""
    model = sentencepiece_file.read(path)
    return from_metadata(
        {
            "tokenizer.ggml.model": "llama",
            "tokenizer.ggml.tokens": model.pieces,
            "tokenizer.ggml.scores": np.array(model.scores, np.float32),
            "tokenizer.ggml.token_type": np.array(model.kinds, np.int32),
        }
    )


def as_llm(recipe: Recipe, weights: dict, tokenizer: Tokenizer) -> LLM:
    """The model as it is now, ready to be talked to."""
    templates = {"default": TEMPLATE}
    return LLM("in training", recipe.model, weights, tokenizer, recipe.model.context_length, chat_templates=templates)
