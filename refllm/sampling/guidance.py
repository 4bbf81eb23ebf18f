"""Classifier-free guidance: away from what a negative prompt would lead to.

The model is asked twice, with the prompt and with the negative one. The difference of the two opinions is taken `scale`
times: 1 changes nothing, more exaggerates what the prompt adds.

>>> import numpy as np
>>> wanted, unwanted = np.log([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25]]).astype(np.float32)
>>> np.exp(guide(wanted, unwanted, scale=2.0)).round(3)
array([1.   , 0.125, 0.25 ], dtype=float32)
"""

from refllm.sampling.arrays import Logits, Number


def guide(logits: Logits, negative: Logits, scale: Number) -> Logits:
    """Log-probabilities (not normalised) of the prompt, pushed away from those of the negative one."""
    wanted, unwanted = log_softmax(logits), log_softmax(negative)
    return unwanted + scale * (wanted - unwanted)


def log_softmax(logits: Logits) -> Logits:
    """The logarithms of the probabilities."""
    xp = logits.__array_namespace__()
    highest = xp.max(logits)
    return logits - (highest + xp.log(xp.exp(logits - highest).sum()))
