"""What the generator makes: dialogues, and families of questions about facts.

A family is one kind of question: its facts, the phrasings that the corpus uses, the phrasings that are kept back for
the exam, and the one answer. So what a trained model was never shown is known exactly.

>>> family = Family("capitals", "en", ({"country": "France", "capital": "Paris"},),
...                 asked=("What is the capital of {country}?",), held_out=("{country} is governed from where?",),
...                 answer="The capital of {country} is {capital}.")
>>> family.dialogue(family.facts[0], family.held_out[0]).turns
(('France is governed from where?', 'The capital of France is Paris.'),)
"""

import dataclasses
from random import Random

Turn = tuple[str, str]


@dataclasses.dataclass(frozen=True)
class Dialogue:
    """Turns of question and answer; an exam grades the last answer."""

    topic: str
    language: str
    turns: tuple[Turn, ...]
    system: str = ""

    def joined_to(self, earlier: "Dialogue") -> "Dialogue":
        """This dialogue as the continuation of another."""
        return dataclasses.replace(self, turns=earlier.turns + self.turns)


@dataclasses.dataclass(frozen=True)
class Family:
    """One kind of question; `{fields}` stand for the fields of a fact."""

    topic: str
    language: str
    facts: tuple[dict, ...]
    asked: tuple[str, ...]
    held_out: tuple[str, ...]
    answer: str

    def dialogue(self, fact: dict, phrasing: str) -> Dialogue:
        turn = tuple(sentence(text.format(**fact), self.language) for text in (phrasing, self.answer))
        return Dialogue(self.topic, self.language, (turn,))

    def draw(self, random: Random, held_out: bool = False) -> Dialogue:
        phrasing = random.choice(self.held_out if held_out else self.asked)
        return self.dialogue(random.choice(self.facts), phrasing)


def sentence(text: str, language: str) -> str:
    """An English sentence begins with a capital letter."""
    return text[:1].upper() + text[1:] if language == "en" else text


def lines(text: str) -> tuple[str, ...]:
    """The phrasings of a table, one per line."""
    return tuple(line.strip() for line in text.strip().splitlines())
