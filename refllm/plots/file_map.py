"""A GGUF file drawn to scale: every field a box as wide as it has bytes, its colour the kind of the field.

`file_map` draws one strip for each span of bytes. A span that lies inside the one above it is drawn as a zoom; spans of
equal length side by side are the lines of one drawing. A box gets a label only where the label fits, and a field too
narrow for a pixel is not made wider: what one sees is the share that it has. The colours are those of Okabe and Ito,
which people tell apart who see red and green alike.

>>> from refllm.gguf import Region
>>> fields = [Region(0, 4, "magic", b"GGUF", "magic"), Region(4, 4, "version", 3, "version")]
>>> figure = file_map(fields)
>>> [text.get_text() for text in figure.axes[0].texts]
['magic\\nGGUF', 'version\\n3', 'header: 8 bytes']
>>> figure.axes[0].get_xlim()
(np.float64(0.0), np.float64(8.0))
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from refllm.gguf import Region


class Paint(NamedTuple):
    """How the boxes of some kinds of fields look."""

    kinds: tuple[str, ...]
    colour: str
    ink: str = "black"
    hatch: str = ""


PAINTS = (
    Paint(("magic", "version"), "#D55E00"),
    Paint(("count", "length"), "#F0E442"),
    Paint(("key", "name"), "#0072B2", ink="white"),
    Paint(("type",), "#CC79A7"),
    Paint(("value",), "#56B4E9"),
    Paint(("dimension", "offset"), "#E69F00"),
    Paint(("padding",), "#F4F4F4", hatch="////"),
    Paint(("data",), "#009E73", ink="white"),
    Paint(("trailing",), "black", ink="white"),
)
PAINT_OF = {kind: paint for paint in PAINTS for kind in paint.kinds}
WIDTH, STRIP_HEIGHT, LEGEND_HEIGHT = 9.0, 1.4, 0.45  # inches
TICKS = 8  # at most so many marks under a strip
BRACKET = 1.22  # where the bracket of a section is, the box having the height 1
NARROWEST_EDGED = 4  # pixels: the border of a narrower box would hide it
NARROWEST_LABELLED = 12
OVER_LINES = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # a text that the lines of a zoom may cross


def file_map(regions: Sequence[Region], spans: Sequence[tuple[int, int]] = ()):
    """The figure of a file's regions: a strip for each span `(first, last)` of bytes, or one of the whole file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    spans = spans or [(regions[0].offset, end(regions[-1]))]
    figure = Figure((WIDTH, len(spans) * STRIP_HEIGHT + LEGEND_HEIGHT))
    FigureCanvasAgg(figure)
    strips = figure.subplots(len(spans), squeeze=False)[:, 0]
    figure.subplots_adjust(left=0.01, right=0.99, top=1, bottom=LEGEND_HEIGHT / figure.get_figheight(), hspace=0.1)
    for axes, span in zip(strips, spans, strict=True):
        draw_strip(axes, [region for region in regions if region.offset < span[1] and end(region) > span[0]], span)
        for name, first, last in sections(regions):
            draw_bracket(axes, name, first, last, span)
    for above, below, outer, inner in zip(strips, strips[1:], spans, spans[1:], strict=False):
        if outer[0] <= inner[0] and inner[1] <= outer[1]:
            draw_zoom(figure, above, below, inner)
    draw_legend(figure, strips[-1])
    return figure


def end(region: Region) -> int:
    return region.offset + region.size


def draw_strip(axes, regions: list[Region], span: tuple[int, int]) -> None:
    axes.set(xlim=span, ylim=(-0.75, 1.7), yticks=[])
    axes.spines[:].set_visible(False)
    axes.patch.set_visible(False)
    pixels_per_byte = axes.bbox.width / (span[1] - span[0])
    for paint in PAINTS:
        boxes = [(region.offset, region.size) for region in regions if region.kind in paint.kinds]
        for edged, width in ((False, 0), (True, 1)):
            chosen = [box for box in boxes if (box[1] * pixels_per_byte > NARROWEST_EDGED) == edged]
            if chosen:
                look = {"facecolor": paint.colour, "hatch": paint.hatch, "linewidth": width, "label": label_of(paint)}
                axes.broken_barh(chosen, (0, 1), edgecolor="#999999" if paint.hatch else "white", **look)
    for region in regions:
        if region.size * pixels_per_byte > NARROWEST_LABELLED:
            write_fitting(axes, region.offset, end(region), 0.5, labels(region), span, PAINT_OF[region.kind].ink)
    draw_ticks(axes, span)


def label_of(paint: Paint) -> str:
    return ", ".join(paint.kinds)


def labels(region: Region) -> list[str]:
    """What may stand in a box, the best first."""
    if region.kind == "data":
        return [f"{region.value.name}\n{region.value.type}", region.value.type]
    if region.value is None:
        return [region.kind]
    text = value_text(region.value)
    name = last_word(region.field) if "items" in text else region.kind
    return [f"{name}\n{text}", text, region.kind]


