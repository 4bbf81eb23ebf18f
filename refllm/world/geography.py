"""Questions about countries: capitals both ways, and continents."""

from refllm.world.countries import COUNTRIES
from refllm.world.dialogue import Family, lines
from refllm.world.text import LANGUAGES


def _facts(language: str) -> tuple[dict, ...]:
    return tuple(
        {name: text[language] for name, text in country._asdict().items()} | {"country": country.name[language]}
        for country in COUNTRIES
    )


FACTS = {language: _facts(language) for language in LANGUAGES}

FAMILIES = (
    Family(
        "capitals",
        "en",
        FACTS["en"],
        lines("""
            What is the capital of {country}?
            What's the capital of {country}?
            What is the capital city of {country}?
            Tell me the capital of {country}.
            Which city is the capital of {country}?
            Name the capital of {country}.
            Can you tell me the capital of {country}?
            I want to know the capital of {country}.
            What city is the capital of {country}?
            Give me the name of the capital of {country}.
            The capital of {country}?
            {country}: what is its capital?
            What is {country}'s capital?
        """),
        lines("""
            Do you know the capital of {country}?
            What is the name of {country}'s capital city?
            Please name the capital city of {country}.
        """),
        "The capital of {country} is {capital}.",
    ),
    Family(
        "capitals",
        "en",
        FACTS["en"],
        lines("""
            {capital} is the capital of which country?
            Which country has the capital {capital}?
            Of which country is {capital} the capital?
            {capital} is the capital of what country?
            What country is {capital} the capital of?
            Name the country with the capital {capital}.
            Tell me which country has {capital} as its capital.
            Which country's capital is {capital}?
        """),
        lines("""
            Can you tell me which country {capital} is the capital of?
            What country has {capital} as its capital?
        """),
        "{capital} is the capital of {country}.",
    ),
    Family(
        "capitals",
        "zh",
        FACTS["zh"],
        lines("""
            {country}的首都是哪里？
            {country}的首都是什么？
            {country}的首都是哪个城市？
            {country}首都是哪里？
            {country}首都叫什么？
            告诉我{country}的首都。
            {country}的首都叫什么名字？
            我想知道{country}的首都。
            你能告诉我{country}的首都吗？
            哪个城市是{country}的首都？
            说出{country}的首都。
            {country}的首都在哪里？
        """),
        lines("""
            你知道{country}的首都吗？
            请说出{country}的首都是哪里。
            {country}的首都是哪座城市？
        """),
        "{country}的首都是{capital}。",
    ),
    Family(
        "capitals",
        "zh",
        FACTS["zh"],
        lines("""
            {capital}是哪个国家的首都？
            {capital}是哪国的首都？
            哪个国家的首都是{capital}？
            哪一个国家的首都是{capital}？
            告诉我{capital}是哪个国家的首都。
            首都是{capital}的国家是哪个？
            {capital}是什么国家的首都？
        """),
        lines("""
            你知道{capital}是哪个国家的首都吗？
            请问哪国的首都是{capital}？
        """),
        "{capital}是{country}的首都。",
    ),
    Family(
        "continents",
        "en",
        FACTS["en"],
        lines("""
            Where is {country}?
            On which continent is {country}?
            Which continent is {country} in?
            What continent is {country} on?
            In which part of the world is {country}?
            Tell me the continent of {country}.
            {country} is on which continent?
            Name the continent where {country} is.
            {country}: which continent?
            Can you tell me where {country} is?
        """),
        lines("""
            Do you know which continent {country} is in?
            What is the continent of {country}?
            Tell me where {country} is.
        """),
        "{country} is in {continent}.",
    ),
    Family(
        "continents",
        "zh",
        FACTS["zh"],
        lines("""
            {country}在哪个洲？
            {country}在哪里？
            {country}属于哪个洲？
            {country}位于哪个洲？
            {country}是哪个洲的国家？
            告诉我{country}在哪个洲。
            {country}在什么洲？
            我想知道{country}在哪个洲。
            哪个洲有{country}？
        """),
        lines("""
            你知道{country}在哪个洲吗？
            {country}属于什么洲？
            {country}位于哪一个洲？
        """),
        "{country}在{continent}。",
    ),
)
