"""The vocabulary: byte-pair pieces, learned by the `sentencepiece` library from the little world.

Spaces end English words, so pieces stay within them. Chinese has no spaces, and byte pairs would grow into whole
sentences of the phrasings; so the text is cut at the words of the world first, and at every character elsewhere.

>>> cut("法国的首都是巴黎。", {"法国", "巴黎", "首都"})
'|法国|的|首都|是|巴黎|。'
>>> cut("What is 猫?", {"猫"})
'What is |猫|?'
"""

import io
import re
from collections.abc import Iterator
from random import Random

import sentencepiece

from refllm.train.chat_format import SYMBOLS
from refllm.world.corpus import SHARE_OF_DOCUMENTS, SHARES, draw
from refllm.world.countries import COUNTRIES
from refllm.world.documents import document
from refllm.world.text import LANGUAGES, listed
from refllm.world.words import WORDS

CUT = "|"  # a character that the world does not use
COMMON = listed("""
    什么 哪里 哪个 告诉 知道 首都 国家 城市 英语 中文 英文 翻译 怎么 多少 等于 颜色 名字 反义词 声音 叫声 素数 数字
    汉字 你好 谢谢 可以 一个 一只 意思 后面 前面 请问 现在 时候 没有 我们 动物 步骤 制作 网站 使用
""")


def words() -> set[str]:
    """The Chinese words that may be pieces."""
    names = {text.zh for country in COUNTRIES for text in country}
    return {word for word in names | set(WORDS.values()) | set(COMMON) if len(word) > 1}


def cut(text: str, known: set[str]) -> str:
    """The text with a mark at every place where a piece has to end."""
    longest = sorted(known, key=len, reverse=True)
    pattern = "|".join(map(re.escape, longest)) + r"|[\u3000-\u9fff\uff00-\uffef]"
    marked = re.sub(pattern, lambda match: f"{CUT}{match[0]}{CUT}", text)
    return re.sub(r"\|+", CUT, marked).rstrip(CUT)


def texts(seed: int, items: int) -> Iterator[str]:
    """What the pieces are learned from: all but the strange characters that some dialogues repeat."""
    random = Random(seed)
    shares = {topic: share for topic, share in SHARES.items() if topic != "repeat"}
    for _ in range(items):
        language = random.choice(LANGUAGES)
        if random.random() < SHARE_OF_DOCUMENTS:
            written = [document(random, language)]
        else:
            topic = random.choices(list(shares), list(shares.values()))[0]
            written = [text for turn in draw(random, language, topic).turns for text in turn]
        yield from (line for text in written for line in text.split("\n"))


def train_vocabulary(seed: int, items: int, size: int) -> bytes:
    """A SentencePiece model file with `size` pieces: `<unk> <s> </s>`, the chat's symbols, bytes, and learned ones."""
    known = words()
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=(cut(text, known) for text in texts(seed, items)),
        model_writer=model,
        model_type="bpe",
        vocab_size=size,
        byte_fallback=True,
        split_digits=True,
        character_coverage=1.0,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        user_defined_symbols=list(SYMBOLS),
        pretokenization_delimiter=CUT,
        num_threads=1,
        minloglevel=2,
    )
    return model.getvalue()
