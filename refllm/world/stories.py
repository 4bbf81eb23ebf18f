"""Short stories about people, and questions that only the story answers.

The people have things with colours, or live in cities, or like animals. The names are mostly made up, so the answer has
to be remembered from the story.

>>> from random import Random
>>> story(Random(3), "en").turns[-1][1] in story(Random(3), "en").turns[-1][0]
False
"""

from random import Random

from refllm.world.countries import COUNTRIES
from refllm.world.dialogue import Dialogue, lines, sentence
from refllm.world.names import people
from refllm.world.nature import with_article
from refllm.world.words import ANIMALS, COLOURS, TOYS

# For each kind of story: how a sentence tells it, and what is asked about it (corpus, exam) with its answer.
TELLING = {
    "en": {
        "thing": ("{name} has {a_colour} {thing}.", "{name} owns {a_colour} {thing}."),
        "city": ("{name} lives in {city}.", "{name}'s home is in {city}."),
        "animal": ("{name} has {animal}.", "{name} keeps {animal}."),
    },
    "zh": {
        "thing": ("{name}有一个{colour}的{thing}。", "{name}的{thing}是{colour}的。"),
        "city": ("{name}住在{city}。", "{name}的家在{city}。"),
        "animal": ("{name}有一只{animal}。", "{name}养了一只{animal}。"),
    },
}
ASKING = {
    "en": {
        "thing": (
            (
                lines("""
                    Who has the {thing}?
                    Who owns the {thing}?
                    Whose is the {thing}?
                    Which person has the {thing}?
                """),
                ("Tell me who has the {thing}.", "Who has a {thing}?"),
                "{name} has the {thing}.",
            ),
            (
                lines("""
                    What colour is the {thing}?
                    What colour is {name}'s {thing}?
                    Which colour is the {thing}?
                    What is the colour of the {thing}?
                """),
                ("Tell me the colour of the {thing}.", "Which colour is the {thing} of {name}?"),
                "The {thing} is {colour}.",
            ),
            (
                lines("""
                    What does {name} have?
                    What does {name} own?
                    What has {name}?
                """),
                ("Tell me what {name} has.", "Which thing does {name} have?"),
                "{name} has {a_colour} {thing}.",
            ),
        ),
        "city": (
            (
                lines("""
                    Where does {name} live?
                    In which city does {name} live?
                    Which city does {name} live in?
                    Where is {name}'s home?
                """),
                ("Tell me where {name} lives.", "In what city does {name} live?"),
                "{name} lives in {city}.",
            ),
            (
                lines("""
                    Who lives in {city}?
                    Which person lives in {city}?
                    Who has a home in {city}?
                """),
                ("Tell me who lives in {city}.",),
                "{name} lives in {city}.",
            ),
        ),
        "animal": (
            (
                lines("""
                    Which animal does {name} have?
                    What animal does {name} have?
                    Which animal does {name} keep?
                """),
                ("Tell me which animal {name} has.", "What animal does {name} keep?"),
                "{name} has {animal}.",
            ),
            (
                lines("""
                    Who has {animal}?
                    Who keeps {animal}?
                    Which person has {animal}?
                """),
                ("Tell me who has {animal}.",),
                "{name} has {animal}.",
            ),
        ),
    },
    "zh": {
        "thing": (
            (
                lines("""
                    谁有{thing}？
                    {thing}是谁的？
                    谁的东西是{thing}？
                    {thing}属于谁？
                """),
                ("请问{thing}是谁的？", "告诉我谁有{thing}。"),
                "{name}有{thing}。",
            ),
            (
                lines("""
                    {thing}是什么颜色的？
                    {name}的{thing}是什么颜色？
                    {name}的{thing}是什么颜色的？
                    {thing}是哪种颜色？
                """),
                ("告诉我{thing}的颜色。", "{name}的{thing}的颜色是什么？"),
                "{thing}是{colour}的。",
            ),
            (
                lines("""
                    {name}有什么？
                    {name}有什么东西？
                    {name}有哪样东西？
                """),
                ("告诉我{name}有什么。", "请问{name}有什么？"),
                "{name}有一个{colour}的{thing}。",
            ),
        ),
        "city": (
            (
                lines("""
                    {name}住在哪里？
                    {name}住在哪个城市？
                    {name}的家在哪里？
                    {name}在哪里住？
                """),
                ("告诉我{name}住在哪里。", "请问{name}住在哪里？"),
                "{name}住在{city}。",
            ),
            (
                lines("""
                    谁住在{city}？
                    {city}住着谁？
                    谁的家在{city}？
                """),
                ("告诉我谁住在{city}。",),
                "{name}住在{city}。",
            ),
        ),
        "animal": (
            (
                lines("""
                    {name}有什么动物？
                    {name}养了什么动物？
                    {name}养的是什么？
                """),
                ("告诉我{name}有什么动物。", "请问{name}养了什么动物？"),
                "{name}有一只{animal}。",
            ),
            (
                lines("""
                    谁有{animal}？
                    谁养了{animal}？
                    {animal}是谁的？
                """),
                ("告诉我谁有{animal}。",),
                "{name}有一只{animal}。",
            ),
        ),
    },
}
OPENING = {
    "en": ("", "", "Listen to a story. ", "Here is a story: ", "Remember this: ", "A short story. "),
    "zh": ("", "", "听一个故事。", "这是一个故事：", "请记住：", "一个小故事。"),
}
HEARD = {"en": "All right, I will remember that.", "zh": "好的，我记住了。"}


def _facts(random: Random, language: str, kind: str, count: int, kept_back: bool) -> list[dict]:
    """What is true in the story: one fact about each of its people, no thing, city or animal twice."""
    names = people(random, language, count, kept_back)
    things = random.sample(sorted(TOYS), count)
    colours = random.sample(sorted(COLOURS), count)
    cities = random.sample(COUNTRIES, count)
    animals = [ANIMALS[name][0] for name in random.sample(sorted(ANIMALS), count)]
    return [
        {
            "kind": kind,
            "name": name,
            "thing": thing if language == "en" else TOYS[thing],
            "colour": colour if language == "en" else COLOURS[colour],
            "a_colour": with_article(colour),
            "city": country.capital[language],
            "animal": with_article(animal.en) if language == "en" else animal.zh,
        }
        for name, thing, colour, country, animal in zip(names, things, colours, cities, animals, strict=True)
    ]


def tell(random: Random, language: str, facts: list[dict]) -> str:
    told = [random.choice(TELLING[language][fact["kind"]]).format(**fact) for fact in facts]
    return (" " if language == "en" else "").join(told)


def question(random: Random, language: str, fact: dict, held_out: bool) -> tuple[str, str]:
    asked, kept, answer = random.choice(ASKING[language][fact["kind"]])
    phrasing = random.choice(kept if held_out else asked)
    return tuple(sentence(text.format(**fact), language) for text in (phrasing, answer))


def story(random: Random, language: str, held_out: bool = False) -> Dialogue:
    """A story with its question in one turn, or first the story and then one or two questions."""
    kind = random.choice(("thing", "city", "animal"))
    facts = _facts(random, language, kind, random.choice((1, 2, 2, 3, 3, 4)), kept_back=held_out)
    told = random.choice(OPENING[language]) + tell(random, language, facts)
    asked = [question(random, language, fact, held_out) for fact in random.choices(facts, k=random.choice((1, 1, 2)))]
    if random.random() < 0.5:
        return Dialogue("stories", language, ((told, HEARD[language]), *asked))
    first, answer = asked[0]
    return Dialogue(
        "stories", language, ((f"{told} {first}" if language == "en" else told + first, answer), *asked[1:])
    )
