"""`tokenizer.json`, the file of Hugging Face's tokenizers, as pieces for GGUF: byte-pair, SentencePiece-like, unigram.

How a byte-pair tokenizer cuts text into words is a regular expression in this file and a name in GGUF. The name is
found by what the expression does: it and every pre-tokenizer that GGUF has a name for cut the same hard cases, and the
one that cuts all of them alike is meant. Pieces of a SentencePiece-like vocabulary have no scores here; they get the
places of their merges, which joins the same pieces in the same order. Other kinds (WordPiece) are refused by name.

>>> split = {"type": "Split", "pattern": {"Regex": pre_tokenizers.QWEN2}, "behavior": "Isolated", "invert": False}
>>> words = {"type": "Sequence", "pretokenizers": [split, {"type": "ByteLevel", "use_regex": False}]}
>>> pre_tokenizer_name(words, ignores_merges=False, path="tokenizer.json")
'qwen2'
"""

import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import regex

from refllm.convert.pieces import Pieces
from refllm.errors import RefllmError
from refllm.tokenizers import pre_tokenizers
from refllm.tokenizers.pre_tokenizers import PRE_TOKENIZERS, compiled, parts
from refllm.tokenizers.vocabulary import BYTE_PIECE, SPACE, Kind

SECONDS = 2  # that a stranger's expression may take
MOST_PIECES = 10_000_000

# Texts that pre-tokenizers cut differently; all must be cut alike.
HARD_CASES = (
    "Hello, it's 2024! I'll say they'RE HE'D 'tis rock'n'roll",
    "1 12 123 1234 12345 123456 1234567 3.14 1,000,000 a1b22c333 x²",
    "one\ntwo\n\nthree \n four\n\n\n  five\r\nsix\r\n\r\nseven\t\teight   nine",
    "   lead and trail   ",
    "f(x) = {a_b: [1, 2]}; // done\n/// more !!!\n/path/to/file?!\n\n",
    "你好，世界。12年3月 mixed中文text ひらがなカタカナ 한국어",
    "emoji 🦙🦙 ok 👍🏽! ~~ ``` --- === *** ___ <|x|> $5 €6 +7 ^_^",
    "don't 'S 'm 'Ve camelCase PascalCase SHOUT",
)
# Texts that choose between several which cut the above alike.
TELLING = ("re\u0301sume\u0301 नमस्ते ไทย", "Привет ДОМ Éa", "a.b. c? d… e、f")
PREFERRED = ("llama-bpe", "qwen2", "gpt-2", "gpt-4o", "tekken", "deepseek-v3", "deepseek-llm", "deepseek-coder")


def read_pieces(content: dict[str, Any], path: str | os.PathLike) -> Pieces:
    """The pieces of a file, without its added tokens."""
    model = content.get("model") or {}
    kind = model.get("type") or ("BPE" if "merges" in model else None)
    try:
        if kind == "Unigram":
            return unigram(content, model)
        if kind != "BPE":
            raise RefllmError(f"{path}: is a tokenizer of the kind {kind}; expected BPE or Unigram")
        texts, merges = in_order(model["vocab"], path), [as_text(merge) for merge in model["merges"]]
        if "ByteLevel" in {step.get("type") for step in (*steps(content.get("pre_tokenizer")), decoder(content))}:
            return byte_pair(content, texts, merges, path)
        return sentencepiece_like(content, texts, merges)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RefllmError(f"{path}: cannot be understood: {type(error).__name__}: {error}") from error


def in_order(vocab: Mapping[str, int], path: str | os.PathLike) -> list[str]:
    """The pieces by id; ids that nothing has become unused pieces."""
    last = max(vocab.values(), default=-1)
    if min(vocab.values(), default=0) < 0 or last > min(MOST_PIECES, 2 * len(vocab) + 100_000):
        raise RefllmError(f"{path}: has a piece with the id {last}; there are {len(vocab)} pieces")
    by_id = {id: text for text, id in vocab.items()}
    return [by_id.get(id, f"[PAD{id}]") for id in range(last + 1)]


def as_text(merge: str | list[str]) -> str:
    """A merge as two halves with a space between; newer files have a list, in which a half may hold a space."""
    return merge if isinstance(merge, str) else " ".join(half.replace(" ", "Ġ") for half in merge)


def steps(part: Any) -> Iterable[dict]:
    """The steps of a pre-tokenizer, a normalizer or a post-processor, whether it is a sequence or one."""
    part = part or {}
    for key in ("pretokenizers", "normalizers", "processors", "decoders"):
        if key in part:
            return part[key]
    return [part] if part else []


def decoder(content: dict) -> dict:
    return content.get("decoder") or {}


# ---- the three families ----


def byte_pair(content: dict, texts: list[str], merges: list[str], path: str | os.PathLike) -> Pieces:
    ignores = bool(content["model"].get("ignore_merges"))
    name = pre_tokenizer_name(content.get("pre_tokenizer"), ignores, path)
    kinds = [Kind.UNUSED if text == f"[PAD{id}]" else Kind.NORMAL for id, text in enumerate(texts)]
    pieces = Pieces("gpt2", texts, kinds, [0.0] * len(texts), pre=name, merges=merges)
    pieces.frame = frame(content)
    return pieces


