"""SentencePiece models that went through GGUF's metadata tokenize as before; and as llama.cpp does."""

import numpy as np
import pytest
import sentencepiece

from refllm import tokenizers
from refllm.tokenizers import TokenizerError
from tests.tokenizers import vocabularies
from tests.tokenizers.llamacpp import Vocabulary
from tests.tokenizers.texts import AWKWARD, LONG, random_texts
from tests.tokenizers.vocabularies import BYTES, KEY

MODELS = {
    "merges": {"model_type": "bpe", "byte_fallback": True, "vocab_size": 600, "normalization_rule_name": "identity"},
    "merges, no bytes, no prefix": {
        "model_type": "bpe",
        "vocab_size": 300,
        "normalization_rule_name": "identity",
        "add_dummy_prefix": False,
    },
    "unigram": {"model_type": "unigram", "vocab_size": 100, "normalization_rule_name": "identity"},
    "unigram, character map": {"model_type": "unigram", "vocab_size": 100, "normalization_rule_name": "nmt_nfkc"},
}
COUNT = 25_000 if LONG else 500  # of texts for each model


@pytest.fixture(scope="module", params=MODELS)
def model(request) -> bytes:
    options = MODELS[request.param]
    return vocabularies.trained(remove_extra_whitespaces=options["model_type"] == "unigram", **options)


def test_ids_are_those_of_the_original_model(model):
    original = sentencepiece.SentencePieceProcessor(model_proto=model)
    rebuilt = tokenizers.from_metadata(vocabularies.metadata_of(model))
    for text in (*AWKWARD[1:], *random_texts(COUNT)):
        assert rebuilt.encode(text, add_special=False) == original.encode(text), ascii(text)


def test_text_comes_back_as_from_the_original_model(model):
    original = sentencepiece.SentencePieceProcessor(model_proto=model)
    rebuilt = tokenizers.from_metadata(vocabularies.metadata_of(model))
    for text in (*AWKWARD[1:], *random_texts(COUNT // 5)):
        ids = original.encode(text)
        if original.unk_id() not in ids:  # which sentencepiece shows as " ⁇ "
            assert rebuilt.decode(ids) == original.decode(ids), ascii(text)


@pytest.mark.conformance
@pytest.mark.parametrize("name", MODELS)
def test_small_models_in_llama_cpp(name, tmp_path):
    """With tokens of the maker's own: llama.cpp puts a space prefix behind each of them."""
    metadata = vocabularies.metadata_of(vocabularies.trained(user_defined_symbols=["<|user|>", "好好"], **MODELS[name]))
    path = vocabularies.written(tmp_path, metadata)
    theirs, ours = Vocabulary(path), tokenizers.from_gguf(path)
    for text in random_texts(COUNT // 5, seed=1, parts=("<|user|>", "好好", "好", " ", "a", "to", "12", "é", "</s>")):
        if "no bytes" in name and ours.unk in ours.encode(text):
            continue  # llama.cpp throws where there is neither a piece nor bytes
        assert ours.encode(text) == theirs.encode(text), ascii(text)


def unigram(**entries) -> dict:
    demo = {
        "model": "t5",
        "tokens": ["<pad>", "</s>", "<unk>", "▁", "a", "▁a"],
        "scores": [0.0, 0.0, 0.0, -2.0, -3.0, -1.0],
        "token_type": [3, 3, 2, 1, 1, 1],
        "add_space_prefix": True,
    }
    return {KEY + key: value for key, value in (demo | entries).items()}


def test_end_of_t5():
    assert tokenizers.from_metadata(unigram()).encode("a a") == [5, 5, 1]
    assert tokenizers.from_metadata(unigram()).encode("a a</s>", parse_special=True) == [5, 5, 1]


@pytest.mark.parametrize(
    "character_map",
    [
        [1],
        [0, 4, 0, 0] + [0] * 1023,  # shorter than it says
        [0, 4, 0, 0] + [0] * 1024 + [65],  # the texts do not end with a zero
        [1, 4, 0, 0] + [0] * 1100,
        [0, 4, 0, 0] + [0, 255, 255, 127] + [0] * 1021,  # the root's children lie behind the end
        [0, 4, 0, 0] + [0, 1, 0, 0] + [255, 255, 255, 0] * 255 + [0],  # a text that begins behind the end
    ],
)
def test_a_damaged_character_map(character_map):
    with pytest.raises(TokenizerError, match="precompiled_charsmap"):
        tokenizers.from_metadata(unigram(precompiled_charsmap=np.array(character_map, np.uint8)))


def merges(**entries) -> dict:
    demo = {"model": "llama", "tokens": ["<unk>", "<s>", "</s>", "▁", "a", *BYTES]}
    demo |= {"scores": [0.0] * 261, "token_type": [2, 3, 3, 1, 1, *[6] * 256]}
    return {KEY + key: value for key, value in (demo | entries).items()}


def test_bytes_that_are_missing():
    fewer = {"tokens": merges()[KEY + "tokens"][:-1], "scores": [0.0] * 260, "token_type": [2, 3, 3, 1, 1, *[6] * 255]}
    with pytest.raises(TokenizerError, match="1 byte pieces are missing, the first <0xFF>"):
        tokenizers.from_metadata(merges(**fewer))


def test_several_unknown_pieces():
    """Phi-3 types its fillers as unknown, which sentencepiece does not take as they are."""
    tokenizer = tokenizers.from_metadata(merges(token_type=[2, 3, 3, 1, 2, *[6] * 256]))
    assert tokenizer.encode("a", add_special=False) == [3, 5 + ord("a")]


def test_empty_text():
    tokenizer = tokenizers.from_metadata(merges())
    assert tokenizer.encode("") == [1]
    assert tokenizer.encode("", add_special=False) == []
