"""What the schemes with one scale per block share: a weight is the scale of its block times a small integer, its level.

The functions for decoding take numpy and JAX arrays alike; those for encoding are numpy's. They do not choose a scale.

>>> import numpy as np
>>> scaled(np.int8([[-8, 7]]), np.float16([0.5]))
array([[-4. ,  3.5]], dtype=float32)
>>> largest(np.float32([[1, -3, 3]]))                # the first of the two, with its sign
array([[-3.]], dtype=float32)
"""

import numpy as np

from refllm.annotations import Float32, Integer

Rows = Float32[np.ndarray, "rows blocks block_size"]


def scaled(levels, scale):
    """The levels times the scale of their block."""
    weights = levels.astype(np.float32)
    weights *= widened(scale)  # numpy works in place here, which is a third faster; JAX makes a new array
    return weights


def raised(weights, minimum):
    """The weights plus the minimum of their block, in place as above."""
    weights += widened(minimum)
    return weights


def lowered(weights, minimum):
    """The weights minus the minimum of their block, in place as above."""
    weights -= widened(minimum)
    return weights


def widened(number):
    """One number per block as float32, ready to meet the weights of its block."""
    return number.astype(np.float32)[..., None]


def signed(levels, zero: int):
    """Levels that are stored without a sign: `zero` is the stored number that means 0."""
    return levels.view(np.int8) - np.int8(zero)


def largest(weights: Float32[np.ndarray, "... block_size"]) -> Float32[np.ndarray, "... 1"]:
    """The weight of each block that is farthest from zero, with its sign; the first of several."""
    return first_of(weights, np.abs(weights).argmax(-1)) + np.float32(0)  # no -0


def first_of(weights: Float32[np.ndarray, "*blocks size"], index: Integer[np.ndarray, "*blocks"]):
    """From each block the weight at its index. With argmin and argmax, of 0 and -0 the one that comes first."""
    return np.take_along_axis(weights, index[..., None], -1)


def inverse(scale: Float32[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    """1/scale, and 0 for a block of zeros."""
    return np.where(scale == 0, np.float32(0), np.float32(1) / scale)


def assembled(layout: np.dtype, **fields: np.ndarray) -> np.ndarray:
    """Blocks [rows, blocks] with these fields; a float32 scale is rounded to the width it has in the layout."""
    blocks = np.empty(next(iter(fields.values())).shape[:2], layout)
    for name, field in fields.items():
        blocks[name] = field
    return blocks
