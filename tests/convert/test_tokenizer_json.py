"""`tokenizer.json` becomes a vocabulary that gives the ids of Hugging Face's own tokenizers."""

import json

import numpy as np
import pytest
import regex

import refllm
from refllm import tokenizers as ours
from refllm.convert import sentencepiece_file, tokenizer_json, vocabulary
from refllm.errors import RefllmError
from refllm.tokenizers import sentencepiece_model
from refllm.tokenizers.vocabulary import Vocabulary
from tests.convert import checkpoints

LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
PATTERNS = {"llama-bpe": LLAMA_3, "qwen2": LLAMA_3.replace("{1,3}", ""), "gpt-2": None}
TEXTS = [
    "Hello, it's 12345 o'clock!\n\n  The cat, the other cat and 你好世界 are there...",
    "they'LL go\tto the\r\n\r\nhouse: 3.14, naïve café, emoji 🦙🦙!  ",
    "a<|begin|>the<|end|> and <tool>the",
]
CORPUS = [
    "the other cat and the house that they have there, it is 12 34 567",
    "你好世界 你好 世界 the they then",
    *TEXTS,
]


def byte_pair(name: str) -> dict:
    """A byte-level tokenizer, trained by the real library on a few lines."""
    tokenizers = pytest.importorskip("tokenizers")
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(ignore_merges=name == "llama-bpe"))
    levels = tokenizers.pre_tokenizers
    if PATTERNS[name]:
        split = levels.Split(tokenizers.Regex(PATTERNS[name]), "isolated")
        tokenizer.pre_tokenizer = levels.Sequence([split, levels.ByteLevel(add_prefix_space=False, use_regex=False)])
    else:
        tokenizer.pre_tokenizer = levels.ByteLevel(add_prefix_space=False)
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=340, initial_alphabet=levels.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|begin|>", "<|end|>"])
    tokenizer.add_tokens(["<tool>"])
    if name == "llama-bpe":
        begin = tokenizer.token_to_id("<|begin|>")
        tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
            "<|begin|> $A", special_tokens=[("<|begin|>", begin)]
        )
    return json.loads(tokenizer.to_str())


def converted(folder, content: dict, **settings) -> ours.Tokenizer:
    """Our tokenizer after conversion."""
    folder.mkdir()
    checkpoints.write_json(folder / "tokenizer.json", content)
    checkpoints.write_json(folder / "tokenizer_config.json", settings)
    size = max(content["model"]["vocab"].values()) + 1 + len(content["added_tokens"])
    return ours.from_metadata(vocabulary.read_vocabulary(folder, {}, size))


@pytest.mark.parametrize("name", PATTERNS)
def test_ids_of_byte_pair_tokenizers(tmp_path, name):
    tokenizers, content = pytest.importorskip("tokenizers"), byte_pair(name)
    theirs = tokenizers.Tokenizer.from_str(json.dumps(content))
    tokenizer = converted(tmp_path / "x", content, bos_token="<|begin|>", eos_token={"content": "<|end|>"})
    for text in TEXTS:
        ids = theirs.encode(text).ids
        assert tokenizer.encode(text, parse_special=True) == ids
        assert tokenizer.decode(tokenizer.encode(text, add_special=False), special=True) == text
    assert tokenizer.special_ids.bos == theirs.token_to_id("<|begin|>")
    assert tokenizer.special_ids.eos == theirs.token_to_id("<|end|>")
    assert tokenizer.begins_with == (theirs.token_to_id("<|begin|>") if name == "llama-bpe" else None)
    assert tokenizer.vocabulary.kinds[theirs.token_to_id("<tool>")] == 4


def test_merges_as_text_and_as_pairs(tmp_path):
    content = byte_pair("qwen2")
    pairs = [merge.split(" ") if isinstance(merge, str) else merge for merge in content["model"]["merges"]]
    texts = [" ".join(pair) for pair in pairs]
    found = []
    for number, merges in enumerate((pairs, texts)):
        content["model"]["merges"] = merges
        found.append(converted(tmp_path / str(number), content).encode(TEXTS[0]))
    assert found[0] == found[1]


@pytest.mark.parametrize("prepends", [True, False])
def test_a_sentencepiece_vocabulary_in_another_file(tmp_path, prepends):
    """Its merges give the same pieces as the scores of the SentencePiece model itself."""
    sentencepiece = pytest.importorskip("sentencepiece")
    (tmp_path / "corpus").write_text("\n".join(CORPUS * 3))
    sentencepiece.SentencePieceTrainer.Train(
        input=str(tmp_path / "corpus"),
        model_prefix=str(tmp_path / "spm"),
        model_type="bpe",
        vocab_size=380,
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        minloglevel=2,
        add_dummy_prefix=prepends,
        hard_vocab_limit=False,
    )
    model = sentencepiece_file.read(tmp_path / "spm.model")
    theirs = sentencepiece.SentencePieceProcessor(str(tmp_path / "spm.model"))
    content = from_sentencepiece(model, prepends)
    (tmp_path / "x").mkdir()
    checkpoints.write_json(tmp_path / "x" / "tokenizer.json", content)
    found = vocabulary.read_vocabulary(tmp_path / "x", {}, len(model.pieces))
    assert found["tokenizer.ggml.add_space_prefix"] == prepends
    tokenizer = ours.from_metadata(found)
    for text in TEXTS:
        assert tokenizer.encode(text, add_special=False) == theirs.encode(text)


