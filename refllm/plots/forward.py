"""The forward pass: on one page, what each half of a layer adds, what each layer would say, and what it costs.

The page takes its sizes from a model's config. The other figures draw numbers that a lesson computed. Pieces that the
fonts of matplotlib cannot draw are shown by their number in Unicode.

>>> from refllm.models.config import Config, Rope
>>> config = Config("llama", layers=6, dim=256, heads=4, kv_heads=2, head_dim=64, hidden_dim=768, vocab_size=4096,
...                 context_length=512, rope=Rope("interleaved", 64, 10000.0))
>>> page = one_page(config, tokens=17)
>>> [text.get_text() for text in page.axes[0].texts][:3]
['ids', '17', 'embedding']
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from refllm import quants
from refllm.plots.rounding import COLOURS, _panels
from refllm.plots.tokens import labels

INPUT, NORM, ATTENTION, FEED, OUTPUT = "#E69F00", "#F0E442", "#56B4E9", "#009E73", "#CC79A7"
STREAM = "#555555"
Length = float | int
BOX_HEIGHT, BRANCH = 0.9, 2.1  # of a box, and how far above the stream the branches run


def one_page(config, tokens: int):
    """From ids to logits: the stream of a token's numbers, and what each layer reads from it and adds to it."""
    figure, panels = _panels(1, 1, (10, 3.2))
    axes = panels[0][0]
    axes.set(xlim=(-0.9, 18.9), ylim=(-1.3, 3.75))
    axes.axis("off")
    stream = f"{tokens} x {config.dim}"
    box(axes, 0, 0, "ids", f"{tokens}", INPUT)
    box(axes, 2.3, 0, "embedding", f"{config.vocab_size} x {config.dim}", INPUT, width=2.2)
    branch(axes, 4.0, "attention", f"{config.heads} heads, {config.kv_heads} kv", ATTENTION)
    branch(axes, 8.4, "feed-forward", f"{config.dim} to {config.hidden_dim} and back", FEED)
    box(axes, 14.4, 0, "norm", f"{config.dim}", NORM, width=1.2)
    box(axes, 16.3, 0, "output", f"{config.dim} x {config.vocab_size}", OUTPUT)
    for start, stop in ((0.8, 1.2), (3.4, 13.8), (15.0, 15.5), (17.1, 17.6)):
        arrow(axes, (start, 0), (stop, 0))
    axes.text(17.7, 0, "logits", fontsize=9, va="center", weight="bold")
    for place, shape in ((5.2, stream), (13.2, stream), (18.1, f"{tokens} x {config.vocab_size}")):
        axes.text(place, -0.65, shape, fontsize=8, ha="center", va="center", color=STREAM)
    frame(axes, f"{config.layers} times")
    return figure


def box(axes, x: Length, y: Length, name: str, size: str, colour: str, width: Length = 1.6) -> None:
    """A box in the middle of which stands a name, and under it a size."""
    from matplotlib.patches import FancyBboxPatch

    corner = (x - width / 2 + 0.05, y - BOX_HEIGHT / 2)
    look = {"boxstyle": "round,pad=0,rounding_size=0.12", "facecolor": colour, "edgecolor": "white"}
    axes.add_patch(FancyBboxPatch(corner, width - 0.1, BOX_HEIGHT, zorder=3, **look))
    axes.text(x, y + 0.17, name, fontsize=9, ha="center", va="center", zorder=4, weight="bold")
    axes.text(x, y - 0.22, size, fontsize=7, ha="center", va="center", zorder=4)


def branch(axes, x: Length, name: str, size: str, colour: str) -> None:
    """One half of a layer: up from the stream through a norm, and back down to be added."""
    from matplotlib.patches import Circle

    axes.plot([x, x], [0, BRANCH], color=STREAM, linewidth=1.2)
    arrow(axes, (x, BRANCH), (x + 0.3, BRANCH))
    box(axes, x + 0.9, BRANCH, "norm", "each token", NORM, width=1.2)
    box(axes, x + 2.6, BRANCH, name, size, colour, width=2.2)
    arrow(axes, (x + 3.7, BRANCH), (x + 3.7, 0.26))
    axes.add_patch(Circle((x + 3.7, 0), 0.26, facecolor="white", edgecolor=STREAM, zorder=3))
    axes.text(x + 3.7, -0.01, "+", ha="center", va="center", fontsize=11, zorder=4)


def arrow(axes, start: tuple[Length, Length], stop: tuple[Length, Length]) -> None:
    axes.annotate("", stop, start, arrowprops={"arrowstyle": "->", "color": STREAM, "linewidth": 1.2, "shrinkB": 0})


def frame(axes, title: str) -> None:
    """The dashed box around what is repeated."""
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle((3.65, -1.1), 8.85, 4.2, fill=False, edgecolor="#999999", linestyle="--"))
    axes.text(8.1, 3.4, title, fontsize=10, ha="center", va="center", bbox={"facecolor": "white", "edgecolor": "none"})


