"""A block of a scheme, bit by bit: which weights each bit has a say in, found by turning it over.

Nobody writes down where a scheme keeps what. `influence` takes a real block, turns each of its bits over in a copy of
its own, decodes all the copies, and looks which weights came out different: a bit of one weight's level changes one
weight, a bit of a scale changes a whole group. `block_map` draws that.

>>> from refllm import quants
>>> changed = influence(quants.get("Q8_0"))          # 34 bytes: a float16 scale and 32 levels
>>> changed.shape
(272, 32)
>>> changed[:16].all(), changed[16:24].sum(axis=1).tolist(), changed[16:24].argmax(axis=1).tolist()
(np.True_, [1, 1, 1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0, 0, 0])
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool

from refllm import quants

SHARED = "#BBBBBB"  # a bit in which several weights share
ROW_BYTES = 16
BITS = 8
TRIES = 4  # blocks: in a single one a bit may happen to change nothing


def influence(scheme: quants.Scheme, seed: int = 0) -> Bool[np.ndarray, "bits weights"]:
    """Whether turning over a bit of a block changes a weight. Bits count from the lowest of the first byte."""
    rng = np.random.default_rng(seed)
    changed = np.zeros((scheme.block_bytes * BITS, scheme.block_size), bool)
    for weights in rng.normal(size=(TRIES, scheme.block_size)).astype(np.float32):
        block = scheme.quantize(weights, np.ones(scheme.block_size, np.float32))
        turned = np.repeat(block.view(np.uint8)[None], len(changed), axis=0)
        bits = np.arange(len(changed))
        turned[bits, bits // BITS] ^= (1 << bits % BITS).astype(np.uint8)
        decoded = scheme.dequantize(turned.view(scheme.dtype).reshape(-1, 1))
        changed |= decoded != scheme.dequantize(block)
    return changed


def block_map(scheme: quants.Scheme):
    """The bytes of a block in rows of 16, each with its eight bits; a bit of one weight has that weight's colour."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    changed = influence(scheme)
    rows = -(-scheme.block_bytes // ROW_BYTES)
    figure = Figure((9, 0.75 + 0.44 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.set(xlim=(-0.2, ROW_BYTES), ylim=(rows, -0.35), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    colours = colours_of(changed)
    for bit, colour in enumerate(colours):
        row, byte = divmod(bit // BITS, ROW_BYTES)
        left = byte + (BITS - 1 - bit % BITS) * 0.92 / BITS  # the highest bit on the left, as one writes numbers
        axes.add_patch(_box(left, row + 0.16, 0.92 / BITS, 0.6, colour))
    for name, first, last in fields(scheme):
        for number, (row, start, stop) in enumerate(_by_rows(first, last)):
            axes.plot([start + 0.02, stop - 0.1], [row + 0.1, row + 0.1], color="black", linewidth=1)
            label = name if number == 0 else ""
            axes.text(start + 0.02, row + 0.06, label, fontsize=8, family="monospace", va="bottom")
    _weight_scale(figure, axes, scheme.block_size)
    axes.set_title(
        f"{scheme.name}: {scheme.block_bytes} bytes for {scheme.block_size} weights", loc="left", fontsize=10
    )
    return figure


def fields(scheme: quants.Scheme) -> Iterator[tuple[str, int, int]]:
    """Each field of the layout with its first byte and the one after its last."""
    at = 0
    for name, dtype in scheme.layout.items():
        yield name, at, at + dtype.itemsize
        at += dtype.itemsize


def colours_of(changed: Bool[np.ndarray, "bits weights"]) -> list:
    """For each bit the colour of its weight, grey for a bit that several share, white for one without effect."""
    from matplotlib import colormaps

    spectrum = colormaps["viridis"]
    counts, weights = changed.sum(axis=1), changed.argmax(axis=1)
    alone = spectrum(weights / max(1, changed.shape[1] - 1))
    return ["white" if n == 0 else SHARED if n > 1 else colour for n, colour in zip(counts, alone, strict=True)]


def _by_rows(first: int, last: int) -> Iterator[tuple[int, int, int]]:
    """A run of bytes as (row, start, stop) for each row of the drawing that it touches."""
    while first < last:
        row, start = divmod(first, ROW_BYTES)
        stop = min(ROW_BYTES, start + last - first)
        yield row, start, stop
        first += stop - start


def _box(left: float, top: float, width: float, height: float, colour):
    from matplotlib.patches import Rectangle

    return Rectangle((left, top), width, height, facecolor=colour, edgecolor="white", linewidth=0.6)


def _weight_scale(figure, axes, weights: int) -> None:
    """The key: which colour is which weight, and what grey is."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    shades = ScalarMappable(Normalize(0, weights - 1), "viridis")
    bar = figure.colorbar(shades, ax=axes, location="right", fraction=0.02, pad=0.01, aspect=12)
    bar.set_ticks([0, weights - 1])
    bar.set_label("weight (grey: shared)", fontsize=8)
    bar.ax.tick_params(labelsize=8)
