"""The words of array signatures: jaxtyping's where it is loaded, as here, and free of charge elsewhere."""

import subprocess
import sys

import jaxtyping
import numpy as np
import pytest

from refllm import annotations
from refllm.quants import scaling


@pytest.mark.parametrize("word", annotations.__all__)
def test_under_pytest_the_words_are_those_of_jaxtyping(word):
    assert getattr(annotations, word) is getattr(jaxtyping, word)


def test_so_a_signature_that_uses_them_is_checked():
    with pytest.raises(jaxtyping.TypeCheckError):
        scaling.inverse(np.float64([1.0]))


def test_elsewhere_jaxtyping_is_not_loaded():
    code = "import sys; from refllm.quants import scheme; print('jaxtyping' in sys.modules, scheme.Weights)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert result.stdout.strip() == "False <class 'numpy.ndarray'>"
