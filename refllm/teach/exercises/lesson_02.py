"""The exercises of "Numbers in blocks": a size to predict, Q4_0 both ways, the guides of 2023, and a better scale.

What is right is what the package's schemes do. The wrong answers to the functions are right ones with one mistake each.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float32

from refllm import quants
from refllm.teach.exercise import exercise, require

Block = Float32[np.ndarray, "32"]
Q4_0 = quants.get("Q4_0")
ROWS = COLUMNS = 4096

# What guides to llama.cpp said in 2023: bits for each weight, by name.
GUIDES_OF_2023 = {
    "Q4_0": 5.0,
    "Q4_1": 6.0,
    "Q4_2": 5.0,
    "Q4_3": 6.0,
    "Q5_0": 5.5,
    "Q5_1": 6.0,
    "Q8_0": 9.0,
    "Q2_K": 2.5625,
    "Q3_K": 3.4375,
    "Q4_K": 4.5,
    "Q5_K": 5.5,
    "Q6_K": 6.5625,
}


def blocks() -> dict[str, Block]:
    """Blocks on which mistakes show: ordinary ones, one of zeros, one with a tie, one whose extreme is positive."""
    rng = np.random.default_rng(2)
    made = {f"ordinary block {n}": rng.normal(0, 0.02, 32).astype(np.float32) for n in range(400)}
    made["the block of zeros"] = np.zeros(32, np.float32)
    made["the block 0, 1, 2 ..."] = np.arange(32, dtype=np.float32)
    made["the block with 1 and -1"] = np.array([0.3, 1, -1, -0.7] * 8, np.float32)
    return made


# ---- 02.1: predict ----


@exercise(
    "02.1",
    hints=(
        "how many blocks are there, and how many bytes has one?",
        "256 weights in 144 bytes; 4096 * 4096 / 256 blocks",
    ),
    wrong=(8388608, 16777216, 67108864, 75497472, 9437184.0, 144),
)
def bytes_of_a_matrix(answer):
    """How many bytes does a matrix of 4096 x 4096 weights take in Q4_K?"""
    scheme = quants.get("Q4_K")
    require(isinstance(answer, int), f"a whole number is asked for; this is a {type(answer).__name__}")
    weights = ROWS * COLUMNS
    right = weights // scheme.block_size * scheme.block_bytes
    require(answer != 8 * right, f"{answer} is the number of bits")
    require(answer != weights // 2, f"{answer} counts four bits for each weight: where are the scales?")
    require(answer == right, f"{answer} bytes are {8 * answer / weights:g} bits for each weight")


# ---- 02.2: write a block ----


def packages_bytes(block: Block) -> bytes:
    return Q4_0.quantize(block).tobytes()


def neighbours_packed(block: Block) -> bytes:
    """Puts weights 2 i and 2 i + 1 into one byte, as the files of spring 2023 did."""
    raw = packages_bytes(block)
    levels = np.concatenate([np.frombuffer(raw[2:], np.uint8) & 15, np.frombuffer(raw[2:], np.uint8) >> 4])
    return raw[:2] + (levels[::2] | levels[1::2] << 4).tobytes()


def scale_without_sign(block: Block) -> bytes:
    """Divides the largest magnitude by 8 and forgets whose it was."""
    d = np.abs(block).max() / np.float32(8)
    inverse = np.float32(0) if d == 0 else 1 / d
    levels = np.clip(block * inverse + np.float32(8.5), 0, 15).astype(np.uint8)
    return d.astype(np.float16).tobytes() + (levels[:16] | levels[16:] << 4).tobytes()


def rounded_scale_first(block: Block) -> bytes:
    """Finds the levels with the scale as it is stored, which looks more careful and is not what the library does."""
    d = np.frombuffer(packages_bytes(block)[:2], np.float16).astype(np.float32)[0]
    inverse = np.float32(0) if d == 0 else 1 / d
    levels = np.clip(block * inverse + np.float32(8.5), 0, 15).astype(np.uint8)
    return packages_bytes(block)[:2] + (levels[:16] | levels[16:] << 4).tobytes()


@exercise(
    "02.2",
    hints=(
        "the scale is the weight of largest magnitude, with its sign, divided by -8; its inverse is taken before it is "
        "rounded to float16",
        "level = min(15, int(weight * inverse + 8.5)); byte j holds level j in its low half and level j + 16 in its "
        "high half; a block of zeros has the inverse 0",
    ),
    wrong=(
        neighbours_packed,
        scale_without_sign,
        rounded_scale_first,
        lambda block: packages_bytes(block)[::-1],
        lambda block: packages_bytes(block)[2:],
        lambda block: Q4_0.quantize(block),
    ),
)
def write_q4_0(answer):
    """A function that makes the 18 bytes of a Q4_0 block."""
    require(callable(answer), "a function is asked for")
    for what, block in blocks().items():
        found, expected = answer(block.copy()), packages_bytes(block)
        require(isinstance(found, bytes), f"{what}: the function gave a {type(found).__name__}, not bytes")
        require(len(found) == len(expected), f"{what}: {len(found)} bytes came out; expected {len(expected)}")
        scales = found[:2].hex(" "), expected[:2].hex(" ")
        require(scales[0] == scales[1], f"{what}: the scale is stored as {scales[0]}; the package has {scales[1]}")
        wrong = [place for place in range(2, len(expected)) if found[place] != expected[place]]
        first = wrong[0] if wrong else 0
        there = f"byte {first} is {found[first]:02x}; the package has {expected[first]:02x}"
        require(not wrong, f"{what}: {len(wrong)} bytes of levels differ; {there}")


# ---- 02.3: read a block ----


def changed_reading(change: Callable) -> Callable:
    return lambda raw: change(Q4_0.dequantize(np.frombuffer(raw, Q4_0.dtype)))


@exercise(
    "02.3",
    hints=(
        "the first two bytes are a float16; then 16 bytes with two levels each, and level 8 means zero",
        "levels = concatenate(low halves, high halves); weight = (level - 8) * d. Take care: bytes are unsigned, so "
        "turn them into signed numbers before subtracting",
    ),
    wrong=(
        changed_reading(lambda weights: weights.reshape(2, 16).T.reshape(-1)),
        changed_reading(lambda weights: -weights),
        lambda raw: (
            np.concatenate([np.frombuffer(raw[2:], np.uint8) & 15, np.frombuffer(raw[2:], np.uint8) >> 4])
            * np.frombuffer(raw[:2], np.float16).astype(np.float32)
        ),
        changed_reading(lambda weights: weights[:16]),
    ),
)
def read_q4_0(answer):
    """A function that reads the 32 weights out of the 18 bytes of a Q4_0 block."""
    require(callable(answer), "a function is asked for")
    for what, block in blocks().items():
        raw = packages_bytes(block)
        expected = Q4_0.dequantize(np.frombuffer(raw, Q4_0.dtype))
        found = np.asarray(answer(raw), np.float32)
        require(found.shape == (32,), f"{what}: the shape is {found.shape}; expected (32,)")
        wrong = np.flatnonzero(found != expected)
        first = int(wrong[0]) if len(wrong) else 0
        there = f"weight {first} is {found[first]:g}; expected {expected[first]:g}"
        require(not len(wrong), f"{what}: {len(wrong)} weights differ; {there}")


# ---- 02.4: what the guides said ----


@exercise(
    "02.4",
    hints=(
        "quants.SCHEMES has every name, today's and yesterday's, and each scheme knows its bits_per_weight",
        "{name for name, bits in GUIDES_OF_2023.items() if quants.get(name).bits_per_weight != bits}",
    ),
    wrong=({"Q4_0"}, {"Q4_0", "Q4_1", "Q8_0"}, {"Q4_0", "Q4_1", "Q8_0", "Q2_K", "Q5_0"}, set(), 4),
)
def wrong_today(answer):
    """Which of the guides' numbers are not today's?"""
    require(isinstance(answer, set | frozenset | list | tuple), "a set of names is asked for, such as {'Q6_K'}")
    named = {str(name) for name in answer}
    unknown = named - set(GUIDES_OF_2023)
    require(not unknown, f"{', '.join(sorted(unknown))}: no such name in the guides")
    for name, said in GUIDES_OF_2023.items():
        bits = quants.get(name).bits_per_weight
        require(name not in named or bits != said, f"{name} is right: {said} in the guides, {bits} in the dtype")
    missed = [name for name, said in GUIDES_OF_2023.items() if quants.get(name).bits_per_weight != said]
    require(len(named) == len(missed), f"{len(named)} found; there are more")


# ---- 02.5: a better scale ----


def square_error(block: Block, scale: float | np.floating) -> float:
    """The error of the best levels -8 to 7 on a scale."""
    scale = np.float32(scale)
    levels = np.clip(np.rint(block / scale), -8, 7) if scale else np.zeros(32)
    return float(((levels * scale - block).astype(np.float64) ** 2).sum())


def q4_0_scale(block: Block) -> np.float32:
    return block[np.abs(block).argmax()] / np.float32(-8)


@exercise(
    "02.5",
    hints=(
        "try many scales near the obvious one, some a little smaller, some a little larger, and keep the best",
        "min((obvious * f for f in np.linspace(0.7, 1.1, 41)), key=lambda scale: error(block, scale))",
    ),
    wrong=(
        q4_0_scale,
        lambda block: np.abs(block).max() / 7,
        lambda block: q4_0_scale(block) * np.float32(0.9),
        lambda block: float("nan"),
    ),
)
def better_scale(answer):
    """A function that finds a better scale for levels -8 to 7 than the weight of largest magnitude gives."""
    require(callable(answer), "a function is asked for")
    rng = np.random.default_rng(5)
    ours = theirs = 0.0
    for number in range(60):
        block = rng.normal(0, 0.02, 32).astype(np.float32)
        scale = float(answer(block.copy()))
        require(np.isfinite(scale), f"block {number}: the scale is {scale}")
        found, obvious = square_error(block, scale), square_error(block, q4_0_scale(block))
        require(found <= obvious * 1.000001, f"block {number}: {found / obvious:.2f} times the error of Q4_0's scale")
        ours, theirs = ours + found, theirs + obvious
    require(
        ours < 0.95 * theirs, f"all blocks together: {ours / theirs:.3f} times Q4_0's error; less than 0.95 is asked"
    )
