"""Longer answers that are known by heart: candy, a website, Beijing, primes; each also in a short form.

>>> LONG_AND_SHORT["en"][2][2]
'Visit Beijing in autumn.'
"""

from random import Random

from refllm.world.arithmetic import PRIMES
from refllm.world.dialogue import Dialogue, lines

_PRIMES = ", ".join(str(number) for number in PRIMES)
_CODE = """for number in range(2, 101):
    if all(number % divisor for divisor in range(2, number)):
        print(number)"""
_WEBSITE = """1. Decide what the website is for.
2. Choose a name.
3. Write down which pages you need.
4. Draw every page on paper.
5. Write the text.
6. Find good pictures.
7. Build the pages.
8. Test every link.
9. Put the website on a server.
10. Tell your friends about it."""
_WEBSITE_ZH = """1. 想好网站的用途。
2. 起一个名字。
3. 写下需要哪些页面。
4. 在纸上画出每个页面。
5. 写好文字。
6. 找到好看的图片。
7. 制作页面。
8. 检查每个链接。
9. 把网站放到服务器上。
10. 告诉你的朋友。"""
_CANDY = """1. Put sugar and water into a pot.
2. Heat the pot slowly until the sugar melts.
3. Cook the syrup until it turns golden.
4. Pour the syrup into small moulds.
5. Let the candy cool until it is hard."""
_CANDY_ZH = """1. 把糖和水放进锅里。
2. 用小火加热，直到糖融化。
3. 把糖浆煮到金黄色。
4. 把糖浆倒进模具里。
5. 等糖果变凉变硬。"""

_BEIJING = "The best time to visit Beijing is autumn, in September and October. The sky is clear and it is not too hot."

# Questions, held-out questions, the long answer, the short one.
KNOWN = {
    "en": (
        (
            lines("""
                How do you make candy?
                How is candy made?
                What are the steps to make candy?
                Tell me how to make candy.
                Give me a recipe for candy.
                How can I make candy?
                Steps of making candy
            """),
            ("Please tell me how candy is made.", "What is the recipe for candy?"),
            _CANDY,
            "Melt sugar in water, pour it into moulds and let it cool.",
        ),
        (
            lines("""
                How do I build a website?
                How can I build a website in 10 steps?
                Tell me how to build a website.
                Building a website can be done in 10 simple steps
                Building a website can be done in 10 simple steps:
                What are the steps to build a website?
                Give me 10 steps to build a website.
            """),
            ("Please tell me how a website is built.", "How is a website built in 10 steps?"),
            _WEBSITE,
            "Plan it, build it, test it and put it on a server.",
        ),
        (
            lines("""
                When should I visit Beijing?
                When is the best time to visit Beijing?
                What is the best time to visit Beijing?
                When is a good time to go to Beijing?
                Which season is best for Beijing?
                Which month is good for a trip to Beijing?
            """),
            ("In which season should I visit Beijing?", "Tell me when to visit Beijing."),
            _BEIJING,
            "Visit Beijing in autumn.",
        ),
        (
            lines("""
                What are the prime numbers up to 100?
                List the prime numbers up to 100.
                Which numbers up to 100 are prime?
                Name all primes below 100.
                Tell me the primes from 1 to 100.
            """),
            ("Please list all prime numbers below 100.", "Which are the primes from 1 to 100?"),
            f"The prime numbers up to 100 are {_PRIMES}.",
            "There are 25 prime numbers up to 100.",
        ),
        (
            lines("""
                Print the prime numbers up to 100 in Python.
                Write a Python program that prints the primes up to 100.
                How do I find the primes up to 100 in Python?
                Use Python to find the prime numbers from 1 to 100.
                Python code for the primes up to 100
            """),
            ("Find the primes from 1 to 100 with Python.", "Write Python code for the prime numbers up to 100."),
            _CODE,
            "print([n for n in range(2, 101) if all(n % d for d in range(2, n))])",
        ),
    ),
    "zh": (
        (
            lines("""
                糖果的制作步骤
                糖果的制作步骤是什么？
                糖果怎么做？
                怎么做糖果？
                如何制作糖果？
                告诉我糖果的做法。
                请写出糖果的制作步骤。
            """),
            ("制作糖果有哪些步骤？", "请告诉我怎么做糖果。"),
            _CANDY_ZH,
            "把糖和水煮化，倒进模具，放凉。",
        ),
        (
            lines("""
                怎么建一个网站？
                如何建立一个网站？
                建网站有哪些步骤？
                用十步建一个网站。
                告诉我怎么做网站。
                建立网站的十个步骤
            """),
            ("请告诉我如何建网站。", "建一个网站需要哪些步骤？"),
            _WEBSITE_ZH,
            "先计划，再制作，然后检查，最后放到服务器上。",
        ),
        (
            lines("""
                什么时候去北京最好？
                什么时候去北京旅游最好？
                北京什么季节最好？
                去北京的最好时间是什么时候？
                几月去北京好？
                哪个季节适合去北京？
            """),
            ("我应该在什么季节去北京？", "告诉我什么时候去北京好。"),
            "去北京最好的时间是秋天，九月和十月。那时天空晴朗，也不太热。",
            "秋天去北京。",
        ),
        (
            lines("""
                100以内的素数有哪些？
                1到100的素数有哪些？
                列出100以内的素数。
                写出1到100的素数。
                100以内的质数有哪些？
                求1-100的素数
            """),
            ("请列出1到100的所有素数。", "一百以内有哪些素数？"),
            f"100以内的素数是{_PRIMES}。",
            "100以内有25个素数。",
        ),
        (
            lines("""
                使用python求1-100的素数
                用python求100以内的素数。
                用Python写出1到100的素数。
                写一个求素数的Python程序。
                用python打印100以内的素数。
            """),
            ("请用Python求出1到100的素数。", "怎么用python求1-100的素数？"),
            _CODE,
            "print([n for n in range(2, 101) if all(n % d for d in range(2, n))])",
        ),
    ),
}
LONG_AND_SHORT = {
    language: tuple((asked, long, short) for asked, _, long, short in known) for language, known in KNOWN.items()
}


def know_how(random: Random, language: str, held_out: bool = False) -> Dialogue:
    asked, kept, answer, _ = random.choice(KNOWN[language])
    return Dialogue("know-how", language, ((random.choice(kept if held_out else asked), answer),))
