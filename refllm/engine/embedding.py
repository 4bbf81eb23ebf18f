"""One vector for a whole text, out of the vectors at its tokens.

>>> import numpy as np
>>> hidden = np.array([[3.0, 0.0], [0.0, 4.0]], np.float32)
>>> pool(hidden, "last"), pool(hidden, "mean")
(array([0., 4.], dtype=float32), array([1.5, 2. ], dtype=float32))
>>> normalise(pool(hidden, "mean"))
array([0.6, 0.8], dtype=float32)
"""

import numpy as np
from jaxtyping import Float32

from refllm.errors import UsageError


def pool(hidden: Float32[np.ndarray, "tokens dim"], pooling: str) -> Float32[np.ndarray, "..."]:
    """`mean` over the tokens, the `last` token's, or all of them (`none`)."""
    if pooling == "mean":
        return hidden.mean(axis=0)
    if pooling == "last":
        return hidden[-1]
    if pooling == "none":
        return hidden
    raise UsageError(f"unknown pooling {pooling!r}; expected mean, last or none")


def normalise(vector: Float32[np.ndarray, "... dim"]) -> Float32[np.ndarray, "... dim"]:
    """The same direction with length one."""
    return vector / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), np.float32(1e-12))
