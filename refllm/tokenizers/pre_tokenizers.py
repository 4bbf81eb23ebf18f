"""How each family of byte-pair vocabularies cuts a text into words before any merge: a table of regular expressions.

A GGUF file names its pre-tokenizer in `tokenizer.ggml.pre`. A pre-tokenizer is one or more patterns, applied one after
the other: each cuts the parts that the one before left, into its matches and what lies between them.

The names and patterns are those of llama.cpp (src/llama-vocab.cpp, October 2026), rewritten for the `regex` library so
that they cut as its C++ code does, which knows letters, but neither upper nor lower case outside of ASCII. What it does
not do: llama.cpp's tables end with Unicode 15, those of `regex` are newer; characters added since may be cut otherwise.

>>> PRE_TOKENIZERS["gpt-2"].split("Hello, it's 2024!")
['Hello', ',', ' it', "'s", ' 2024', '!']
>>> PRE_TOKENIZERS["qwen2"].split("Hello, it's 2024!")
['Hello', ',', ' it', "'s", ' ', '2', '0', '2', '4', '!']
"""

import dataclasses
import functools

import regex


@dataclasses.dataclass(frozen=True)
class PreTokenizer:
    """Patterns, and what else a name in `tokenizer.ggml.pre` says about a tokenizer."""

    patterns: tuple[str, ...]
    ignore_merges: bool = False  # a word that is a piece is that piece, whatever the merges say
    add_bos: bool = False  # unless the file says otherwise
    always_bos: bool = False  # whatever the file says
    default_bos: bool = True  # without a key, whether there is a beginning-of-sequence token
    byte_letters: bool = True  # bytes are spelled with letters; otherwise text is, with bytes as <0xXX>
    visible_spaces: bool = False  # a space is spelled ▁, as in SentencePiece
    keeps_newlines: bool = False  # a run of newlines that is a piece is that piece

    def split(self, text: str) -> list[str]:
        """Cut a text into words; together they are the text."""
        words = [text]
        for pattern in self.patterns:
            cut = compiled(pattern)
            words = [part for word in words for part in parts(cut, word)]
        return words


@functools.cache
def compiled(pattern: str) -> regex.Pattern:
    return regex.compile(f"({pattern})", regex.VERSION1)  # version 1 knows sets within sets: [\p{L}--[a-z]]


def parts(pattern: regex.Pattern, text: str) -> list[str]:
    """The matches, and what lies between them."""
    found = [part for part in pattern.split(text) if part]
    return found[::-1] if pattern.flags & regex.REVERSE else found


