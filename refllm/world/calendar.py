"""Questions about the days of the week and the months of the year."""

from refllm.world.dialogue import Family, lines
from refllm.world.text import listed
from refllm.world.words import DAYS, MONTHS


def _ring(names: list) -> tuple[dict, ...]:
    """Each name with the one before and the one after it; the last is followed by the first."""
    return tuple(
        {
            "name": name.en,
            "name_zh": name.zh,
            "after": names[(place + 1) % len(names)].en,
            "after_zh": names[(place + 1) % len(names)].zh,
            "before": names[place - 1].en,
            "before_zh": names[place - 1].zh,
            "number": str(place + 1),
        }
        for place, name in enumerate(names)
    )


def _ring_families(facts: tuple[dict, ...], kind: str, kind_zh: str) -> list[Family]:
    """Questions of what comes before and after."""
    families = []
    for direction, zh, old in (("after", "后面", "follows"), ("before", "前面", "precedes")):
        english = f"""
            What {kind} comes {direction} {{name}}?
            Which {kind} comes {direction} {{name}}?
            Which {kind} is {direction} {{name}}?
            Tell me the {kind} {direction} {{name}}.
            Which {kind} {old} {{name}}?
            What comes {direction} {{name}}?
            Name the {kind} that comes {direction} {{name}}.
        """
        kept = f"""
            What {kind} is {direction} {{name}}?
            Do you know which {kind} comes {direction} {{name}}?
        """
        chinese = f"""
            {{name_zh}}{zh}是{kind_zh}？
            {{name_zh}}的{zh}是{kind_zh}？
            {kind_zh}在{{name_zh}}{zh}？
            告诉我{{name_zh}}{zh}是{kind_zh}。
            排在{{name_zh}}{zh}的是{kind_zh}？
        """
        kept_zh = f"""
            你知道{{name_zh}}{zh}是{kind_zh}吗？
            我想知道{{name_zh}}{zh}是{kind_zh}。
        """
        families += [
            Family(
                "calendar", "en", facts, lines(english), lines(kept), f"{{{direction}}} comes {direction} {{name}}."
            ),
            Family("calendar", "zh", facts, lines(chinese), lines(kept_zh), f"{{name_zh}}{zh}是{{{direction}_zh}}。"),
        ]
    return families


ORDINALS = listed("""
    first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth
""")
MONTH_FACTS = tuple(fact | {"ordinal": ordinal} for fact, ordinal in zip(_ring(MONTHS), ORDINALS, strict=True))

FAMILIES = (
    *_ring_families(_ring(DAYS), "day", "星期几"),
    *_ring_families(MONTH_FACTS, "month", "几月"),
    Family(
        "calendar",
        "en",
        MONTH_FACTS,
        lines("""
            What is the {ordinal} month of the year?
            Which month is the {ordinal} of the year?
            Name the {ordinal} month.
            Tell me the {ordinal} month of the year.
            Which is the {ordinal} month?
        """),
        lines("""
            Do you know the {ordinal} month of the year?
            What is the name of the {ordinal} month?
        """),
        "The {ordinal} month of the year is {name}.",
    ),
    Family(
        "calendar",
        "zh",
        MONTH_FACTS,
        lines("""
            一年的第{number}个月是几月？
            第{number}个月是几月？
            一年里第{number}个月叫什么？
            告诉我一年的第{number}个月是几月。
        """),
        lines("""
            你知道一年的第{number}个月是几月吗？
            一年中第{number}个月是哪个月？
        """),
        "一年的第{number}个月是{name_zh}。",
    ),
)
