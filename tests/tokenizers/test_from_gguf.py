"""What files say, leave out, and get wrong."""

import numpy as np
import pytest

from refllm import gguf, tokenizers
from refllm.tokenizers import TokenizerError
from tests.tokenizers import vocabularies
from tests.tokenizers.vocabularies import KEY


def metadata(**entries) -> dict:
    keys = {"model": "gpt2", "pre": "gpt-2", "tokens": ["a", "b", "ab"], "merges": ["a b"]}
    return {KEY + key: value for key, value in (keys | entries).items() if value is not None}


SMALL = {
    "llama": {"scores": [0.0, 0.0, 0.0]},
    "t5": {"scores": [0.0, 0.0, 0.0], "unknown_token_id": 0},
    "bert": {"unknown_token_id": 0},
    "rwkv": {},
    "gpt2": {},
    "gemma4": {"bos_token_id": 0},
}


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"model": None}, "tokenizer.ggml.model is missing"),
        ({"model": "abacus"}, "tokenizer.ggml.model is 'abacus'; expected one of llama, t5, gpt2, gemma4, bert, rwkv"),
        ({"model": 7}, "tokenizer.ggml.model is 7; expected str"),
        ({"pre": "quipu"}, "tokenizer.ggml.pre is 'quipu', which is not known; force_pre='gpt-2' would"),
        ({"tokens": None}, "tokenizer.ggml.tokens is missing"),
        ({"tokens": []}, "tokenizer.ggml.tokens is empty; expected a vocabulary"),
        ({"tokens": ["a", 7]}, r"tokenizer.ggml.tokens is \['a', 7\]; expected strings"),
        ({"tokens": ["a", "b", "a"]}, "pieces 0 and 2 are both 'a'; expected every piece once"),
        ({"merges": None}, "tokenizer.ggml.merges is missing"),
        ({"merges": "a b"}, "tokenizer.ggml.merges is 'a b'; expected list"),
        ({"merges": [7]}, r"tokenizer.ggml.merges is \[7\]; expected strings"),
        ({"token_type": [1, 1]}, "tokenizer.ggml.token_type has 2 values; expected one for each of the 3 pieces"),
        ({"token_type": ["x"] * 3}, "tokenizer.ggml.token_type is .*; expected one number for each piece"),
        ({"token_type": [1, 1, 6]}, "piece 2 is 'ab', a byte; expected <0x00> to <0xFF>"),
        ({"scores": [0.0] * 4}, "tokenizer.ggml.scores has 4 values; expected one for each of the 3 pieces"),
        ({"model": "llama"}, "tokenizer.ggml.scores is missing; expected one for each of the 3 pieces"),
        ({"model": "bert"}, "tokenizer.ggml.unknown_token_id names none of the 3 pieces"),
        ({"add_bos_token": "yes"}, "tokenizer.ggml.add_bos_token is 'yes'; expected bool"),
        ({"bos_token_id": "0"}, "tokenizer.ggml.bos_token_id is '0'; expected int"),
    ],
)
def test_what_is_wrong_is_named(entries, message):
    with pytest.raises(TokenizerError, match=message):
        tokenizers.from_metadata(metadata(**entries))


def test_the_file_is_named_too(tmp_path):
    path = vocabularies.written(tmp_path, metadata(pre="quipu"))
    with pytest.raises(TokenizerError, match=rf"{path}: tokenizer.ggml.pre is 'quipu'"):
        tokenizers.from_gguf(path)


def test_a_pre_tokenizer_may_be_forced():
    tokenizer = tokenizers.from_metadata(metadata(pre="quipu"), force_pre="gpt-2")
    assert tokenizer.encode("ab", add_special=False) == [2]


def test_without_a_pre_tokenizer_the_default_is_taken_with_a_warning():
    with pytest.warns(UserWarning, match="tokenizer.ggml.pre is missing"):
        tokenizer = tokenizers.from_metadata(metadata(pre=None))
    assert tokenizer.encode("ab", add_special=False) == [2]


@pytest.mark.parametrize(("model", "entries"), SMALL.items())
def test_every_family_from_a_file(tmp_path, model, entries):
    path = vocabularies.written(tmp_path, metadata(model=model, **entries))
    with gguf.open(path) as file:
        opened = tokenizers.from_gguf(file)
    named = tokenizers.from_gguf(str(path))
    assert opened.encode("ab") == named.encode("ab")
    assert isinstance(opened.decode(opened.encode("ab")), str)
    assert opened.vocab_size == 3


def test_ids_outside_of_the_vocabulary_are_none():
    """Files have 4294967295, which is -1, where there is no such token."""
    tokenizer = tokenizers.from_metadata(metadata(padding_token_id=2**32 - 1, eos_token_id=3, unknown_token_id=1))
    assert (tokenizer.pad, tokenizer.eos, tokenizer.bos, tokenizer.unk) == (None, None, None, 1)


def test_an_empty_piece_gets_a_name():
    assert tokenizers.from_metadata(metadata(tokens=["a", "", "b"])).pieces([1]) == ["[EMPTY_1]"]


def test_kinds_that_nobody_knows_have_no_text():
    tokenizer = tokenizers.from_metadata(metadata(token_type=np.array([1, 0, 99], np.int32)))
    assert tokenizer.decode([0, 1, 2]) == "a"


def test_a_score_may_be_an_integer():
    entries = {"model": "llama", "scores": np.array([0, -1, 0], np.int32), "add_space_prefix": False}
    tokenizer = tokenizers.from_metadata(metadata(**entries, unknown_token_id=1))
    assert tokenizer.encode("aa", add_special=False) == [0, 0]


def test_bytes_that_are_no_utf8_in_a_piece():
    tokenizer = tokenizers.from_metadata(metadata(model="rwkv", tokens=["a", "\udce4\udcbd", r"\xa0"]))
    assert tokenizer.token_bytes(1) == b"\xe4\xbd"
    assert tokenizer.encode("a你") == [0, 1, 2]


def test_rwkv_without_a_piece_for_a_byte():
    tokenizer = tokenizers.from_metadata(metadata(model="rwkv"))
    with pytest.raises(TokenizerError, match="no piece begins with byte 0x63"):
        tokenizer.encode("c")
    assert tokenizers.from_metadata(metadata(model="rwkv", unknown_token_id=1)).encode("c") == [1]


def test_it_shows_itself_in_a_line():
    assert repr(tokenizers.from_metadata(metadata())) == "Tokenizer(3 pieces, bos None, eos None, 0 special)"
