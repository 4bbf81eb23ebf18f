"""Decoding as the ids come: whole characters only, and the same text in the end."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refllm import tokenizers
from refllm.tokenizers import TokenizerError
from refllm.tokenizers.vocabulary import Kind
from tests.tokenizers import vocabularies
from tests.tokenizers.vocabularies import BYTES, KEY

PIECES = ["<unk>", "<s>", "▁a", "▁", "世", "界", "\u0301", "👩", "<|user|>", *BYTES]
KINDS = [Kind.UNKNOWN, Kind.CONTROL, *[Kind.NORMAL] * 6, Kind.USER_DEFINED, *[Kind.BYTE] * 256]
SPELLED_IN_BYTES = [9 + byte for byte in "é你好👩‍👩‍👧🇩🇪e\u0301ñ".encode()]


@pytest.fixture(scope="module")
def tokenizer() -> tokenizers.Tokenizer:
    keys = {"model": "llama", "tokens": PIECES, "token_type": vocabularies.kinds(KINDS), "scores": [0.0] * len(PIECES)}
    return tokenizers.from_metadata({KEY + key: value for key, value in keys.items()})


IDS = st.lists(st.one_of(st.integers(0, len(PIECES) - 1), st.sampled_from(SPELLED_IN_BYTES)), max_size=25)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(IDS, st.booleans(), st.booleans())
def test_the_parts_are_the_whole(tokenizer, ids, special, continues):
    stream = tokenizer.stream(special, continues)
    parts = [stream.feed(id) for id in ids]
    assert "".join(parts) + stream.flush() == tokenizer.decode(ids, special, continues)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.text(st.characters(codec="utf-8"), max_size=12))
def test_a_text_spelled_in_bytes_comes_back_character_by_character(tokenizer, text):
    stream = tokenizer.stream(continues=True)
    parts = [stream.feed(9 + byte) for byte in text.encode()]
    assert "".join(parts) == text
    assert stream.flush() == ""
    assert all(len(part) <= 1 for part in parts)
    if "\ufffd" not in text:
        assert "\ufffd" not in "".join(parts)


def test_nothing_is_shown_before_it_is_certain(tokenizer):
    stream = tokenizer.stream()
    family = [9 + byte for byte in "👩".encode()]
    assert [stream.feed(id) for id in (2, *family, 4)] == ["a", "", "", "", "👩", "世"]


def test_an_unfinished_character_at_the_end(tokenizer):
    stream = tokenizer.stream()
    assert [stream.feed(9 + 0xE4), stream.feed(9 + 0xBD), stream.flush()] == ["", "", "\ufffd"]
    assert tokenizer.decode([9 + 0xE4, 9 + 0xBD]) == "\ufffd"


def test_bytes_that_can_become_no_character(tokenizer):
    stream = tokenizer.stream()
    assert [stream.feed(9 + byte) for byte in (0xFF, 0xC0, 0x41)] == ["\ufffd", "\ufffd", "A"]


def test_one_space_is_dropped_at_the_beginning_of_a_text(tokenizer):
    assert tokenizer.encode("a") == [1, 2]
    assert tokenizer.decode([1, 2]) == "a"
    assert tokenizer.decode([3, 3, 2]) == "  a"
    assert tokenizer.decode([2], continues=True) == " a"
    stream = tokenizer.stream()
    assert [stream.feed(id) for id in (1, 2, 2)] == ["", "a", " a"]


def test_special_tokens_are_hidden_or_shown(tokenizer):
    assert tokenizer.decode([1, 0, 8, 2]) == "<|user|> a"
    assert tokenizer.decode([1, 0, 8, 2], special=True) == "<s><unk><|user|> a"


def test_pieces_show_what_is_no_character(tokenizer):
    assert tokenizer.pieces([1, 2, 9 + 0xE4, 4]) == ["<s>", " a", r"\xe4", "世"]


@pytest.mark.parametrize("id", [-1, len(PIECES), 2**40])
def test_an_id_out_of_range(tokenizer, id):
    for use in (tokenizer.token_bytes, tokenizer.stream().feed, lambda id: tokenizer.decode([id])):
        with pytest.raises(TokenizerError, match=f"token id {id} is not in the vocabulary; expected 0 to 264"):
            use(id)
