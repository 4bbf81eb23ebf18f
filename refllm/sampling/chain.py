"""The chain: from the logits of a model to one token, compiled as a whole.

What is compiled depends on a `Plan` only: which samplers take part and in which order. Their numbers are data, so a
temperature may change from token to token and nothing is compiled again. `Past` is what a chain remembers; it stays
where the logits are, and only the chosen token leaves the device.

After `top_k` the chain goes on with a handful of candidates and their ids instead of the whole vocabulary: the samplers
do not mind, and this is why the full chain costs hardly more than its first step.

Where llama.cpp does it differently: it has a random generator that runs on from draw to draw, here every place of an
answer has dice of its own. It tries a grammar on the token drawn and applies the mask only where that fails; here the
mask always comes first, as in 2023. Its mirostat 1 takes k = 1 where the formula gives infinity; here all are kept.

>>> import jax.numpy as jnp
>>> from refllm.sampling import make_plan, numbers, settings
>>> chosen = settings(temperature=0.7, top_k=3, seed=1)
>>> plan = make_plan(chosen, context=64)
>>> plan.order
('top_k', 'top_p', 'min_p', 'temperature')
>>> past = begin(plan, chosen, [1, 2])
>>> token, logprob, past, _ = choose(plan, jnp.arange(8.0), numbers(chosen), past)
>>> int(token) in (5, 6, 7)
True
"""

import dataclasses
import functools
import secrets

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from refllm.sampling import choice, guidance, mirostat, repetition
from refllm.sampling.arrays import keep, remaining, softmax
from refllm.sampling.links import SAMPLERS, Moment, Past, Scores
from refllm.sampling.plan import Plan
from refllm.sampling.settings import Settings


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Stage:
    """The best candidates at one point of the chain."""

    ids: Int[Array | np.ndarray, "*batch watch"]
    probabilities: Float[Array | np.ndarray, "*batch watch"]
    remaining: Int[Array | np.ndarray, "*batch"]


Stages = dict[str, Stage | None]  # by the name of the sampler that leaves them; "model": before the first
STAGES = ("model", "logit_bias", "guidance", "grammar")  # what comes before the plan's order


def begin(plan: Plan, settings: Settings, prompt: list[int]) -> Past:
    """The memory of a chain before the first token of an answer to this prompt."""
    recent = np.full(plan.window, -1, np.int32)
    known = prompt[-plan.window :] if plan.window else []
    recent[plan.window - len(known) :] = known
    seed = settings.seed if settings.seed >= 0 else secrets.randbits(31)
    return Past(
        jnp.asarray(recent),
        jnp.asarray(0, jnp.int32),
        jax.random.key_data(jax.random.key(seed)),
        jnp.asarray(2 * settings.mirostat_tau, jnp.float32),
    )


def run(
    plan: Plan,
    logits: Float[Array, " vocab"],
    numbers: dict,
    past: Past,
    mask: Bool[Array, " vocab"] | None = None,
    negative: Float[Array, " vocab"] | None = None,
) -> tuple[Int[Array, ""], Float[Array, ""], Past, Stages]:
    """A token, its log-probability under the model's own distribution, and the past that it leaves.

    `mask` allows tokens (a grammar's), `negative` are the logits of a negative prompt. The stages are empty unless the
    plan says that somebody watches.
    """
    scores, ids = logits, jnp.arange(len(logits))
    chances = jax.random.uniform(jax.random.fold_in(jax.random.wrap_key_data(past.dice), past.position), 2)
    stages = {"model": look(plan, scores, ids)}
    if "logit_bias" in numbers:
        scores = repetition.logit_bias(scores, numbers["logit_bias"])
        stages["logit_bias"] = look(plan, scores, ids)
    if negative is not None:
        scores = guidance.guide(scores, negative, numbers["cfg_scale"])
        stages["guidance"] = look(plan, scores, ids)
    if mask is not None:
        scores = keep(scores, mask)
        stages["grammar"] = look(plan, scores, ids)
    for name in plan.order:
        if name == "top_k" and 0 < plan.width < len(ids):
            scores, places = jax.lax.top_k(scores, plan.width)
            ids = ids[places]
        scores = SAMPLERS[name].apply(scores, numbers, Moment(past, ids, len(logits), chances[0]))
        stages[name] = look(plan, scores, ids)
    place = choice.greedy(scores) if plan.greedy else choice.dist(scores, chances[1])
    logprob = logits[ids[place]] - jax.nn.logsumexp(logits)
    return ids[place], logprob, remember(plan, numbers, past, ids[place], scores, place), stages


def remember(plan: Plan, numbers: dict, past: Past, token: Array, scores: Scores, place: Array) -> Past:
    """The past with one more token in it."""
    if plan.window:
        past = dataclasses.replace(past, recent=jnp.append(past.recent[1:], token.astype(jnp.int32)))
    if any(name.startswith("mirostat") for name in plan.order):
        bits = mirostat.bits(softmax(scores))[place]
        mu = mirostat.learn(past.mu, bits, numbers["mirostat_tau"], numbers["mirostat_eta"])
        past = dataclasses.replace(past, mu=mu)
    return dataclasses.replace(past, position=past.position + 1)


def look(plan: Plan, scores: Scores, ids: Int[Array, " candidates"]) -> Stage | None:
    """The best candidates of this moment, if anybody watches."""
    if not plan.watch:
        return None
    best, places = jax.lax.top_k(softmax(scores), min(plan.watch, len(scores)))
    return Stage(ids[places], best, remaining(scores))


choose = functools.partial(jax.jit, static_argnums=0)(run)


@functools.partial(jax.jit, static_argnums=0)
def choose_batch(
    plan: Plan,
    logits: Float[Array, "batch vocab"],
    numbers: dict,
    past: Past,
    mask: Bool[Array, "batch vocab"] | None = None,
) -> tuple[Int[Array, " batch"], Float[Array, " batch"], Past, Stages]:
    """A token for each of several sequences that obey the same settings."""
    return jax.vmap(functools.partial(run, plan), in_axes=(0, None, 0, None if mask is None else 0))(
        logits, numbers, past, mask
    )
