"""Questions about numbers: words and digits to 100, neighbours, sums and differences to 20, times table, primes."""

from refllm.world.dialogue import Family, lines
from refllm.world.numerals import in_words

LARGEST_SUM = 20
LARGEST_FACTOR = 10


def is_prime(number: int) -> bool:
    """
    >>> [n for n in range(20) if is_prime(n)]
    [2, 3, 5, 7, 11, 13, 17, 19]
    """
    return number > 1 and all(number % divisor for divisor in range(2, number))


PRIMES = tuple(number for number in range(101) if is_prime(number))

NUMBER_FACTS = tuple(
    {
        "number": n,
        "after": n + 1,
        "before": n - 1,
        "words": in_words(n, "en"),
        "words_zh": in_words(n, "zh"),
        "verdict": "Yes" if is_prime(n) else "No",
        "is": "is" if is_prime(n) else "is not",
        "verdict_zh": "是的" if is_prime(n) else "不是",
        "is_zh": "是" if is_prime(n) else "不是",
    }
    for n in range(1, 100)
)


def _operation(pairs, result) -> tuple[dict, ...]:
    return tuple(
        {
            "a": a,
            "b": b,
            "result": result(a, b),
            "a_words": in_words(a, "en"),
            "b_words": in_words(b, "en"),
            "a_zh": in_words(a, "zh"),
            "b_zh": in_words(b, "zh"),
        }
        for a, b in pairs
    )


SUMS = _operation(((a, b) for a in range(LARGEST_SUM + 1) for b in range(LARGEST_SUM + 1 - a)), lambda a, b: a + b)
DIFFERENCES = _operation(((a, b) for a in range(LARGEST_SUM + 1) for b in range(a + 1)), lambda a, b: a - b)
PRODUCTS = _operation(
    ((a, b) for a in range(1, LARGEST_FACTOR + 1) for b in range(1, LARGEST_FACTOR + 1)), lambda a, b: a * b
)


def _calculation(topic: str, facts: tuple, sign: str, word: str, word_zh: str) -> list[Family]:
    """The ways to ask for one operation; the answer is written in signs."""
    english = f"""
        What is {{a}} {sign} {{b}}?
        What is {{a}} {word} {{b}}?
        How much is {{a}} {sign} {{b}}?
        How much is {{a}} {word} {{b}}?
        {{a}} {sign} {{b}} = ?
        Calculate {{a}} {sign} {{b}}.
        What is {{a_words}} {word} {{b_words}}?
        How much is {{a_words}} {word} {{b_words}}?
        What does {{a}} {sign} {{b}} make?
        Compute {{a}} {sign} {{b}}.
        Tell me what {{a}} {word} {{b}} is.
    """
    kept = f"""
        What is the result of {{a}} {sign} {{b}}?
        Can you calculate {{a}} {sign} {{b}}?
        Tell me what {{a}} {sign} {{b}} is.
    """
    chinese = f"""
        {{a}}{word_zh}{{b}}等于多少？
        {{a}}{word_zh}{{b}}等于几？
        {{a}} {sign} {{b}} 等于多少？
        {{a}} {sign} {{b}} = ?
        {{a}}{word_zh}{{b}}是多少？
        {{a_zh}}{word_zh}{{b_zh}}等于多少？
        {{a_zh}}{word_zh}{{b_zh}}等于几？
        计算 {{a}} {sign} {{b}}。
        算一算{{a}}{word_zh}{{b}}。
        {{a}} {sign} {{b}} 是多少？
    """
    kept_zh = f"""
        {{a}} {sign} {{b}} 等于几？
        你能算出{{a}}{word_zh}{{b}}等于多少吗？
        告诉我 {{a}} {sign} {{b}} 等于多少。
    """
    return [
        Family(topic, "en", facts, lines(english), lines(kept), f"{{a}} {sign} {{b}} = {{result}}."),
        Family(topic, "zh", facts, lines(chinese), lines(kept_zh), f"{{a}} {sign} {{b}} = {{result}}。"),
    ]


FAMILIES = (
    *_calculation("sums", SUMS, "+", "plus", "加"),
    *_calculation("sums", DIFFERENCES, "-", "minus", "减"),
    *_calculation("times table", PRODUCTS, "*", "times", "乘"),
    Family(
        "numbers",
        "en",
        NUMBER_FACTS,
        lines("""
            Write {number} in words.
            How do you write {number} in words?
            Write the number {number} in words.
            What is {number} in words?
            Spell the number {number}.
            How do you say {number}?
        """),
        lines("""
            How is {number} written in words?
            Please spell {number} in words.
        """),
        "{number} in words is {words}.",
    ),
    Family(
        "numbers",
        "en",
        NUMBER_FACTS,
        lines("""
            Write {words} in digits.
            Write {words} as a number.
            How do you write {words} in digits?
            What is {words} in digits?
            Which number is {words}?
        """),
        lines("""
            How is {words} written in digits?
            Please write {words} with digits.
        """),
        "{words} in digits is {number}.",
    ),
    Family(
        "numbers",
        "zh",
        NUMBER_FACTS,
        lines("""
            {number}用汉字怎么写？
            {number}的汉字怎么写？
            用汉字写出{number}。
            把{number}写成汉字。
            数字{number}用中文怎么写？
        """),
        lines("""
            你会用汉字写{number}吗？
            {number}写成汉字是什么？
        """),
        "{number}用汉字写作{words_zh}。",
    ),
    Family(
        "numbers",
        "zh",
        NUMBER_FACTS,
        lines("""
            {words_zh}用数字怎么写？
            用数字写出{words_zh}。
            把{words_zh}写成数字。
            {words_zh}是哪个数字？
            {words_zh}的数字怎么写？
        """),
        lines("""
            你会用数字写{words_zh}吗？
            {words_zh}写成数字是什么？
        """),
        "{words_zh}用数字写作{number}。",
    ),
    Family(
        "numbers",
        "en",
        NUMBER_FACTS,
        lines("""
            What number comes after {number}?
            Which number comes after {number}?
            What comes after {number}?
            What is the next number after {number}?
            Which number follows {number}?
        """),
        lines("""
            Do you know which number comes after {number}?
            Tell me the number after {number}.
        """),
        "After {number} comes {after}.",
    ),
    Family(
        "numbers",
        "zh",
        NUMBER_FACTS,
        lines("""
            {number}后面是几？
            {number}的后面是什么数？
            {number}之后是哪个数？
            {number}的下一个数是几？
            哪个数在{number}后面？
        """),
        lines("""
            你知道{number}后面是几吗？
            {number}的下一个数是多少？
        """),
        "{number}后面是{after}。",
    ),
    Family(
        "primes",
        "en",
        NUMBER_FACTS,
        lines("""
            Is {number} a prime number?
            Is {number} prime?
            Is the number {number} prime?
            Tell me whether {number} is prime.
            {number}: prime or not?
            Is {number} a prime?
        """),
        lines("""
            Can you tell me whether {number} is a prime number?
            Do you know if {number} is prime?
        """),
        "{verdict}, {number} {is} a prime number.",
    ),
    Family(
        "primes",
        "zh",
        NUMBER_FACTS,
        lines("""
            {number}是素数吗？
            {number}是不是素数？
            {number}是质数吗？
            {number}是不是质数？
            告诉我{number}是不是素数。
        """),
        lines("""
            你知道{number}是不是素数吗？
            请判断{number}是不是素数。
        """),
        "{verdict_zh}，{number}{is_zh}素数。",
    ),
)
