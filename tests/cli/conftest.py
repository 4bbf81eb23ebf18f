"""A tiny model and one shell for the tests of the programs that write."""

import pytest

from tests.chat import models
from tests.cli.shell import ROOT, Shell


@pytest.fixture(scope="session")
def chatty(tmp_path_factory):
    """A folder as a clone has it: a model, and the prompts of the project."""
    folder = tmp_path_factory.mktemp("clone")
    models.write(folder / "model.gguf")
    (folder / "data").mkdir()
    (folder / "data" / "prompts").symlink_to(ROOT / "data" / "prompts")
    return folder


@pytest.fixture(scope="session")
def shell(chatty):
    shell = Shell(chatty)
    yield shell
    shell.close()
