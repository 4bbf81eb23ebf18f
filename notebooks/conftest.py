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
DECLARED = {}
FOLDER = tempfile.TemporaryDirectory()


def pytest_configure(config):
    os.environ.update(kernels.environment(pathlib.Path(FOLDER.name)))


def pytest_unconfigure(config):
    FOLDER.cleanup()


def pytest_collection_modifyitems(items):
    """After the last cell of each notebook, the test of its running time."""
    last = {item.parent: place for place, item in enumerate(items) if hasattr(item.parent, "nb")}
    for notebook, place in sorted(last.items(), key=lambda pair: -pair[1]):
        items.insert(place + 1, RunningTime.from_parent(notebook, name="running time"))


def pytest_runtest_logreport(report):
    SPENT[notebook_of(report.nodeid)] += report.duration


def pytest_terminal_summary(terminalreporter):
    for name, declared in DECLARED.items():
        terminalreporter.write_line(f"{name}: {SPENT[name]:.1f} s (declared: {declared} s)")


def notebook_of(nodeid):
    return nodeid.partition("::")[0]


class RunningTime(pytest.Item):
    """Fails when the cells before it took much longer than the lesson says."""

    def runtest(self):
        name = notebook_of(self.nodeid)
        declared = DECLARED[name] = self.parent.nb.metadata["refllm"]["seconds"]
        if SPENT[name] > MARGIN * declared:
            raise TooSlow(f"{name} took {SPENT[name]:.1f} s, more than {MARGIN} times the declared {declared} s")

    def repr_failure(self, excinfo):
        return str(excinfo.value) if excinfo.errisinstance(TooSlow) else super().repr_failure(excinfo)


class TooSlow(Exception):
    """The lesson runs longer than it declares."""
