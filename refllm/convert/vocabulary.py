"""The tokenizer of a Hugging Face folder as the `tokenizer.*` metadata of a GGUF file.

Pieces come from `tokenizer.model` (SentencePiece) or, where there is none, from `tokenizer.json`; then the folder's
other files have their say, as in transformers: added tokens, special tokens, the chat template. A vocabulary smaller
than the model's embedding is filled up with unused pieces `[PAD7]`, a larger one is an error.

>>> pieces = Pieces("llama", ["<unk>", "a"], [2, 1], [0.0, -1.0])
>>> fill_up(pieces, 3, pathlib.Path("folder"))
>>> pieces.texts, pieces.kinds[2] == Kind.UNUSED
(['<unk>', 'a', '[PAD2]'], True)
>>> fill_up(pieces, 2, pathlib.Path("folder"))
Traceback (most recent call last):
    ...
refllm.errors.RefllmError: folder: the tokenizer has 3 pieces; the model knows 2 (vocab_size)
"""

import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from refllm.convert import sentencepiece_file, tokenizer_json
from refllm.convert.checkpoint import read_json
from refllm.convert.pieces import Pieces
from refllm.errors import RefllmError
from refllm.tokenizers.sentencepiece_model import UNIGRAM
from refllm.tokenizers.vocabulary import SPACE, Kind

ADDED_SCORE, FILLER_SCORE = -1000.0, -10000.0  # lower than that of any piece that was learned
ROLES = {"bos": "bos", "eos": "eos", "unk": "unknown", "sep": "seperator", "pad": "padding", "mask": "mask"}
LIKE_SPECIAL = ("<pad>", "<mask>", "<2mass>", "[@BOS@]")  # marked as ordinary in some folders, but they steer the model
GEMMA = ("GemmaForCausalLM", "Gemma2ForCausalLM", "Gemma3ForCausalLM", "Gemma3ForConditionalGeneration")


def read_vocabulary(folder: pathlib.Path, config: dict[str, Any], size: int) -> dict[str, Any]:
    """Everything a GGUF file says about the tokenizer of this folder."""
    settings, fast = read_json(folder / "tokenizer_config.json"), read_json(folder / "tokenizer.json")
    pieces = read_pieces(folder, fast)
    for id, text, is_special in added_tokens(folder, settings, fast):
        add(pieces, id, text, is_special, folder)
    fill_up(pieces, size, folder)
    if (config.get("architectures") or [None])[0] in GEMMA and pieces.model == "llama":
        pieces.space_prefix = False
    elif isinstance(settings.get("add_prefix_space"), bool) and pieces.model == "llama":
        pieces.space_prefix = settings["add_prefix_space"]
    metadata = pieces.metadata()
    metadata |= special_ids(pieces, settings, config)
    metadata |= frame(pieces, settings)
    return metadata | chat_templates(folder, settings)


def sentencepiece_vocabulary(path: pathlib.Path, size: int) -> dict[str, Any]:
    """What a GGUF file says about a tokenizer that is nothing but `tokenizer.model`."""
    pieces = from_sentencepiece(path)
    fill_up(pieces, size, path)
    pieces.frame = {"bos": True, "eos": False}
    return pieces.metadata() | special_ids(pieces, {}, {}) | frame(pieces, {})


def read_pieces(folder: pathlib.Path, fast: dict[str, Any]) -> Pieces:
    if (folder / "tokenizer.model").exists():
        return from_sentencepiece(folder / "tokenizer.model")
    if fast:
        return tokenizer_json.read_pieces(fast, folder / "tokenizer.json")
    raise RefllmError(f"{folder}: has no tokenizer; expected tokenizer.model or tokenizer.json")


def from_sentencepiece(path: pathlib.Path) -> Pieces:
    """The pieces of a SentencePiece model; one trained as a unigram model is tokenized as one ("t5")."""
    model = sentencepiece_file.read(path)
    roles = {
        "unk": sentencepiece_file.UNKNOWN_ID,
        "bos": sentencepiece_file.BEGIN_ID,
        "eos": sentencepiece_file.END_ID,
        "pad": sentencepiece_file.PADDING_ID,
    }
    texts = [
        as_text(piece) if kind == Kind.USER_DEFINED else piece
        for piece, kind in zip(model.pieces, model.kinds, strict=True)
    ]
    pieces = Pieces("llama", texts, model.kinds, model.scores, space_prefix=model.space_prefix)
    pieces.roles = {role: model.special(field) for role, field in roles.items()}
    if model.algorithm == UNIGRAM:
        pieces.model, pieces.extra = (
            "t5",
            {
                "remove_extra_whitespaces": model.remove_extra_spaces,
                "precompiled_charsmap": np.frombuffer(model.character_map, np.uint8),
            },
        )
    return pieces


