"""Several sequences written together: each step takes one token of every sequence through the model at once.

The weights are read from memory once per step instead of once per sequence, which is what batching is for. Sequences
that have ended are carried along unseen until the last one ends.
"""

import time

import jax
import jax.numpy as jnp

from refllm.engine import steps
from refllm.engine.answer import Answer, Options
from refllm.engine.choice import choose
from refllm.engine.completion import Completion, Timings
from refllm.engine.session import ContextError, Session
from refllm.models import Cache


def write_together(sessions: list[Session], answers: list[Answer], prompts: list[list[int]]) -> list[Completion]:
    """Complete every prompt in a fresh session of its own."""
    if any(answer.options.context_shift for answer in answers):
        raise ContextError("a batch cannot shift its context; generate the prompts one by one")
    start = time.perf_counter()
    scores = jnp.stack([session.read(ids) for session, ids in zip(sessions, prompts, strict=True)])
    limit = tokens_that_fit(sessions, answers[0].options)
    memory = stack_caches(sessions, limit)
    read = time.perf_counter()
    for position in range(limit + 1):
        tokens = [take_next(answer, row, position, limit) for answer, row in zip(answers, scores, strict=True)]
        if all(answer.finished for answer in answers):
            break
        config, weights = sessions[0].config, sessions[0].weights
        scores, memory = steps.write_batch(config, weights, jnp.asarray(tokens, jnp.int32), memory)
    written = time.perf_counter()
    times = 1000 * (read - start), 1000 * (written - read)
    return [
        answer.completion(Timings(len(ids), times[0], len(answer.ids), times[1]))
        for answer, ids in zip(answers, prompts, strict=True)
    ]


def take_next(answer: Answer, scores: jax.Array, position: int, limit: int) -> int:
    """Choose and take one token for one sequence; 0 for a sequence that has ended."""
    if not answer.finished and position == limit:
        answer.finish("length")
    if answer.finished:
        return 0
    token, logprob = choose(scores, answer.options.temperature, answer.options.seed, position)
    answer.take(token, logprob)
    return token


def tokens_that_fit(sessions: list[Session], options: Options) -> int:
    """How many tokens may be written: the limit asked for, or what the longest prompt leaves of the context."""
    room = min(session.context - len(session.ids) for session in sessions)
    return room if options.max_tokens is None else min(room, options.max_tokens)


def stack_caches(sessions: list[Session], more: int) -> Cache:
    """The caches of several sessions as one with a first axis, all with room for `more` tokens after the longest."""
    longest = max(len(session.ids) for session in sessions)
    for session in sessions:
        session.make_room(longest + more - len(session.ids))
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *[session.memory for session in sessions])