def sentencepiece_like(content: dict, texts: list[str], merges: list[str]) -> Pieces:
    """A SentencePiece vocabulary in another file: the place of a merge is the score of the piece that it makes."""
    scores = dict.fromkeys(texts, -float(len(merges)))
    for place, merge in reversed(list(enumerate(merges))):
        scores[merge.replace(" ", "", 1)] = -float(place)
    unknown = content["model"].get("unk_token")
    kinds = [
        Kind.BYTE if BYTE_PIECE.fullmatch(text) else Kind.UNKNOWN if text == unknown else Kind.NORMAL for text in texts
    ]
    pieces = Pieces("llama", texts, kinds, [scores[text] for text in texts], space_prefix=prepends(content))
    pieces.roles, pieces.frame = {"unk": texts.index(unknown) if unknown in texts else None}, frame(content)
    return pieces


def unigram(content: dict, model: dict) -> Pieces:
    texts, unknown = [text for text, _ in model["vocab"]], model.get("unk_id")
    kinds = [
        Kind.UNKNOWN
        if id == unknown
        else Kind.BYTE
        if model.get("byte_fallback") and BYTE_PIECE.fullmatch(text)
        else Kind.NORMAL
        for id, text in enumerate(texts)
    ]
    pieces = Pieces("t5", texts, kinds, [float(score) for _, score in model["vocab"]], space_prefix=prepends(content))
    pieces.roles, pieces.frame = {"unk": unknown}, frame(content)
    pieces.extra = {"remove_extra_whitespaces": False, "precompiled_charsmap": np.empty(0, np.uint8)}
    return pieces


def prepends(content: dict) -> bool:
    """Whether a space is put before a text."""
    if any(step.get("type") == "Prepend" and step.get("prepend") == SPACE for step in steps(content.get("normalizer"))):
        return True
    spaces = [step for step in steps(content.get("pre_tokenizer")) if step.get("type") == "Metaspace"]
    return any(
        step.get("prepend_scheme", "always" if step.get("add_prefix_space") else "never") != "never" for step in spaces
    )


def frame(content: dict) -> dict[str, bool]:
    """Whether a special token stands before and after a text; {} where the file does not say it."""
    found = {}
    for step in steps(content.get("post_processor")):
        if step.get("type") == "ByteLevel":
            found = {"bos": False, "eos": False} | found
        if step.get("type") == "TemplateProcessing":
            template = step["single"]
            found |= {"bos": "SpecialToken" in template[0], "eos": "SpecialToken" in template[-1]}
    return found


# ---- the pre-tokenizer ----


def pre_tokenizer_name(part: Any, ignores_merges: bool, path: str | os.PathLike) -> str:
    """The name in GGUF of the pre-tokenizer that cuts as this one does."""
    theirs = list(steps(part))
    try:
        wanted = [cut(theirs, text) for text in (*HARD_CASES, *TELLING)]
    except (regex.error, TimeoutError, NotImplementedError) as error:
        raise RefllmError(f"{path}: its pre-tokenizer cannot be followed: {error}") from error
    alike = {}
    for name in (*PREFERRED, *PRE_TOKENIZERS):
        ours = PRE_TOKENIZERS[name]
        if ours.byte_letters and ours.ignore_merges == ignores_merges:
            same = [ours.split(text) == words for text, words in zip((*HARD_CASES, *TELLING), wanted, strict=True)]
            if all(same[: len(HARD_CASES)]):
                alike.setdefault(name, sum(same))
    if not alike:
        raise RefllmError(f"{path}: its pre-tokenizer cuts words as none that GGUF has a name for: {theirs!r:.300}")
    return max(alike, key=alike.get)  # of equals the first


def cut(theirs: list[dict], text: str) -> list[str]:
    """The words of a text, by the steps of a file."""
    words = [text]
    for step in theirs:
        words = [part for word in words for part in cut_once(step, word)]
    return words


def cut_once(step: dict, text: str) -> list[str]:
    match step.get("type"):
        case "ByteLevel":
            return parts(compiled(pre_tokenizers.GPT2), text) if step.get("use_regex", True) else [text]
        case "Digits":
            return parts(compiled(r"\p{N}" if step.get("individual_digits") else r"\p{N}+"), text)
        case "Split":
            return split(step, text)
    raise NotImplementedError(f"a step of the kind {step.get('type')!r}; expected ByteLevel, Digits or Split")


def split(step: dict, text: str) -> list[str]:
    """The matches of an expression and what lies between them; `Removed` leaves one of the two out."""
    pattern, behavior = step["pattern"], (step.get("behavior"), bool(step.get("invert")))
    if behavior not in (("Isolated", False), ("Isolated", True), ("Removed", True)):
        raise NotImplementedError(f"a Split that is {behavior[0]!r}")
    wanted = pattern.get("Regex") or regex.escape(pattern["String"])
    found, at = [], 0
    for match in regex.finditer(wanted, text, timeout=SECONDS):
        found += [text[at : match.start()]] if behavior[0] == "Isolated" else []
        found.append(match.group())
        at = match.end()
    return [word for word in (*found, text[at:] if behavior[0] == "Isolated" else "") if word]
