"""The notebook lane (`make test`): kernels without network, and each lesson's running time beside the declared one.

nbval makes one test of every code cell; this adds one test to each notebook, after its cells: it fails when the lesson
took more than three times the seconds it declares in its metadata.
"""

import collections
import os
import pathlib
import tempfile

import pytest

from refllm.teach import kernels

MARGIN = 3
SPENT = collections.Counter()  # seconds by notebook, its kernel's start included
KERNELS_FOLDER = tempfile.TemporaryDirectory()


def pytest_configure(config):
    os.environ.update(kernels.environment(pathlib.Path(KERNELS_FOLDER.name)))


def pytest_unconfigure(config):
    KERNELS_FOLDER.cleanup()


def pytest_collection_modifyitems(items):
    """After the last cell of each notebook, the test of its running time."""
    last = {item.parent: place for place, item in enumerate(items) if is_notebook(item.parent)}
    for notebook, place in sorted(last.items(), key=lambda pair: -pair[1]):
        items.insert(place + 1, RunningTime.from_parent(notebook, name="running time"))


def pytest_runtest_makereport(item, call):
    SPENT[item.parent] += call.duration


def pytest_terminal_summary(terminalreporter):
    for notebook, seconds in SPENT.items():
        if is_notebook(notebook):
            terminalreporter.write_line(f"{notebook.path.name}: {seconds:.1f} s (declared: {declared(notebook)} s)")


def is_notebook(collector):
    return hasattr(collector, "nb")


def declared(notebook):
    return notebook.nb.metadata["refllm"]["seconds"]


class RunningTime(pytest.Item):
    """Fails when the cells before it took much longer than the lesson says."""

    def runtest(self):
        spent, most = SPENT[self.parent], MARGIN * declared(self.parent)
        if spent > most:
            raise TooSlow(f"{self.path.name} took {spent:.1f} s; three times the declared time is {most} s")

    def repr_failure(self, excinfo):
        return str(excinfo.value) if excinfo.errisinstance(TooSlow) else super().repr_failure(excinfo)

    def reportinfo(self):
        return self.path, None, f"{self.path.name}: running time"


class TooSlow(Exception):
    """The lesson runs longer than it declares."""