def last_word(field: str) -> str:
    """What an array is known by.

    >>> last_word("metadata['tokenizer.ggml.tokens']"), last_word("metadata['tags']")
    ('tokens', 'tags')
    """
    return field.removeprefix("metadata['").removesuffix("']").rpartition(".")[2]


def value_text(value) -> str:
    """A value in few letters; text that is not ASCII as its bytes, a line for each letter: they are what is stored.

    >>> value_text(7), value_text("llama"), value_text("你好"), value_text([1, 2, 3])
    ('7', 'llama', 'e4 bd a0\\ne5 a5 bd', '3 items')
    """
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    if isinstance(value, str) and value.isascii() and value.isprintable():
        return value
    if isinstance(value, str):
        stored = [letter.encode("utf-8", "surrogateescape") for letter in value]
        return "\n".join(letter.hex(" ") for letter in stored) if len(stored) < 3 else f"{sum(map(len, stored))} bytes"
    return f"{len(value):,} items" if hasattr(value, "__len__") else f"{value:,}"


def sections(regions: list[Region]) -> Iterator[tuple[str, int, int]]:
    """The large parts of the file: what they are called, their first byte and the one after their last."""
    for name, group in groupby((region for region in regions if region.kind != "padding"), section_of):
        group = list(group)
        yield name, group[0].offset, end(group[-1])


def section_of(region: Region) -> str:
    """The large part of the file that a field belongs to; padding belongs to none."""
    if region.kind in ("padding", "data", "trailing"):
        return region.kind
    if region.field.startswith("metadata["):
        return "metadata"
    return "tensor infos" if region.field.startswith("tensors[") else "header"


def draw_bracket(axes, name: str, first: int, last: int, span: tuple[int, int]) -> None:
    """A line above what is seen of a section, down at its true ends, with its name and whole size where they fit."""
    start, stop = max(first, span[0]), min(last, span[1])
    if start >= stop:
        return
    heights = (1.08 if start == first else BRACKET, BRACKET, BRACKET, 1.08 if stop == last else BRACKET)
    axes.plot([start, start, stop, stop], heights, color="#555555", linewidth=1)
    title = write_fitting(axes, start, stop, 1.42, [f"{name}: {last - first:,} bytes", name], span, "black")
    if title:
        title.set_bbox(OVER_LINES)


def write_fitting(axes, first: int, last: int, height: float, texts: list[str], span, ink: str):
    """Write the first of the texts that fits between two bytes, in the middle of what is seen of them, if one does."""
    first, last = max(first, span[0]), min(last, span[1])
    room = (last - first) / (span[1] - span[0]) * axes.bbox.width - 2  # pixels
    written = axes.text((first + last) / 2, height, "", ha="center", va="center", color=ink, fontsize=9)
    renderer = axes.figure.canvas.get_renderer()
    for text in texts:
        written.set_text(text)
        if written.get_window_extent(renderer).width <= room:
            return written
    written.remove()
    return None


def draw_ticks(axes, span: tuple[int, int]) -> None:
    """Marks at multiples of a power of two, as the bytes are counted in a file."""
    step = 1
    while (span[1] - span[0]) / step > TICKS:
        step *= 2
    marks = range(-(-span[0] // step) * step, span[1] + 1, step)
    axes.set_xticks(marks, [f"{mark:,}" for mark in marks], fontsize=8)
    axes.tick_params(length=3, pad=2)
    for text in axes.get_xticklabels():
        text.set_bbox(OVER_LINES)
    axes.spines.bottom.set(position=("data", -0.04), visible=True, color="#999999")


def draw_zoom(figure, above, below, inner: tuple[int, int]) -> None:
    """Two lines from the part of the upper strip to the ends of the lower one, which shows it."""
    from matplotlib.patches import ConnectionPatch

    for byte in inner:
        ends = {"xyA": (byte, 0), "coordsA": above.transData, "xyB": (byte, 1), "coordsB": below.transData}
        figure.add_artist(ConnectionPatch(**ends, color="#999999", linewidth=1, linestyle=":", zorder=-1))


def draw_legend(figure, axes) -> None:
    """One entry for each colour that is drawn, in the order of the table."""
    drawn = {}
    for strip in figure.axes:
        handles, names = strip.get_legend_handles_labels()
        drawn |= dict(zip(names, handles, strict=True))
    names = [label_of(paint) for paint in PAINTS if label_of(paint) in drawn]
    figure.legend(
        [drawn[name] for name in names],
        names,
        loc="lower center",
        ncols=len(names),
        frameon=False,
        fontsize=9,
        handlelength=1.2,
        columnspacing=1.3,
    )
