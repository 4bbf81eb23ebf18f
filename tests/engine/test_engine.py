"""The engine on a tiny model: the same tokens however the prompt is cut, batched, reused or shifted."""

import dataclasses
import itertools
import logging

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refllm.engine import ContextError, Session, load, steps
from refllm.engine.memory_plan import plan
from refllm.errors import RefllmError, UsageError
from refllm.models import ModelError
from tests.models import tiny

GREEDY = {"temperature": 0.0, "ignore_eos": True}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tiny.write("qwen3", tmp_path_factory.mktemp("model") / "tiny.gguf")


@pytest.fixture(scope="module")
def llm(path):
    return load(path, compute="exact")


def test_generate_and_stream_say_the_same(llm):
    whole = llm.generate("the cat 你好", max_tokens=40, **GREEDY)
    pieces = list(llm.stream("the cat 你好", max_tokens=40, **GREEDY))
    assert "".join(pieces) == whole.text and len(whole.ids) == len(whole.logprobs) == 40
    assert whole.finish_reason == "length" and whole.timings.predicted_n == 40 and len(pieces) > 1


def test_logprobs_are_those_of_the_model(llm):
    ids = llm.encode("one two red")
    answer = llm.generate(ids, max_tokens=5, **GREEDY)
    scores = llm.logits(ids + answer.ids)[len(ids) - 1 : -1].astype(np.float64)
    expected = scores.max(-1) - np.log(np.exp(scores - scores.max(-1, keepdims=True)).sum(-1)) - scores.max(-1)
    np.testing.assert_allclose(answer.logprobs, expected, atol=1e-4)


@settings(max_examples=8, deadline=None)
@given(cuts=st.lists(st.integers(1, 63), max_size=6, unique=True))
def test_chunks_of_any_size_give_the_same_logits(llm, cuts):
    ids = tiny.prompt()
    whole = llm.new_session().read(ids)
    session = llm.new_session()
    for start, stop in itertools.pairwise([0, *sorted(cuts), 64]):
        scores = session.read(ids[start:stop])
    np.testing.assert_allclose(scores, whole, atol=1e-5)


def test_one_token_at_a_time_gives_the_logits_of_all_at_once(llm):
    ids = tiny.prompt(24)
    session = llm.new_session()
    session.read(ids[:1])
    one_by_one = [np.asarray(session.logits)] + [np.asarray(session.write(token)) for token in ids[1:]]
    np.testing.assert_allclose(one_by_one, llm.logits(ids), atol=1e-5)


def test_a_long_prompt_crosses_chunks_and_grows_the_cache(path):
    llm = load(path, compute="exact", context=1500)
    ids = tiny.prompt(1100)
    assert {steps.capacity_for(n) for n in (64, 1100)} == {256, 2048}
    np.testing.assert_allclose(llm.new_session().read(ids), llm.logits(ids)[-1], atol=1e-5)


def test_a_batch_writes_what_each_would_write_alone(llm):
    prompts = ["the cat", "one", "中文 好 of the", "red red red"]
    together = llm.generate(prompts, max_tokens=24, **GREEDY)
    for prompt, answer in zip(prompts, together, strict=True):
        alone = llm.generate(prompt, max_tokens=24, **GREEDY)
        assert answer.ids == alone.ids
        np.testing.assert_allclose(answer.logprobs, alone.logprobs, atol=1e-5)


def test_a_seed_gives_the_same_text_alone_and_in_a_batch(llm):
    options = {"max_tokens": 24, "temperature": 0.9, "seed": 5, "ignore_eos": True}
    alone = llm.generate("the cat", **options)
    assert alone.ids == llm.generate("the cat", **options).ids == llm.generate(["one", "the cat"], **options)[1].ids
    assert alone.ids != llm.generate("the cat", **{**options, "seed": 6}).ids


def test_a_common_beginning_is_not_read_again(llm):
    first = llm.generate("the cat is in the", max_tokens=4, **GREEDY)
    again = llm.generate("the cat is in the", max_tokens=4, **GREEDY)
    assert first.ids == again.ids and again.timings.prompt_n == 1
    other = llm.generate("the cat is red", max_tokens=4, **GREEDY)
    llm.session = llm.new_session()
    assert llm.generate("the cat is red", max_tokens=4, **GREEDY).ids == other.ids


