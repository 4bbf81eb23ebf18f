"""Cutting special tokens out of a text before it is split into pieces.

A vocabulary has tokens that stand for themselves: `<s>`, `<|im_end|>`, `[MASK]`. Those that the vocabulary's maker
defined as whole words are always cut out; those that control the model only on demand, since text from outside must
not be able to end a turn. Longer tokens go first. Some swallow the white space beside them. What it does not do: it
knows no ids by name (`ends.py`) and leaves the rest of the text as it is.

>>> specials = [Special("<|end|>", 7, always=False, strip_right=True), Special("<b>", 8, always=True)]
>>> cut("one<|end|> \\n<b>two", specials, parse_special=True)
['one', 7, 8, 'two']
>>> cut("one<|end|> \\n<b>two", specials, parse_special=False)
['one<|end|> \\n', 8, 'two']
"""

import dataclasses
from collections.abc import Sequence

from refllm.tokenizers.vocabulary import SPECIAL, Kind, Vocabulary

WHITE = " \t\n\v\f\r"


@dataclasses.dataclass(frozen=True)
class Special:
    """A token that is looked for in the text itself."""

    text: str
    id: int
    always: bool  # also when special tokens are not asked for
    strip_left: bool = False  # white space before it goes with it
    strip_right: bool = False


def cut(text: str, specials: Sequence[Special], parse_special: bool) -> list[str | int]:
    """The text in order: ids of special tokens, and what stands between them."""
    fragments = [text] if text else []
    letters = set(text)
    for special in specials:
        if special.text[0] in letters and (special.always or parse_special) and special.text in text:
            fragments = [part for fragment in fragments for part in cut_one(fragment, special)]
    return fragments


def cut_one(fragment: str | int, special: Special) -> list[str | int]:
    """A fragment without the occurrences of one special token."""
    if isinstance(fragment, int):
        return [fragment]
    first, *others = fragment.split(special.text)
    parts = [first]
    for other in others:
        if special.strip_left:
            parts[-1] = parts[-1].rstrip(WHITE)
        parts += [special.id, other.lstrip(WHITE) if special.strip_right else other]
    return [part for part in parts if part != ""]


def specials_of(vocabulary: Vocabulary, strip_left: frozenset[str], strip_right: frozenset[str]) -> list[Special]:
    """The special tokens of a vocabulary, longest first."""
    found = [
        Special(piece, id, kind == Kind.USER_DEFINED, piece in strip_left, piece in strip_right)
        for id, (piece, kind) in enumerate(zip(vocabulary.pieces, vocabulary.kinds, strict=True))
        if kind in SPECIAL
    ]
    return sorted(found, key=lambda special: -len(special.text.encode("utf-8", "surrogateescape")))


def stripped_texts(name: str, architecture: str, pre: str, vocabulary: Vocabulary) -> tuple[frozenset, frozenset]:
    """Which tokens swallow white space on their left and on their right: files do not say it, llama.cpp knows it."""
    jina = any(one in pre for one in ("jina-v2-de", "jina-v2-es", "jina-v2-code"))
    if jina or any(one in architecture for one in ("nomic-bert-moe", "jina-bert-v3")):
        return frozenset({"<mask>"}), frozenset()
    if "phi-3" in name.lower() or "phi3" in name.lower():
        texts = {special.text for special in specials_of(vocabulary, frozenset(), frozenset())}
        return frozenset(), frozenset(texts - {"<unk>", "<s>", "<|endoftext|>"})
    if "modern-bert" in name.lower():
        return frozenset({"[MASK]"}), frozenset()
    return frozenset(), frozenset()
