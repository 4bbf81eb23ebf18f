"""Several sequences written together: each step takes one token of every sequence through the model at once.

The weights are read from memory once per step instead of once per sequence, which is what batching is for. Sequences
that have ended are carried along unseen until the last one ends.
"""

import time

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from refllm import sampling
from refllm.engine import steps
from refllm.engine.answer import Answer, Options
from refllm.engine.chooser import Choice, Chooser, look_at
from refllm.engine.completion import Completion, Timings
from refllm.engine.session import ContextError, Session
from refllm.models import Memory


def write_together(llm, answers: list[Answer], prompts: list[list[int]]) -> list[Completion]:
    """Complete every prompt in a fresh session of its own; `llm` is a `refllm.engine.LLM`."""
    options = answers[0].options
    if options.context_shift or options.sampling.cfg_scale != 1:
        raise ContextError("a batch neither shifts its context nor has a negative prompt; write the prompts one by one")
    start = time.perf_counter()
    sessions = [llm.new_session() for _ in prompts]
    scores = jnp.stack([session.read(ids) for session, ids in zip(sessions, prompts, strict=True)])
    limit = tokens_that_fit(sessions, options)
    memory = stack(caches_with_room(sessions, limit))
    choosers = [llm.chooser(ids, options) for ids in prompts]
    past = stack([chooser.past for chooser in choosers])
    read = time.perf_counter()
    for position in range(limit + 1):
        if position == limit:
            end_all(answers, "length")
        masks = grammar_masks(choosers, answers)
        if all(answer.finished for answer in answers):
            break
        choices, past = choose_all(choosers[0], scores, past, masks)
        if position < limit - 1:
            tokens = choices.token.astype(jnp.int32)
            scores, memory = steps.write_batch(llm.config, llm.weights, tokens, memory)
        give_all(choices, choosers, answers)
    written = time.perf_counter()
    times = 1000 * (read - start), 1000 * (written - read)
    return [
        answer.completion(Timings(len(ids), times[0], len(answer.ids), times[1]))
        for answer, ids in zip(answers, prompts, strict=True)
    ]


def choose_all(
    chooser: Chooser, scores: Float[Array, "batch vocab"], past: sampling.Past, masks: Array | np.ndarray | None
) -> tuple[Choice, sampling.Past]:
    """One choice for every sequence, in one program."""
    token, logprob, past, stages = sampling.choose_batch(chooser.plan, scores, chooser.numbers, past, masks)
    return Choice(token, logprob, stages), past


def give_all(choices: Choice, choosers: list[Chooser], answers: list[Answer]) -> None:
    """Give every sequence that has not ended its token."""
    tokens, logprobs, stages = look_at(choices)
    for row, (chooser, answer) in enumerate(zip(choosers, answers, strict=True)):
        if not answer.finished:
            own = jax.tree.map(lambda leaf, row=row: leaf[row], stages)
            chooser.give(answer, int(tokens[row]), float(logprobs[row]), own)


def grammar_masks(choosers: list[Chooser], answers: list[Answer]) -> Bool[np.ndarray, "batch vocab"] | None:
    """What every sequence's grammar allows; one that allows nothing more ends its answer."""
    if choosers[0].grammar is None:
        return None
    masks = []
    for chooser, answer in zip(choosers, answers, strict=True):
        masks.append(np.ones(chooser.vocab, bool) if answer.finished else chooser.mask())
        if not masks[-1].any():
            answer.finish("stop")
    return np.stack(masks)


def end_all(answers: list[Answer], reason: str) -> None:
    for answer in answers:
        if not answer.finished:
            answer.finish(reason)


def tokens_that_fit(sessions: list[Session], options: Options) -> int:
    """How many tokens may be written: the limit asked for, or what the longest prompt leaves of the context."""
    room = min(session.context - len(session.ids) for session in sessions)
    return room if options.max_tokens is None else min(room, options.max_tokens)


def caches_with_room(sessions: list[Session], more: int) -> list[Memory]:
    """The caches of several sessions, all with room for `more` tokens after the longest."""
    longest = max(len(session.ids) for session in sessions)
    for session in sessions:
        session.make_room(longest + more - len(session.ids))
    return [session.memory for session in sessions]


def stack(trees: list):
    """Several of the same kind as one, with a first axis."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)
