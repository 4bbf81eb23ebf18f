"""Two samplers that look at the shape of the whole distribution: locally typical and tail-free sampling.

`typical` (Meister et al., 2022) keeps the tokens whose surprise is nearest to the surprise to be expected, which may
exclude the most likely token. `tail_free` keeps the best tokens up to where the curve of the sorted probabilities has
stopped bending. llama.cpp removed tail-free sampling in October 2024; the tutorials of 2023 use it.

Candidates that were removed before play no part. (llama.cpp lets those that top-n-sigma or a bias has put to minus
infinity stay, and its entropy is then not a number.)

>>> import numpy as np
>>> np.exp(typical(np.log(np.array([0.4, 0.2, 0.2, 0.2], np.float32)), 0.5)).round(2)
array([0. , 0.2, 0.2, 0.2], dtype=float32)
>>> np.exp(tail_free(np.log(np.array([0.1, 0.15, 0.2, 0.25, 0.3], np.float32)), 0.75)).round(2)
array([0.  , 0.  , 0.  , 0.25, 0.3 ], dtype=float32)
"""

import numpy as np

from refllm.sampling.arrays import Logits, Number, descending, entropy, highest, keep, number, remaining, softmax
from refllm.sampling.arrays import surprise as surprise_of


def typical(logits: Logits, p: Number, min_keep: Number = 1) -> Logits:
    """Keep the most typical ones until together they have more than probability p."""
    xp = logits.__array_namespace__()
    probabilities = softmax(logits)
    oddity = xp.abs(surprise_of(probabilities) - entropy(probabilities))
    oddity = xp.where(probabilities > 0, oddity, np.inf)
    reached = xp.cumsum(probabilities[xp.argsort(oddity, stable=True)])
    count = 1 + (reached <= number(p, logits)).sum()
    return keep(logits, highest(-oddity, xp.maximum(count, min_keep)) | (p >= 1))


def tail_free(logits: Logits, z: Number, min_keep: Number = 1) -> Logits:
    """Keep the best ones until the bends of the curve behind them make up less than 1 - z of all bends."""
    if len(logits) <= 2:
        return logits
    xp = logits.__array_namespace__()
    curve, count = softmax(descending(logits)), remaining(logits)
    slope = curve[:-1] - curve[1:]
    places = xp.arange(len(logits) - 2)
    bend = xp.where(places < count - 2, xp.abs(slope[:-1] - slope[1:]), 0.0)  # those that are removed have no bend
    straight = xp.where(places < count - 2, 1.0, 0.0).astype(logits.dtype)
    bend = xp.where(bend.sum() > 1e-6, bend, straight)
    reached = xp.cumsum(bend / xp.maximum(bend.sum(), number(1e-6, logits)))
    beyond = (reached > number(z, logits)) & (places >= min_keep)
    kept = xp.where(beyond.any(), xp.argmax(beyond), len(logits))
    return keep(logits, highest(logits, kept) | (z >= 1) | (count <= 2))
