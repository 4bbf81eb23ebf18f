"""Showing things in a lesson: a figure with words for those who cannot see it, and the source that really runs.

A figure is drawn as PNG at a fixed size, so that its bytes depend on the fonts that matplotlib brings and on nothing
else of the machine. Its description stands under it, for everybody, because JupyterLab passes no `alt` text on; where
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

_DATA = pathlib.Path(__file__).parents[2] / "data"


def show(figure, *, alt: str) -> None:
    """Show a matplotlib figure with the text `alt` under it, and close it."""
    import matplotlib.pyplot
    from IPython.display import display

    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=100, bbox_inches="tight", metadata={"Software": None})
    matplotlib.pyplot.close(figure)
    forms = {"image/png": picture.getvalue(), "text/plain": "<figure>"}
    display(forms, raw=True, metadata={"image/png": {"alt": alt}})
    print(f"Figure: {alt}")


def show_source(thing) -> None:
    """Print the source of a function, class or module of the package: what is shown is what runs."""
    print(textwrap.dedent(inspect.getsource(thing)).rstrip())


def data(name: str) -> pathlib.Path:
    """The way from here to a file of `data/`: relative, so that it may be printed."""
    return pathlib.Path(os.path.relpath(_DATA / name))
