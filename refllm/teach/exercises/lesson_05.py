"""The exercises of "The whole forward pass": two predictions, a layer, a comparison, and a bill of multiplications.

The layer is tried on a small random model, beside the package's own. The bill is compared with what JAX finds when it
traces the package's forward pass: `products` lists every matrix product of a traced function.
"""

import math
from collections.abc import Callable, Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import jaxprs_in_params

from refllm.kernels import take_rows
from refllm.models import Config, Rope, cache, decoder
from refllm.models.weights import ATTENTION, DENSE, LAYER_TENSORS, MODEL_TENSORS, axis_sizes
from refllm.teach.exercise import exercise, require

# ---- 05.1 and 05.2: predict ----

LAYERS_OF_7B = 32


@exercise(
    "05.1",
    hints=(
        "count the matrices in one layer: four in the attention, and how many in a gated feed-forward?",
        "seven in every layer, and the output matrix at the end; a row of the embedding is looked up, not multiplied",
    ),
    wrong=(224, 226, 7, 193, 129, 225.0),
)
def weight_matrices(answer):
    """How many weight matrices is a token multiplied by on its way through LLaMA 7B, which has 32 layers?"""
    per_layer = sum(len(LAYER_TENSORS[name].axes) == 2 for name in ATTENTION | DENSE)
    right = per_layer * LAYERS_OF_7B + 1
    require(isinstance(answer, int), f"a whole number is asked for; this is a {type(answer).__name__}")
    require(answer != right - 1, f"{answer} are those of the layers; something comes after the last one")
    require(answer != right + 1, f"{answer} counts the embedding, but there a row is looked up and nothing multiplied")
    require(answer != (per_layer - 1) * LAYERS_OF_7B + 1, f"{answer} forgets one of gate, up and down")
    require(answer != per_layer, f"{answer} are those of one layer")
    require(answer == right, f"{answer} are {(answer - 1) / LAYERS_OF_7B:g} in each layer and one at the end")


GIGABYTES, PER_SECOND = 4, 48


@exercise(
    "05.2",
    hints=(
        "for one token every weight is read once; how long does that take?",
        "4 GB at 48 GB in a second: how many times does the one go into the other?",
    ),
    wrong=(192, 4, 48, 0.0833, 1 / 12, 44, 24),
)
def tokens_per_second(answer):
    """A model has 4 GB of weights, the memory delivers 48 GB per second: how many tokens per second at most?"""
    require(isinstance(answer, int | float), f"a number is asked for; this is a {type(answer).__name__}")
    seconds = GIGABYTES / PER_SECOND
    require(not math.isclose(answer, seconds, rel_tol=0.01), f"{answer:g} seconds is how long one token takes")
    read = answer * GIGABYTES
    require(math.isclose(read, PER_SECOND), f"{answer:g} tokens would read {read:g} GB in a second")


# ---- 05.3: a layer ----

SMALL = Config("llama", 2, 16, 4, 2, 4, 24, 20, 64, Rope("interleaved", 4, 10000.0))
ROOM = 8


def random_weights(config: Config) -> dict:
    """Weights for a config: numbers of the size that a trained model has, from a fixed seed."""
    rng, axes = np.random.default_rng(5), axis_sizes(config)

    def drawn(place):
        shape = tuple(axes[axis] for axis in place.axes)
        return jnp.asarray(rng.normal(1 if len(shape) == 1 else 0, shape[-1] ** -0.5, shape), jnp.float32)

    layers = [{name: drawn(LAYER_TENSORS[name]) for name in sorted(ATTENTION | DENSE)} for _ in range(config.layers)]
    return {name: drawn(MODEL_TENSORS[name]) for name in ("token_embedding", "output_norm")} | {"layers": layers}


def attended(config, number, layer, x, weights, memory, norm=True):
    normed = decoder.rms(config, x, layer["attention_norm"]) if norm else x
    return decoder.attend(config, number, layer, normed, weights, memory)


def fed(config, layer, x, norm=True):
    return decoder.feed(config, layer, decoder.rms(config, x, layer["ffn_norm"]) if norm else x)


def packages_layer(config, number, layer, x, weights, memory):
    added, memory = attended(config, number, layer, x, weights, memory)
    x = x + added
    return x + fed(config, layer, x), memory


def nothing_kept(config, number, layer, x, weights, memory):
    """Replaces the stream where it should add to it."""
    x, memory = attended(config, number, layer, x, weights, memory)
    return fed(config, layer, x), memory


def side_by_side(config, number, layer, x, weights, memory):
    """Lets both halves read what came in."""
    added, memory = attended(config, number, layer, x, weights, memory)
    return x + added + fed(config, layer, x), memory


