"""A conversation: turns, what is read for each, what happens when the context is full, and files."""

import dataclasses
import json

import pytest

from refllm.chat import BUILTIN, Chat, TemplateError
from refllm.chat.conversation import after, agreeing
from refllm.engine import ContextError, load
from refllm.errors import RefllmError
from tests.chat import models

GREEDY = {"temperature": 0.0, "ignore_eos": True}


@pytest.fixture(scope="module")
def llm(tmp_path_factory):
    return load(models.write(tmp_path_factory.mktemp("model") / "tiny.gguf"), compute="exact", context=256)


def ids_of(chat: Chat, text: str) -> list[int]:
    return chat.template.encode(text)


def test_turns(llm):
    chat = llm.chat(system="red", max_tokens=5, **GREEDY)
    first = chat.send("the cat")
    second = chat.send("你好", max_tokens=3)
    assert [turn["role"] for turn in chat.turns] == ["system", "user", "assistant", "user", "assistant"]
    assert [turn["content"] for turn in chat.turns[2::2]] == [first.text, second.text]
    assert (len(first.ids), len(second.ids), chat.completion) == (5, 3, second)


def test_streaming_says_what_sending_says(llm):
    pieces = list(llm.chat(max_tokens=20, **GREEDY).stream("the cat"))
    assert len(pieces) > 1 and "".join(pieces) == llm.chat(max_tokens=20, **GREEDY).send("the cat").text


def test_the_model_reads_the_rendered_conversation(llm):
    chat = llm.chat(system="red", max_tokens=6, **GREEDY)
    completion = chat.send("the cat")
    text = "<|im_start|>system\nred<|im_end|>\n<|im_start|>user\nthe cat<|im_end|>\n<|im_start|>assistant\n"
    assert completion.ids == llm.generate(ids_of(chat, text), max_tokens=6, **GREEDY).ids


def test_a_turn_costs_only_its_new_tokens(llm):
    chat = llm.chat(max_tokens=6, **GREEDY)
    chat.send("the cat")
    new = "<|im_end|>\n<|im_start|>user\nred<|im_end|>\n<|im_start|>assistant\n"
    before = list(llm.session.ids)
    read = chat.send("red").timings.prompt_n
    assert read == len(chat.template.encode(new, continues=True)) + 1  # and the last token of the answer
    assert llm.session.ids[: len(before)] == before


def test_other_uses_of_the_model_in_between_change_nothing(llm):
    alone, disturbed = llm.chat(max_tokens=6, **GREEDY), llm.chat(max_tokens=6, **GREEDY)
    expected = [alone.send(text).text for text in ("the cat", "red", "one")]
    for text, answer in zip(("the cat", "red", "one"), expected, strict=True):
        assert disturbed.send(text).text == answer
        llm.generate("two two two", max_tokens=3, **GREEDY)


def test_every_token_that_ends_a_text_ends_the_answer(llm):
    free = llm.chat(max_tokens=10, temperature=0.0).send("the cat").ids
    ending = dataclasses.replace(llm.tokenizer, end_ids=llm.tokenizer.end_ids | {free[4]})
    chat = dataclasses.replace(llm, tokenizer=ending).chat(max_tokens=10, temperature=0.0)
    ended = chat.send("the cat")
    assert ended.ids == free[: free.index(free[4]) + 1] and ended.finish_reason == "stop"
    assert chat.turns[-1]["content"] == llm.tokenizer.decode(ended.ids[:-1], continues=True)


def test_a_long_conversation_goes_on_and_every_turn_costs_the_same(llm):
    """2,000 tokens in a context of 256: nothing fails, and what a turn reads does not grow."""
    chat = llm.chat(system="red cat", max_tokens=40, **GREEDY)
    read, total = [], 0
    while total < 2000:
        completion = chat.send(f"the cat {total}")
        read.append(completion.timings.prompt_n)
        total += completion.timings.prompt_n + len(completion.ids)
        assert len(completion.ids) == 40 and len(llm.session.ids) <= 256
    assert max(read[1:]) - min(read[1:]) <= 4  # the number has more digits in the end
    kept = ids_of(chat, "<|im_start|>system\nred cat<|im_end|>\n<|im_start|>user\n")
    assert llm.session.ids[: len(kept)] == kept
    assert len(chat.turns) == 1 + 2 * len(read)


def test_a_conversation_from_elsewhere_that_is_too_long_loses_its_oldest_turns(llm):
    chat = llm.chat(system="red", max_tokens=4, **GREEDY)
    for number in range(20):
        chat.turns += [{"role": "user", "content": f"the cat {number}"}, {"role": "assistant", "content": "in the red"}]
    assert len(chat.send("one").ids) == 4
    told = llm.tokenizer.decode(llm.session.ids)
    assert "red" in told and "cat 19" in told and "cat 0" not in told


def test_a_message_that_cannot_fit_is_refused_and_forgotten(llm):
    chat = llm.chat(max_tokens=4, **GREEDY)
    chat.send("the cat")
    with pytest.raises(ContextError, match="the context holds 256"):
        chat.send("the cat " * 200)
    assert len(chat.turns) == 2
    assert len(chat.send("red").ids) == 4 and len(chat.turns) == 4


def test_without_shifting_a_full_context_ends_the_answer(llm):
    chat = llm.chat(context_shift=False, **GREEDY)
    assert chat.send("the cat").finish_reason == "length"
    with pytest.raises(ContextError):
        chat.send("the cat")


