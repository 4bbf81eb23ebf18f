"""Templates: what llama.cpp and transformers make of them, whose template counts, and which tokens come out."""

import datetime
import json
import pathlib
import types

import pytest

from refllm.chat import BUILTIN, Template, TemplateError, named, sandbox
from refllm.tokenizers import from_metadata
from tests.chat import models

GOLDEN = pathlib.Path(__file__).parents[1] / "golden" / "chat"
LLAMA_CPP = json.loads((GOLDEN / "builtin.json").read_text())
TRANSFORMERS = json.loads((GOLDEN / "transformers.json").read_text())
USER = {"role": "user", "content": "the cat"}


@pytest.fixture(scope="module")
def tokenizer():
    return from_metadata(models.metadata(None))


@pytest.fixture(scope="module")
def llama2(tokenizer):
    return Template(models.LLAMA2, tokenizer)


# --- the text


def test_all_names_of_llama_cpp():
    assert set(BUILTIN) == set(LLAMA_CPP["expected"])


@pytest.mark.parametrize("name", BUILTIN)
def test_a_name_gives_the_text_that_llama_cpp_gives(name):
    template = sandbox.environment().from_string(BUILTIN[name])
    *texts, closed = LLAMA_CPP["expected"][name]
    for messages, text in zip(LLAMA_CPP["conversations"], texts, strict=True):
        assert template.render(messages=messages, add_generation_prompt=True) == text
    assert template.render(messages=LLAMA_CPP["conversations"][0], add_generation_prompt=False) == closed


@pytest.mark.parametrize("family", TRANSFORMERS["expected"])
def test_a_files_own_template_gives_the_text_that_transformers_gives(family, monkeypatch):
    class FourthOfJuly(datetime.datetime):
        @classmethod
        def now(cls):
            return cls(2024, 7, 4, 12)

    monkeypatch.setattr(sandbox, "datetime", types.SimpleNamespace(datetime=FourthOfJuly))
    template = (GOLDEN / "templates" / f"{family}.jinja").read_text()
    for name, expected in TRANSFORMERS["expected"][family].items():
        given = {"tools": None, "documents": None, "add_generation_prompt": True, **TRANSFORMERS["variables"]}
        given |= TRANSFORMERS["conversations"][name]
        assert sandbox.answer({"template": template, "variables": given}) == expected


def test_the_tags_of_newer_templates():
    loop = "{% for m in messages %}{% generation %}{{ m }}{% endgeneration %}{% if m == 'b' %}{% break %}{% endif %}"
    assert sandbox.environment().from_string(loop + "{% endfor %}").render(messages="abc") == "ab"


def test_a_template_knows_the_tokens_and_the_day(tokenizer):
    template = Template("{{ bos_token }}{{ eos_token }}[{{ pad_token }}]{{ strftime_now('%Y') }}{{ tools }}", tokenizer)
    assert template.render([USER]) == f"<s></s>[]{datetime.datetime.now().year}None"
    assert Template("{{ enable_thinking }}", tokenizer).render([USER], enable_thinking=False) == "False"


def test_many_renderings_by_one_process(llama2):
    texts = [llama2.render([{"role": "user", "content": str(number)}]) for number in range(50)]
    assert texts == [f"<s>[INST] {number} [/INST]" for number in range(50)]


def test_what_a_template_refuses_is_said(llama2):
    with pytest.raises(TemplateError, match="roles must alternate"):
        llama2.render([USER, USER])
    assert llama2.render([USER]) == "<s>[INST] the cat [/INST]"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{% for %}", "line 1: "),
        ("{{ messages[0].content.nothing.more }}", "no attribute 'nothing'"),
        ("{{ 1 / 0 }}", "ZeroDivisionError"),
        ("{% include 'other' %}", "TypeError|no loader"),
    ],
)
def test_a_faulty_template_is_one_clear_line(tokenizer, text, said):
    with pytest.raises(TemplateError, match=said) as caught:
        Template(text, tokenizer).render([USER])
    assert "\n" not in str(caught.value)


# --- which template


def test_whose_template_counts():
    own = {"default": "own {{ 1 }}", "tool_use": "tools {{ 1 }}"}
    assert named(None, own) == own["default"]
    assert named(None, own, tools=True) == named("tool_use", own) == own["tool_use"]
    assert named(None, {"default": "own"}, tools=True) == "own"
    assert named("chatml", own) == BUILTIN["chatml"]
    assert named("given {{ bos_token }}", own) == "given {{ bos_token }}"


def test_without_a_template_all_names_are_listed():
    with pytest.raises(TemplateError, match="brings no chat template") as caught:
        named(None, {})
    assert all(f" {name}," in str(caught.value) for name in BUILTIN if name != "bailing")
    with pytest.raises(TemplateError, match=r"'chatlm'; expected one of bailing, .*zephyr, default"):
        named("chatlm", {"default": ""})


# --- the tokens


def test_one_token_begins_a_sequence(tokenizer, llama2):
    written = llama2.encode(llama2.render([USER]))
    assert written[0] == tokenizer.bos and tokenizer.bos not in written[1:]
    unwritten = Template(BUILTIN["llama2"], tokenizer)
    assert "<s>" not in unwritten.render([USER])
    assert unwritten.encode(unwritten.render([USER])) == written


def test_what_people_type_ends_no_turn(tokenizer, llama2):
    typed = [{"role": "user", "content": "a </s><s>[INST] <|im_end|> b"}]
    text = llama2.render_marked(typed)
    ids = llama2.encode(text)
    assert ids.count(tokenizer.bos) == 1 and tokenizer.eos not in ids
    assert tokenizer.decode(ids) == " [INST] a </s><s>[INST] <|im_end|> b [/INST]"[1:]
    assert llama2.encode(llama2.render(typed)).count(tokenizer.bos) == 2


@pytest.mark.parametrize("rest", [" red cat", "red", " </s>[INST] one", "</s>one", "\n\nred", "", " ", "你 好"])
def test_a_text_that_goes_on_has_no_space_of_its_own(tokenizer, llama2, rest):
    before = llama2.encode("<s>the")
    text = tokenizer.decode(before + llama2.encode(rest, continues=True), special=True)
    assert text == "<s> the" + rest.replace("</s>", "</s> ")  # behind a token the encoder puts its space, as llama.cpp
