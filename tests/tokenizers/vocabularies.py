"""Small vocabularies as the metadata of GGUF files, and models trained in the test that they come from."""

import io
import itertools
import json
import pathlib
import random

import numpy as np
import sentencepiece

from refllm import gguf
from refllm.tokenizers.bpe import spell_bytes
from refllm.tokenizers.pre_tokenizers import PRE_TOKENIZERS
from refllm.tokenizers.vocabulary import SPACE, Kind

KEY = "tokenizer.ggml."
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def written(folder: pathlib.Path, metadata: dict) -> pathlib.Path:
    """A GGUF file without tensors, as llama.cpp opens it."""
    path = folder / "vocabulary.gguf"
    gguf.write(path, {"general.architecture": "llama", **metadata}, {})
    return path


def every_pair(texts: list[str], pre: str) -> dict:
    """A byte-pair vocabulary in which any two letters of the texts join: its ids show where words were cut."""
    byte_letters = PRE_TOKENIZERS[pre].byte_letters
    letters = set("".join(spell_bytes(text) if byte_letters else text.replace(" ", SPACE) for text in texts))
    pairs = list(itertools.product(sorted(letters), repeat=2))
    pieces = [*sorted(letters), *(left + right for left, right in pairs)] + ([] if byte_letters else BYTES)
    return {
        KEY + "model": "gpt2",
        KEY + "pre": pre,
        KEY + "tokens": pieces,
        KEY + "token_type": kinds([Kind.BYTE if piece in BYTES else Kind.NORMAL for piece in pieces]),
        KEY + "merges": [f"{left} {right}" for left, right in pairs],
    }


def kinds(numbers: list[int]) -> np.ndarray:
    """Kinds of pieces as llama.cpp wants them stored."""
    return np.array(numbers, np.int32)


def prose(words: int, seed: int = 0) -> list[str]:
    """Lines of made-up words, some more frequent than others, in a few scripts."""
    source = random.Random(seed)
    syllables = ["ka", "to", "mi", "ne", "sur", "lo", "be", "an", "é", "in", "世", "界", "好", "ру", "ка", "12"]
    lexicon = ["".join(source.choices(syllables, k=source.randint(1, 4))) for _ in range(300)]
    chosen = source.choices(lexicon, weights=[1 / (rank + 1) for rank in range(300)], k=words)
    return [" ".join(chosen[start : start + 12]) + source.choice(".!?") for start in range(0, words, 12)]


def trained(**options) -> bytes:
    """A SentencePiece model file, trained here and now."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(prose(4000)), model_writer=model, minloglevel=2, num_threads=1, **options
    )
    return model.getvalue()


def metadata_of(model: bytes) -> dict:
    """What a conversion to GGUF keeps of a SentencePiece model file."""
    fields = read_fields(model)
    pieces = [dict(read_fields(value)) for number, value in fields if number == 1]
    trainer, normalizer = (dict(read_fields(dict(fields)[number])) for number in (2, 3))
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    character_map = {KEY + "precompiled_charsmap": np.frombuffer(normalizer.get(2, b""), np.uint8)}
    return {
        KEY + "model": {1: "t5", 2: "llama"}[trainer.get(3, 1)],
        KEY + "tokens": [piece[1].decode() for piece in pieces],
        KEY + "scores": np.array([processor.get_score(id) for id in range(len(pieces))], np.float32),
        KEY + "token_type": kinds([piece.get(3, Kind.NORMAL) for piece in pieces]),
        KEY + "bos_token_id": 1,
        KEY + "eos_token_id": 2,
        KEY + "unknown_token_id": 0,
        KEY + "add_space_prefix": bool(normalizer.get(3, 1)),
        KEY + "remove_extra_whitespaces": bool(normalizer.get(4, 1)),
        **(character_map if normalizer.get(2) else {}),
    }


def read_fields(message: bytes) -> list[tuple[int, int | bytes]]:
    """The fields of a protobuf message, numbers and byte strings; numbers of fixed size are left out."""
    fields, place = [], 0
    while place < len(message):
        tag, place = read_varint(message, place)
        number, stored = tag >> 3, tag & 7
        if stored in (1, 5):
            place += 8 if stored == 1 else 4
            continue
        value, place = read_varint(message, place)
        if stored == 2:
            value, place = message[place : place + value], place + value
        fields.append((number, value))
    return fields


def read_varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[place]
        value, shift, place = value | (byte & 127) << shift, shift + 7, place + 1
        if byte < 128:
            return value, place


# The words as Hugging Face's `tokenizer.json` files cut them, from the files of the models.
CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
SPLITS = {
    "gpt-2": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "llama-bpe": CONTRACTIONS
    + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "qwen2": CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
}


def byte_pair_tokenizer(model, pre: str):
    """A tokenizer of the package `tokenizers` around a BPE model of its own."""
    import tokenizers
    from tokenizers import pre_tokenizers

    made = tokenizers.Tokenizer(model)
    split = pre_tokenizers.Split(tokenizers.Regex(SPLITS[pre]), behavior="isolated")
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    return made


def trained_byte_pairs(pre: str, size: int = 1000):
    """A byte-pair tokenizer of the package `tokenizers`, trained here and now, and its GGUF metadata."""
    from tokenizers import models, pre_tokenizers, trainers

    made = byte_pair_tokenizer(models.BPE(), pre)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        prose(4000), trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False)
    )
    pieces = sorted(made.get_vocab(), key=made.get_vocab().get)
    merges = [" ".join(pair) for pair in json.loads(made.to_str())["model"]["merges"]]
    keys = {"model": "gpt2", "pre": pre, "tokens": pieces, "merges": merges}
    return made, {KEY + key: value for key, value in keys.items()}
