"""Temperature: dividing the logits by a number below one sharpens the distribution, above one flattens it.

At 0 (and below) only the best candidate is left. `dynamic_temperature` chooses its number between `t - spread` and
`t + spread` by how undecided the model is: its entropy as a share of the greatest possible one.

>>> import numpy as np
>>> from refllm.sampling.arrays import softmax
>>> logits = np.log(np.array([0.1, 0.2, 0.3, 0.4], np.float32))
>>> softmax(temperature(logits, 0.5)).round(2), softmax(temperature(logits, 0.0))
(array([0.03, 0.13, 0.3 , 0.53], dtype=float32), array([0., 0., 0., 1.], dtype=float32))
>>> softmax(dynamic_temperature(logits, 1.0, spread=0.5)).round(2)
array([0.13, 0.22, 0.29, 0.36], dtype=float32)
"""

from refllm.sampling.arrays import Logits, Number, entropy, keep, number, remaining, softmax
from refllm.sampling.choice import greedy


def temperature(logits: Logits, t: Number) -> Logits:
    """Divide by the temperature; at 0 keep only the best."""
    xp = logits.__array_namespace__()
    divisor = number(t, logits)
    divided = logits / xp.where(divisor > 0, divisor, 1.0)
    return keep(divided, (divisor > 0) | (xp.arange(len(logits)) == greedy(logits)))


def dynamic_temperature(logits: Logits, t: Number, spread: Number, exponent: Number = 1.0) -> Logits:
    """Divide by a temperature that grows with the entropy; a spread of 0 is plain temperature."""
    xp = logits.__array_namespace__()
    middle, spread = number(t, logits), number(spread, logits)
    lowest, highest, count = xp.maximum(middle - spread, 0.0), middle + spread, remaining(logits)
    doubt = entropy(softmax(logits)) / xp.log(number(xp.maximum(count, 2), logits))
    found = lowest + (highest - lowest) * doubt ** number(exponent, logits)
    found = xp.where(count > 1, found, 1.0)  # one candidate alone stays as it is
    return temperature(logits, xp.where(spread > 0, found, middle))
