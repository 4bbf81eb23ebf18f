"""Every architecture against transformers and llama.cpp's converter: the golden values in `tests/golden/convert`."""

import dataclasses
import json
import os
import pathlib

import jax
import numpy as np
import pytest

import refllm
from refllm import gguf, kernels, models
from refllm.engine import Session
from tests.convert import checkpoints

GOLDEN = pathlib.Path(__file__).parents[1] / "golden" / "convert"
TORCH = np.load(GOLDEN / "torch.npz")
LLAMA_CPP = json.loads((GOLDEN / "llama_cpp.json").read_text("utf-8"))
RUN = list(checkpoints.CONFIGS) if os.environ.get("REFLLM_LONG") else ["llama", "mixtral", "gemma2", "phi3"]

# In which our files differ from those of llama.cpp's converter, for these checkpoints: only ours, only theirs, another.
ONLY_OURS = {
    "tokenizer.ggml.add_space_prefix",  # always said, not left to the reader's default
    "tokenizer.ggml.unknown_token_id",  # also where only tokenizer_config.json or the model says it
    "ARCH.vocab_size",  # said for every architecture
    "ARCH.rope.freq_base",  # also where it is the default
}
ONLY_THEIRS = {"llama.attention.key_length", "llama.attention.value_length"}  # defaults that transformers fills in
OTHER = {
    "tokenizer.ggml.token_type",  # user-defined pieces stay that
    "tokenizer.ggml.tokens",  # and are written as they stand in a text: with spaces
    "rope_freqs.weight",  # computed in float64 and rounded once; theirs in float32
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    base = tmp_path_factory.mktemp("architectures")
    return {variant: checkpoints.write_folder(base / variant / "model", variant) for variant in checkpoints.CONFIGS}


@pytest.mark.parametrize("key", LLAMA_CPP)
def test_the_file_is_that_of_llama_cpps_converter(key, folders, tmp_path):
    variant, _, outtype = key.rpartition("-")
    refllm.convert(folders[variant], tmp_path / "out.gguf", outtype)
    ours, theirs = checkpoints.fingerprint(gguf.open(tmp_path / "out.gguf")), LLAMA_CPP[key]
    architecture = ours["metadata"]["general.architecture"][1]
    for part in ("tensors", "metadata"):
        only_ours = {name.replace(f"{architecture}.", "ARCH.") for name in ours[part].keys() - theirs[part].keys()}
        assert only_ours <= ONLY_OURS
        assert theirs[part].keys() - ours[part].keys() <= ONLY_THEIRS
        both = ours[part].keys() & theirs[part].keys()
        assert {name for name in both if ours[part][name] != theirs[part][name]} <= OTHER


def test_divisors_of_the_frequencies(folders, tmp_path):
    """Of a pair that turns often they are 1, of one that hardly turns `factor`."""
    refllm.convert(folders["llama3"], tmp_path / "out.gguf", "f32")
    ours = gguf.open(tmp_path / "out.gguf").tensors["rope_freqs.weight"].to_float()
    frequency = 500000.0 ** (-np.arange(8) / 8)
    wavelength = 2 * np.pi / frequency
    smooth = (64 / wavelength - 1) / 3
    expected = np.where(wavelength < 16, 1, np.where(wavelength > 64, 8, 1 / ((1 - smooth) / 8 + smooth)))
    np.testing.assert_allclose(ours, expected, rtol=1e-6)
    assert 1 < ours[1] < 8


@pytest.mark.parametrize("variant", RUN)
def test_logits_are_those_of_transformers(variant, folders, tmp_path):
    refllm.convert(folders[variant], tmp_path / "out.gguf", "f32")
    f = gguf.open(tmp_path / "out.gguf")
    config = dataclasses.replace(models.read_config(f.metadata), context_length=256)  # below Phi-3's longer one
    weights = jax.tree.map(kernels.to_float, models.load_weights(config, f.tensors, "exact"))
    ours = Session(config, weights, 64).read_all(checkpoints.PROMPT)[0][:, checkpoints.COLUMNS]
    assert np.abs(ours - TORCH[variant]).max() <= 1e-4 * np.ptp(TORCH[variant])


@pytest.mark.conformance
@pytest.mark.parametrize("variant", RUN)
def test_the_file_runs_in_llama_cpp(variant, folders, tmp_path):
    """Its greedy tokens are ours, and those of the logits that transformers computed."""
    llama_cpp = pytest.importorskip("llama_cpp")
    path = tmp_path / "out.gguf"
    refllm.convert(folders[variant], path, "f32")
    theirs = llama_cpp.Llama(str(path), n_ctx=256, logits_all=True, verbose=False)
    theirs.eval(checkpoints.PROMPT)
    logits = theirs.scores[: len(checkpoints.PROMPT), checkpoints.COLUMNS]
    assert np.abs(logits - TORCH[variant]).max() <= 2e-3 * np.ptp(TORCH[variant])  # ggml's GELU and cache are coarse
    greedy = [
        id for id, _ in zip(theirs.generate(checkpoints.PROMPT, temp=0.0, repeat_penalty=1.0), range(8), strict=False)
    ]
    ours = refllm.load(path, compute="exact", context=256).generate(
        checkpoints.PROMPT, max_tokens=8, temperature=0.0, ignore_eos=True
    )
    assert ours.ids == greedy
