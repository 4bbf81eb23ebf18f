"""The last step of every chain: one token out of the candidates that are left.

`greedy` takes the best, the first of equal ones. `dist` draws: the probabilities, laid end to end, fill the line from 0
to 1, and the candidate on whose piece the number `chance` falls is taken. The caller throws the dice, so the same
chance gives the same token.

>>> import numpy as np
>>> logits = np.log(np.array([0.1, 0.2, 0.3, 0.4], np.float32))
>>> int(greedy(logits)), [int(dist(logits, chance)) for chance in (0.0, 0.2, 0.5, 0.9)]
(3, [0, 1, 2, 3])
"""

import numpy as np
from jaxtyping import Array, Int

from refllm.sampling.arrays import Logits, Number, number, softmax

Token = Int[np.ndarray | Array, ""] | np.integer


def greedy(logits: Logits) -> Token:
    """The index of the highest logit."""
    xp = logits.__array_namespace__()
    # As argmax, which XLA does not vectorise on CPU: this takes a quarter of its time.
    return xp.min(xp.where(logits == xp.max(logits), xp.arange(len(logits)), len(logits) - 1))


def dist(logits: Logits, chance: Number) -> Token:
    """The index on which a number between 0 and 1 falls."""
    xp = logits.__array_namespace__()
    reached = xp.cumsum(softmax(logits))
    mark = xp.minimum(number(chance, logits), number(1 - 2**-24, logits)) * reached[-1]
    return xp.argmax(reached > mark)  # the first: a removed candidate adds nothing and is never first
