"""Choosing tokens within the engine: samplers, guidance, grammars and tables of candidates, alone and in batches."""

import numpy as np
import pytest

from refllm import sampling
from refllm.engine import ContextError, load
from refllm.engine.chooser import dense_bias
from refllm.errors import UsageError
from tests.models import tiny

PLAIN = {"max_tokens": 16, "ignore_eos": True}
GREEDY = {**PLAIN, "temperature": 0.0}


@pytest.fixture(scope="module")
def llm(tmp_path_factory):
    return load(tiny.write("qwen3", tmp_path_factory.mktemp("model") / "tiny.gguf"), compute="exact")


class Counting:
    """A grammar that knows one text: these tokens, one after the other."""

    def __init__(self, vocab, tokens):
        self.vocab, self.left = vocab, tuple(tokens)

    def mask(self):
        return np.isin(np.arange(self.vocab), self.left[:1])

    def accept(self, token):
        assert token == self.left[0]
        self.left = self.left[1:]


def test_candidates_show_every_sampler_and_change_nothing(llm):
    plain = llm.generate("the cat", seed=5, **PLAIN)
    watched = llm.generate("the cat", seed=5, return_candidates=4, **PLAIN)
    assert watched.ids == plain.ids and plain.candidates == [] and len(watched.candidates) == 16
    views = watched.candidates[0]
    assert [view.sampler for view in views] == ["model", "top_k", "top_p", "min_p", "temperature"]
    logits = llm.logits(llm.encode("the cat"))[-1]
    expected = sampling.softmax(logits)
    assert views[0].remaining == llm.config.vocab_size and views[1].remaining == 40
    for view, cut in zip(views, (expected, sampling.softmax(sampling.top_k(logits, 40))), strict=False):
        ids = np.argsort(-cut, kind="stable")[:4].tolist()
        assert [id for id, _, _ in view.candidates] == ids
        assert [piece for _, piece, _ in view.candidates] == llm.tokenizer.pieces(ids)
        np.testing.assert_allclose([p for _, _, p in view.candidates], cut[ids], atol=1e-5)


def test_penalties_and_wishes_reach_the_text(llm):
    best = llm.generate("the cat", **GREEDY).ids
    assert llm.generate("the cat", logit_bias={best[0]: False}, **GREEDY).ids[0] != best[0]
    wished = llm.tokenizer.encode("好", add_special=False)
    assert set(llm.generate("the cat", logit_bias={"好": 100.0}, **GREEDY).ids) <= set(wished)
    once = llm.generate("the cat", presence_penalty=1000.0, **GREEDY)
    assert len(set(once.ids)) == 16 and not set(once.ids) & set(llm.encode("the cat"))


def test_a_bias_names_ids_and_texts(llm):
    newline = llm.tokenizer.encode("\n", add_special=False)[-1]
    bias = dense_bias(((3, 1.5), ("\n", -np.inf)), llm.config.vocab_size, llm.tokenizer)
    assert bias[3] == 1.5 and bias[newline] == -np.inf


def test_guidance_by_the_same_prompt_changes_nothing_and_by_another_something(llm):
    plain = llm.generate("the cat", **GREEDY).ids
    assert llm.generate("the cat", cfg_scale=2.0, negative_prompt="the cat", **GREEDY).ids == plain
    assert llm.generate("the cat", cfg_scale=4.0, negative_prompt="red red", **GREEDY).ids != plain
    scores, away = llm.logits(llm.encode("the cat"))[-1], llm.logits(llm.encode("red red"))[-1]
    guided = llm.generate("the cat", cfg_scale=4.0, negative_prompt="red red", **GREEDY).ids[0]
    assert guided == int(sampling.greedy(sampling.guide(scores, away, 4.0)))


def test_a_grammar_forces_its_text_and_ends_it(llm):
    tokens = [260, 261, 262]
    grammar = Counting(llm.tokenizer.vocab_size, tokens)
    for _ in range(2):  # each answer has a copy
        answer = llm.generate("the cat", grammar=grammar, **PLAIN)
        assert answer.ids == tokens and answer.finish_reason == "stop" and answer.text == " a of and"
    batch = llm.generate(["the cat", "one"], grammar=grammar, **PLAIN)
    assert [one.ids for one in batch] == [tokens, tokens]


def test_a_seed_gives_the_same_text_streamed_batched_and_in_chunks(llm):
    options = {**PLAIN, "seed": 9, "repeat_penalty": 1.3, "samplers": "llama_cpp_2023"}
    prompt = tiny.prompt(40)
    alone = llm.generate(prompt, **options)
    assert "".join(llm.stream(prompt, **options)) == alone.text
    llm.session = llm.new_session()
    llm.session.read(prompt[:13])
    llm.session.read(prompt[13:29])
    assert llm.generate(prompt, **options).ids == alone.ids
    assert llm.generate([prompt[:5], prompt], **options)[1].ids == alone.ids


def test_the_session_forgets_what_was_written_ahead(llm):
    """A step that was started for a token that ended the answer leaves no trace."""
    first = llm.generate("the cat", **{**GREEDY, "max_tokens": 12})
    llm.generate("the cat", **{**GREEDY, "stop_ids": [first.ids[4]]})
    end = first.ids.index(first.ids[4])
    assert llm.session.ids == llm.encode("the cat") + first.ids[:end]
    again = llm.generate(llm.encode("the cat") + first.ids[:end], **{**GREEDY, "max_tokens": 5})
    assert again.ids == first.ids[end : end + 5]


def test_a_shift_forgets_what_was_written_ahead(llm):
    """A listener leaves in the middle; the session shifts as one that wrote nothing ahead."""
    for _ in llm.stream("the cat is red", **GREEDY):
        break
    session, fresh = llm.session, llm.new_session()
    fresh.read(session.ids)
    for one in (session, fresh):
        one.shift(keep=2)
    assert session.ids == fresh.ids and int(session.memory.length) == int(fresh.memory.length) == len(session.ids)
    count = len(session.ids)
    np.testing.assert_allclose(session.memory.keys[:, :count], fresh.memory.keys[:, :count], atol=1e-4)


def test_what_does_not_go_together_is_named(llm):
    with pytest.raises(ContextError, match="a batch neither shifts its context nor has a negative prompt"):
        llm.generate(["a", "b"], cfg_scale=2.0)
    with pytest.raises(UsageError, match="unknown sampler 'best'"):
        llm.generate("a", samplers="top_k;best")
