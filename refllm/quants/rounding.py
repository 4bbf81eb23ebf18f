"""C's float arithmetic, step by step: rounding and summing as ggml does them, so that the bits agree.

Two habits of numpy differ from a plain C loop. `np.sum` adds in pairs (more exact, but other bits), and a cast to int
rounds towards zero. The functions here do what the loop does. They work on arrays whose first axis is the one the C
code loops over and whose other axes are independent lanes: numpy is fast over the lanes and exact over the loop.

>>> nearest_int(np.float32([0.5, 1.5, -2.5]))            # halves go to the even neighbour
array([ 0.,  2., -2.], dtype=float32)
>>> big, small = np.float32(1), np.float32(2**-24)       # too small to move a sum that has reached 1
>>> terms = np.float32([[big, small]] + [[small, small]] * 2)
>>> [float(total) - 1 for total in sum_in_order(terms)] == [0.0, 2**-24 * 3 - 1]
True
"""

import numpy as np

from refllm.annotations import Float32, Int8

Lanes = Float32[np.ndarray, "steps *lanes"]

MAGIC = np.float32(1.5 * 2**23)  # from 2^23 to 2^24 a float32 has no fraction left: adding this rounds to an integer
NEAREST_INT_LIMIT = np.float32(2**22 - 1)


def nearest_int(x: Float32[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    """Round to the nearest integer, halves to even, and wrap round outside of +-2^22, as ggml's `nearest_int` does.

    ggml adds the number `MAGIC` and reads the integer out of the lowest 23 bits of the float. Within the limits that is
    plain rounding; beyond them the bits mean something else (infinity becomes -2^22, NaN becomes 0), and as scales of
    tiny or huge weights do get there, so must we.
    """
    if x.size == 0 or (x.min() >= -NEAREST_INT_LIMIT and x.max() <= NEAREST_INT_LIMIT):
        return np.rint(x)
    fraction = (x + MAGIC).view(np.int32) & np.int32(2**23 - 1)
    return (fraction - np.int32(2**22)).astype(np.float32)


def sum_in_order(terms: Lanes) -> Float32[np.ndarray, "*lanes"]:
    """0 + terms[0] + terms[1] + ... in this order, each sum rounded to float32."""
    if terms[0].size == 1:  # then the steps lie side by side in memory, and there numpy would add in pairs
        return np.add.accumulate(terms)[-1] + np.float32(0)
    return np.add.reduce(np.ascontiguousarray(terms), axis=0, initial=np.float32(0))


def round_half_away(x: Float32[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    """C's roundf: to the nearest integer, halves away from zero."""
    whole = np.trunc(x)
    return whole + np.trunc(2 * (x - whole))


def to_int8(x: Float32[np.ndarray, "*shape"]) -> Int8[np.ndarray, "*shape"]:
    """C's cast to int8, towards zero; infinity and NaN, where C leaves the result open, become 0 as they do on x86.

    They appear where a scale is so small that its inverse is infinite.
    """
    return x.astype(np.int32).astype(np.int8)
