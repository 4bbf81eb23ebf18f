"""Mirostat (Basu et al., 2021): truncation that steers itself towards a wanted surprise, `tau` bits per token.

It remembers one number, `mu`, the greatest surprise allowed; it begins at twice tau. After each token `learn` moves it
by `eta` times how far the surprise was off. Version 2 removes what surprises more than mu. Version 1 takes a detour: it
estimates how steeply the sorted probabilities fall (Zipf's exponent, from the best 100) and how many candidates k
would then give that surprise.

>>> import numpy as np
>>> logits = np.log(np.array([0.1, 0.2, 0.3, 0.4], np.float32))
>>> np.exp(mirostat_2(logits, mu=2.0)).round(2), np.exp(mirostat_1(logits, mu=2.0)).round(2)
(array([0. , 0. , 0.3, 0.4], dtype=float32), array([0. , 0.2, 0.3, 0.4], dtype=float32))
>>> learn(mu=10.0, surprise_bits=7.0, tau=5.0, eta=0.1)
9.8
"""

import numpy as np

from refllm.sampling.arrays import Logits, Number, descending, keep, number, softmax, surprise
from refllm.sampling.choice import greedy
from refllm.sampling.truncation import top_k

BEST = 100


def mirostat_1(logits: Logits, mu: Number) -> Logits:
    """Keep the k best, with the k that Zipf's law promises a surprise of mu for."""
    xp = logits.__array_namespace__()
    vocab = len(logits)
    excess = zipf_exponent(logits) - 1
    excess = xp.where(xp.abs(excess) < 1e-3, number(1e-3, logits), excess)  # the formula has a hole at 0
    inner = excess * 2 ** number(mu, logits) / (1 - number(vocab, logits) ** -excess)
    k = xp.exp(xp.minimum(xp.log(inner) / (excess + 1), np.log(vocab, dtype=np.float32)))
    return top_k(logits, xp.maximum(k.astype(xp.int32), 1))


def zipf_exponent(logits: Logits) -> Number:
    """The slope of log-probability over log-rank among the best, by least squares through neighbours."""
    xp = logits.__array_namespace__()
    best = descending(logits)[:BEST]
    present = best[1:] > -np.inf
    ranks = xp.arange(1, len(best) + 1).astype(logits.dtype)
    wider = xp.where(present, xp.log(ranks[1:] / ranks[:-1]), 0.0)
    lower = xp.where(present, best[:-1] - xp.where(present, best[1:], 0.0), 0.0)
    return xp.maximum((wider * lower).sum(), 1e-6) / xp.maximum((wider * wider).sum(), 1e-6)


def mirostat_2(logits: Logits, mu: Number) -> Logits:
    """Keep what surprises by no more than mu bits, and always the best."""
    xp = logits.__array_namespace__()
    return keep(logits, (bits(softmax(logits)) <= mu) | (xp.arange(len(logits)) == greedy(logits)))


def bits(probabilities: Logits) -> Logits:
    """Surprise in bits."""
    return surprise(probabilities) / np.log(2, dtype=np.float32)


def learn(mu: Number, surprise_bits: Number, tau: Number, eta: Number) -> Number:
    """The next mu: lower when the token surprised more than wanted."""
    return mu - eta * (surprise_bits - tau)
