"""llama.cpp itself as the oracle: ids, pieces, texts, special ids and ends of real vocabularies."""

import random

import pytest

from refllm import tokenizers
from tests.tokenizers import vocabularies
from tests.tokenizers.llamacpp import Vocabulary
from tests.tokenizers.texts import AWKWARD, LONG, random_texts
from tests.tokenizers.vocabularies import KEY

pytestmark = pytest.mark.conformance

NAMES = ("llama-spm", "llama-bpe", "qwen2", "gpt-2", "aquila", "baichuan")
COUNT = 5000 if LONG else 100
SPECIALS = {
    "fim_prefix": "fim_pre",
    "fim_suffix": "fim_suf",
    "fim_middle": "fim_mid",
    "fim_pad": "fim_pad",
    "fim_repository": "fim_rep",
    "fim_file": "fim_sep",
} | {name: name for name in ("bos", "eos", "eot", "sep", "pad", "mask")}


@pytest.fixture(scope="module", params=NAMES)
def both(request, vocabulary):
    file, ours = vocabulary(request.param)
    return Vocabulary(file.path), ours


def once(ids: list[int], tokenizer: tokenizers.Tokenizer) -> list[int]:
    """llama.cpp puts a second token around a text that begins or ends with it; refllm does not."""
    begin, end = tokenizer.begins_with, tokenizer.ends_with
    ids = ids[1:] if begin is not None and ids[:2] == [begin] * 2 else ids
    return ids[:-1] if end is not None and ids[-2:] == [end] * 2 else ids


def test_ids(both):
    theirs, ours = both
    for text in (*AWKWARD, *random_texts(COUNT, seed=2)):
        for parse_special in (False, True):
            with_ends = once(theirs.encode(text, True, parse_special), ours)
            assert ours.encode(text, True, parse_special) == with_ends, ascii(text)
            assert ours.encode(text, False, parse_special) == theirs.encode(text, False, parse_special), ascii(text)


def test_pieces(both):
    theirs, ours = both
    assert ours.vocab_size == len(theirs)
    for id in range(0, ours.vocab_size, 1 if LONG else 29):
        assert ours.token_bytes(id) == theirs.piece(id)
        assert ours.token_bytes(id, special=False) == theirs.piece(id, special=False)


def test_ends_and_special_ids(both):
    theirs, ours = both
    assert ours.end_ids == theirs.ends()
    assert {name: getattr(ours.special_ids, name) for name in SPECIALS} == {
        name: theirs.special(other) for name, other in SPECIALS.items()
    }


def test_texts(both):
    """Where llama.cpp tidies the text (before full stops) or takes a space behind a hidden token, refllm does not."""
    theirs, ours = both
    source = random.Random(3)
    for text in random_texts(COUNT, seed=4):
        ids = ours.encode(text, add_special=False)
        if ids[:1] == [ours.unk]:
            continue
        if ours.space_prefix:
            assert ours.decode(ids) == theirs.decode(ids)
        some = [source.randrange(ours.vocab_size) for _ in range(5)]
        joined = b"".join(theirs.piece(id, special=False) for id in some)
        assert ours.decode(some, continues=True) == joined.decode("utf-8", "replace")


# --- small vocabularies of our own


def small(model: str, pieces: list[str], kinds: list[int], **entries) -> dict:
    keys = {"model": model, "tokens": pieces, "token_type": vocabularies.kinds(kinds), **entries}
    return {KEY + key: value for key, value in keys.items()}


WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "▁hello",
    "▁he",
    "llo",
    "▁é",
    "▁É",
    "▁e",
    "s",
    "▁!",
    "▁世",
    "▁ᄒ",
    "ᅡ",
    "▁$",
]


@pytest.mark.parametrize(("lowercase", "strip_accents"), [(True, True), (True, False), (False, False), (False, True)])
def test_wordpiece(tmp_path, lowercase, strip_accents):
    options = {"normalizer.lowercase": lowercase, "normalizer.strip_accents": strip_accents}
    ids = {"padding_token_id": 0, "unknown_token_id": 1, "bos_token_id": 2, "seperator_token_id": 3}
    path = vocabularies.written(tmp_path, small("bert", WORDS, [3, 2, 3, 3] + [1] * 12, **options, **ids))
    theirs, ours = Vocabulary(path), tokenizers.from_gguf(path)
    parts = (
        "hello",
        "Hello",
        "HE",
        "llo",
        "é",
        "É",
        "e\u0301",
        "s",
        " ",
        "\n",
        "!",
        "世",
        "하",
        "$",
        "€",
        "\x01",
        "[SEP]",
    )
    for text in random_texts(2 * COUNT, seed=5, parts=parts):
        for parse_special in (False, True):
            assert ours.encode(text, True, parse_special) == once(theirs.encode(text, True, parse_special), ours), (
                ascii(text)
            )


