"""Where words are cut: every name that llama.cpp knows, against llama.cpp."""

import pytest

from refllm import tokenizers
from refllm.tokenizers.pre_tokenizers import PRE_TOKENIZERS, compiled
from tests.tokenizers import vocabularies
from tests.tokenizers.llamacpp import Vocabulary
from tests.tokenizers.texts import LONG, PARTS, random_texts

COUNT = 1000 if LONG else 60
# Few letters (their pairs are the vocabulary), but of every category that a pattern asks for.
FEW_PARTS = (
    *("a", "Z", "z", " ", "  ", "\n", "\r", "\t", "0", "12", "345", "6789", "'s", "'LL", "'", ".", "!", "/", "_", "$"),
    *("é", "É", "\u0301", "世界", "你", "。", "\u3000", "\u00a0", "½", "١", "カ", "한", "😀", "€"),
)
DISTINCT = {pre: name for name, pre in PRE_TOKENIZERS.items()}  # one name of each


@pytest.mark.conformance
@pytest.mark.parametrize("name", DISTINCT.values())
def test_words_are_cut_as_by_llama_cpp(name, tmp_path):
    texts = random_texts(COUNT, parts=PARTS if LONG and PRE_TOKENIZERS[name].byte_letters else FEW_PARTS)
    if name == "whitespace":  # on white space llama.cpp would abort
        texts = ["".join(text.split()) for text in texts]
    path = vocabularies.written(tmp_path, vocabularies.every_pair(texts, name))
    theirs, ours = Vocabulary(path), tokenizers.from_gguf(path)
    for text in texts:
        assert ours.encode(text, add_special=False) == theirs.encode(text, add_special=False), ascii(text)


def test_the_words_are_the_text():
    for pre in DISTINCT:
        for text in random_texts(COUNT // 3, seed=1):
            words = pre.split(text)
            assert "".join(words) == text
            assert "" not in words


@pytest.mark.parametrize("text", ["a", "aA", "1", " ", "\n", "½1", " a", "\u0301", "世", "'", "IMGIMGA"])
def test_long_runs_take_no_longer_than_their_length(text):
    """A pattern that looks ahead from every character again would take minutes."""
    for pattern in {pattern for pre in DISTINCT for pattern in pre.patterns}:
        compiled(pattern).split(text * 20_000, timeout=10)
