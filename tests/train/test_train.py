"""Training: the batches, the loss, the optimizer, checkpoints, and what is written at the end."""

import dataclasses
import itertools
import signal
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import jinja2
import numpy as np
import pytest

import refllm
from refllm import embedded
from refllm.engine import LLM
from refllm.errors import RefllmError
from refllm.train import batches, chat_format, loop, model, optimizer
from refllm.train.export import export, to_halves
from refllm.train.log import read_log
from refllm.train.make_model import tokenizer_of
from refllm.train.recipe import SMALL
from refllm.world import Dialogue, stream

TINY = dataclasses.replace(SMALL, steps=6, batch_tokens=128, lengths=(32, 64))
TINY = dataclasses.replace(TINY, model=dataclasses.replace(TINY.model, layers=1, vocab_size=4096))


@pytest.fixture(scope="module")
def tokenizer():
    return tokenizer_of(embedded.path("tokenizer.model"))


@pytest.fixture(scope="module")
def weights():
    return model.fresh_weights(TINY.model, jax.random.key(0))


# ---- the chat format ----


def test_the_template_writes_what_training_read():
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(chat_format.TEMPLATE)
    dialogues = [item for item in itertools.islice(stream(5), 300) if isinstance(item, Dialogue)]
    assert any(dialogue.system for dialogue in dialogues)
    for dialogue in dialogues:
        turns = [{"role": "system", "content": dialogue.system}] if dialogue.system else []
        for question, answer in dialogue.turns:
            turns += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        rendered = template.render(messages=turns, bos_token="<s>", eos_token="</s>")
        assert rendered == "".join(text for text, _ in chat_format.parts(dialogue))


def test_the_parts_tokenize_as_the_whole(tokenizer):
    for item in itertools.islice(stream(6), 200):
        if isinstance(item, Dialogue):
            whole = "".join(text for text, _ in chat_format.parts(item))
            ids, _ = batches.example(tokenizer, item, 0.1)
            assert ids == tokenizer.encode(whole, add_special=False, parse_special=True)


# ---- batches ----


def test_batches_of_a_resumed_training_are_the_same(tokenizer):
    whole = list(itertools.islice(batches.batches(TINY, tokenizer), 12))
    later = list(itertools.islice(batches.batches(TINY, tokenizer, first_step=7), 5))
    for a, b in zip(whole[7:], later, strict=True):
        np.testing.assert_array_equal(a.tokens, b.tokens)
        np.testing.assert_array_equal(a.weights, b.weights)


def test_a_part_ends_and_the_next_begins(tokenizer, monkeypatch):
    monkeypatch.setattr(batches, "STEPS_PER_PART", 3)
    whole = list(itertools.islice(batches.batches(TINY, tokenizer), 8))
    later = next(batches.batches(TINY, tokenizer, first_step=7))
    np.testing.assert_array_equal(whole[7].tokens, later.tokens)
    assert not np.array_equal(whole[0].tokens, whole[3].tokens)


def test_answers_weigh_more_than_questions(tokenizer):
    ids, weights = batches.example(tokenizer, Dialogue("demo", "en", (("Hi!", "Hello!"),)), prompt_weight=0.1)
    assert weights[0] == 0.0
    answer = tokenizer.encode("Hello!</s>", add_special=False, parse_special=True)
    assert ids[-len(answer) :] == answer
    assert weights == [0.0] + [0.1] * (len(ids) - len(answer) - 1) + [1.0] * len(answer)


# ---- the loss ----


def test_the_loss_is_the_surprise_of_the_model_that_is_run(tokenizer, weights):
    ids, counts = batches.example(tokenizer, Dialogue("demo", "zh", (("你好", "你好！"),)), 0.1)
    llm = LLM("here", TINY.model, weights, tokenizer, 64)
    scores = np.asarray(llm.logits(ids), np.float64)
    chances = scores - np.log(np.exp(scores).sum(-1, keepdims=True))
    surprise = -chances[np.arange(len(ids) - 1), ids[1:]]
    expected = (surprise * counts[1:]).sum() / sum(counts[1:])
    batch = batches.Batch.of([(ids, counts)], 32)
    assert float(model.loss(TINY.model, weights, batch.tokens, batch.weights)) == pytest.approx(expected, rel=1e-5)