def test_rwkv(tmp_path):
    pieces = ["<s>", *(rf"\x{byte:02x}" for byte in range(256)), "ab", "abc", r"\n\n", "你", r"\xe4\xbd", "bcd", r"\\x"]
    path = vocabularies.written(tmp_path, small("rwkv", pieces, [3] + [1] * 263))
    theirs, ours = Vocabulary(path), tokenizers.from_gguf(path)
    assert [ours.token_bytes(id) for id in range(264)] == [theirs.piece(id) for id in range(264)]
    for text in random_texts(2 * COUNT, seed=6, parts=("a", "b", "c", "d", "\n", "你", "佣", "\\", "x", "<s>", " ")):
        for parse_special in (False, True):
            assert ours.encode(text, True, parse_special) == theirs.encode(text, True, parse_special), ascii(text)


@pytest.mark.parametrize(
    ("entries", "pre"),
    [
        ({}, "gpt-2"),
        ({"general.name": "Phi-3 mini"}, "gpt-2"),
        ({"general.name": "modern-bert"}, "gpt-2"),
        ({}, "jina-v2-de"),
    ],
)
def test_special_tokens(tmp_path, entries, pre):
    """Longest first, the maker's own always, others on demand, white space swallowed for some models."""
    letters = [letter for letter in map(chr, range(33, 127)) if letter not in "<>"] + ["Ġ", "Ċ", "<", ">"]
    special = ["<s>", "</s>", "<mask>", "[MASK]", "<|end|>", "<|endoftext|>", "<unk>", "ab", "abab", "<|user|>"]
    kinds = [1] * len(letters) + [3, 3, 3, 3, 3, 3, 2, 4, 4, 4]
    pieces = letters + special
    metadata = small("gpt2", pieces, kinds, pre=pre, merges=["a b"], bos_token_id=len(letters), eos_token_id=1)
    path = vocabularies.written(tmp_path, {**metadata, **entries})
    theirs, ours = Vocabulary(path), tokenizers.from_gguf(path)
    for text in random_texts(3 * COUNT, seed=7, parts=(*special, "a", "b", " ", "\n", "<", "|", "x")):
        if text.isascii():
            for parse_special in (False, True):
                want = once(theirs.encode(text, True, parse_special), ours)
                assert ours.encode(text, True, parse_special) == want, ascii(text)


ENDS = (
    *("<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>", "<end_of_turn>"),
    *("</s>", "<|eom_id|>", "<EOT>", "[EOS]", "<turn|>", "<|tool_response>", "<|fim_pad|>", "[PAD]", "<|file_sep|>"),
    *("<|channel|>", "<|message|>", "<reponame>", "<|plamo:eos|>", "<|fim_middle|>", "<MID>", "<eos>", "[e~["),
)


@pytest.mark.parametrize("seed", range(60 if LONG else 12))
def test_ends_by_name(tmp_path, seed):
    """Any company of known tokens, typed as anything: the same ends, the same visible tokens."""
    source = random.Random(seed)
    names = source.sample(ENDS, source.randint(1, 9))
    pieces = ["a", "b", *names]
    kinds = [1, 1, *source.choices((1, 3, 4), k=len(names))]
    metadata = small("gpt2", pieces, kinds, pre="gpt-2", merges=["a b"], bos_token_id=0)
    metadata[KEY + "eos_token_id"] = source.randrange(len(pieces))
    path = vocabularies.written(tmp_path, metadata)
    theirs, ours = Vocabulary(path), tokenizers.from_gguf(path)
    if sum(name in ("<|fim_pad|>", "[PAD]") for name in names) < 2:  # of two, llama.cpp takes any
        assert ours.end_ids == theirs.ends()
        for id in range(len(pieces)):
            assert ours.token_bytes(id, special=False) == theirs.piece(id, special=False)
