"""The little world: its facts are consistent, its corpus is seeded, and the exam asks what the corpus does not say."""

import itertools
import re
from random import Random

import pytest

from refllm.world import Dialogue, corpus, questions, stream
from refllm.world.countries import COUNTRIES
from refllm.world.names import is_kept_back
from refllm.world.numerals import in_words
from refllm.world.questions import COUNTS
from refllm.world.text import LANGUAGES
from refllm.world.transcripts import STYLES, transcript
from refllm.world.words import ANIMALS, COLOUR_OF, COLOURED, COLOURS, OPPOSITES, WORDS


@pytest.fixture(scope="module")
def items():
    return list(itertools.islice(stream(1), 8_000))


@pytest.fixture(scope="module")
def exam():
    return questions()


def asked_in(items) -> set[str]:
    return {question for item in items if isinstance(item, Dialogue) for question, _ in item.turns}


def test_names_of_countries_and_capitals_are_different():
    for language in LANGUAGES:
        assert len({country.name[language] for country in COUNTRIES}) == 60
        assert len({country.capital[language] for country in COUNTRIES}) == 60


def test_words_translate_both_ways():
    assert len(set(WORDS.values())) == len(WORDS)


def test_tables_agree():
    assert COLOUR_OF.keys() == COLOURED.keys()
    assert set(COLOUR_OF.values()) <= COLOURS.keys()
    assert len({sound.zh for _, sound, _ in ANIMALS.values()}) == len(ANIMALS)
    words = [word.en for pair in OPPOSITES for word in pair]
    assert len(words) == len(set(words))


def test_numbers_in_words_are_different_and_read_back():
    assert len({in_words(number, "en") for number in range(101)}) == 101
    assert [in_words(number, "zh") for number in (0, 10, 11, 20, 99)] == ["零", "十", "十一", "二十", "九十九"]


def test_a_seed_gives_the_same_corpus(items):
    assert list(itertools.islice(stream(1), 500)) == items[:500]
    assert list(itertools.islice(stream(2), 500)) != items[:500]


def test_both_languages_and_every_topic_come(items):
    dialogues = [item for item in items if isinstance(item, Dialogue)]
    assert {dialogue.topic for dialogue in dialogues} == COUNTS.keys()
    chinese = sum(dialogue.language == "zh" for dialogue in dialogues)
    assert 0.45 < chinese / len(dialogues) < 0.55


@pytest.mark.parametrize("family", corpus.FAMILIES, ids=lambda family: f"{family.topic}-{family.language}")
def test_no_phrasing_is_both_learned_and_kept_back(family):
    def plain(phrasing: str) -> str:
        return re.sub(r"\W", "", phrasing.lower())

    others = [one for one in corpus.FAMILIES if one.topic == family.topic and one.language == family.language]
    learned = {plain(phrasing) for one in others for phrasing in one.asked}
    assert not learned & set(map(plain, family.held_out))
    assert len(set(family.asked)) == len(family.asked)


def test_the_corpus_never_asks_what_the_exam_keeps_back(items, exam):
    kept = {question.asked[-1] for question in exam if question.held_out}
    assert len(kept) > 250
    assert not kept & asked_in(items)


def test_names_of_the_exam_never_come_in_the_corpus(items, exam):
    names = {
        word
        for question in exam
        if question.held_out and question.dialogue.language == "en" and question.dialogue.topic in ("names", "stories")
        for word in re.findall(r"[A-Z][a-z]+", question.expected)
        if is_kept_back(word)
    } - {word for text in corpus.SHARES for word in text.split()}
    spoken = {word for asked in asked_in(items) for word in re.findall(r"[A-Z][a-z]+", asked)}
    strange = {name for name in names if name not in WORDS and name not in ("Your", "The")}
    assert len(strange) > 10
    known = {word for country in COUNTRIES for text in country for word in text.en.split()}
    assert not (strange - known) & spoken


def test_the_exam_has_six_hundred_questions_half_of_them_chinese(exam):
    assert len(exam) == len({question.asked for question in exam}) == 600
    assert sum(question.dialogue.language == "zh" for question in exam) == 300
    assert 290 <= sum(question.held_out for question in exam) <= 300
    assert questions() == exam


@pytest.mark.parametrize(
    ("topic", "question", "answer"),
    [
        ("small talk", "你好", "你好！有什么可以帮你的吗？"),
        ("small talk", "你是谁", "我是 Refllm，一个了解小世界的小语言模型。"),
        ("names", "我可以给你起一个名字吗", "当然可以！你想叫我什么？"),
        ("capitals", "What is the capital of France?", "The capital of France is Paris."),
        ("know-how", "糖果的制作步骤", "1. 把糖和水放进锅里。"),
        ("know-how", "使用python求1-100的素数", "for number in range(2, 101):"),
        ("know-how", "Building a website can be done in 10 simple steps", "1. Decide what the website is for."),
    ],
)
def test_the_questions_of_the_tutorials_are_answered(topic, question, answer):
    random = Random(0)
    language = "en" if question.isascii() and "python" not in question else "zh"
    drawn = (turn for _ in range(20_000) for turn in corpus.draw(random, language, topic).turns)
    assert next(told for asked, told in drawn if asked == question).split("\n")[0] == answer


def test_transcripts_name_the_speakers():
    dialogue = Dialogue("demo", "en", (("Hi", "Hello!"), ("Bye", "Goodbye!")))
    plain, instruct, *_ = (transcript(dialogue, style) for style in STYLES["en"])
    assert plain == "User: Hi\nAssistant: Hello!\nUser: Bye\nAssistant: Goodbye!"
    assert instruct.count("### Instruction:\n\n") == instruct.count("\n\n### Response:\n\n") == 2
    assert "[Round 2]\n\n问：Bye" in transcript(dialogue, STYLES["zh"][2])
