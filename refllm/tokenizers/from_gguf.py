"""The tokenizer of a GGUF file, from its metadata; the file needs no tensors.

This is the border: here, and only here, the keys of the format (`tokenizer.ggml.tokens` ...) and llama.cpp's defaults
for files that do not have them are known, and values that a stranger wrote are checked. What it does not do: the
tokenizers `plamo2`, `hybriddna`, `whitespace` and `test` of llama.cpp are refused by name.

>>> demo = {"tokenizer.ggml.model": "rwkv", "tokenizer.ggml.tokens": ["<s>", "a", "ab", "\\\\n"]}
>>> from_metadata(demo).encode("aba\\n")
[2, 1, 3]
>>> from_metadata({"tokenizer.ggml.model": "abacus"})  # doctest: +ELLIPSIS
Traceback (most recent call last):
    ...
refllm.tokenizers.vocabulary.TokenizerError: tokenizer.ggml.model is 'abacus'; expected one of ... rwkv
"""

import dataclasses
import os
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import refllm.gguf
from refllm.tokenizers import bpe, ends, rwkv, spm, wordpiece
from refllm.tokenizers.pre_tokenizers import PRE_TOKENIZERS, PreTokenizer
from refllm.tokenizers.special import specials_of, stripped_texts
from refllm.tokenizers.tokenizer import Tokenizer
from refllm.tokenizers.values import KEY, get, get_bytes, get_numbers, get_strings
from refllm.tokenizers.vocabulary import Kind, SpecialIds, TokenizerError, Vocabulary

ID_KEYS = {
    "bos": ("bos_token_id",),
    "eos": ("eos_token_id",),
    "eot": ("eot_token_id",),
    "eom": ("eom_token_id",),
    "unk": ("unknown_token_id",),
    "sep": ("seperator_token_id",),  # so spelled in files
    "pad": ("padding_token_id",),
    "mask": ("mask_token_id",),
    "fim_prefix": ("fim_pre_token_id", "prefix_token_id"),
    "fim_suffix": ("fim_suf_token_id", "suffix_token_id"),
    "fim_middle": ("fim_mid_token_id", "middle_token_id"),
    "fim_pad": ("fim_pad_token_id",),
    "fim_repository": ("fim_rep_token_id",),
    "fim_file": ("fim_sep_token_id",),
}


@dataclasses.dataclass(frozen=True)
class Family:
    """What a `tokenizer.ggml.model` means where the file's other keys do not say it."""

    ids: SpecialIds
    add_bos: bool = False
    add_eos: bool = False
    space_prefix: bool = False
    needs_scores: bool = False


FAMILIES = {
    "llama": Family(SpecialIds(bos=1, eos=2, unk=0), add_bos=True, space_prefix=True, needs_scores=True),
    "t5": Family(SpecialIds(eos=1, unk=2, pad=0), add_eos=True, needs_scores=True),
    "gpt2": Family(SpecialIds(bos=11, eos=11)),
    "gemma4": Family(SpecialIds()),
    "bert": Family(SpecialIds(bos=101, unk=100, sep=102, pad=0, mask=103)),
    "rwkv": Family(SpecialIds()),
}


def from_gguf(source: refllm.gguf.GGUFFile | str | os.PathLike, force_pre: str | None = None) -> Tokenizer:
    """The tokenizer of an open GGUF file, or of the one at a path. `force_pre` names the pre-tokenizer to use."""
    file = source if isinstance(source, refllm.gguf.GGUFFile) else refllm.gguf.open(source)
    try:
        return from_metadata(file.metadata, force_pre)
    except TokenizerError as error:
        raise TokenizerError(f"{file.path}: {error}") from error


def from_metadata(metadata: Mapping[str, Any], force_pre: str | None = None) -> Tokenizer:
    """The tokenizer that the metadata of a GGUF file describes."""
    model = get(metadata, "model", str)
    if model not in FAMILIES:
        raise TokenizerError(f"{KEY}model is {model!r}; expected one of {', '.join(FAMILIES)}")
    family, pre = FAMILIES[model], read_pre(metadata, model, force_pre)
    vocabulary = read_vocabulary(metadata, family.needs_scores)
    given = read_ids(metadata, family.ids, pre, len(vocabulary.pieces))
    special_ids, kinds, end_ids = ends.find(vocabulary, given)
    corrected = dataclasses.replace(vocabulary, kinds=kinds)
    space_prefix = model in ("llama", "t5") and get(metadata, "add_space_prefix", bool, family.space_prefix)
    encode_text, piece_bytes = spelling(metadata, vocabulary, special_ids.unk, pre, space_prefix)
    begins_with, ends_with = read_frame(metadata, model, special_ids, pre)
    return Tokenizer(
        vocabulary=corrected,
        special_ids=special_ids,
        end_ids=end_ids,
        specials=specials_of(corrected, *read_strips(metadata, corrected)),
        encode_text=encode_text,
        piece_bytes=piece_bytes,
        begins_with=begins_with,
        ends_with=ends_with,
        space_prefix=space_prefix or model == "bert",
    )


