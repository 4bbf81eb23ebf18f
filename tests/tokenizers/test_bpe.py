"""Byte-pair encoding: the merge loop against the plain rule, whole tokenizers against the package `tokenizers`."""

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refllm import tokenizers
from refllm.tokenizers import bpe
from refllm.tokenizers.pre_tokenizers import PRE_TOKENIZERS
from refllm.tokenizers.vocabulary import Kind, Vocabulary
from tests.tokenizers import vocabularies
from tests.tokenizers.texts import AWKWARD, LONG, random_texts
from tests.tokenizers.vocabularies import KEY

COUNT = 33_334 if LONG else 300  # of texts for each pre-tokenizer


def merge_plainly(letters: str, ranks: dict[str, int]) -> list[str]:
    """The rule as a sentence: while some pair has a rank, join the leftmost of the best."""
    symbols = list(letters)
    while True:
        pairs = [(ranks[f"{a} {b}"], i) for i, (a, b) in enumerate(itertools.pairwise(symbols)) if f"{a} {b}" in ranks]
        if not pairs:
            return symbols
        _, place = min(pairs)
        symbols[place : place + 2] = [symbols[place] + symbols[place + 1]]


def random_merges(seed: int) -> list[str]:
    """Merges in which most pieces come about in several ways."""
    source = random.Random(seed)
    pieces = list("abc")
    merges = []
    for _ in range(source.randint(1, 25)):
        pair = source.choice(pieces), source.choice(pieces)
        merges.append(" ".join(pair))
        pieces.append("".join(pair))
    return merges


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.text("abc", max_size=30))
def test_merging_follows_the_plain_rule(seed, letters):
    ranks = bpe.merge_ranks(random_merges(seed))
    assert bpe.merge(letters, ranks) == merge_plainly(letters, ranks)


def test_a_long_word_takes_no_longer_than_its_length():
    """20,000 equal letters join in pairs; looking for the best pair each time anew would take minutes."""
    ranks = bpe.merge_ranks(["a a", "aa aa", "aaaa aaaa"])
    assert bpe.merge("a" * 20_000, ranks) == ["a" * 8] * 2_500


def test_of_equal_merges_the_first_counts():
    assert bpe.merge_ranks(["a b", "b c", "a b"]) == {"a b": 0, "b c": 1}


@pytest.mark.parametrize("merges", [[" "], [""], ["a "], [" a"], ["a"], ["  "], [" ", "a ", " a", "a a"]])
def test_damaged_merges_join_nothing(merges):
    assert "".join(bpe.merge("aaa", bpe.merge_ranks(merges))) == "aaa"


def test_every_byte_has_a_letter_of_its_own():
    text = bytes(range(256)).decode("latin-1")
    assert len(set(bpe.BYTE_TO_LETTER.values())) == 256
    assert all(letter.isprintable() and not letter.isspace() for letter in bpe.BYTE_TO_LETTER.values())
    spelled = bpe.spell_bytes(text)
    assert bpe.piece_bytes(spelled, PRE_TOKENIZERS["gpt-2"]) == text.encode()


def test_a_piece_that_is_not_spelled_in_letters():
    """Vocabularies have added pieces as they are, here with a space."""
    assert bpe.piece_bytes("a 世", PRE_TOKENIZERS["gpt-2"]) == "a 世".encode()


def test_ignoring_merges():
    vocabulary = Vocabulary(["a", "b", "c", "ab", "abc"], [Kind.NORMAL] * 5, [0.0] * 5)
    encode = {name: bpe.encoder(vocabulary, {"b c": 0}, PRE_TOKENIZERS[name]) for name in ("llama-bpe", "gpt-2")}
    assert encode["llama-bpe"]("abc") == [4]
    assert encode["gpt-2"]("abc") == [0, 1, 2]  # "bc" is joined, is no piece, and is spelled


def test_text_that_is_not_spelled_in_letters():
    """Gemma 4: spaces are ▁, other characters stand for themselves or are spelled in bytes."""
    pieces = ["▁", "a", "▁a", "\n\n", *vocabularies.BYTES]
    metadata = {"model": "gemma4", "tokens": pieces, "merges": ["▁ a"], "bos_token_id": 0}
    tokenizer = tokenizers.from_metadata({KEY + key: value for key, value in metadata.items()})
    ids = tokenizer.encode(" a\n\n世", add_special=False)
    assert ids == [2, 3, *(4 + byte for byte in "世".encode())]


@pytest.mark.parametrize("pre", vocabularies.SPLITS)
def test_ids_are_those_of_tokenizers(pre):
    theirs, metadata = vocabularies.trained_byte_pairs(pre)
    if PRE_TOKENIZERS[pre].ignore_merges:
        theirs.model.ignore_merges = True
    ours = tokenizers.from_metadata(metadata)
    for text in (*AWKWARD, *random_texts(COUNT)):
        ids = ours.encode(text, add_special=False)
        assert ids == theirs.encode(text).ids, ascii(text)
        assert ours.decode(ids) == text


@pytest.mark.conformance
@pytest.mark.parametrize("pre", vocabularies.SPLITS if LONG else ["gpt-2"])
def test_real_vocabularies_in_tokenizers(pre, vocabulary):
    from tokenizers import models

    file, ours = vocabulary(pre)
    merges = [tuple(merge.split(" ", 1)) for merge in file.metadata[KEY + "merges"]]
    model = models.BPE(ours.vocabulary.ids, merges, ignore_merges=PRE_TOKENIZERS[pre].ignore_merges)
    theirs = vocabularies.byte_pair_tokenizer(model, pre)
    for text in (*AWKWARD, *random_texts(COUNT, seed=1)):
        assert ours.encode(text, add_special=False) == theirs.encode(text).ids, ascii(text)