def from_sentencepiece(model: sentencepiece_file.SentencePiece, prepends: bool) -> dict:
    """The file that transformers makes of a SentencePiece model: merges in the order of scores."""
    score = dict(zip(model.pieces, model.scores, strict=True))
    merges = [
        (score[piece], piece[:cut], piece[cut:])
        for piece, kind in zip(model.pieces, model.kinds, strict=True)
        if kind == 1
        for cut in range(1, len(piece))
        if piece[:cut] in score and piece[cut:] in score
    ]
    ordered = [[left, right] for _, left, right in sorted(merges, key=lambda merge: -merge[0])]
    steps = [{"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]
    steps = [{"type": "Prepend", "prepend": "▁"}, *steps] if prepends else steps
    return {
        "added_tokens": [],
        "normalizer": {"type": "Sequence", "normalizers": steps},
        "pre_tokenizer": None,
        "decoder": {"type": "Sequence", "decoders": []},
        "model": {
            "type": "BPE",
            "byte_fallback": True,
            "unk_token": "<unk>",
            "merges": ordered,
            "vocab": {piece: id for id, piece in enumerate(model.pieces)},
        },
    }


def test_a_unigram_vocabulary():
    content = {"model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["▁a", -1.5], ["b", -2.0]]}}
    content["pre_tokenizer"] = {"type": "Metaspace", "prepend_scheme": "always", "replacement": "▁"}
    pieces = tokenizer_json.read_pieces(content, "x")
    assert (pieces.model, pieces.texts, pieces.kinds) == ("t5", ["<unk>", "▁a", "b"], [2, 1, 1])
    assert ours.from_metadata(pieces.metadata() | {"tokenizer.ggml.unknown_token_id": 0}).encode("ab")[:2] == [1, 2]


def test_a_unigram_model_of_sentencepiece_is_tokenized_as_one(tmp_path):
    vocabulary_ = Vocabulary(
        ["<unk>", "<s>", "</s>", "▁a", "b", "▁ab"], [2, 3, 3, 1, 1, 1], [0.0, 0.0, 0.0, -1.0, -1.0, -9.0]
    )
    data = sentencepiece_model.model_file(vocabulary_, sentencepiece_model.UNIGRAM, 0, space_prefix=True)
    (tmp_path / "tokenizer.model").write_bytes(data)
    found = vocabulary.read_vocabulary(tmp_path, {}, 6)
    assert found["tokenizer.ggml.model"] == "t5"
    assert ours.from_metadata(found).encode("ab", add_special=False) == [3, 4]  # -2 is better than -9


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"type": "WordPiece", "vocab": {}}, "of the kind WordPiece; expected BPE or Unigram"),
        ({"type": "BPE", "vocab": {"a": 10**9}, "merges": []}, "has a piece with the id 1000000000"),
        ({"type": "BPE", "vocab": ["a"], "merges": []}, "cannot be understood"),
        ({}, "of the kind None"),
    ],
)
def test_models_that_are_refused(part, message):
    with pytest.raises(RefllmError, match=message):
        tokenizer_json.read_pieces({"model": part}, "x")


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (
            {"type": "Split", "pattern": {"Regex": "[a-m]+|[n-z]+"}, "behavior": "Isolated"},
            "as none that GGUF has a name",
        ),
        ({"type": "Split", "pattern": {"Regex": "(a"}, "behavior": "Isolated"}, "cannot be followed"),
        (
            {"type": "Split", "pattern": {"Regex": r"(?:.|..|...)+[0-3][x-z][x-z]"}, "behavior": "Isolated"},
            "cannot be followed: regex timed",
        ),
        (
            {"type": "Split", "pattern": {"Regex": "a"}, "behavior": "MergedWithNext"},
            "a Split that is 'MergedWithNext'",
        ),
        ({"type": "Whitespace"}, "a step of the kind 'Whitespace'"),
    ],
)
def test_pre_tokenizers_that_are_refused(monkeypatch, step, message):
    monkeypatch.setattr(tokenizer_json, "SECONDS", 0.05)
    with pytest.raises(RefllmError, match=message):
        tokenizer_json.pre_tokenizer_name(step, False, "x")


def test_a_checkpoint_without_tokenizer_model(tmp_path):
    """From the folder to a text: a Llama 3 with `tokenizer.json` alone."""
    folder, content = checkpoints.write_folder(tmp_path / "model", "llama3"), byte_pair("llama-bpe")
    (folder / "tokenizer.model").unlink()
    size = len(content["model"]["vocab"]) + len(content["added_tokens"])
    rows = np.random.default_rng(0).standard_normal((size, 64), np.float32)
    state = checkpoints.state("llama3") | {"model.embed_tokens.weight": rows}
    checkpoints.write_tensors(folder, {name: checkpoints.as_lazy(array, "F32") for name, array in state.items()}, 1)
    checkpoints.change_json(folder / "config.json", vocab_size=size)
    checkpoints.write_json(folder / "tokenizer.json", content)
    checkpoints.write_json(folder / "tokenizer_config.json", {"bos_token": "<|begin|>", "eos_token": "<|end|>"})
    refllm.convert(folder, tmp_path / "out.gguf")
    f = refllm.gguf.open(tmp_path / "out.gguf")
    assert f.metadata["tokenizer.ggml.pre"] == "llama-bpe"
    assert regex.fullmatch(r"\d+", str(ours.from_gguf(f).begins_with))
    assert f.tensors["token_embd.weight"].shape[0] == len(f.metadata["tokenizer.ggml.tokens"])
