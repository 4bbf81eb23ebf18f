"""Numbers in words.

>>> in_words(47, "en"), in_words(47, "zh"), in_words(10, "zh"), in_words(100, "en")
('forty-seven', '四十七', '十', 'one hundred')
"""

from refllm.world.text import listed

ONES = listed("""
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
    eighteen nineteen
""")
TENS = listed("""
    zero ten twenty thirty forty fifty sixty seventy eighty ninety
""")
DIGITS = "零一二三四五六七八九"


def in_words(number: int, language: str) -> str:
    """A number from 0 to 100."""
    return _english(number) if language == "en" else _chinese(number)


def _english(number: int) -> str:
    if number == 100:
        return "one hundred"
    if number < 20:
        return ONES[number]
    tens, ones = divmod(number, 10)
    return TENS[tens] if ones == 0 else f"{TENS[tens]}-{ONES[ones]}"


def _chinese(number: int) -> str:
    if number == 100:
        return "一百"
    tens, ones = divmod(number, 10)
    head = "" if tens == 0 else "十" if tens == 1 else f"{DIGITS[tens]}十"
    return head + (DIGITS[ones] if ones or not tens else "")
