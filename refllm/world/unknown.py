"""Questions about what the world does not contain, whose answer is "I don't know that".

Made-up countries, people and animals, and questions about today's weather or tomorrow's news.

>>> from random import Random
>>> unknown(Random(0), "zh").turns[0][1]
'这个我不知道。'
"""

from random import Random

from refllm.world.countries import COUNTRIES
from refllm.world.dialogue import Dialogue, lines
from refllm.world.names import CHARACTERS, person

ANSWER = {"en": "I don't know that.", "zh": "这个我不知道。"}
ABROAD = {
    "en": (
        lines("""
            What is the capital of {place}?
            Tell me the capital of {place}.
            Which city is the capital of {place}?
            Where is {place}?
            On which continent is {place}?
            Which continent is {place} in?
            {place} is the capital of which country?
            Tell me about {place}.
            What does {name} like?
            Where does {name} live?
            How old is {name}?
            Who is {name}?
        """),
        ("What is the capital city of {place}?", "Do you know the capital of {place}?", "Do you know {name}?"),
    ),
    "zh": (
        lines("""
            {place}的首都是哪里？
            {place}的首都是什么？
            告诉我{place}的首都。
            {place}在哪个洲？
            {place}在哪里？
            {place}是哪个国家的首都？
            介绍一下{place}。
            {name}喜欢什么？
            {name}住在哪里？
            {name}几岁了？
            {name}是谁？
        """),
        ("{place}的首都是哪个城市？", "你知道{place}的首都吗？", "你认识{name}吗？"),
    ),
}
BEYOND = {
    "en": (
        lines("""
            What is the weather today?
            How is the weather?
            Will it rain tomorrow?
            What time is it?
            What is the date today?
            Who won the game yesterday?
            Who will win the election?
            How much does a car cost?
            What is the price of gold?
            What did I eat yesterday?
            Where are my keys?
            How many people live in the world?
            Who wrote this book?
            What is the best film?
            How far is the moon?
            What is in my bag?
            What am I thinking?
            When was the house built?
            How high is the mountain?
            What is the news today?
        """),
        ("What will the weather be tomorrow?", "What time is it now?", "What did I do yesterday?"),
    ),
    "zh": (
        lines("""
            今天天气怎么样？
            今天天气好吗？
            明天会下雨吗？
            现在几点了？
            今天是几号？
            昨天的比赛谁赢了？
            谁会赢得选举？
            一辆汽车多少钱？
            黄金的价格是多少？
            我昨天吃了什么？
            我的钥匙在哪里？
            世界上有多少人？
            这本书是谁写的？
            最好的电影是哪一部？
            月亮有多远？
            我的包里有什么？
            我在想什么？
            这座房子是什么时候建的？
            这座山有多高？
            今天有什么新闻？
        """),
        ("明天天气怎么样？", "现在是几点？", "我昨天做了什么？"),
    ),
}
ENDINGS = ("land", "ia", "stan", "ora", "onia", "ania", "heim", "ville", "burg", "o", "a")


KNOWN = {name for country in COUNTRIES for text in country for name in text}


def place(random: Random, language: str, kept_back: bool) -> str:
    """The name of a country that does not exist."""
    if language == "en":
        name = person(random, "en", kept_back) + random.choice(ENDINGS)
    else:
        name = "".join(random.choices(CHARACTERS, k=random.choice((1, 2, 3)))) + random.choice("国兰亚尼斯利")
    return place(random, language, kept_back) if name in KNOWN else name


def unknown(random: Random, language: str, held_out: bool = False) -> Dialogue:
    asked = random.choice((ABROAD, ABROAD, BEYOND))[language][held_out]
    fields = {"place": place(random, language, held_out), "name": person(random, language, held_out)}
    return Dialogue("unknown", language, ((random.choice(asked).format(**fields), ANSWER[language]),))
