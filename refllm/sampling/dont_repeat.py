"""DRY ("don't repeat yourself"): a token that would go on with a sequence already written loses, the longer the more.

When the last three tokens `a b c` stood somewhere before and `d` followed them, then `d` would make a repetition of
four. Its logit loses `multiplier * base ** (3 - allowed_length)`. A breaker (a newline, a quotation mark) ends what
counts as a repetition, so that what a format demands is not punished.

>>> import numpy as np
>>> recent = np.array([0, 1, 2, 0, 1])
>>> repeats(recent, vocab=4)  # 2 followed upon 0 1 before; 1 and 0 upon something else; 3 was never there
array([ 0,  0,  2, -1])
>>> dry(np.zeros(4, np.float32), repeats(recent, vocab=4), multiplier=1.0, base=1.1, allowed_length=2)
array([ 0.,  0., -1.,  0.], dtype=float32)
"""

import dataclasses
import math

import jax
import numpy as np
from jaxtyping import Array, Bool, Int

from refllm.sampling.arrays import Counts, Logits, Number, Tokens, loop_while, number

LARGEST_POWER = math.log(float(np.finfo(np.float32).max))


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Breakers:
    """Where repetitions end: at single tokens, and at sequences of several."""

    single: Bool[np.ndarray | Array, " vocab"]
    longer: Int[np.ndarray | Array, "sequences length"]  # filled up with -1 behind their ends


def dry(logits: Logits, lengths: Counts, multiplier: Number, base: Number, allowed_length: Number) -> Logits:
    """Weaken the tokens that would continue a repetition of at least the allowed length."""
    xp = logits.__array_namespace__()
    base = number(base, logits)
    largest = LARGEST_POWER / xp.log(xp.maximum(base, 1.000001))
    power = xp.minimum((lengths - allowed_length).astype(logits.dtype), xp.floor(largest).astype(logits.dtype))
    weakened = logits - multiplier * base ** xp.maximum(power, 0.0)
    return xp.where((lengths >= 0) & (lengths >= allowed_length) & (base >= 1), weakened, logits)


def repeats(recent: Tokens, vocab: int, breakers: Breakers | None = None) -> Counts:
    """For each token, the length of the longest repetition it would continue; -1 for those not seen.

    `recent` has the newest token last; negative entries before the first stand for no token.
    """
    xp = recent.__array_namespace__()
    backwards = recent[::-1]
    lengths = match_lengths(backwards)
    if breakers is not None:
        lengths = xp.minimum(lengths, tokens_since_breaker(backwards, breakers))
    seen = (backwards >= 0) & (xp.arange(len(recent)) > 0)
    longest = _highest_per_token(xp.roll(backwards, 1), xp.where(seen, lengths, -1), vocab)
    return longest if breakers is None else xp.where(breakers.single, -1, longest)


def match_lengths(backwards: Tokens) -> Tokens:
    """At each place, how many tokens from there on equal those at the beginning; 0 at the beginning itself.

    All places are compared at once, one token further each time, for as long as any of them still agrees.
    """
    xp = backwards.__array_namespace__()
    places = xp.arange(len(backwards))

    def agree(state):
        length, agreeing, _ = state
        return (length < len(backwards)) & agreeing.any()

    def compare_one_more(state):
        length, agreeing, lengths = state
        token, there = backwards[length], xp.roll(backwards, -length)
        agreeing = agreeing & (there == token) & (token >= 0) & (places < len(backwards) - length)
        return length + 1, agreeing, lengths + agreeing.astype(lengths.dtype)

    start = (xp.asarray(0), places > 0, xp.zeros(len(backwards), places.dtype))
    return loop_while(agree, compare_one_more, start, backwards)[2]


def tokens_since_breaker(backwards: Tokens, breakers: Breakers) -> Number:
    """How many tokens follow the last breaker; all of them where there is none."""
    xp = backwards.__array_namespace__()
    places = xp.arange(len(backwards))
    found = xp.where((backwards >= 0) & breakers.single[xp.maximum(backwards, 0)], 0, -1)
    if len(breakers.longer):
        fits = xp.ones((len(breakers.longer), len(backwards)), bool)
        for offset in range(breakers.longer.shape[1]):
            wanted = breakers.longer[:, offset : offset + 1]
            there = xp.where(places >= offset, xp.roll(backwards, offset), -2)[None]
            fits = fits & ((wanted < 0) | (wanted == there))
        tails = (breakers.longer >= 0).sum(axis=1, keepdims=True) - 1
        found = xp.maximum(found, xp.where(fits, tails, -1).max(axis=0))
    last = xp.argmax(found >= 0)
    return xp.where((found >= 0).any(), last - found[last], len(backwards))


def _highest_per_token(tokens: Tokens, values: Tokens, vocab: int) -> Counts:
    xp = tokens.__array_namespace__()
    highest = xp.full(vocab, -1, dtype=values.dtype)
    if isinstance(tokens, np.ndarray):
        np.maximum.at(highest, tokens, values)
        return highest
    return highest.at[tokens].max(values)
