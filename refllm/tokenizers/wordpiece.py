"""WordPiece, BERT's tokenizer: clean the text, cut it into words, and spell each word with the longest pieces.

Words end at white space; punctuation and Chinese characters are words of their own. A piece that begins a word is
spelled with ▁ in front (GGUF's spelling; in BERT's own, pieces that go on have ## instead). A word that cannot be
spelled completely is unknown as a whole. What it does not do: it keeps no spaces, so a decoded text is not the text.

Two ways of llama.cpp are kept, so that ids are the same: of a character that decomposes into several only the first
stays (of a Korean syllable its first consonant), and every kind of mark counts as an accent.

>>> ids = {"▁un": 0, "want": 1, "ed": 2, "▁!": 3}
>>> [spell("▁" + word, ids, longest=4) for word in words("UnWanted!", lowercase=True, strip_accents=True)]
[[0, 1, 2], [3]]
"""

import unicodedata
from collections.abc import Callable

import regex

from refllm.tokenizers.vocabulary import SPACE, Vocabulary

# Extension E begins a hundred characters late in the library that BERT's tokenizers are made with, and so here.
CHINESE = (
    r"\u4e00-\u9fff\u3400-\u4dbf\U00020000-\U0002a6df\U0002a700-\U0002b81f\U0002b920-\U0002ceaf"
    r"\uf900-\ufaff\U0002f800-\U0002fa1f"
)
# A word of one character, or a run of the others. Symbols are words of their own only in ASCII.
WORD = regex.compile(rf"[\p{{P}}$+<=>\^`|~{CHINESE}]|[^\s\p{{P}}$+<=>\^`|~{CHINESE}]+")
DROPPED = regex.compile(r"[[\p{C}--\p{Cn}]\ufffd--\s]", regex.VERSION1)
ACCENT = regex.compile(r"\p{M}")


def encoder(
    vocabulary: Vocabulary, unknown_id: int, *, lowercase: bool, strip_accents: bool
) -> Callable[[str], list[int]]:
    """The function from a text without special tokens to ids."""
    longest = max(map(len, vocabulary.pieces))

    def encode(text: str) -> list[int]:
        spelled = (spell(SPACE + word, vocabulary.ids, longest) for word in words(text, lowercase, strip_accents))
        return [id for ids in spelled for id in ids or [unknown_id]]

    return encode


def words(text: str, lowercase: bool, strip_accents: bool) -> list[str]:
    """The words of a text, cleaned."""
    if strip_accents:
        text = ACCENT.sub("", "".join(unicodedata.normalize("NFD", letter)[0] for letter in text))
    text = DROPPED.sub("", text)
    found = WORD.findall(text)
    return ["".join(letter.lower()[0] for letter in word) for word in found] if lowercase else found


def spell(word: str, ids: dict[str, int], longest: int) -> list[int]:
    """The ids of the longest pieces from the left on; nothing where a part has no piece."""
    spelled = []
    start = 0
    while start < len(word):
        ends = range(min(len(word), start + longest), start, -1)
        end = next((end for end in ends if word[start:end] in ids), None)
        if end is None:
            return []
        spelled.append(ids[word[start:end]])
        start = end
    return spelled
