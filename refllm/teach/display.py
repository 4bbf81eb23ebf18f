"""Showing things in a lesson: a figure with words for those who cannot see it, and the source that really runs.

A figure is drawn as PNG at a fixed size, so that its bytes depend on the fonts that matplotlib brings and on nothing
else of the machine, and is stored with 256 colours, which no eye tells from all of them and which take a third of the
bytes. Its description stands under it, for everybody, because JupyterLab passes no `alt` text on; where
one is read (nbconvert's classic pages), it is the picture's `alt` text as well. Nobody compares the pixels: a cell
beside the figure asserts on the numbers that it shows.

>>> show_source(data)  # doctest: +ELLIPSIS
def data(name: str) -> pathlib.Path:
    ...
"""

import inspect
import io
import os
import pathlib
import textwrap

from refllm import embedded

_SCRATCH = pathlib.Path(__file__).parents[2] / ".refllm"  # what may be thrown away


def show(figure, *, alt: str) -> None:
    """Show a matplotlib figure with the text `alt` under it, and close it."""
    import matplotlib.pyplot
    from IPython.display import display

    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=100, bbox_inches="tight", metadata={"Software": None})
    matplotlib.pyplot.close(figure)
    forms = {"image/png": few_colours(drawn), "text/plain": "<figure>"}
    display(forms, raw=True, metadata={"image/png": {"alt": alt}})
    print(f"Figure: {alt}")


def few_colours(drawn: io.BytesIO) -> bytes:
    """The same picture with the 256 colours that are nearest to its own."""
    from PIL import Image

    nearest = {"method": Image.Quantize.MAXCOVERAGE, "dither": Image.Dither.NONE}
    picture = io.BytesIO()
    Image.open(drawn).convert("RGB").quantize(256, **nearest).save(picture, format="png", optimize=True)
    return picture.getvalue()


def show_source(thing) -> None:
    """Print the source of a function, class or module of the package: what is shown is what runs."""
    print(textwrap.dedent(inspect.getsource(thing)).rstrip())


def data(name: str) -> pathlib.Path:
    """The way from here to a file of `data/`: relative, so that it may be printed."""
    return pathlib.Path(os.path.relpath(embedded.folder() / name))


def model() -> pathlib.Path:
    """The way from here to the model file that the lessons open: the embedded model, after a look at its checksum."""
    return pathlib.Path(os.path.relpath(embedded.path()))


def scratch(name: str) -> pathlib.Path:
    """The way from here to a file that a lesson may write, in a folder of its own that git does not see."""
    _SCRATCH.mkdir(exist_ok=True)
    return pathlib.Path(os.path.relpath(_SCRATCH / name))
