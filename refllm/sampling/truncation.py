"""Samplers that cut off the tail: what is too unlikely is removed before anything is drawn.

They differ in what "too unlikely" means: beyond the k best (`top_k`), beyond a share of the probability (`top_p`, also
called nucleus sampling), far below the best one (`min_p` by probability, `top_n_sigma` by the spread of the logits).
`xtc` is the odd one: it removes the *most* likely ones. None of them changes a logit that it keeps. What is out of
range switches a sampler off, as in llama.cpp: k <= 0, p >= 1, min_p <= 0, n <= 0.

>>> import numpy as np
>>> logits = np.log(np.array([0.1, 0.2, 0.3, 0.4], np.float32))
>>> for cut in (top_k(logits, 3), top_p(logits, 0.7), min_p(logits, 0.6), top_n_sigma(logits, 1.0)):
...     print(np.exp(cut).round(2))
[0.  0.2 0.3 0.4]
[0.  0.  0.3 0.4]
[0.  0.  0.3 0.4]
[0.  0.  0.3 0.4]
>>> np.exp(xtc(logits, probability=0.5, threshold=0.15, chance=0.1)).round(2)
array([0.1, 0.2, 0. , 0. ], dtype=float32)
"""

import numpy as np

from refllm.sampling.arrays import Logits, Number, descending, highest, keep, number, remaining, softmax


def top_k(logits: Logits, k: Number) -> Logits:
    """Keep the k best."""
    return keep(logits, highest(logits, k) | (k <= 0))


def top_p(logits: Logits, p: Number, min_keep: Number = 1) -> Logits:
    """Keep the best ones until together they have probability p; the one that reaches it is kept too."""
    xp = logits.__array_namespace__()
    reached = xp.cumsum(softmax(descending(logits)))
    count = 1 + (reached < number(p, logits)).sum()
    return keep(logits, highest(logits, xp.maximum(count, min_keep)) | (p >= 1))


def min_p(logits: Logits, p: Number, min_keep: Number = 1) -> Logits:
    """Keep those at least p times as likely as the best one."""
    xp = logits.__array_namespace__()
    share = number(p, logits)
    lowest = xp.max(logits) + xp.log(xp.where(share > 0, share, 1.0))
    return keep(logits, (logits >= lowest) | highest(logits, min_keep) | (share <= 0))


def top_n_sigma(logits: Logits, n: Number) -> Logits:
    """Keep those whose logit is within n standard deviations of the best one."""
    xp = logits.__array_namespace__()
    present = logits > -np.inf
    spread = xp.sqrt(xp.var(logits, where=present))
    return keep(logits, (logits >= xp.max(logits) - n * spread) | (n <= 0))


def xtc(logits: Logits, probability: Number, threshold: Number, chance: Number, min_keep: Number = 1) -> Logits:
    """Exclude top choices: with some probability, remove all that reach the threshold but the least likely of them.

    `chance` is a random number between 0 and 1: the dice are thrown by the caller, so that the function stays one.
    """
    above = (softmax(logits) >= number(threshold, logits)).sum()
    active = (chance <= probability) & (probability > 0) & (threshold <= 0.5)
    active = active & (above > 1) & (remaining(logits) - (above - 1) >= min_keep)
    return keep(logits, ~(highest(logits, above - 1) & active))