def test_a_fresh_model_knows_nothing(weights):
    tokens = jax.random.randint(jax.random.key(1), (4, 32), 0, TINY.model.vocab_size)
    loss = model.loss(TINY.model, weights, tokens, jnp.ones(tokens.shape))
    assert float(loss) == pytest.approx(np.log(TINY.model.vocab_size), abs=0.3)


# ---- the optimizer ----


def test_muon_moves_the_matrices_of_the_layers_and_nothing_else(weights):
    chosen = optimizer.matrices_of_layers(weights)
    assert chosen["token_embedding"] is None and chosen["output_norm"] is None
    assert all((chosen["layers"][0][name] is None) == (leaf.ndim == 1) for name, leaf in weights["layers"][0].items())


# ---- checkpoints ----


def test_a_resumed_training_makes_the_same_weights(tokenizer, tmp_path):
    whole = loop.train(TINY, tokenizer, tmp_path / "whole", every=3, progress=False)
    with pytest.raises(KeyboardInterrupt):
        loop.train(TINY, tokenizer, tmp_path / "halves", interrupt_at(3), every=3, progress=False)
    assert loop.resume(tmp_path / "halves", loop.start(TINY))[0] == 0  # interrupted while it was measured
    with pytest.raises(KeyboardInterrupt):
        loop.train(TINY, tokenizer, tmp_path / "halves", interrupt_at(2, calls=2), every=3, progress=False)
    step, _ = loop.resume(tmp_path / "halves", loop.start(TINY))
    assert step == 3
    resumed = loop.train(TINY, tokenizer, tmp_path / "halves", every=3, progress=False)
    jax.tree.map(np.testing.assert_array_equal, whole, resumed)
    logs = [read_log(tmp_path / name / loop.LOG) for name in ("whole", "halves")]
    assert [line["loss"] for line in logs[0]] == [line["loss"] for line in logs[1]]


def interrupt_at(number: int, calls: int = 1):
    """An examination during which somebody presses Ctrl+C, at the last of so many calls."""
    left = [calls]

    def examine(weights: dict) -> float:
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt
        return 0.0

    return examine


def test_a_checkpoint_of_another_recipe_is_refused(tokenizer, tmp_path, weights):
    loop.save(tmp_path, 1, loop.start(TINY))
    other = dataclasses.replace(TINY, model=dataclasses.replace(TINY.model, layers=2))
    with pytest.raises(RefllmError, match="another recipe"):
        loop.resume(tmp_path, loop.start(other))


# ---- what is written at the end ----


def test_the_exported_file_holds_the_trained_weights(tmp_path, weights):
    export(TINY.model, weights, embedded.path("tokenizer.model").read_bytes(), tmp_path)
    llm = refllm.load(tmp_path / embedded.MODEL, compute="exact")
    for name in ("query", "key", "down"):
        expected = np.asarray(weights["layers"][0][name]).astype("bfloat16").astype(np.float16)
        np.testing.assert_array_equal(np.asarray(llm.weights["layers"][0][name]), expected)
    assert llm.chat_templates["default"] == chat_format.TEMPLATE
    listed = dict(reversed(line.split()) for line in (tmp_path / embedded.SUMS).read_text().splitlines())
    assert listed.keys() == {path.name for path in tmp_path.iterdir()} - {embedded.SUMS}


def test_rows_of_halves_are_a_permutation():
    rows = to_halves(np.arange(12)[:, None], heads=2)[:, 0]
    assert rows.tolist() == [0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11]


# ---- the whole, on a small scale ----


def run_small(folder, *more: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "refllm", "train", "--small", "--quiet", "--every", "20", *more]
    return subprocess.Popen([*command, "--out", str(folder / "out"), "--work", str(folder / "work")])


def test_a_small_model_learns_and_a_killed_training_goes_on(tmp_path):
    """The whole way once; killed without warning after the first checkpoint, and called again."""
    killed = run_small(tmp_path)
    while not (tmp_path / "work" / loop.CHECKPOINT).exists():
        assert killed.poll() is None
        time.sleep(0.2)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert run_small(tmp_path).wait() == 0
    measured = read_log(tmp_path / "out" / "training.jsonl")
    assert [line["step"] for line in measured] == list(range(20, SMALL.steps + 1, 20))
    assert measured[-1]["held_out"] < measured[0]["held_out"] / 2
    assert measured[0]["exam"] < measured[-1]["exam"]
