"""Without a notebook around it, `explore` calls its function once; within one it hands it to ipywidgets."""

import pytest

from refllm.teach import explore, widgets


def test_without_a_notebook_the_function_is_called_once_with_the_first_values():
    calls = []
    explore(lambda **given: calls.append(given), t=(0.5, 2.0), name=["a", "b"], k=3)
    assert calls == [{"t": 0.5, "name": "a", "k": 3}]


def test_in_a_notebook_ipywidgets_gets_the_controls(monkeypatch):
    ipywidgets = pytest.importorskip("ipywidgets")
    given = []
    monkeypatch.setattr(widgets, "can_show_sliders", lambda: True)
    monkeypatch.setattr(ipywidgets, "interact", lambda function, **controls: given.append((function, controls)))
    explore(print, t=(0.5, 2.0))
    assert given == [(print, {"t": (0.5, 2.0)})]