def without_norms(config, number, layer, x, weights, memory):
    added, memory = attended(config, number, layer, x, weights, memory, norm=False)
    x = x + added
    return x + fed(config, layer, x, norm=False), memory


def without_memory(config, number, layer, x, weights, memory):
    """Gives the cache back as it came."""
    return packages_layer(config, number, layer, x, weights, memory)[0], memory


def always_layer_0(config, number, layer, x, weights, memory):
    return packages_layer(config, 0, layer, x, weights, memory)


MISTAKES = {
    nothing_kept: "what came in is gone: each half of a layer adds to the stream",
    side_by_side: "the feed-forward must read the stream after attention has added to it",
    without_norms: "each half of a layer reads the stream through a norm of its own",
}


@exercise(
    "05.3",
    hints=(
        "norm, attend, add; norm, feed, add; attend gives back two things",
        "attended, memory = decoder.attend(config, number, layer, normed, weights, memory), then x = x + attended, and "
        "the same with decoder.feed(config, layer, normed)",
    ),
    wrong=(*MISTAKES, without_memory, always_layer_0, lambda *args: packages_layer(*args)[0]),
)
def layer_of_a_decoder(answer):
    """A function that takes the stream through one layer and gives it back, with the cache."""
    require(callable(answer), "a function is asked for")
    weights = random_weights(SMALL)
    x = take_rows(weights["token_embedding"], jnp.arange(5))
    memory = cache.empty(SMALL.layers, ROOM, SMALL.kv_heads, SMALL.head_dim)
    for number, layer in enumerate(weights["layers"]):
        given = (SMALL, number, layer, x, weights, memory)
        found = answer(*given)
        two = isinstance(found, tuple) and len(found) == 2
        require(two, f"layer {number}: the function gave a {type(found).__name__}; expected the stream and the cache")
        right, memory = packages_layer(*given)
        if not same(found[0], right):
            made = (message for mistaken, message in MISTAKES.items() if same(found[0], mistaken(*given)[0]))
            require(False, f"layer {number}: {next(made, 'the stream that comes out is another one')}")
        kept = same(found[1].keys, memory.keys)
        require(kept, f"layer {number}: the cache does not hold the keys of this layer in its place")
        x = right


def same(a, b) -> bool:
    return np.shape(a) == np.shape(b) and bool(np.allclose(a, b, rtol=0, atol=1e-5))


# ---- 05.4: the first layer that differs ----

TOLERANCE = 1e-3


def relative(ours, theirs) -> float:
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def right_place(ours: Sequence, theirs: Sequence) -> int | None:
    far = (place for place, pair in enumerate(zip(ours, theirs, strict=True)) if not relative(*pair) < TOLERANCE)
    return next(far, None)


def last_place(ours, theirs):
    far = [place for place, pair in enumerate(zip(ours, theirs, strict=True)) if not relative(*pair) < TOLERANCE]
    return far[-1] if far else None


def blind_to_nan(ours, theirs):
    far = (place for place, pair in enumerate(zip(ours, theirs, strict=True)) if relative(*pair) > TOLERANCE)
    return next(far, None)


def absolute(ours, theirs):
    far = (place for place, (a, b) in enumerate(zip(ours, theirs, strict=True)) if not np.abs(a - b).max() < TOLERANCE)
    return next(far, None)


def on_average(ours, theirs):
    """One wrong number among thousands disappears in the mean."""
    means = (np.abs(a - b).mean() / np.abs(b).mean() for a, b in zip(ours, theirs, strict=True))
    return next((place for place, mean in enumerate(means) if not mean < TOLERANCE), None)


def passes() -> Iterator[tuple[str, list, list]]:
    """Pairs of runs on which mistakes show: what is special about each, our layers, and theirs."""
    rng = np.random.default_rng(0)
    theirs = [rng.normal(0, 10.0**place, (17, 64)) for place in range(5)]

    def spoiled(*places, by=1.0):
        ours = [layer * (1 + 1e-6) for layer in theirs]
        for place in places:
            ours[place][3, 7] += by * np.abs(theirs[place]).max()
        return ours

    yield "two runs that differ by rounding only", spoiled(), theirs
    yield "a run that goes wrong in the middle and stays wrong", spoiled(2, 3, 4), theirs
    yield "a run that is wrong from the first place on", spoiled(0, 1, 2, 3, 4), theirs
    yield "a run with one wrong number in the fourth place", spoiled(3, by=0.01), theirs
    yield "a run with a NaN in the third place", spoiled(2, by=np.nan), theirs


