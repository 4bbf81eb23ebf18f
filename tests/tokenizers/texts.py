"""Texts that tokenizers stumble over, and any number of random ones made of them."""

import os
import random
import unicodedata

LONG = bool(os.environ.get("REFLLM_LONG"))  # the full counts, for minutes instead of seconds

PARTS = (
    *"abcXYZ   \n\t\r'.,!?012345_-/\\()$~^`|",
    *("'s", "'LL", " the", " Hello", "WörldÉT", "ABC", "Abc", "aBC", "don't", "==", "::", "1234567", "\n\n", "    "),
    *("你好", "世界", "。", "，", "\u3000", "한국", "カ", "ｶﾅ", "\U00020000", "ꀀ"),  # East Asia, with its wide space
    *("\u00a0", "\u2028", "\x85", "\x0b", "\x1c", "\x7f", "\xad", "\u200b", "\u200d", "\ufeff"),  # spaces, or nearly
    *("é", "e\u0301", "\u0301", "ñ", "Ж", "ß", "İ", "अ", "ি", "ฟ", "၁", "\U00010400", "€"),  # accents, marks, letters
    *("١٢", "½", "²", "Ⅷ"),  # numbers
    *("😀", "👩‍👩‍👧", "🇩🇪", "\U0001f98a"),
    *("<s>", "</s>", "<unk>", "<|im_end|>", "<|endoftext|>", "<0x0A>", "▁", "▁▁", "\ufffd"),
)
AWKWARD = (
    "",
    " ",
    "a",
    "  ",
    "\n",
    "a\n",
    " a",
    "a ",
    "▁",
    "\0",
    "a\0b",
    "é",
    "\ufffd",
    "I'll",
    "</s>",
    "<s><s>",
    " <s>a",
)


def random_text(source: random.Random, parts: tuple[str, ...] = PARTS, most: int = 14) -> str:
    if parts is not PARTS or source.random() < 0.7:
        return "".join(source.choice(parts) for _ in range(source.randint(1, most)))
    return "".join(source.choice(OLD_LETTERS) for _ in range(source.randint(1, most)))


def random_texts(count: int, seed: int = 0, parts: tuple[str, ...] = PARTS) -> list[str]:
    source = random.Random(seed)
    return [random_text(source, parts) for _ in range(count)]


# Letters that Unicode has had since 2002: no two libraries disagree about what they are.
OLD_LETTERS = [chr(code) for code in range(1, 0x2FA1E) if unicodedata.ucd_3_2_0.category(chr(code)) not in ("Cn", "Cs")]