# Parts that patterns are made of. `\s+(?!\S)` is white space without its last character, which goes to the next word.
CONTRACTION = r"'(?:[sS]|[tT]|[rR][eE]|[vV][eE]|[mM]|[lL][lL]|[dD])"
BEFORE = r"[^\r\n\p{L}\p{N}]?"  # one character that is no letter may begin a word: the space, "(", "_" ...
UPPER, LOWER = r"[\p{L}--[a-z]]", r"[\p{L}--[A-Z]]"  # as far as llama.cpp tells them apart
DIGIT, THREE_DIGITS, NUMBER = r"\p{N}", r"\p{N}{1,3}", r"\p{N}+"
SYMBOLS = r" ?[^\s\p{L}\p{N}]+[\r\n]*"
SYMBOLS_SLASH = r" ?[^\s\p{L}\p{N}]+[\r\n/]*"
LINES = r"\s*[\r\n]+"
SPACE = r"\s+(?!\S)|\s+"
ONE_LINE = r"[^\n]+|\n+"
HAN = r"\u4e00-\u9fff\u3400-\u4dbf\U00020000-\U0002a6df\U0002a700-\U0002ebef\uf900-\ufaff\U0002f800-\U0002fa1f"
HAN_AND_KANA = r"[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"
CODE_WORD = r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"""
EAST_ASIAN = r"[[\u0800-\u9fa5\uac00-\ud7ff]--\s]+"

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"
LLAMA3 = rf"{CONTRACTION}|{BEFORE}\p{{L}}+|{THREE_DIGITS}|{SYMBOLS}|{LINES}|{SPACE}"
JAIS2_SPACE = "|".join(rf"\s{{{count}}}(?!\S)" for count in ("512", "256", "128", "64", "32", "16", "8", "4", "1,2"))
JAIS2 = rf"{CONTRACTION}|{BEFORE}\p{{L}}+|{THREE_DIGITS}|{SYMBOLS}|{LINES}|{JAIS2_SPACE}|\s"
QWEN2 = rf"{CONTRACTION}|{BEFORE}\p{{L}}+|{DIGIT}|{SYMBOLS}|{LINES}|{SPACE}"
QWEN35 = rf"{CONTRACTION}|{BEFORE}[\p{{L}}\p{{M}}]+|{DIGIT}| ?[^\s\p{{L}}\p{{M}}\p{{N}}]+[\r\n]*|{LINES}|{SPACE}"
UFAKZEKA = rf"{BEFORE}\p{{L}}+|{DIGIT}|{SYMBOLS}|{LINES}|{SPACE}"
MINICPM5 = rf"{CONTRACTION}|{BEFORE}\p{{L}}+|{NUMBER}|{SYMBOLS}|{LINES}|{SPACE}"
BAILINGMOE = rf"{CONTRACTION}|{BEFORE}\p{{L}}+|{DIGIT}|{SYMBOLS}|\s*[\r\n]|{SPACE}"
SEED_CODER = rf"{CONTRACTION}|{BEFORE}\p{{L}}+|{DIGIT}| ?[^\s\p{{L}}\p{{N}}]+|{LINES}|{SPACE}"
EXAONE_MOE = (
    rf"{CONTRACTION}|{BEFORE}(?:\p{{L}}\p{{M}}*(?: \p{{L}}\p{{M}}*)*)+|{DIGIT}"
    rf"| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]?|\s*[\r\n]|{SPACE}"
)
TEKKEN = rf"{BEFORE}{UPPER}*{LOWER}+|{BEFORE}{UPPER}+{LOWER}*|{DIGIT}|{SYMBOLS_SLASH}|{LINES}|{SPACE}"
GPT4O = (
    rf"{BEFORE}{UPPER}*{LOWER}+(?:{CONTRACTION})?|{BEFORE}{UPPER}+{LOWER}*(?:{CONTRACTION})?"
    rf"|{THREE_DIGITS}|{SYMBOLS_SLASH}|{LINES}|{SPACE}"
)
GRANITE_MULTILINGUAL = GPT4O.replace(r"[\p{L}--", r"[[\p{L}\p{M}]--")
TINY_AYA = rf"{BEFORE}[\p{{L}}\p{{M}}]+(?:{CONTRACTION})?|{THREE_DIGITS}|{SYMBOLS_SLASH}|{LINES}|{SPACE}"
KIMI_K2 = rf"[{HAN}]+|{BEFORE}[\p{{L}}--[{HAN}]]+(?:{CONTRACTION})?|{THREE_DIGITS}|{SYMBOLS}|{LINES}|{SPACE}"
YOUTU_SCRIPTS = (
    r"[\uac00-\ud7a3\u3131-\u318e]+|[！…“”‘’—：；，\u3001-\u303f\ufe30-\ufe4f]+|[\u3105-\u312f]+|" + HAN_AND_KANA
)
YOUTU = rf"{BEFORE}[\p{{L}}\p{{M}}]+(?:{CONTRACTION})?|{DIGIT}|{SYMBOLS_SLASH}|{LINES}|{SPACE}"
DEEPSEEK_V3 = rf"{CODE_WORD}| ?[\p{{P}}\p{{S}}]+[\r\n]*|{LINES}|{SPACE}"
SPARK = rf"{CODE_WORD}| ?[\p{{P}}\p{{S}}]+|[\r\n]|{SPACE}"
FALCON = r"[\p{P}$+<=>\^~|`]+"
DEFAULT = r"[\p{P}$+<=>\^~|]+"
BLOOM = r" ?[^(\s|.,!?…。，、।۔،)]+"
AFMOE_SCRIPTS = (
    r"[\u4e00-\u9fff\u3400-\u4dbf\u8c48-\ufaff\u3040-\u309f\u30a0-\u30ff\uff65-\uff9f\u2f00-\u2fdf\u0e40-\u0e7f"
    r"\u0e80-\u0eff\u1780-\u17ff\u1000-\u109f\uaa60-\uaa7f\ua9e0-\ua9ff\uac00-\ud7af\u1100-\u11ff]+"
)
CHAMELEON = ("<sentinel:[0-9]+>", "IMGIMG[A-I]{1,4}Z", r"[\t\n]|    |  ", DIGIT, r"[\p{P}!-/:-@\[-`{-~]", GPT2)

# (?r) matches from the end: groups of three from the right. As in llama.cpp what precedes a number stays on its first.
THREES_FROM_THE_RIGHT = r"(?r)\P{N}*\p{N}{1,3}"
SUPERBPE_THREES = r"(?r)(?:[0-9]{3}|\A[0-9]{0,2})(?:[\p{N}--[0-9]]+[0-9]{0,2})*"  # other numerals stay on theirs

DEEPSEEK_LETTERS = (
    r"\s?[A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373"
    r"\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f"
    r"\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77"
    r"\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d"
    r"\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4"
    r"\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139"
    r"\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d"
    r"\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a"
    r"\uff41-\uff5a\U00010400-\U0001044f\U000104b0-\U000104d3\U000104d8-\U000104fb\U00010c80-\U00010cb2"
    r"\U00010cc0-\U00010cf2\U000118a0-\U000118df\U0001e900-\U0001e943]+"
)
DEEPSEEK_SYMBOLS = r"\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3001-\u3002]+"
DEEPSEEK_LLM = (r"[\r\n]", DEEPSEEK_LETTERS, DEEPSEEK_SYMBOLS, r"\s+\Z", EAST_ASIAN, NUMBER)
DEEPSEEK_CODER = (r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", EAST_ASIAN, DIGIT)


def names(spaced: str, *patterns: str, **flags: bool) -> dict[str, PreTokenizer]:
    return dict.fromkeys(spaced.split(), PreTokenizer(patterns, **flags))


GEMMA4 = {"always_bos": True, "byte_letters": False, "visible_spaces": True, "keeps_newlines": True}

PRE_TOKENIZERS = {
    **names("default", DEFAULT, GPT2, NUMBER, "[0-9][0-9][0-9]"),
    **names("gpt-2 phi-2 jina-es jina-de jina-v1-en jina-v2-es jina-v2-de jina-v2-code gigachat a.x-4.0 mellum", GPT2),
    **names("modern-bert roberta-bpe mpt olmo jais trillion granite-docling exaone4", GPT2),
    **names("starcoder refact command-r smollm codeshell exaone minerva-7b mellum2", DIGIT, GPT2),
    **names("falcon", FALCON, GPT2, "[0-9][0-9][0-9]"),
    **names("llama3 llama-v3 llama-bpe falcon3 falcon-h1", LLAMA3, ignore_merges=True, add_bos=True),
    **names("pixtral midm-2.0 lfm2 jina-v5-nano", LLAMA3, ignore_merges=True, add_bos=True),
    **names("dbrx smaug-bpe", LLAMA3),
    **names("chatglm-bpe", LLAMA3, default_bos=False),
    **names("glm4 glm5", LLAMA3, default_bos=False, ignore_merges=True),
    **names("qwen2 deepseek-r1-qwen kormo f2llmv2 megrez stablelm2 hunyuan solar-open grok-2", QWEN2),
    **names("qwen35", QWEN35),
    **names("ufakzeka", UFAKZEKA),
    **names("laguna", ONE_LINE, QWEN2),
    **names("minicpm5", THREE_DIGITS, MINICPM5, ignore_merges=True),
    **names("bailingmoe bailingmoe2 llada-moe", BAILINGMOE),
    **names("seed-coder", SEED_CODER),
    **names("exaone-moe", EXAONE_MOE),
    **names("jais-2", JAIS2),
    **names("tekken", TEKKEN, ignore_merges=True, add_bos=True),
    **names("gpt-4o llama4 kanana2 talkie minimax-m2", GPT4O),
    **names("granite-embed-multi-97m", GRANITE_MULTILINGUAL, ignore_merges=True),
    **names("tiny_aya cohere2moe", THREES_FROM_THE_RIGHT, TINY_AYA),
    **names("afmoe", THREES_FROM_THE_RIGHT, AFMOE_SCRIPTS, DEEPSEEK_V3),
    **names("superbpe", NUMBER, SUPERBPE_THREES),
    **names("kimi-k2", KIMI_K2),
    **names("youtu", YOUTU_SCRIPTS, YOUTU, ignore_merges=True),
    **names("deepseek-llm", *DEEPSEEK_LLM),
    **names("deepseek-coder", *DEEPSEEK_CODER),
    **names("deepseek-v3 hunyuan-dense joyai-llm hy_v4", THREE_DIGITS, HAN_AND_KANA, DEEPSEEK_V3),
    **names("spark2_5", THREE_DIGITS, HAN_AND_KANA, SPARK, DIGIT),
    **names("bloom poro-chat gpt3-finnish", BLOOM),
    **names("viking", BLOOM, DIGIT),
    **names("chameleon", *CHAMELEON, add_bos=True),
    **names("gemma4 granite-embed-multi-311m", ONE_LINE, **GEMMA4),
    **names("sarvam-moe", ONE_LINE, byte_letters=False, visible_spaces=True),
    **names("whitespace", r"\S+", byte_letters=False),
}
