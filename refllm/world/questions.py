"""The exam's questions: 600, half of them Chinese, always the same, each with the one right answer.

In every topic half of the questions are asked in phrasings that the corpus has and half in phrasings that it never has.
Names and stories are new in any case: a model can only remember them from the dialogue. Nothing is random here but by a
fixed seed, and no question comes twice.

>>> exam = questions()
>>> len(exam), sum(question.dialogue.language == "zh" for question in exam)
(600, 300)
>>> exam[0].dialogue.topic, exam[0].held_out
('capitals', False)
"""

import dataclasses
from random import Random

from refllm.world import corpus
from refllm.world.dialogue import Dialogue
from refllm.world.text import LANGUAGES

SEED = 2023
# Questions of a topic in each language.
COUNTS = {
    "capitals": 36,
    "continents": 20,
    "colours": 16,
    "animals": 18,
    "opposites": 20,
    "calendar": 20,
    "sums": 30,
    "times table": 16,
    "numbers": 20,
    "primes": 8,
    "translation": 30,
    "stories": 20,
    "names": 14,
    "small talk": 8,
    "repeat": 6,
    "shorter": 6,
    "know-how": 4,
    "unknown": 8,
}


@dataclasses.dataclass(frozen=True)
class Question:
    """A dialogue whose last answer is graded, and whether its phrasing was kept out of the corpus."""

    dialogue: Dialogue
    held_out: bool

    @property
    def asked(self) -> tuple[str, ...]:
        return tuple(question for question, _ in self.dialogue.turns)

    @property
    def expected(self) -> str:
        return self.dialogue.turns[-1][1]


def questions() -> list[Question]:
    """All of them, in the order of the topics."""
    random = Random(SEED)
    exam: dict[tuple[str, ...], Question] = {}
    for topic, count in COUNTS.items():
        for language in LANGUAGES:
            for number in range(count):
                question = _new(random, topic, language, held_out=number % 2 == 1, asked_before=exam)
                exam[question.asked] = question
    return list(exam.values())


def _new(random: Random, topic: str, language: str, held_out: bool, asked_before: dict) -> Question:
    while True:
        question = Question(corpus.draw(random, language, topic, held_out), held_out)
        if question.asked not in asked_before:
            return question
