"""Floating-point numbers bit by bit: sign, exponent, mantissa.

>>> parts(np.float16(1.5))
('0', '01111', '1000000000')
>>> figure = float_bits([np.float16(0.1), np.float16(-2)])
>>> [text.get_text() for text in figure.axes[0].texts][-1]
'-2'
"""

from collections.abc import Sequence

import numpy as np

COLOURS = ("#D55E00", "#56B4E9", "#F0E442")  # sign, exponent, mantissa
NAMES = ("sign", "exponent", "mantissa")
EXPONENT_BITS = {16: 5, 32: 8}


def parts(number: np.floating) -> tuple[str, str, str]:
    """Sign, exponent and mantissa of a float16 or float32, as they are stored."""
    bits = np.dtype(type(number)).itemsize * 8
    text = f"{int(number.view(f'u{bits // 8}')):0{bits}b}"
    return text[:1], text[1 : 1 + EXPONENT_BITS[bits]], text[1 + EXPONENT_BITS[bits] :]


def float_bits(numbers: Sequence[np.floating]):
    """A row of boxes for each number, with the value they stand for at the end."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch, Rectangle

    figure = Figure((8, 0.55 + 0.42 * len(numbers)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    most = max(sum(map(len, parts(number))) for number in numbers)
    axes.set(xlim=(0, most * 1.3), ylim=(len(numbers), 0), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    for row, number in enumerate(numbers):
        place = 0
        for text, colour in zip(parts(number), COLOURS, strict=True):
            for digit in text:
                axes.add_patch(Rectangle((place, row + 0.1), 0.95, 0.8, facecolor=colour))
                axes.text(place + 0.47, row + 0.52, digit, ha="center", va="center", fontsize=9, family="monospace")
                place += 1
        axes.text(place + 0.5, row + 0.52, f"{number:.8g}", va="center", fontsize=10, family="monospace")
    key = [Patch(facecolor=colour, label=name) for colour, name in zip(COLOURS, NAMES, strict=True)]
    figure.legend(handles=key, loc="outside upper left", ncols=3, fontsize=8, frameon=False)
    return figure
