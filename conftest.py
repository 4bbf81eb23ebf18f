"""What every test and doctest gets: strictness, a terminal of no width, and the way to the files from outside."""

import os
import pathlib

import pytest

FIXTURES = pathlib.Path(__file__).parents[1] / "shared" / "fixtures"


@pytest.hookimpl(tryfirst=True)  # the notebook lane sets a width of its own afterwards
def pytest_configure(config):
    os.environ.pop("COLUMNS", None)  # output is as wide as without a terminal, whoever runs the tests
    import jax

    jax.config.update("jax_numpy_dtype_promotion", "strict")
    jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(scope="session")
def fixtures() -> pathlib.Path:
    """The folder of real files from outside; a test that asks for it is skipped in a clone without them."""
    if not FIXTURES.is_dir():
        pytest.skip("no folder shared/fixtures beside the project: the conformance files are not part of it")
    return FIXTURES
