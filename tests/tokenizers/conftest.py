"""Real vocabularies, each opened once."""

import functools
import warnings

import pytest

from refllm import gguf, tokenizers


@pytest.fixture(scope="session")
def vocabulary(fixtures):
    """`vocabulary(name)`: the open file ggml-vocab-NAME.gguf of the fixtures and its tokenizer."""

    @functools.cache
    def opened(name: str) -> tuple[gguf.GGUFFile, tokenizers.Tokenizer]:
        file = gguf.open(fixtures / "tokenizers" / f"ggml-vocab-{name}.gguf")
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*tokenizer.ggml.pre is missing")
            return file, tokenizers.from_gguf(file)

    return opened
