"""The exam: 600 questions about the little world, asked as a chat would ask them, graded exactly.

Every question goes through the whole pipeline: the file's chat template, its tokenizer, the model, the choice of the
best token. In a dialogue of several turns the model hears its own earlier answers, as a person would have heard them.
An answer counts if it is, letter for letter, the one right answer: the exam notices a wrong byte anywhere.

>>> results = [Result(question, question.expected) for question in questions()[:2]] + [Result(questions()[2], "Mars")]
>>> share(results), table(results)[0].split()
(0.6666666666666666, ['capitals', 'en', '2', 'of', '3', '67', '%'])
"""

import dataclasses
from collections.abc import Callable, Iterable

from refllm.engine import LLM
from refllm.world import Question, questions
from refllm.world.text import LANGUAGES

TOGETHER = 24  # so many questions are answered at once
LONGEST = 160  # tokens of an answer; the longest right one has fewer
REMEMBERED = ("stories", "names", "shorter")  # topics that only what was said before answers


@dataclasses.dataclass(frozen=True)
class Result:
    """A question and what the model said to it."""

    question: Question
    answer: str

    @property
    def right(self) -> bool:
        return self.answer.strip() == self.question.expected

    @property
    def topic(self) -> str:
        return self.question.dialogue.topic

    @property
    def language(self) -> str:
        return self.question.dialogue.language

    @property
    def remembers(self) -> bool:
        return self.topic in REMEMBERED


def examine(llm: LLM, asked: Iterable[Question] | None = None, progress: Callable[[int], None] = lambda count: None):
    """The results of all questions, or of those given; `progress` hears how many were done."""
    asked = list(questions() if asked is None else asked)
    results: list[Result] = []
    for start in range(0, len(asked), TOGETHER):
        group = asked[start : start + TOGETHER]
        results += map(Result, group, answers(llm, group))
        progress(len(group))
    return results


def answers(llm: LLM, group: list[Question]) -> list[str]:
    """What the model says at the end of each dialogue; the dialogues go on together, turn by turn.

    A dialogue that has grown too long for the context, since the model finds no end, ends without an answer.
    """
    chat = llm.chat()
    told: list[list[dict]] = [[] for _ in group]
    for number in range(max(len(question.asked) for question in group)):
        prompts = {}
        for row, question in enumerate(group):
            if number < len(question.asked):
                told[row].append({"role": "user", "content": question.asked[number]})
                prompts[row] = chat.template.encode(chat.template.render_marked(told[row]))
        fitting = {row: ids for row, ids in prompts.items() if len(ids) + LONGEST <= llm.context}
        written = llm.generate(list(fitting.values()), temperature=0.0, max_tokens=LONGEST) if fitting else []
        texts = dict(zip(fitting, (one.text for one in written), strict=True))
        for row in prompts:
            told[row].append({"role": "assistant", "content": texts.get(row, "")})
    return [turns[-1]["content"] for turns in told]


def share(results: list[Result]) -> float:
    """How many of the answers are right, from 0 to 1."""
    return sum(result.right for result in results) / max(1, len(results))


def table(results: list[Result]) -> list[str]:
    """A line for every topic in each language, and for what the results have in common."""
    groups = {
        (topic, language): [r for r in results if (r.topic, r.language) == (topic, language)]
        for topic in dict.fromkeys(result.topic for result in results)
        for language in LANGUAGES
    }
    groups |= {("all", language): [r for r in results if r.language == language] for language in LANGUAGES}
    groups |= {
        ("held-out phrasings", ""): [r for r in results if r.question.held_out],
        ("remembered", ""): [r for r in results if r.remembers],
        ("all", ""): results,
    }
    return [_line(*name, group) for name, group in groups.items() if group]


def _line(topic: str, language: str, group: list[Result]) -> str:
    right = sum(result.right for result in group)
    return f"{topic:<20} {language:<3} {right:>4} of {len(group):<4} {share(group):>6.0%}".replace("%", " %")