@exercise(
    "05.4",
    hints=(
        "for each place: the largest difference, divided by the largest of their numbers; the first that is not below "
        "1e-3",
        "NaN is neither above nor below anything: ask 'not difference < 1e-3'; give back None when nothing is wrong",
    ),
    wrong=(last_place, blind_to_nan, absolute, on_average, lambda ours, theirs: right_place(ours, theirs) or 0),
)
def first_difference(answer):
    """A function that finds the first place at which two runs differ by more than rounding, or None."""
    require(callable(answer), "a function is asked for")
    for what, ours, theirs in passes():
        found, expected = answer(ours, theirs), right_place(ours, theirs)
        nothing = found is None and expected is None
        number = found is not None and expected is not None and int(found) == expected
        require(nothing or number, f"{what}: the function gave {found}; expected {expected}")


# ---- 05.5: the bill ----


def products(function: Callable, *args) -> list[tuple[tuple[int, ...], tuple[int, ...], int]]:
    """Every matrix product in a traced function: the shapes of both sides, and how many multiplications it takes.

    >>> products(lambda x, w: x @ w.T, jnp.ones((2, 3)), jnp.ones((5, 3)))
    [((2, 3), (3, 5), 30)]
    """
    return list(products_in(jax.make_jaxpr(function)(*args).jaxpr))


def products_in(jaxpr) -> Iterator[tuple[tuple[int, ...], tuple[int, ...], int]]:
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            left, right = (variable.aval.shape for variable in equation.invars)
            (summed, _), _ = equation.params["dimension_numbers"]
            rows = math.prod(equation.outvars[0].aval.shape)
            yield left, right, rows * math.prod(left[axis] for axis in summed)
        for inner in jaxprs_in_params(equation.params):
            yield from products_in(inner)


def traced_multiplications(config: Config, tokens: int, room: int) -> int:
    """What JAX counts in the package's forward pass; nothing is computed."""
    memory = cache.empty(config.layers, room, config.kv_heads, config.head_dim)
    given = random_weights(config), jnp.zeros(tokens, jnp.int32), memory
    counted = products(lambda weights, ids, memory: decoder.forward(config, weights, ids, memory), *given)
    return sum(count for *_, count in counted)


def bill(config: Config, tokens: int, room: int, *, keys=True, looking=True, output=True, gate=True, once=False) -> int:
    """The right number, and what is left of it when something is forgotten."""
    queries, kv = config.heads * config.head_dim, (config.kv_heads if keys else config.heads) * config.head_dim
    layer = config.dim * (2 * queries + 2 * kv + (2 + gate) * config.hidden_dim)
    layer += 2 * queries * (1 if once else room) if looking else 0
    return tokens * (config.layers * layer + output * config.dim * config.vocab_size)


@exercise(
    "05.5",
    hints=(
        "for each token: rows times columns of every matrix of a layer, times the layers, and the output matrix; then "
        "what attention does with the places in the cache",
        "keys and values have kv_heads heads, queries and the attention's output have heads; each query is multiplied "
        "with `room` keys and then gathers `room` values: 2 * heads * head_dim * room",
    ),
    wrong=(
        lambda config, tokens, room: bill(config, tokens, room, keys=False),
        lambda config, tokens, room: bill(config, tokens, room, looking=False),
        lambda config, tokens, room: bill(config, tokens, room, output=False),
        lambda config, tokens, room: bill(config, tokens, room, gate=False),
        lambda config, tokens, room: bill(config, tokens, room, once=True),
        lambda config, tokens, room: bill(config, 1, room),
    ),
)
def multiplications(answer):
    """A function that counts the multiplications in the matrix products of a forward pass."""
    require(callable(answer), "a function is asked for")
    wide = Config("llama", 3, 24, 6, 1, 8, 40, 50, 64, Rope("interleaved", 8, 10000.0))
    for config, tokens, room in ((SMALL, 1, 8), (SMALL, 5, 8), (wide, 3, 16)):
        found, expected = answer(config, tokens, room), traced_multiplications(config, tokens, room)
        sizes = f"{config.layers} layers of width {config.dim}, {tokens} tokens, room for {room}"
        require(found is not None, "the function returns nothing")
        for name, message in WHAT_IS_MISSING.items():
            require(found != bill(config, tokens, room, **{name: False}), f"{sizes}: {message}")
        require(found == expected, f"{sizes}: {found} multiplications; JAX counts {expected}")


WHAT_IS_MISSING = {
    "keys": "keys and values have kv_heads heads, not heads",
    "looking": "the products of attention itself are missing: queries with keys, and shares with values",
    "output": "the output matrix is missing",
    "gate": "a gated feed-forward has three matrices: gate, up and down",
}
