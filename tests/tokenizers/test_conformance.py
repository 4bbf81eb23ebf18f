"""llama.cpp's own test vectors, and its rule that every token and every character comes back."""

import os
import pathlib

import pytest

from refllm import tokenizers
from tests.tokenizers.texts import LONG

pytestmark = pytest.mark.conformance

NAMES = ("llama-spm", "llama-bpe", "qwen2", "gpt-2")
MODELS = pathlib.Path(os.environ.get("REFLLM_LLAMACPP", "/nonexistent"))  # llama.cpp's folder `models`
PAIRS = sorted(path.with_suffix("") for path in MODELS.glob("ggml-vocab-*.gguf.inp"))


def cases(path: pathlib.Path) -> list[tuple[str, list[int]]]:
    """The texts of PATH.inp with the ids of PATH.out; after the last one stands an empty one."""
    texts = pathlib.Path(f"{path}.inp").read_bytes().decode().split("\n__ggml_vocab_test__\n")
    lines = pathlib.Path(f"{path}.out").read_text().split("\n")
    return [(text, [int(id) for id in line.split()]) for text, line in zip(texts, lines, strict=False)]


def check(tokenizer: tokenizers.Tokenizer, path: pathlib.Path) -> None:
    pairs = cases(path)
    assert len([ids for _, ids in pairs if ids]) >= 37  # white space alone has no WordPiece
    for text, ids in pairs:
        assert tokenizer.encode(text, add_special=False) == ids, ascii(text)


@pytest.mark.parametrize("name", NAMES)
def test_vectors_of_the_fixtures(vocabulary, name):
    file, tokenizer = vocabulary(name)
    check(tokenizer, file.path)
    for text, ids in cases(file.path):
        assert tokenizer.decode(ids) == text


@pytest.mark.skipif(not PAIRS, reason="REFLLM_LLAMACPP does not name llama.cpp's folder 'models'")
@pytest.mark.parametrize("path", PAIRS, ids=lambda path: path.stem)
def test_vectors_of_llama_cpp(path):
    check(tokenizers.from_gguf(path), path)


@pytest.mark.parametrize(("name", "version", "pieces"), [("aquila", 2, 100_008), ("baichuan", 3, 64_000)])
def test_vocabularies_without_vectors(vocabulary, name, version, pieces):
    file, tokenizer = vocabulary(name)
    assert (file.version, tokenizer.vocab_size) == (version, pieces)
    assert tokenizer.decode(tokenizer.encode("Hello, 世界! 😀")) == "Hello, 世界! 😀"


def test_every_token_comes_back(vocabulary):
    _, tokenizer = vocabulary("llama-spm")
    for id in range(0, tokenizer.vocab_size, 1 if LONG else 29):
        text = tokenizer.decode([id], special=True)
        again = tokenizer.encode(text, add_special=False, parse_special=True)
        assert tokenizer.decode(again, special=True) == text


def test_every_character_comes_back(vocabulary):
    _, tokenizer = vocabulary("llama-spm")
    codes = [*range(0xD800), *range(0xE000, 0x40000), *range(0xE0001, 0x110000)]
    codes.remove(ord("▁"))  # which is how a space is spelled
    for code in codes if LONG else codes[::211]:
        text = chr(code)
        ids = tokenizer.encode(text, add_special=False, parse_special=True)
        assert tokenizer.decode(ids, special=True) == text


def test_ids_that_llama_cpp_python_promises(vocabulary):
    _, tokenizer = vocabulary("llama-spm")
    assert tokenizer.encode("Hello World") == [1, 15043, 2787]
    assert tokenizer.encode("Hello World", add_special=False) == [15043, 2787]
    assert tokenizer.encode("Hello World</s>") == [1, 15043, 2787, 829, 29879, 29958]
    assert tokenizer.encode("Hello World</s>", parse_special=True) == [1, 15043, 2787, 2]
    assert tokenizer.encode("") == [1]