def test_an_answer_that_is_broken_off_stays_as_it_is(llm):
    chat = llm.chat(max_tokens=50, **GREEDY)
    stream = chat.stream("the cat")
    shown = next(stream) + next(stream)
    stream.close()
    assert chat.turns[-1]["role"] == "assistant" and chat.turns[-1]["content"].startswith(shown)
    whole = llm.chat(max_tokens=len(chat.known.answer_ids), **GREEDY)
    whole.send("the cat")
    assert chat.send("red", max_tokens=8).ids == whole.send("red", max_tokens=8).ids
    never = chat.stream("one")
    never.close()
    assert len(chat.turns) == 4


def test_ctrl_c_within_a_step_keeps_what_was_said(llm, monkeypatch):
    chat = llm.chat(max_tokens=30, **GREEDY)
    expected = llm.chat(max_tokens=30, **GREEDY).send("the cat").text

    def interrupt(session, token):
        raise KeyboardInterrupt

    stream = chat.stream("the cat")
    shown = next(stream)
    monkeypatch.setattr(type(llm.session), "write_ahead", interrupt)
    with pytest.raises(KeyboardInterrupt):
        shown += "".join(stream)
    monkeypatch.undo()
    assert expected.startswith(chat.turns[-1]["content"]) and chat.turns[-1]["content"].startswith(shown)
    assert len(chat.send("red", max_tokens=4).ids) == 4


def test_a_template_that_tells_the_past_in_another_way_is_followed(llm):
    forgetful = "{% for m in messages %}{{ m.role }}:{% if m.role == 'user' %}{{ m.content }}{% endif %};{% endfor %}A:"
    chat = llm.chat(template=forgetful, max_tokens=6, **GREEDY)
    chat.send("the cat")
    completion = chat.send("red")
    prompt = "user:the cat;assistant:;user:red;A:"
    assert completion.ids == llm.generate(ids_of(chat, prompt), max_tokens=6, **GREEDY).ids


def test_tools_and_their_results(llm):
    template = (
        "{% if tools %}{{ tools[0].name }}{% endif %}{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
    )
    chat = llm.chat(template=template, tools=[{"name": "clock"}], max_tokens=3, **GREEDY)
    chat.send("the")
    chat.turns.append({"role": "tool", "content": "noon"})
    "".join(chat.answer())
    assert [turn["role"] for turn in chat.turns] == ["user", "assistant", "tool", "assistant"]
    assert chat.prompt()[0].startswith("clock[user]the[assistant]") and "[tool]noon[assistant]" in chat.prompt()[0]


def test_the_system_may_change_its_mind(llm):
    chat = llm.chat(max_tokens=2, **GREEDY)
    assert chat.system is None
    chat.send("the cat")
    chat.system = "red"
    assert chat.prompt()[0].startswith("<|im_start|>system\nred<|im_end|>\n<|im_start|>user\nthe cat")
    chat.reset()
    assert chat.turns == [{"role": "system", "content": "red"}]
    chat.system = None
    assert chat.turns == []


def test_a_conversation_in_a_file(llm, tmp_path):
    chat = llm.chat(system="red", max_tokens=5, **GREEDY)
    chat.send("the cat")
    chat.save(tmp_path / "talk.json")
    other = llm.chat(max_tokens=5, **GREEDY)
    other.load(tmp_path / "talk.json")
    assert other.turns == chat.turns and other.system == "red"
    assert other.prompt()[0] == chat.prompt()[0]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "has no turns"),
        ('{"turns": [1]}', "has no turns"),
        ('{"turns": [{"role": "user", "content": 1}]}', "turn 0 is damaged"),
        ('{"turns": [{"role": [], "content": "a"}]}', "turn 0 is damaged"),
    ],
)
def test_a_file_that_is_no_conversation(llm, tmp_path, data, said):
    path = tmp_path / "talk.json"
    path.write_text(data)
    chat = llm.chat(system="red")
    with pytest.raises(RefllmError, match=said) as caught:
        chat.load(path)
    assert str(path) in str(caught.value) and chat.system == "red"


def test_what_is_asked_wrongly_is_said_at_once(llm, tmp_path):
    with pytest.raises(TypeError, match="'temprature'"):
        llm.chat(temprature=1.0)
    with pytest.raises(TemplateError, match="'chatlm'"):
        llm.chat(template="chatlm")
    bare = load(models.write(tmp_path / "bare.gguf", template=None), compute="exact", context=256)
    with pytest.raises(TemplateError, match="brings no chat template"):
        bare.chat()
    assert bare.chat(template="llama2", max_tokens=2, **GREEDY).template.text == BUILTIN["llama2"]


def test_how_far_an_answer_and_the_retold_text_agree(llm):
    tokenizer = llm.tokenizer
    ids = [*tokenizer.encode("the cat", add_special=False), tokenizer.eos]
    text = tokenizer.decode(ids, continues=True)
    assert agreeing(ids, f"{text}</s> on".encode(), tokenizer) == (len(ids), len(text) + 4)
    assert agreeing(ids, f"{text} on".encode(), tokenizer) == (len(ids) - 1, len(text))
    assert agreeing(ids, b"", tokenizer) == (0, 0)
    broken = tokenizer.encode("a你", add_special=False)
    count, size = agreeing([*broken[:-1], 3], tokenizer.decode(broken, continues=True).encode(), tokenizer)
    assert tokenizer.decode(broken[:count], continues=True).encode()[:size].decode()  # never within a character
    assert after("a\U000f0000b你c", 2) == "你c" and after("ab", 2) == ""


def test_a_saved_file_is_readable(llm, tmp_path):
    chat = llm.chat(system="你好")
    chat.save(tmp_path / "talk.json")
    text = (tmp_path / "talk.json").read_text()
    assert "你好" in text and json.loads(text)["model"] == "tiny.gguf"
