"""Sliders for a lesson, where there are any: a lesson says the same without them.

>>> explore(lambda t: print(f"at {t}"), t=0.5)  # outside a notebook: once, with what was given
at 0.5
"""

from collections.abc import Callable


def explore(function: Callable, **controls) -> None:
    """Call a function again whenever one of its sliders moves; `controls` are what ipywidgets' `interact` takes.

    Where no sliders can be shown it is called once, with the first value of each range or list.
    """
    if not can_show_sliders():
        function(**{name: first_of(control) for name, control in controls.items()})
        return
    from ipywidgets import interact

    interact(function, **controls)


def can_show_sliders() -> bool:
    """Whether this is a notebook, and ipywidgets is installed."""
    try:
        import ipywidgets  # noqa: F401
        from IPython import get_ipython
    except ImportError:
        return False
    return get_ipython() is not None


def first_of(control):
    """The value of a control before anybody has touched it.

    >>> first_of((0.1, 2.0)), first_of(["a", "b"]), first_of(3)
    (0.1, 'a', 3)
    """
    return control[0] if isinstance(control, tuple | list) else control