def what_is_added(attended: Sequence[float], fed: Sequence[float], stream: Sequence[float]):
    """The size of what attention and feed-forward add in each layer, and of the stream that leaves it."""
    figure, panels = _panels(1, 1, (8, 2.8))
    axes = panels[0][0]
    layers = np.arange(len(stream))
    axes.bar(layers - 0.27, attended, 0.25, color=ATTENTION, label="attention adds")
    axes.bar(layers, fed, 0.25, color=FEED, label="feed-forward adds")
    axes.bar(layers + 0.27, stream, 0.25, color="#BBBBBB", label="the stream after it")
    axes.set_xticks(layers)
    axes.set_xlabel("layer", fontsize=8)
    axes.set_ylabel("root of the mean square", fontsize=8)
    axes.legend(fontsize=8, frameon=False)
    return figure


def layer_differences(runs: Mapping[str, Sequence[float]], tolerance: float):
    """How far each run is from the other program after so many layers, on a logarithmic axis."""
    figure, panels = _panels(1, 1, (8, 3))
    axes = panels[0][0]
    for number, (name, differences) in enumerate(runs.items()):
        places = range(len(differences))
        marker = "o^sDv"[number % 5]
        axes.plot(places, np.maximum(differences, 1e-9), marker=marker, markersize=5, color=COLOURS[number], label=name)
    axes.axhline(tolerance, color="#999999", linestyle="--", linewidth=1)
    axes.text(len(differences) - 0.95, tolerance * 1.3, "tolerance", fontsize=8, va="bottom", color="#555555")
    axes.set(yscale="log", xlim=(-0.3, len(differences) - 0.3), xticks=places)
    axes.set_xticklabels(["embedding", *(f"layer {place}" for place in places[:-1])], fontsize=8)
    axes.set_ylabel("largest difference", fontsize=8)
    figure.legend(loc="outside upper center", ncols=len(runs), fontsize=8, frameon=False)
    return figure


def next_tokens(pieces: Sequence[bytes], shares: Sequence[float]):
    """The most likely next tokens, the best on top."""
    figure, panels = _panels(1, 1, (6, 0.5 + 0.27 * len(pieces)))
    axes = panels[0][0]
    rows = np.arange(len(pieces))
    axes.barh(rows, shares, color=["#0072B2", *["#56B4E9"] * (len(pieces) - 1)])
    axes.set_yticks(rows, [drawable(piece) for piece in pieces], fontsize=9, family="monospace")
    axes.set(ylim=(len(pieces) - 0.5, -0.5), xlim=(0, 1))
    axes.set_xlabel("probability", fontsize=8)
    return figure


def logit_lens(
    tokens: Sequence[bytes],
    pieces: Sequence[Sequence[bytes]],
    shares: Float[np.ndarray, "layers tokens"],
):
    """What would be said next if the pass ended after each layer: a row for each layer, a column for each token."""
    figure, panels = _panels(1, 1, (0.66 * len(tokens) + 1.6, 0.36 * len(pieces) + 1.2))
    axes = panels[0][0]
    picture = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto", origin="lower")
    for row, column in np.ndindex(*shares.shape):
        ink = "white" if shares[row, column] > 0.6 else "black"
        text = short(drawable(pieces[row][column]))
        axes.text(column, row, text, ha="center", va="center", fontsize=7.5, color=ink, family="monospace")
    axes.set_xticks(range(len(tokens)), [short(drawable(piece)) for piece in tokens], fontsize=7, family="monospace")
    names = ["embedding", *(f"layer {number}" for number in range(len(pieces) - 1))]
    axes.set_yticks(range(len(pieces)), names, fontsize=8)
    axes.set_xlabel("the token that was read", fontsize=8)
    figure.colorbar(picture, ax=axes, label="probability", pad=0.01).ax.tick_params(labelsize=7)
    return figure


def drawable(piece: bytes) -> str:
    """The piece in letters that every font has.

    >>> drawable(b" cat"), drawable("猫".encode()), drawable(b"\\xe7"), drawable(b"\\t")
    ('·cat', 'U+732B', 'e7', '09')
    """
    text = labels(piece)[0]
    return text if text.isprintable() else piece.hex(" ")


def short(text: str, most: int = 8) -> str:
    """
    >>> short("·building"), short("·cat")
    ('·buildi…', '·cat')
    """
    return text if len(text) <= most else text[: most - 1] + "…"


def work_per_byte(schemes: Sequence[str], machine: Length, most: int = 512):
    """Multiplications for each byte of weights read, by the number of tokens that share the reading.

    `machine` is how many multiplications the machine does in the time in which it reads one byte.
    """
    figure, panels = _panels(1, 1, (8, 3.2))
    axes = panels[0][0]
    tokens = np.array([2**power for power in range(int(np.log2(most)) + 1)])
    for colour, name in zip(COLOURS, schemes, strict=False):
        axes.plot(tokens, tokens * 8 / quants.get(name).bits_per_weight, "o-", markersize=4, color=colour, label=name)
    axes.axhline(machine, color="#555555", linestyle="--", linewidth=1)
    axes.text(most, machine * 0.86, "the machine's own rate", fontsize=8, ha="right", va="top", color="#555555")
    axes.set(xscale="log", yscale="log", xticks=tokens, xticklabels=tokens)
    axes.minorticks_off()
    axes.set_xlabel("tokens that go through together", fontsize=8)
    axes.set_ylabel("multiplications per byte", fontsize=8)
    axes.legend(fontsize=8, frameon=False)
    return figure