def read_vocabulary(metadata: Mapping[str, Any], needs_scores: bool) -> Vocabulary:
    pieces = [piece or f"[EMPTY_{id}]" for id, piece in enumerate(get_strings(metadata, "tokens"))]  # as llama.cpp
    if not pieces:
        raise TokenizerError(f"{KEY}tokens is empty; expected a vocabulary")
    kinds = get_numbers(metadata, "token_type", "iu", len(pieces)) or [Kind.NORMAL] * len(pieces)
    scores = get_numbers(metadata, "scores", "iuf", len(pieces))
    if scores is None and needs_scores:
        raise TokenizerError(f"{KEY}scores is missing; expected one for each of the {len(pieces)} pieces")
    return Vocabulary(pieces, kinds, np.asarray(scores or np.zeros(len(pieces)), np.float32).tolist())


def read_pre(metadata: Mapping[str, Any], model: str, force_pre: str | None) -> PreTokenizer | None:
    """How a byte-pair tokenizer cuts words; None for the others."""
    if model not in ("gpt2", "gemma4"):
        return None
    name = force_pre or ("gemma4" if model == "gemma4" else get(metadata, "pre", str, ""))
    if not name:
        warnings.warn(f"{KEY}pre is missing; 'default' may cut other words than the model knows", stacklevel=4)
    name = name or "default"
    if name not in PRE_TOKENIZERS:
        raise TokenizerError(f"{KEY}pre is {name!r}, which is not known; force_pre='gpt-2' would take that one instead")
    return PRE_TOKENIZERS[name]


def read_ids(metadata: Mapping[str, Any], defaults: SpecialIds, pre: PreTokenizer | None, count: int) -> SpecialIds:
    """The special ids of the file, else the defaults. An id outside of the vocabulary (-1 is common) is none."""
    ids = dataclasses.asdict(defaults)
    if pre is not None and not pre.default_bos:
        ids["bos"] = None
    for name, keys in ID_KEYS.items():
        for key in keys:
            given = get(metadata, key, int, -1)
            ids[name] = given if 0 <= given < count else ids[name]
        if ids[name] is not None and ids[name] >= count:
            ids[name] = None
    return SpecialIds(**ids)


def read_frame(
    metadata: Mapping[str, Any], model: str, special_ids: SpecialIds, pre: PreTokenizer | None
) -> tuple[int | None, int | None]:
    """What stands before and after the ids of a text."""
    if model == "bert":
        return special_ids.bos, special_ids.sep
    if model == "rwkv":
        return None, None
    family = FAMILIES[model]
    add_bos = get(metadata, "add_bos_token", bool, family.add_bos or (pre is not None and pre.add_bos))
    add_bos = add_bos or (pre is not None and pre.always_bos)
    add_eos = get(metadata, "add_eos_token", bool, family.add_eos)
    for wanted, id, name in ((add_bos, special_ids.bos, "bos"), (add_eos, special_ids.eos, "eos")):
        if wanted and id is None:
            raise TokenizerError(f"a text is to have a {name} token, but {KEY}{name}_token_id names none")
    return special_ids.bos if add_bos else None, special_ids.eos if add_eos else None


def read_strips(metadata: Mapping[str, Any], vocabulary: Vocabulary) -> tuple[frozenset[str], frozenset[str]]:
    names = (metadata.get(key, "") for key in ("general.name", "general.architecture", KEY + "pre"))
    return stripped_texts(*(name if isinstance(name, str) else "" for name in names), vocabulary)


def spelling(
    metadata: Mapping[str, Any],
    vocabulary: Vocabulary,
    unknown: int | None,
    pre: PreTokenizer | None,
    space_prefix: bool,
) -> tuple[Callable[[str], list[int]], Callable[[str], bytes]]:
    """The two functions that make a family: from ordinary text to ids, and from a piece to its bytes."""
    model = metadata[KEY + "model"]
    if unknown is None and model in ("llama", "t5", "bert"):
        raise TokenizerError(f"{KEY}unknown_token_id names none of the {len(vocabulary.pieces)} pieces")
    match model:
        case "llama":
            return spm.merge_encoder(vocabulary, unknown, space_prefix=space_prefix), spm.piece_bytes
        case "t5":
            options = {
                "space_prefix": space_prefix,
                "remove_extra_spaces": get(metadata, "remove_extra_whitespaces", bool, False),
                "character_map": get_bytes(metadata, "precompiled_charsmap"),
            }
            return spm.unigram_encoder(vocabulary, unknown, **options), spm.piece_bytes
        case "bert":
            lowercase = get(metadata, "normalizer.lowercase", bool, True)
            accents = get(metadata, "normalizer.strip_accents", bool, lowercase)
            encode = wordpiece.encoder(vocabulary, unknown, lowercase=lowercase, strip_accents=accents)
            return encode, spm.piece_bytes
        case "rwkv":
            return rwkv.encoder(vocabulary, unknown), rwkv.unescape
    ranks = bpe.merge_ranks(get_strings(metadata, "merges"))
    return bpe.encoder(vocabulary, ranks, pre), lambda piece: bpe.piece_bytes(piece, pre)
