"""Penalties against repetition, and wishes for or against single tokens.

The repetition penalty (Keskar et al., 2019) divides the logit of every token seen lately, whether once or often; a
negative logit is multiplied instead, or it would grow. The frequency penalty subtracts for every time, the presence
penalty once. All three work on `count_tokens` of the recent past.

>>> import numpy as np
>>> logits = np.array([2.0, -1.0, 1.0, 0.0], np.float32)
>>> counts = count_tokens(np.array([0, 1, 0, -1]), vocab=4)  # -1: nothing yet
>>> counts
array([2, 1, 0, 0])
>>> penalties(logits, counts, repeat=2.0)
array([ 1., -2.,  1.,  0.], dtype=float32)
>>> penalties(logits, counts, frequency=0.5, presence=0.25)
array([ 0.75, -1.75,  1.  ,  0.  ], dtype=float32)
"""

import numpy as np

from refllm.sampling.arrays import Counts, Logits, Number, Tokens


def count_tokens(recent: Tokens, vocab: int) -> Counts:
    """How often each token of the vocabulary occurs; negative entries stand for no token."""
    if isinstance(recent, np.ndarray):
        return np.bincount(recent[recent >= 0], minlength=vocab)
    xp = recent.__array_namespace__()
    places = xp.where(recent >= 0, recent, vocab)  # beyond the end: dropped
    return xp.zeros(vocab, xp.int32).at[places].add(1, mode="drop")


def penalties(
    logits: Logits, counts: Counts, repeat: Number = 1.0, frequency: Number = 0.0, presence: Number = 0.0
) -> Logits:
    """Make tokens less likely that occurred lately."""
    xp = logits.__array_namespace__()
    weakened = xp.where(logits > 0, logits / repeat, logits * repeat)
    weakened = weakened - (counts.astype(logits.dtype) * frequency + presence)
    return xp.where(counts > 0, weakened, logits)


def logit_bias(logits: Logits, bias: Logits) -> Logits:
    """Add a wish to each logit; minus infinity forbids a token."""
    return logits + bias
