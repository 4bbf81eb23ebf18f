"""The exercises of "RoPE and attention": pairs to count, rows to put in order, attention in numpy, a cache, a score.

What is right is what the package's layers compute, to within the last bits. The wrong answers to the functions are
right ones with one mistake each.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float32

from refllm.layers import attention, masks, rope
from refllm.teach.exercise import exercise, require

Matrix = Float32[np.ndarray, "rows columns"]
Heads = Float32[np.ndarray, "tokens _ dims"]  # query heads, or fewer key heads
CLOSE = 1e-4

# ---- 04.1: predict ----

DIMS, BASE, CONTEXT = 64, 10_000.0, 512


@exercise(
    "04.1",
    hints=(
        "one turn is 2 pi radians; pair i turns by BASE ** (-2 i / DIMS) at each token",
        "count the pairs for which CONTEXT * rope.frequencies(DIMS, BASE) is at least 2 pi",
    ),
    wrong=(32, 64, 31, 24, 15, 17, 16.0),
)
def pairs_that_turn(answer):
    """How many of the 32 pairs of a head of 64 go round at least once within 512 tokens (base 10,000)?"""
    require(isinstance(answer, int), f"a whole number is asked for; this is a {type(answer).__name__}")
    walked = CONTEXT * rope.frequencies(DIMS, BASE)
    right, radians = int((walked >= 2 * np.pi).sum()), int((walked >= 1).sum())
    require(answer != DIMS, f"{answer} numbers are {DIMS // 2} pairs")
    require(answer != radians, f"{answer} pairs turn by at least one radian; once round is 2 pi of them")
    require(answer <= right, f"{answer} are too many: the slower ones do not come round")
    require(answer >= right, f"{answer} are too few")


# ---- 04.2: rows in another order ----


def halves_first(matrix: Matrix, heads: int) -> Matrix:
    """The rows of each head: the first of every pair, then the second of every pair."""
    return matrix.reshape(heads, -1, 2, matrix.shape[1]).swapaxes(1, 2).reshape(matrix.shape)


def way_back(matrix: Matrix, heads: int) -> Matrix:
    """From halves to neighbours: the other direction."""
    return matrix.reshape(heads, 2, -1, matrix.shape[1]).swapaxes(1, 2).reshape(matrix.shape)


@exercise(
    "04.2",
    hints=(
        "head by head: row 2 i of a head goes to place i, row 2 i + 1 to place i + dims/2",
        "reshape to (heads, dims/2, 2, columns), swap the two axes in the middle, reshape back",
    ),
    wrong=(
        lambda matrix, heads: matrix,
        lambda matrix, heads: halves_first(matrix, 1),
        way_back,
        lambda matrix, heads: matrix[::-1],
        lambda matrix, heads: matrix.reshape(heads, -1, 2, matrix.shape[1]).swapaxes(1, 2),
        lambda matrix, heads: halves_first(np.ascontiguousarray(matrix.T), heads).T.copy(),
    ),
)
def permute(answer):
    """A function that orders the rows of a query or key matrix for half-split rotation."""
    require(callable(answer), "a function is asked for")
    rng = np.random.default_rng(4)
    for heads, dims in ((1, 8), (4, 8), (2, 16)):
        matrix = rng.normal(size=(heads * dims, heads * dims)).astype(np.float32)
        found = np.asarray(answer(matrix.copy(), heads))
        what = f"{heads} heads of {dims}"
        require(found.shape == matrix.shape, f"{what}: the shape became {found.shape}; it was {matrix.shape}")
        same_rows = np.array_equal(np.sort(found, axis=0), np.sort(matrix, axis=0))
        require(same_rows, f"{what}: other rows came out than went in; only their order may change")
        expected = halves_first(matrix, heads)
        misplaced = np.flatnonzero((found != expected).any(axis=1))
        first = int(misplaced[0]) if len(misplaced) else 0
        stands, belongs = (int((matrix == row).all(axis=1).argmax()) for row in (found[first], expected[first]))
        message = f"at place {first} stands row {stands}; row {belongs} belongs there"
        require(not len(misplaced), f"{what}: {message}")


# ---- 04.3: attention in numpy ----


def in_numpy(query: Heads, key: Heads, value: Heads) -> Heads:
    """What is right; the wrong answers begin from here."""
    tokens, heads, dims = query.shape
    key, value = (np.repeat(array, heads // key.shape[1], axis=1) for array in (key, value))
    scores = np.einsum("thd,chd->htc", query, key) / np.sqrt(dims)
    seen = np.tril(np.ones((tokens, tokens), bool))
    return weighted(np.where(seen, scores, -np.inf), value)


def weighted(scores: np.ndarray, value: Heads) -> Heads:
    shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.einsum("htc,chd->thd", shares / shares.sum(axis=-1, keepdims=True), value).astype(np.float32)


def without_mask(query: Heads, key: Heads, value: Heads) -> Heads:
    key, value = (np.repeat(array, query.shape[1] // key.shape[1], axis=1) for array in (key, value))
    return weighted(np.einsum("thd,chd->htc", query, key) / np.sqrt(query.shape[2]), value)


def groups_mixed_up(query: Heads, key: Heads, value: Heads) -> Heads:
    """Gives head h the keys of head h modulo kv_heads, as np.tile does."""
    copies = query.shape[1] // key.shape[1]
    return in_numpy(query, np.tile(key, (1, copies, 1)), np.tile(value, (1, copies, 1)))


def mask_after_softmax(query: Heads, key: Heads, value: Heads) -> Heads:
    """Takes what may not be seen out of the shares, which then no longer sum to one."""
    key, value = (np.repeat(array, query.shape[1] // key.shape[1], axis=1) for array in (key, value))
    scores = np.einsum("thd,chd->htc", query, key) / np.sqrt(query.shape[2])
    shares = np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)
    return np.einsum("htc,chd->thd", np.tril(shares), value).astype(np.float32)


@exercise(
    "04.3",
    hints=(
        "scores = einsum('thd,chd->htc', query, key) / sqrt(dims); -inf where a key is later than the query; the "
        "softmax along the keys; einsum('htc,chd->thd', shares, value)",
        "query head h belongs to key head h // (heads / kv_heads): np.repeat(key, heads // kv_heads, axis=1) gives "
        "each query head its own; np.tril(np.ones((tokens, tokens), bool)) is what may be seen",
    ),
    wrong=(
        without_mask,
        groups_mixed_up,
        mask_after_softmax,
        lambda query, key, value: in_numpy(query * np.float32(query.shape[2]) ** 0.5, key, value),
        lambda query, key, value: in_numpy(query, key, value).reshape(len(query), -1),
        lambda query, key, value: in_numpy(query[::-1], key, value),
    ),
)
def attention_in_numpy(answer):
    """A function that computes causal grouped-query attention with numpy, without a loop over tokens."""
    require(callable(answer), "a function is asked for")
    rng, compiled = np.random.default_rng(6), jax.jit(attention.attention, static_argnames="scale")
    for tokens, heads, kv_heads, dims in ((1, 1, 1, 4), (5, 2, 2, 4), (7, 4, 2, 8), (6, 6, 1, 4)):
        counts = (heads, kv_heads, kv_heads)
        query, key, value = (rng.normal(size=(tokens, count, dims)).astype(np.float32) for count in counts)
        positions = jnp.arange(tokens)
        arrays = (jnp.asarray(array) for array in (query, key, value))
        expected = np.asarray(compiled(*arrays, masks.causal(positions, positions), scale=dims**-0.5))
        found = np.asarray(answer(query.copy(), key.copy(), value.copy()))
        what = f"{tokens} tokens, {heads} heads on {kv_heads}"
        require(found.shape == expected.shape, f"{what}: the shape is {found.shape}; expected {expected.shape}")
        off = np.abs(found - expected).max(axis=(0, 2))
        wrong = np.flatnonzero(~(off < CLOSE))
        require(not len(wrong), f"{what}: heads {wrong.tolist()} are off, by up to {off.max():.2g}")


# ---- 04.4: the cache ----


@exercise(
    "04.4",
    hints=(
        "a token leaves a key and a value in every layer, for each key head, not for each query head",
        "layers * 2 * kv_heads * head_dim * 2 bytes for one token, times the tokens",
    ),
    wrong=(2147483648, 268435456, 1073741824, 131072, 536870912.0, 16777216),
)
def bytes_of_a_cache(answer):
    """How many bytes of float16 remember 4096 tokens: 32 layers, 32 query heads and 8 key heads of 128?"""
    require(isinstance(answer, int), f"a whole number is asked for; this is a {type(answer).__name__}")
    layers, heads, kv_heads, head_dim, tokens, size = 32, 32, 8, 128, 4096, 2
    for_one = layers * 2 * kv_heads * head_dim * size
    right = tokens * for_one
    require(answer != for_one, f"{answer} bytes are those of one token")
    require(answer != right * heads // kv_heads, f"{answer} would be with a key for every query head")
    require(answer != right // 2, f"{answer}: keys or values only, or one byte a number")
    require(answer != right // layers, f"{answer} bytes are those of one layer")
    require(answer == right, f"{answer} is {answer / right:g} times what it takes")


# ---- 04.5: a score for copying heads ----


def induction(maps: np.ndarray, period: int, shift: int = 1) -> np.ndarray:
    """The mean share that the second time gives to the place `shift` behind its first time."""
    later = np.arange(period, 2 * period)
    return maps[:, :, later, later - period + shift].mean(axis=-1)


def made_up_maps(period: int) -> np.ndarray:
    """Heads that copy, look at the token before, at the same token, at the first, and everywhere."""
    tokens = 2 * period
    rows = np.arange(tokens)
    looked_at = [
        np.where(rows >= period, rows - period + 1, 0),
        np.maximum(rows - 1, 0),
        rows % period,
        np.zeros(tokens, int),
    ]
    maps = [np.eye(tokens, dtype=np.float32)[columns] for columns in looked_at]
    even = np.tril(np.ones((tokens, tokens), np.float32))
    even /= even.sum(axis=1, keepdims=True)
    half = (maps[0] + maps[1]) / 2
    return np.stack([np.stack([maps[0], maps[1], half]), np.stack([maps[2], maps[3], even])])


@exercise(
    "04.5",
    hints=(
        "token t, for t from period on, stood at t - period before; after it came t - period + 1: what share of "
        "attention does that place get, on average?",
        "later = np.arange(period, 2 * period); maps[:, :, later, later - period + 1].mean(axis=-1)",
    ),
    wrong=(
        lambda maps, period: induction(maps, period, shift=0),
        lambda maps, period: induction(maps, period, shift=-1),
        lambda maps, period: maps.max(axis=-1).mean(axis=-1),
        lambda maps, period: induction(maps, period).max(),
        lambda maps, period: np.swapaxes(induction(maps, period), 0, 1),
        lambda maps, period: induction(maps, period) * period,
    ),
)
def copying_score(answer):
    """A function that scores each head: how much does it look behind the first time of a token that comes again?"""
    require(callable(answer), "a function is asked for")
    for period in (4, 9):
        maps = made_up_maps(period)
        found, expected = np.asarray(answer(maps.copy(), period)), induction(maps, period)
        heads = maps.shape[:2]
        require(found.shape == heads, f"the shape is {found.shape}; expected a score for each of the {heads} heads")
        kinds = ("copies", "looks at the token before", "does both by half")
        kinds += ("looks at the same token", "looks at the first token", "looks everywhere alike")
        for kind, one, right in zip(kinds, found.flat, expected.flat, strict=True):
            what = f"period {period}: a head that {kind} scores {one:.3g}; expected {right:.3g}"
            require(abs(one - right) < CLOSE, what)
