"""Special tokens in a text, and the tokens around it."""

import numpy as np
import pytest

from refllm import tokenizers
from refllm.tokenizers import special
from refllm.tokenizers.special import Special
from refllm.tokenizers.tokenizer import well_formed
from tests.tokenizers import vocabularies
from tests.tokenizers.vocabularies import KEY


def tokenizer_of(**entries) -> tokenizers.Tokenizer:
    keys = {
        "model": "gpt2",
        "pre": "gpt-2",
        "tokens": ["a", "b", "Ġ", "<s>", "</s>", "<|user|>"],
        "token_type": vocabularies.kinds([1, 1, 1, 3, 3, 4]),
        "merges": ["x y"],
        "bos_token_id": 3,
        "eos_token_id": 4,
        "add_bos_token": True,
        "add_eos_token": True,
    }
    return tokenizers.from_metadata({KEY + key: value for key, value in (keys | entries).items()})


def test_both_ends_once():
    tokenizer = tokenizer_of()
    assert tokenizer.encode("a") == [3, 0, 4]
    assert tokenizer.encode("<s>a</s>", parse_special=True) == [3, 0, 4]
    assert tokenizer.encode("<s>", parse_special=True) == [3, 4]
    assert tokenizer.encode("?<s>a</s>?", parse_special=True) == [3, 0, 4]  # "?" has no piece
    assert tokenizer.encode("") == [3, 4]
    assert tokenizer.encode("<s><s>a", parse_special=True) == [3, 3, 0, 4]  # what the text asks for it gets


def test_an_ordinary_piece_is_not_taken_for_the_beginning():
    """GPT-2's default beginning, id 11, is a comma."""
    assert tokenizer_of(bos_token_id=0, eos_token_id=1).encode("ab") == [0, 0, 1, 1]


def test_one_token_for_both_ends():
    assert tokenizer_of(eos_token_id=3).encode("") == [3, 3]


def test_control_tokens_only_on_demand_the_makers_own_always():
    tokenizer = tokenizer_of(add_bos_token=False, add_eos_token=False)
    assert tokenizer.encode("a<|user|>b") == [0, 5, 1]
    assert tokenizer.encode("a</s>b") == [0, 1]  # "<", "/", "s" and ">" have no pieces here
    assert tokenizer.encode("a</s>b", parse_special=True) == [0, 4, 1]


def test_longer_tokens_go_first():
    found = [Special("abcd", 1, always=True), Special("xab", 2, always=True), Special("ab", 3, always=True)]
    assert special.cut("xabcd ab", found, False) == ["x", 1, " ", 3]


def test_white_space_beside_a_token():
    left, right = (Special("<m>", 1, True, **side) for side in ({"strip_left": True}, {"strip_right": True}))
    assert special.cut("a \n<m> \nb", [left], False) == ["a", 1, " \nb"]
    assert special.cut("a \n<m> \nb", [right], False) == ["a \n", 1, "b"]
    assert special.cut("<m> <m>\u00a0", [right], False) == [1, 1, "\u00a0"]  # only ASCII white space counts


def test_lone_surrogates_become_replacement_characters():
    assert well_formed("a\ud83d\ude00\ud800b") == "a😀\ufffdb"
    assert tokenizer_of().encode("\udc80a") == [3, 0, 4]


def test_ids_may_be_numpy_integers():
    tokenizer = tokenizer_of()
    assert tokenizer.decode(np.array([3, 0, 2, 1])) == "a b"
    assert tokenizer.token_bytes(np.int64(2)) == b" "


@pytest.mark.parametrize(("key", "name"), [("add_bos_token", "bos"), ("add_eos_token", "eos")])
def test_an_end_without_a_token(key, name):
    few = {"tokens": ["a"], "token_type": vocabularies.kinds([1]), "add_bos_token": False, "add_eos_token": False}
    with pytest.raises(tokenizers.TokenizerError, match=f"is to have a {name} token, but tokenizer.ggml.{name}_token"):
        tokenizer_of(**few | {key: True})
