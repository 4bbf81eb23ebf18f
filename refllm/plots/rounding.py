"""What rounding does to weights: the stairs of a scheme, its errors, and what a bit buys.

>>> from refllm import quants
>>> weights = np.random.default_rng(0).normal(size=(8, 256)).astype(np.float32)
>>> round(relative_error(quants.get("Q8_0"), weights), 3), round(relative_error(quants.get("Q4_0"), weights), 2)
(0.005, 0.09)
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float32

from refllm import quants

# Okabe and Ito: told apart by those who see red and green alike.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
FAMILY_COLOURS = {
    "one scale": "#0072B2",
    "K: scales of scales": "#D55E00",
    "IQ: points of a grid": "#009E73",
    "few or float bits": "#CC79A7",
}
LINE = 1.12  # the height of a line of text, as a factor on the axis of errors
NAMES_AT = 9.2  # bits per weight: right of all points
ONE_SCALE = ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0")

Weights = Float32[np.ndarray, "rows columns"]


def family_of(name: str) -> str:
    if name in ONE_SCALE:
        return "one scale"
    if name.startswith("IQ"):
        return "IQ: points of a grid"
    return "K: scales of scales" if name.endswith("_K") else "few or float bits"


def weight_schemes() -> list[quants.Scheme]:
    """The schemes that model files use for matrices, plain numbers and helpers of the arithmetic left out."""
    helpers = ("Q8_1", "Q8_K")
    return [s for s in quants.SCHEMES.values() if s.id is not None and s.block_size > 1 and s.name not in helpers]


def round_trip(scheme: quants.Scheme, weights: Weights) -> Weights:
    """The weights as the scheme gives them back; all columns matter alike."""
    importance = np.ones(weights.shape[-1], np.float32) if scheme.needs_importance else None
    return scheme.dequantize(scheme.quantize(weights, importance))


def relative_error(scheme: quants.Scheme, weights: Weights) -> float:
    """The root of the mean square error, as a share of the weights' own size."""
    error = (round_trip(scheme, weights) - weights).astype(np.float64)
    return float(np.sqrt((error**2).mean() / (weights.astype(np.float64) ** 2).mean()))


def stairs(names: Sequence[str], block: Float32[np.ndarray, " weights"]):
    """What a weight becomes, for every weight between the least and the greatest of a block.

    The block decides the scale, so one weight that is neither extreme is moved and all others stay.
    """
    figure, panels = _panels(1, len(names), (9, 2.6))
    place = int(np.argsort(block)[len(block) // 2])
    sweep = np.linspace(block.min(), block.max(), 801, dtype=np.float32)
    moved = np.repeat(block[None], len(sweep), axis=0)
    moved[:, place] = sweep
    for axes, name, colour in zip(panels[0], names, COLOURS, strict=False):
        axes.plot(sweep, sweep, color="#999999", linewidth=0.8)
        axes.plot(sweep, round_trip(quants.get(name), moved)[:, place], color=colour, linewidth=1.4)
        axes.set_title(f"{name}, {quants.get(name).bits_per_weight:g} bits", fontsize=9)
        axes.set_xlabel("weight", fontsize=8)
    panels[0][0].set_ylabel("read back", fontsize=8)
    return figure


def error_histograms(names: Sequence[str], weights: Weights):
    """How far off single weights are, the same width of axis for all schemes."""
    columns = 3
    rows = -(-len(names) // columns)
    figure, panels = _panels(rows, columns, (9, 1.9 * rows))
    errors = {name: (round_trip(quants.get(name), weights) - weights).reshape(-1) for name in names}
    width = max(np.abs(error).max() for error in errors.values())
    for axes, name in zip(panels.flat, names, strict=False):
        axes.hist(errors[name], bins=np.linspace(-width, width, 121), color=FAMILY_COLOURS[family_of(name)])
        axes.set_title(f"{name}, {quants.get(name).bits_per_weight:g} bits", fontsize=9)
        axes.set_yticks([])
        axes.locator_params(axis="x", nbins=4)
    for axes in panels[-1]:
        axes.set_xlabel("error", fontsize=8)
    return figure


def size_against_error(data: Mapping[str, Weights], errors: Mapping[tuple[str, str], float]):
    """Bits per weight against relative error, a panel for each kind of data; `errors` is by (data, scheme)."""
    figure, panels = _panels(1, len(data), (10, 6), sharey=True)
    for axes, kind in zip(panels[0], data, strict=True):
        points = [(e, quants.get(name).bits_per_weight, name) for (k, name), e in errors.items() if k == kind]
        height = np.inf
        for error, bits, name in sorted(points, reverse=True):
            colour = FAMILY_COLOURS[family_of(name)]
            height = min(error, height / LINE)  # names stand in a column, each below the one before
            axes.plot([bits, NAMES_AT], [error, height], color="#CCCCCC", linewidth=0.5, zorder=0)
            axes.plot(bits, error, "o", color=colour, markersize=4)
            axes.text(NAMES_AT + 0.1, height, name, fontsize=6.5, va="center", color=colour)
        axes.set(xlim=(0, 11), yscale="log", xticks=range(0, 9, 2))
        axes.set_title(kind, fontsize=9)
        axes.set_xlabel("bits per weight", fontsize=8)
        axes.grid(alpha=0.3)
    for family, colour in FAMILY_COLOURS.items():
        panels[0][0].plot([], [], "o", color=colour, markersize=4, label=family)
    panels[0][0].set_ylabel("relative error", fontsize=8)
    panels[0][0].legend(fontsize=7, loc="lower left")
    return figure


def worst_block(scheme: quants.Scheme, weights: Weights):
    """The block that lost most: its weights, what came back, and where it stands."""
    back = round_trip(scheme, weights)
    blocks, returned = (array.reshape(-1, scheme.block_size) for array in (weights, back))
    worst = int(((returned - blocks) ** 2).sum(axis=1).argmax())
    row, column = divmod(worst * scheme.block_size, weights.shape[1])
    figure, panels = _panels(1, 1, (9, 2.4))
    places = np.arange(scheme.block_size)
    panels[0][0].vlines(places, blocks[worst], returned[worst], color="#D55E00", linewidth=1.5)
    panels[0][0].plot(places, blocks[worst], "o", color="#0072B2", markersize=3.5, label="weight")
    panels[0][0].plot(places, returned[worst], "_", color="#D55E00", markersize=7, label="read back")
    panels[0][0].set_title(
        f"{scheme.name}: row {row}, columns {column} to {column + scheme.block_size - 1}", fontsize=9
    )
    panels[0][0].set_xlabel("place in the block", fontsize=8)
    panels[0][0].legend(fontsize=7)
    return figure


def _panels(rows: int, columns: int, size: tuple[float | int, float | int], **options):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(size, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, columns, squeeze=False, **options)
    for axes in panels.flat:
        axes.tick_params(labelsize=7)
    return figure, panels
