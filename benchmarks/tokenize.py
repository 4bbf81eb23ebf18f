"""Text to ids: refllm beside the package `tokenizers`, `sentencepiece` and llama.cpp, on this project's own text.

Real vocabularies where the files of shared/fixtures are at hand, otherwise two that are trained here. `words` is plain
prose (this project's documents), `code` its Python files. `peer` is `sentencepiece` for its vocabularies, `tokenizers`
for the others; `loading` is the time from an open file to a tokenizer. The best and usual case for refllm: words come
again and again, and each is looked up in a cache.
"""

import functools
import importlib.util
import pathlib
import tempfile
from collections.abc import Callable

import sentencepiece

from benchmarks.timing import take_turns
from refllm import gguf, tokenizers
from refllm.tokenizers.sentencepiece_model import BPE, model_file
from tests.tokenizers import llamacpp, vocabularies
from tests.tokenizers.vocabularies import KEY

ROOT = pathlib.Path(__file__).parents[1]
FIXTURES = ROOT.parent / "shared" / "fixtures" / "tokenizers"
REAL = ("llama-spm", "gpt-2", "llama-bpe", "qwen2")


def run() -> list[dict]:
    texts = {"words": gather(("*.md",)), "code": gather(("refllm/**/*.py", "tests/**/*.py"))}
    return [row for path in files() for row in compare(path, texts)]


def gather(patterns: tuple[str, ...]) -> str:
    return "\n".join(path.read_text() for pattern in patterns for path in sorted(ROOT.glob(pattern)))


def files() -> list[pathlib.Path]:
    """GGUF files with vocabularies."""
    if FIXTURES.is_dir():
        return [FIXTURES / f"ggml-vocab-{name}.gguf" for name in REAL]
    folders = [pathlib.Path(tempfile.mkdtemp()) for _ in range(2)]
    model = vocabularies.trained(model_type="bpe", byte_fallback=True, vocab_size=600)
    trained = vocabularies.metadata_of(model), vocabularies.trained_byte_pairs("gpt-2")[1]
    return [vocabularies.written(folder, metadata) for folder, metadata in zip(folders, trained, strict=True)]


def compare(path: pathlib.Path, texts: dict[str, str]) -> list[dict]:
    file = gguf.open(path)
    ours = tokenizers.from_gguf(file)
    contestants = {"refllm": lambda text: ours.encode(text, add_special=False), "peer": peer_of(file, ours)}
    if importlib.util.find_spec("llama_cpp"):
        llama = llamacpp.Vocabulary(path)
        contestants["llama.cpp"] = lambda text: llama.encode(text, add_special=False)
    loading = take_turns({"refllm": lambda: tokenizers.from_gguf(file)}, rounds=3)["refllm"]
    rows = []
    for name, text in texts.items():
        count = len(contestants["refllm"](text))
        seconds = take_turns({who: functools.partial(work, text) for who, work in contestants.items()}, rounds=3)
        speeds = {f"{who} ktokens/s": count / taken / 1e3 for who, taken in seconds.items()}
        rows.append({"vocabulary": path.stem, "text": name, "tokens": count} | speeds | {"loading s": loading})
    return rows


def peer_of(file: gguf.GGUFFile, ours: tokenizers.Tokenizer) -> Callable[[str], list[int]]:
    """The function of the library that is made for such a vocabulary."""
    if file.metadata[KEY + "model"] == "llama":
        return sentencepiece.SentencePieceProcessor(model_proto=model_file(ours.vocabulary, BPE, ours.unk)).encode
    from tokenizers import models

    pre = file.metadata[KEY + "pre"]
    merges = [tuple(merge.split(" ", 1)) for merge in file.metadata[KEY + "merges"]]
    made = vocabularies.byte_pair_tokenizer(models.BPE(ours.vocabulary.ids, merges), pre)
    return lambda text: made.encode(text).ids
