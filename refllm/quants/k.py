"""What all K-quants share: a block of 256 weights in groups of 16 or 32, and scales that are themselves quantized.

A float16 scale for every 32 weights costs half a bit per weight; a scale and a minimum cost a whole bit. K-quants get
both for half a bit: 8 or 16 groups form a block of 256 weights, the numbers of a group are small integers of 4, 6 or 8
bits, and one float16 per block (one for scales, one for minimums) is the scale of these scales.

Encoding has four steps, the same in `k_minmax.py` (Q2_K, Q4_K, Q5_K) and `k_symmetric.py` (Q3_K, Q6_K):

1. every group finds its own best scale, as if that were stored exactly  (`search.py`);
2. the scales of a block are quantized, which moves each of them a little;
3. the block's own scale is rounded to float16, which moves all of them again;
4. every weight is rounded once more, now with the scale that a reader will see. Without this step the levels would
   answer a question nobody asks: which level is nearest on a grid that was never stored.

The searches want arrays `[weights of a group, groups]`: a sum over a group is then a sum over the first axis, which is
fast and in the order of C's loop. The groups lie in the order: group 0 of all blocks, group 1 of all blocks ...

>>> weights = np.arange(512, dtype=np.float32).reshape(1, 2, 256)
>>> groups = in_groups(weights, 32)
>>> groups.shape
(32, 16)
>>> groups[:2, :4]            # columns: block 0 group 0, block 1 group 0, block 0 group 1 ...
array([[  0., 256.,  32., 288.],
       [  1., 257.,  33., 289.]], dtype=float32)
"""

import numpy as np

from refllm.annotations import Float16, Float32, Integer, UInt8
from refllm.quants.rounding import nearest_int, sum_in_order
from refllm.quants.search import Groups, PerGroup

BLOCK_SIZE = 256

Rows = Float32[np.ndarray, "rows blocks block_size"]
Levels = UInt8[np.ndarray, "rows blocks block_size"]
Numbers = Integer[np.ndarray, "rows blocks groups_of_a_block"]
Half = Float16[np.ndarray, "rows blocks"]


def in_groups(weights: Rows, size: int) -> Groups:
    """The weights [rows, blocks, 256] as [size, groups]."""
    groups = weights.reshape(-1, BLOCK_SIZE // size, size)
    return np.ascontiguousarray(groups.transpose(2, 1, 0)).reshape(size, -1)


def in_rows(levels: Groups, size: int, shape: tuple[int, ...]) -> Levels:
    """The inverse of `in_groups`, for levels, which are small integers from here on."""
    groups = levels.astype(np.uint8).reshape(size, BLOCK_SIZE // size, -1)
    return groups.transpose(2, 1, 0).reshape(shape)


def by_block(per_group: PerGroup, size: int) -> Float32[np.ndarray, "groups_of_a_block blocks"]:
    """One number per group as [groups of a block, blocks]: now a block is a group whose values are its scales."""
    return per_group.reshape(BLOCK_SIZE // size, -1)


def in_fields(by_block: Integer[np.ndarray, "groups_of_a_block lanes"], shape: tuple[int, int]) -> Numbers:
    """The integers of a block's groups as the field of a block wants them."""
    return by_block.T.reshape(*shape, -1)


def in_half(scale: Float32[np.ndarray, " lanes"], shape: tuple[int, int]) -> Half:
    """Step 3: the scales of the blocks as float16."""
    return scale.astype(np.float16).reshape(shape)


def emphasis(weights: Rows, importance: Float32[np.ndarray, "blocks block_size"], size: int, factor: int) -> Groups:
    """How much an error in each weight matters, where the importance of every column is known.

    The importance of a column is the mean square of the activations that meet it. Besides, an error in a large weight
    counts more than one in a small weight; the mean square of the block is added so that small ones count at all.
    """
    squares = in_groups(weights * weights, BLOCK_SIZE)
    mean_square = np.float32(factor) * sum_in_order(squares) / np.float32(BLOCK_SIZE)
    magnitude = np.sqrt(squares + mean_square).reshape(BLOCK_SIZE // size, size, -1)
    return for_every_row(importance, weights.shape, size) * magnitude.swapaxes(0, 1).reshape(size, -1)


def for_every_row(importance: Float32[np.ndarray, "blocks block_size"], shape: tuple[int, ...], size: int) -> Groups:
    """The importance of the columns, repeated for every row, in groups."""
    return in_groups(np.broadcast_to(importance, shape), size)


def as_read(scale: Half, numbers: Numbers) -> PerGroup:
    """What a reader makes of a block's scale and its groups' integers, in the order of the groups."""
    per_group = scale.astype(np.float32)[..., None] * numbers.astype(np.float32)
    return per_group.reshape(-1, numbers.shape[-1]).T.reshape(-1)


def round_again(values: Groups, scale: PerGroup, levels: Groups, lowest: int, highest: int) -> Groups:
    """Step 4: the levels nearest to values / scale.

    A group whose stored scale is 0 is read back as a constant, whatever its levels: there those of the search stay.
    """
    nothing = scale == 0
    rounded = nearest_int(values / np.where(nothing, np.float32(1), scale))
    np.clip(rounded, lowest, highest, out=rounded)
    return np.where(nothing, levels, rounded) if nothing.any() else rounded


def wrapped(levels: Float32[np.ndarray, "*shape"], integer: type) -> Integer[np.ndarray, "*shape"]:
    """Levels as integers of 8 bits, too large ones wrapping round as in a C assignment."""
    return levels.astype(np.int32).astype(integer)
