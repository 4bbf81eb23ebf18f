"""What all K-quants share: a block of 256 weights in groups of 16 or 32, and scales that are themselves quantized.

A scale for every 32 weights costs half a bit per weight; a scale and a minimum cost a whole bit. K-quants
give smaller groups a scale for less: 8 or 16 groups form a block of 256 weights, their scales are small integers of 4,
6 or 8 bits, and one float16 per block is the scale of these scales. So Q4_K pays 4.5 bits per weight for scale *and*
minimum, as much as Q4_0 pays for a scale alone.

Encoding has four steps, the same in `k_minmax.py` (Q2_K, Q4_K, Q5_K) and `k_symmetric.py` (Q3_K, Q6_K):

1. every group finds its own best scale, as if it were stored exactly  (`search.py`);
2. the scales of a block are quantized, which moves each of them a little;
3. the block's float16 scale is rounded, which moves all of them again;
4. every weight is rounded once more, now with the scale that a reader will really see. Without this step the levels
   would answer a question that nobody asks: which level is nearest on a grid that was not stored.

The searches want arrays `[weights of a group, groups]` (sums over a group are then sums over the first axis, exact and
fast). The groups are ordered so that the blocks lie side by side: first group 0 of all blocks, then group 1 of all ...

>>> weights = np.arange(512, dtype=np.float32).reshape(1, 2, 256)
>>> groups = in_groups(weights, 32)
>>> groups.shape
(32, 16)
>>> groups[:2, :4]            # columns: block 0 group 0, block 1 group 0, block 0 group 1 ...
array([[  0., 256.,  32., 288.],
       [  1., 257.,  33., 289.]], dtype=float32)
"""

import numpy as np
from jaxtyping import Float32, Shaped, UInt8

from refllm.quants.rounding import nearest_int, sum_in_order
from refllm.quants.search import Groups, PerGroup

BLOCK_SIZE = 256

Rows = Float32[np.ndarray, "rows blocks block_size"]
PerBlock = Float32[np.ndarray, "groups_of_a_block blocks"]


def in_groups(weights: Rows, size: int) -> Groups:
    """The weights [rows, blocks, 256] as [size, groups]."""
    groups = weights.reshape(-1, BLOCK_SIZE // size, size)
    return np.ascontiguousarray(groups.transpose(2, 1, 0)).reshape(size, -1)


def in_rows(levels: Groups, size: int, shape) -> UInt8[np.ndarray, "rows blocks block_size"]:
    """The inverse of `in_groups`, for levels: small integers from here on."""
    groups = levels.astype(np.uint8).reshape(size, BLOCK_SIZE // size, -1)
    return groups.transpose(2, 1, 0).reshape(shape)


def by_block(per_group: Shaped[np.ndarray, " groups"], size: int) -> Shaped[np.ndarray, "groups_of_a_block blocks"]:
    """One number per group as [groups of a block, blocks]: each block is now a lane whose scales can be quantized."""
    return per_group.reshape(BLOCK_SIZE // size, -1)


def emphasis(weights: Rows, importance: Float32[np.ndarray, "blocks block_size"], size: int, factor: int) -> Groups:
    """How much an error in each weight matters, where the importance of each column is known.

    The importance of a column is the mean square of the activation that meets it. On top of it a large weight counts
    more than a small one, softened by the mean square of its block so that small ones still count.
    """
    squares = in_groups(weights * weights, size).reshape(size, -1, weights.size // BLOCK_SIZE)
    mean_square = np.float32(factor) * sum_in_order((weights * weights).reshape(-1, BLOCK_SIZE).T) / np.float32(256)
    columns = in_groups(np.broadcast_to(importance, weights.shape), size)
    return columns * np.sqrt(squares + mean_square).reshape(size, -1)


def round_again(values: Groups, scale: PerGroup, minimum, levels: Groups, lowest: int, highest: int) -> Groups:
    """Step 4: the nearest levels for the scale and minimum that were stored, (value + minimum) / scale.

    A group whose stored scale is 0 reads back as a constant whatever its levels are; those of the search stay.
    """
    nothing = scale == 0
    steps = values + minimum
    steps /= np.where(nothing, np.float32(1), scale)
    rounded = nearest_int(steps)
    np.clip(rounded, lowest, highest, out=rounded)
    return np.where(nothing, levels, rounded) if nothing.any() else rounded


def wrapped(levels: Float32[np.ndarray, "..."], integer: type) -> Shaped[np.ndarray, "..."]:
    """Levels as integers of 8 bits, too large ones wrapping round as in a C assignment."""
    return levels.astype(np.int32).astype(integer)
