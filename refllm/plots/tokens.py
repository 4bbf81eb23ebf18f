"""Texts in pieces: the same bytes cut by several vocabularies, and how much text a token holds.

A box is as wide as it has bytes, so the rows of `token_map` can be compared from top to bottom. A box in the warning
colour ends or begins inside a character. Letters that are not ASCII are labelled by their number in Unicode (你 is
U+4F60): the fonts that matplotlib brings have no Chinese.

>>> figure = token_map("a你", {"bytes as pieces": [b"a", b"\\xe4", b"\\xbd", b"\\xa0"]})
>>> [text.get_text() for text in figure.axes[0].texts]
['bytes', '61', 'e4', 'bd', 'a0', 'characters: 2', 'a', 'U+4F60', 'bytes as pieces: 4', 'a', 'e4', 'bd', 'a0']
"""

from collections.abc import Mapping, Sequence

from refllm.plots.file_map import write_fitting
from refllm.plots.rounding import COLOURS

WHOLE, BROKEN = ("#56B4E9", "#A6D8F0"), "#D55E00"  # whole characters by turns; a part of one
GREY = "#DDDDDD"
ROW_HEIGHT = 0.62  # inches


def token_map(text: str, spellings: Mapping[str, Sequence[bytes]]):
    """The bytes of a text, its characters, and its pieces in each vocabulary, one row below the other.

    A spelling may have more bytes than the text, a space that the tokenizer put before it: they stand on the left.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    characters = [letter.encode() for letter in text]
    rows = {f"{name}: {len(pieces)}": pieces for name, pieces in {"characters": characters, **spellings}.items()}
    length = len(text.encode())
    added = max(total(pieces) for pieces in rows.values()) - length
    figure = Figure((9, ROW_HEIGHT * (len(rows) + 1)))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.01, 0.01, 0.98, 0.98))
    span = (-added, length)
    axes.set(xlim=span, ylim=(len(rows) + 1, 0))
    axes.axis("off")
    draw_row(axes, 0, "bytes", [bytes([byte]) for byte in text.encode()], span, plain=True)
    for number, (title, pieces) in enumerate(rows.items(), 1):
        draw_row(axes, number, title, pieces, span)
    return figure


def total(pieces: Sequence[bytes]) -> int:
    return sum(map(len, pieces))


def draw_row(axes, row: int, title: str, pieces: Sequence[bytes], span: tuple[int, int], plain: bool = False) -> None:
    from matplotlib.patches import Rectangle

    axes.text(span[0], row + 0.2, title, fontsize=8, va="center")
    start = span[1] - total(pieces)
    for number, piece in enumerate(pieces):
        end = start + len(piece)
        colour = GREY if plain else WHOLE[number % 2] if is_whole(piece) else BROKEN
        ink = "white" if colour == BROKEN else "black"
        box = Rectangle((start, row + 0.36), len(piece), 0.58, facecolor=colour, edgecolor="white", linewidth=1.2)
        axes.add_patch(box)
        write_fitting(axes, start, end, row + 0.66, [piece.hex()] if plain else labels(piece), span, ink)
        start = end


def is_whole(piece: bytes) -> bool:
    """Is this a whole number of characters?"""
    try:
        piece.decode()
    except UnicodeDecodeError:
        return False
    return True


def labels(piece: bytes) -> list[str]:
    """What may stand in the box of a piece, the best first.

    >>> labels(b" cat"), labels("你".encode()), labels("你好".encode()), labels(b"\\xe4\\xbd")
    (['·cat'], ['U+4F60', '4F60'], ['2 characters', '2'], ['e4 bd', '2 bytes'])
    """
    if not is_whole(piece):
        return [piece.hex(" "), f"{len(piece)} bytes"] if len(piece) > 1 else [piece.hex()]
    text = piece.decode()
    if text.isascii():
        return [text.replace(" ", "·").replace("\n", "\\n")]
    if len(text) == 1:
        return [f"U+{ord(text):04X}", f"{ord(text):04X}"]
    return [f"{len(text)} characters", f"{len(text)}"]


def fertility(tokens_per_character: Mapping[str, Mapping[str, float]]):
    """How many tokens a character costs: a group of bars for each vocabulary, in it a bar for each language."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    languages = list(next(iter(tokens_per_character.values())))
    figure = Figure((9, 0.5 + 0.34 * len(languages) * len(tokens_per_character)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    step = len(languages) + 1
    for place, language in enumerate(languages):
        values = [row[language] for row in tokens_per_character.values()]
        heights = [group * step + place for group in range(len(values))]
        bars = axes.barh(heights, values, height=0.9, color=COLOURS[place], label=language)
        axes.bar_label(bars, [f"{value:.2f}" for value in values], padding=3, fontsize=8)
    middles = [group * step + (len(languages) - 1) / 2 for group in range(len(tokens_per_character))]
    axes.set_yticks(middles, list(tokens_per_character), fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.08)
    axes.tick_params(axis="x", labelsize=7)
    axes.set_xlabel("tokens per character", fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, loc="upper right")
    return figure
