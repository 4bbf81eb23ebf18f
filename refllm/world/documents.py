"""Plain text without turns: what is true in the world said in sentences, and little stories.

A model that reads only dialogues cannot continue a sentence. These documents teach "The capital of France is", "Once
upon a time" and the lists.

>>> from random import Random
>>> document(Random(5), "en").count(".") > 0
True
"""

from random import Random

from refllm.world import arithmetic, calendar, geography, nature, translation
from refllm.world.conversation import about_things
from refllm.world.dialogue import Family, sentence
from refllm.world.knowledge import LONG_AND_SHORT
from refllm.world.names import person
from refllm.world.nature import with_article
from refllm.world.words import ANIMALS, COLOURS, TOYS

FAMILIES: tuple[Family, ...] = (
    *geography.FAMILIES,
    *nature.FAMILIES,
    *calendar.FAMILIES,
    *arithmetic.FAMILIES,
    *translation.FAMILIES,
)
BEGINNINGS = {
    "en": (
        "Once upon a time, there was {an_animal} called {name}.",
        "There once lived {an_animal}. Its name was {name}.",
    ),
    "zh": ("从前，有一只{animal}，名字叫{name}。", "很久以前，有一只叫{name}的{animal}。"),
}
MIDDLES = {
    "en": (
        "{name} found {a_colour} {thing} on the road.",
        "One day {name} saw {a_colour} {thing} under a tree.",
        "Every morning {name} walked to the river.",
        "{name} wanted to see the sea.",
        "It was a cold winter and the snow was white.",
        "On the way {name} met {a_friend}.",
        "The {friend} was sad, because it had lost its {thing}.",
        "{name} gave the {thing} to the {friend}.",
    ),
    "zh": (
        "{name}在路上找到了一个{colour}的{thing}。",
        "有一天，{name}在树下看见一个{colour}的{thing}。",
        "每天早晨，{name}都走到河边。",
        "{name}想去看大海。",
        "那是一个寒冷的冬天，雪是白色的。",
        "路上，{name}遇见了一只{friend}。",
        "{friend}很难过，因为它的{thing}不见了。",
        "{name}把{thing}送给了{friend}。",
    ),
}
LASTS = {
    "en": ("They became good friends.", "{name} was very happy.", "And they lived happily in the village."),
    "zh": ("它们成了好朋友。", "{name}非常高兴。", "它们在村子里快乐地生活。"),
}


def tale(random: Random, language: str) -> str:
    """A few sentences about an animal with a name."""
    first, other = random.sample(sorted(ANIMALS), 2)
    animal, friend = ANIMALS[first][0][language], ANIMALS[other][0][language]
    thing, colour = random.choice(sorted(TOYS)), random.choice(sorted(COLOURS))
    fields = {
        "name": person(random, language),
        "animal": animal,
        "an_animal": with_article(animal),
        "friend": friend,
        "a_friend": with_article(friend),
        "a_colour": with_article(colour),
        "thing": thing if language == "en" else TOYS[thing],
        "colour": colour if language == "en" else COLOURS[colour],
    }
    middles = MIDDLES[language]
    chosen = [middles[place] for place in sorted(random.sample(range(len(middles)), random.randint(2, 5)))]
    told = [random.choice(BEGINNINGS[language]), *chosen, random.choice(LASTS[language])]
    return _joined([line.format(**fields) for line in told], language)


def statements(random: Random, language: str) -> str:
    """Facts as sentences, from a few families."""
    own = [family for family in FAMILIES if family.language == language]
    told = []
    for family in random.choices(own, k=random.randint(1, 2)):
        told += [
            sentence(family.answer.format(**fact), language)
            for fact in random.choices(family.facts, k=random.randint(2, 4))
        ]
    return _joined(told, language)


def essay(random: Random, language: str) -> str:
    """A long answer with its question as the title, or what is known about a few things."""
    if random.random() < 0.4:
        titles, long, _ = random.choice(LONG_AND_SHORT[language])
        return f"{random.choice(titles)}\n{long}"
    return _joined([long for _, long, _ in random.choices(about_things(language), k=random.randint(1, 4))], language)


def document(random: Random, language: str) -> str:
    return random.choice((tale, tale, statements, statements, statements, essay))(random, language)


def _joined(sentences: list[str], language: str) -> str:
    return (" " if language == "en" else "").join(sentences)