# ---- added tokens ----


def added_tokens(folder: pathlib.Path, settings: dict, fast: dict) -> Iterator[tuple[int, str, bool]]:
    """Id, text, and whether it steers the model, from each of the places where a folder may say it."""
    for text, id in read_json(folder / "added_tokens.json").items():
        yield id, text, False
    for id, entry in (settings.get("added_tokens_decoder") or {}).items():
        yield int(id), entry["content"], bool(entry.get("special"))
    for entry in fast.get("added_tokens") or []:
        yield entry["id"], entry["content"], bool(entry.get("special"))


def add(pieces: Pieces, id: int, text: str, is_special: bool, folder: pathlib.Path) -> None:
    """Put an added token where it belongs; ids beyond the pieces so far make room."""
    if not isinstance(id, int) or not 0 <= id < len(pieces.texts) + 100_000:
        raise RefllmError(f"{folder}: the added token {text!r} has the id {id!r}; expected one near the others")
    while id >= len(pieces.texts):
        pieces.append(f"[PAD{len(pieces.texts)}]", Kind.UNUSED, FILLER_SCORE)
    if pieces.kinds[id] in (Kind.BYTE, Kind.UNKNOWN) and pieces.texts[id] == text:
        return
    steers = is_special or text in LIKE_SPECIAL or (text.startswith("<|") and text.endswith("|>"))
    steers = steers or (text.startswith("<unused") and text.endswith(">"))
    pieces.texts[id] = text if steers else as_text(text)
    pieces.kinds[id] = Kind.CONTROL if steers else Kind.USER_DEFINED
    pieces.scores[id] = ADDED_SCORE


def as_text(piece: str) -> str:
    """A piece that is looked for in the text as it is written, with real spaces."""
    return piece.replace(SPACE, " ")


def fill_up(pieces: Pieces, size: int, folder: pathlib.Path) -> None:
    """As many pieces as the model's embedding has rows."""
    if len(pieces.texts) > size:
        raise RefllmError(
            f"{folder}: the tokenizer has {len(pieces.texts)} pieces; the model knows {size} (vocab_size)"
        )
    while len(pieces.texts) < size:
        pieces.append(f"[PAD{len(pieces.texts)}]", Kind.UNUSED, FILLER_SCORE)


# ---- special tokens ----


def special_ids(pieces: Pieces, settings: dict, config: dict) -> dict[str, Any]:
    """The ids with a meaning: by the text in tokenizer_config.json, else by config.json, else by the model itself."""
    ids, found = {text: id for id, text in enumerate(pieces.texts)}, {}
    for role, key in ROLES.items():
        text = settings.get(f"{role}_token")
        id = ids.get(text.get("content") if isinstance(text, dict) else text)
        for other in (config.get(f"{role}_token_id"), pieces.roles.get(role)):
            id = other if id is None and isinstance(other, int) else id
        if id is not None and 0 <= id < len(pieces.texts):
            found[f"tokenizer.ggml.{key}_token_id"] = id
    return found


def frame(pieces: Pieces, settings: dict) -> dict[str, Any]:
    """Whether a text gets a first and a last token."""
    asked = {role: settings.get(f"add_{role}_token") for role in ("bos", "eos")}
    said = {role: pieces.frame.get(role) for role in asked}
    both = {role: asked[role] if said[role] is None else said[role] for role in asked}
    return {f"tokenizer.ggml.add_{role}_token": value for role, value in both.items() if isinstance(value, bool)}


def chat_templates(folder: pathlib.Path, settings: dict) -> dict[str, Any]:
    """The template, or several by name: `default` is the one without a name."""
    path = folder / "chat_template.jinja"
    found = settings.get("chat_template")
    found = path.read_text("utf-8") if found is None and path.exists() else found
    found = read_json(folder / "chat_template.json").get("chat_template") if found is None else found
    if isinstance(found, str):
        return {"tokenizer.chat_template": found}
    named = {entry["name"]: entry["template"] for entry in found or []}
    others = {name: template for name, template in named.items() if name != "default"}
    metadata = {"tokenizer.chat_template": named["default"]} if "default" in named else {}
    metadata |= {f"tokenizer.chat_template.{name}": template for name, template in others.items()}
    return metadata | ({"tokenizer.chat_templates": sorted(others)} if others else {})
