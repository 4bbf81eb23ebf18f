"""The same candidates and probabilities as llama.cpp's samplers, for each of them and for the chains.

Golden values for three vectors; with llama_cpp installed and REFLLM_LONG set, 1,000 vectors of 32,000 and the draws.
"""

import collections
import os

import numpy as np
import pytest

from refllm import sampling
from tests.golden.sampling.make import PATH
from tests.sampling.oracle import CASES, RECENT, SCALES, VOCAB, Llama, disagreement, vector

LONG = bool(os.environ.get("REFLLM_LONG"))


@pytest.fixture(scope="module")
def golden():
    return np.load(PATH)


@pytest.mark.parametrize("name", CASES)
def test_golden_values(name, golden):
    for number in range(len(SCALES)):
        logits = vector(number)
        found = sampling.softmax(CASES[name].here(logits))
        kept = np.unpackbits(golden[f"{name}/{number}/kept"]).astype(bool)
        assert disagreement(CASES[name], logits, kept, found) == ""
        best, probabilities = golden[f"{name}/{number}/best"], golden[f"{name}/{number}/probabilities"]
        np.testing.assert_allclose(found[best], probabilities, atol=CASES[name].tolerance)


@pytest.mark.conformance
@pytest.mark.skipif(not LONG, reason="minutes of comparison: set REFLLM_LONG")
@pytest.mark.parametrize("name", CASES)
def test_a_thousand_vectors(name):
    pytest.importorskip("llama_cpp")
    llama, case, differing, largest = Llama(), CASES[name], 0, 0.0
    for number in range(1000):
        logits = vector(number)
        there, here = llama.probabilities(case, logits), sampling.softmax(case.here(logits))
        assert disagreement(case, logits, there > 0, here) == "", number
        if ((there > 0) == (here > 0)).all():
            largest = max(largest, np.abs(there - here).max())
        else:
            differing += 1
    print(f"{name}: largest difference {largest:.1e}; other candidates at the border of {differing} of 1000 vectors")
    assert largest < case.tolerance and differing < 400


@pytest.mark.conformance
def test_dry_with_the_breakers_of_a_real_vocabulary(fixtures):
    """Breakers inside of pieces and across them: the penalties are those of llama.cpp with the same vocabulary."""
    llama_cpp = pytest.importorskip("llama_cpp")
    import ctypes

    from refllm import gguf, tokenizers

    path = fixtures / "tokenizers" / "ggml-vocab-llama-spm.gguf"
    tokenizer = tokenizers.from_gguf(gguf.open(path))
    texts = ("\n", ":", '"', "*", "ing the", "</s", "user:")
    breakers = sampling.find_breakers(tokenizer, texts, VOCAB)
    parameters = llama_cpp.llama_model_default_params()
    parameters.vocab_only = True
    model = llama_cpp.llama_model_load_from_file(str(path).encode(), parameters)
    vocab = llama_cpp.llama_model_get_vocab(model)
    strings = (ctypes.c_char_p * len(texts))(*[text.encode() for text in texts])
    sampler = llama_cpp.llama_sampler_init_dry(vocab, 0.8, 1.75, 1, 64, strings, len(texts))
    recent = tokenizer.encode(
        'The king said: "We are hunting the bear." The king said: "We are hunting the bear and hunting the bear'
    )
    llama, outcomes = Llama(), collections.Counter()
    for length, token in enumerate(recent, 1):
        llama_cpp.llama_sampler_accept(sampler, token)
        llama.data["id"], llama.data["logit"] = np.arange(VOCAB), 0.0
        array = llama_cpp.llama_token_data_array(data=llama.candidates, size=VOCAB, selected=-1, sorted=False)
        llama_cpp.llama_sampler_apply(sampler, ctypes.byref(array))
        lengths = sampling.repeats(np.array(recent[:length]), VOCAB, breakers)
        weakened = sampling.dry(np.zeros(VOCAB, np.float32), lengths, 0.8, 1.75, 1)
        np.testing.assert_allclose(weakened, llama.data["logit"], rtol=1e-6)
        outcomes[np.count_nonzero(weakened) > 0] += 1
    llama_cpp.llama_sampler_free(sampler)
    llama_cpp.llama_model_free(model)
    assert outcomes[True] > 5 and outcomes[False] > 0


def test_the_recent_tokens_of_the_cases_do_repeat_each_other():
    assert np.max(sampling.repeats(RECENT, VOCAB)) >= 2
