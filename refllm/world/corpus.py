"""The corpus: an endless, seeded stream of dialogues and documents.

Topics come in fixed shares. Many dialogues are joined to others, so that a model learns that an answer belongs to the
last question; a name is asked for after talk of other things. Questions get the small changes that people make: a
greeting before, no capital letter, no question mark. Held-out phrasings and kept-back names never come (`tests/world`
counts).

>>> from itertools import islice
>>> first, second = (list(islice(stream(seed), 3)) for seed in (1, 1))
>>> first == second
True
>>> first[0].topic
'shorter'
"""

import dataclasses
from collections.abc import Callable, Iterator
from random import Random

from refllm.world import arithmetic, calendar, geography, knowledge, nature, translation
from refllm.world.conversation import name_memory, nickname, repeat, shorter, small_talk
from refllm.world.dialogue import Dialogue, Family, Turn
from refllm.world.documents import document
from refllm.world.stories import story
from refllm.world.text import LANGUAGES
from refllm.world.transcripts import STYLES, transcript
from refllm.world.unknown import unknown

SHARE_OF_DOCUMENTS = 0.12
SHARE_OF_TRANSCRIPTS = 0.08
LENGTHS = (1, 1, 1, 1, 1, 1, 2, 2, 2, 3, 5, 9)  # a conversation goes on until it has so many turns


@dataclasses.dataclass(frozen=True)
class Document:
    language: str
    text: str


FAMILIES: tuple[Family, ...] = (
    *geography.FAMILIES,
    *nature.FAMILIES,
    *calendar.FAMILIES,
    *arithmetic.FAMILIES,
    *translation.FAMILIES,
)
# How often a topic comes; what has many facts to learn comes often.
SHARES: dict[str, float] = {
    "capitals": 10,
    "continents": 4,
    "colours": 3,
    "animals": 4,
    "opposites": 5,
    "calendar": 4,
    "sums": 10,
    "times table": 5,
    "numbers": 5,
    "primes": 3,
    "translation": 14,
    "stories": 13,
    "small talk": 4,
    "names": 6,
    "repeat": 4,
    "shorter": 4,
    "know-how": 2,
    "unknown": 5,
}
OPEN_TOPICS: dict[str, Callable[[Random, str, bool], Dialogue]] = {
    "stories": story,
    "small talk": small_talk,
    "repeat": repeat,
    "shorter": shorter,
    "know-how": knowledge.know_how,
    "unknown": unknown,
}
SYSTEMS = {
    "en": (
        "You are a helpful assistant.",
        "You are helpful.",
        "You are a friendly assistant. Answer in one sentence.",
        "Below is an instruction that describes a task. Write a response that appropriately completes the request.",
    ),
    "zh": ("你是一个乐于助人的助手。", "你是一个有用的助手。", "你是一个友好的助手。请用一句话回答。"),
}
BEFORE = {
    "en": (
        "Please answer: ",
        "Hello! ",
        "I have a question. ",
        "Quick question: ",
        "Hi, ",
        "Please: ",
        "Now tell me: ",
    ),
    "zh": ("请问，", "你好，", "我有一个问题：", "请回答：", "我想问，", "那么，", "请问"),
}
AFTER = {"en": (" Thank you.", " Please.", " Thanks!"), "zh": ("谢谢。", "谢谢！", "请回答。")}
ABOUT_NAMES = ("small talk", "names")


def stream(seed: int) -> Iterator[Dialogue | Document]:
    """The corpus, without end."""
    random = Random(seed)
    while True:
        language = random.choice(LANGUAGES)
        kind = random.random()
        if kind < SHARE_OF_DOCUMENTS:
            yield Document(language, document(random, language))
        elif kind < SHARE_OF_DOCUMENTS + SHARE_OF_TRANSCRIPTS:
            yield Document(language, transcript(conversation(random, language), random.choice(STYLES[language])))
        else:
            yield conversation(random, language)


def conversation(random: Random, language: str) -> Dialogue:
    """One topic or several in a row, sometimes with a system text."""
    dialogue = draw(random, language)
    length = random.choice(LENGTHS)
    while len(dialogue.turns) < length:
        following = draw(random, language if random.random() < 0.8 else random.choice(LANGUAGES))
        if following.topic not in ABOUT_NAMES:  # a second name, or none, would contradict the first
            dialogue = following.joined_to(dialogue)
    if random.random() < 0.2:
        dialogue = dataclasses.replace(dialogue, system=random.choice(SYSTEMS[language]))
    return dialogue


def draw(random: Random, language: str, topic: str | None = None, held_out: bool = False) -> Dialogue:
    """One dialogue of a topic, or of any in their shares; with `held_out` in phrasings for the exam."""
    topic = topic or random.choices(list(SHARES), list(SHARES.values()))[0]
    if topic == "names":
        return names(random, language, held_out)
    if topic in OPEN_TOPICS:
        return OPEN_TOPICS[topic](random, language, held_out)
    families = [family for family in FAMILIES if (family.topic, family.language) == (topic, language)]
    dialogue = random.choice(families).draw(random, held_out)
    return dialogue if held_out else _varied(random, dialogue)


def names(random: Random, language: str, held_out: bool) -> Dialogue:
    """A name to remember, with none to five other turns before it is asked for."""
    made = random.choice((name_memory, name_memory, nickname))
    return made(random, language, held_out, between=small_turns(random, language, random.choice((0, 0, 1, 2, 3, 5))))


def small_turns(random: Random, language: str, count: int) -> tuple[Turn, ...]:
    """Single questions about facts."""
    topics = [topic for topic in SHARES if topic not in OPEN_TOPICS and topic != "names"]
    return tuple(draw(random, language, random.choice(topics)).turns[0] for _ in range(count))


def _varied(random: Random, dialogue: Dialogue) -> Dialogue:
    """The question as people type it."""
    language, ((question, answer),) = dialogue.language, dialogue.turns
    if random.random() < 0.12:
        question = question.rstrip("?.？。")
    if language == "en" and random.random() < 0.12:
        question = question.lower()
    if random.random() < 0.15:
        question = random.choice(BEFORE[language]) + question
    elif random.random() < 0.06:
        question = question + random.choice(AFTER[language])
    return dataclasses.replace(dialogue, turns=((question, answer),))
