"""Names of people, known and made up.

The corpus mixes a list of common names with names made of syllables, so that a model learns to copy a name rather than
to know it. Names for the exam are made of the same syllables but never stand in the corpus: `is_kept_back` decides by
the letters alone.

>>> from random import Random
>>> any(is_kept_back(person(Random(seed), "en")) for seed in range(200))
False
>>> all(is_kept_back(person(Random(seed), "zh", kept_back=True)) for seed in range(200))
True
"""

import zlib
from random import Random

from refllm.world.text import listed

GIVEN = listed("""
    Tom Anna Ben Lily Jack Emma Sam Lucy Max Mia Leo Zoe Tim
    Eva Bob Kate Dan Nina Paul Rosa Peter Maria Oscar Clara
    Hugo Alice Felix Laura Simon Julia Mark Helen Adam Sara
    David Ella Frank Grace Henry Irene
""")
GIVEN_ZH = listed("""
    小明 小红 小华 小丽 小强 小芳 小军 小美 小刚 小云 小龙 小雪 小亮 小梅 小东 小雨 小杰 小月 小波
    小燕 李明 王芳 张伟 刘洋 陈静 杨光 赵敏 黄河 周杰 吴刚 徐丽 孙悦 马超 朱红 胡兵 林涛 何花 郭亮
    高飞 罗兰
""")
STARTS = listed("""
    B D F G H J K L M N P R S T V W Z Br Dr Fl Gr Kl Pl Sh St
    Th Tr
""")
MIDDLES = listed("""
    a e i o u ai ea io ou
""")
ENDS = listed("""
    b d k l m n r s t x la lo na no ra ri ta to va zi dor lin
    man nel rick ton
""")
SURNAMES = "李王张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕"
CHARACTERS = (
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰红梅飞云龙雪亮东雨美月波燕春夏秋冬安宁文武山川海江"
    "天星光辉思远志豪佳慧欣怡晨曦子涵梓轩浩然雅琪诗语嘉乐建国庆生福禄寿喜金木水火土石田禾花果松竹柏青白"
)
KEPT_BACK_SHARE = 5  # one made-up name in five belongs to the exam


def is_kept_back(name: str) -> bool:
    """Whether a name belongs to the exam; the names of the lists never do."""
    return name not in GIVEN and name not in GIVEN_ZH and zlib.crc32(name.encode()) % KEPT_BACK_SHARE == 0


def person(random: Random, language: str, kept_back: bool = False) -> str:
    """A name for the corpus, or one that the corpus never has."""
    if not kept_back and random.random() < 0.3:
        return random.choice(GIVEN if language == "en" else GIVEN_ZH)
    while True:
        name = _made_up_english(random) if language == "en" else _made_up_chinese(random)
        if is_kept_back(name) == kept_back:
            return name


def people(random: Random, language: str, count: int, kept_back: bool = False) -> list[str]:
    """Different names."""
    names: list[str] = []
    while len(names) < count:
        name = person(random, language, kept_back)
        if name not in names:
            names.append(name)
    return names


def _made_up_english(random: Random) -> str:
    return random.choice(STARTS) + random.choice(MIDDLES) + random.choice(ENDS)


def _made_up_chinese(random: Random) -> str:
    given = "".join(random.choice(CHARACTERS) for _ in range(random.choice((1, 2, 2))))
    return random.choice(SURNAMES) + given if random.random() < 0.7 else "小" + given[:1]
