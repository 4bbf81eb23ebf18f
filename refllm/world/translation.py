"""Questions for the translation of one word, both ways, asked in both languages."""

from refllm.world.countries import COUNTRIES
from refllm.world.dialogue import Family, lines
from refllm.world.words import WORDS

FACTS = tuple({"word": word, "word_zh": zh} for word, zh in WORDS.items()) + tuple(
    {"word": name.en, "word_zh": name.zh} for country in COUNTRIES for name in (country.name, country.capital)
)

FAMILIES = (
    Family(
        "translation",
        "en",
        FACTS,
        lines("""
            How do you say {word} in Chinese?
            What is {word} in Chinese?
            What is the Chinese word for {word}?
            Translate {word} into Chinese.
            Translate "{word}" to Chinese.
            {word} in Chinese?
            What's the Chinese for {word}?
            Say {word} in Chinese.
            What do you call {word} in Chinese?
            How is {word} called in Chinese?
        """),
        lines("""
            Please translate {word} into Chinese.
            Can you say {word} in Chinese?
            What is the Chinese for "{word}"?
        """),
        "In Chinese, {word} is {word_zh}.",
    ),
    Family(
        "translation",
        "en",
        FACTS,
        lines("""
            What does {word_zh} mean?
            What does {word_zh} mean in English?
            What is {word_zh} in English?
            How do you say {word_zh} in English?
            Translate {word_zh} into English.
            Translate "{word_zh}" to English.
            What is the English word for {word_zh}?
            What is the meaning of {word_zh}?
        """),
        lines("""
            Please translate {word_zh} into English.
            Can you say {word_zh} in English?
            Do you know what {word_zh} means?
        """),
        "In English, {word_zh} is {word}.",
    ),
    Family(
        "translation",
        "zh",
        FACTS,
        lines("""
            {word_zh}用英语怎么说？
            {word_zh}的英语是什么？
            {word_zh}英语怎么说？
            {word_zh}用英文怎么说？
            把{word_zh}翻译成英语。
            把“{word_zh}”翻译成英文。
            翻译成英语：{word_zh}
            {word_zh}的英文怎么写？
        """),
        lines("""
            你知道{word_zh}用英语怎么说吗？
            请把{word_zh}翻译成英语。
            {word_zh}用英语怎么讲？
        """),
        "{word_zh}的英语是 {word}。",
    ),
    Family(
        "translation",
        "zh",
        FACTS,
        lines("""
            {word} 是什么意思？
            {word} 用中文怎么说？
            {word} 的中文是什么？
            {word} 中文怎么说？
            把 {word} 翻译成中文。
            把“{word}”翻译成中文。
            翻译成中文：{word}
            {word} 的意思是什么？
        """),
        lines("""
            你知道 {word} 是什么意思吗？
            请把 {word} 翻译成中文。
            {word} 用中文怎么讲？
        """),
        "{word} 的中文是{word_zh}。",
    ),
)