def test_stop_strings_and_stop_ids_end_the_text(llm):
    free = llm.generate("the cat", max_tokens=30, **GREEDY)
    stop = free.text[len(free.text) // 2]
    stopped = llm.generate("the cat", max_tokens=30, stop=stop, **GREEDY)
    assert stopped.text == free.text[: free.text.index(stop)] and stopped.finish_reason == "stop"
    by_id = llm.generate("the cat", max_tokens=30, stop_ids=[free.ids[3]], **GREEDY)
    assert by_id.ids == free.ids[: free.ids.index(free.ids[3]) + 1] and by_id.finish_reason == "stop"


def test_an_end_token_ends_the_answer(llm):
    free = llm.generate("the cat", max_tokens=10, **GREEDY)
    ending = dataclasses.replace(llm.tokenizer, end_ids=frozenset({free.ids[5]}))
    ended = dataclasses.replace(llm, tokenizer=ending).generate("the cat", max_tokens=10, temperature=0.0)
    assert ended.ids == free.ids[: free.ids.index(free.ids[5]) + 1] and ended.finish_reason == "stop"


def test_no_tokens_asked_for_no_tokens_written(llm):
    assert llm.generate("the cat", max_tokens=0, **GREEDY).ids == []


def test_a_full_context_ends_the_answer_or_shifts(path):
    llm = load(path, compute="exact", context=48)
    ended = llm.generate("the cat 你好", **GREEDY)
    assert ended.finish_reason == "length"
    assert len(ended.ids) + len(llm.encode("the cat 你好")) in (48, 49)
    shifted = llm.generate("the cat 你好", max_tokens=200, context_shift=True, keep=4, **GREEDY)
    assert len(shifted.ids) == 200 and shifted.ids[: len(ended.ids)] == ended.ids


@pytest.mark.parametrize("variant", ["llama", "llama3-scaled", "gemma3", "phi3"])
def test_a_shift_leaves_the_keys_that_the_moved_tokens_would_have(variant, tmp_path):
    """Keys of the first layer depend on token and position only, so they can be compared with a fresh reading."""
    llm = load(tiny.write(variant, tmp_path / "m.gguf"), compute="exact", context=64)
    ids = tiny.prompt(60)
    session = llm.new_session()
    session.read(ids)
    assert session.shift(keep=10) == 25
    fresh = llm.new_session()
    fresh.read(ids[:10] + ids[35:])
    assert session.ids == fresh.ids and int(session.memory.length) == 35
    np.testing.assert_allclose(session.memory.keys[0, :35], fresh.memory.keys[0, :35], atol=2e-5)
    np.testing.assert_allclose(session.memory.values[0, :35], fresh.memory.values[0, :35], atol=2e-5)


@pytest.mark.parametrize("cache_type", ["float16", "bfloat16"])
def test_smaller_caches_stay_near(path, cache_type):
    exact, small = load(path, compute="exact"), load(path, compute="exact", cache_type=cache_type)
    difference = np.abs(exact.logits(tiny.prompt()) - small.logits(tiny.prompt())).max()
    assert 0 < difference < {"float16": 0.01, "bfloat16": 0.1}[cache_type]


def test_embeddings(llm):
    vectors = llm.embed(["the cat", "中文"])
    assert vectors.shape == (2, llm.config.dim) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    hidden = llm.embed(["the cat"], pooling="none", normalised=False)[0]
    assert len(hidden) == len(llm.encode("the cat"))
    np.testing.assert_allclose(llm.embed(["the cat"], "last", False)[0], hidden[-1], atol=1e-5)
    np.testing.assert_allclose(llm.embed(["the cat"], "mean", False)[0], hidden.mean(0), atol=1e-5)


def test_few_programs_are_compiled_for_many_lengths(llm):
    before = steps.read._cache_size() + steps.write._cache_size()
    for length in range(1, 60, 7):
        llm.generate(tiny.prompt(length), max_tokens=3, **GREEDY)
    assert steps.read._cache_size() + steps.write._cache_size() - before <= 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([],), "the prompt is empty"),
        (([1, 293],), "token id 293 is not in the vocabulary; expected 0 to 292"),
        (([-1],), "token id -1"),
        ((tiny.prompt(300),), "the prompt needs 300 tokens; the context holds 256"),
    ],
)
def test_a_prompt_that_cannot_be_read_is_one_clear_error(llm, arguments, message):
    with pytest.raises(ContextError, match=message):
        llm.generate(*arguments, max_tokens=2)


def test_an_interrupted_answer_leaves_a_model_that_works(llm, monkeypatch):
    expected = llm.generate("the cat", max_tokens=8, **GREEDY)
    write, calls = Session.write_ahead, []

    def interrupted(session, token):
        calls.append(token)
        if len(calls) == 3:
            session.memory.keys.delete()  # as a step that was given the cache and never came back
            raise KeyboardInterrupt
        return write(session, token)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Session, "write_ahead", interrupted)
        llm.generate("the cat", max_tokens=8, **GREEDY)
    assert llm.generate("the cat", max_tokens=8, **GREEDY).ids == expected.ids


def test_a_listener_may_leave_in_the_middle(llm):
    whole = llm.generate("the cat", max_tokens=12, **GREEDY)
    for _ in llm.stream("the cat", max_tokens=12, **GREEDY):
        break
    again = llm.generate("the cat", max_tokens=12, **GREEDY)
    assert again.ids == whole.ids and again.timings.prompt_n == 1


def test_wrong_arguments_are_named(path, llm):
    with pytest.raises(UsageError, match="unknown compute 'quick'; expected fast or exact"):
        load(path, compute="quick")
    with pytest.raises(TypeError, match="unknown option 'temprature'; known: max_tokens, stop"):
        llm.generate("a", temprature=1)
    with pytest.raises(RefllmError, match="unknown pooling 'max'"):
        llm.embed(["a"], pooling="max")


def test_the_memory_a_model_needs_is_said_before_loading(path, monkeypatch, caplog):
    monkeypatch.setattr("refllm.engine.memory_plan.free_memory", lambda: 3_000_000)
    with pytest.raises(ModelError, match=r"tiny.gguf: needs .* MB of memory .* are free"):
        load(path, context=100_000)
    with caplog.at_level(logging.WARNING, "refllm"), pytest.raises(ModelError):
        monkeypatch.setattr("refllm.engine.memory_plan.free_memory", lambda: 10)
        load(path)


def test_the_plan_is_what_the_arrays_take(path, llm):
    from refllm import gguf

    tensors = gguf.open(path).tensors
    expected = plan(llm.config, tensors, 256, 4)
    assert expected.weights == sum(leaf.nbytes for leaf in jax.tree.leaves(llm.weights))
    session = llm.new_session()
    session.read(tiny.prompt())
    assert expected.cache == session.memory.keys.nbytes + session.memory.values.nbytes
