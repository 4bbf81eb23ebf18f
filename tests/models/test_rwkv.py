"""RWKV-4 to 7 against a float64 forward pass from the formulas, rwkv.cpp's logits, and llama.cpp."""

import os

import jax
import numpy as np
import pytest

import refllm
from refllm import gguf, models
from refllm.convert import lazy, torch_file
from refllm.engine import ContextError, Session, steps
from refllm.models import ModelError
from tests.models import rwkv_reference as reference

IDS = np.random.default_rng(3).integers(0, reference.VOCABULARY, 60).tolist()  # a chunk of 32, and one with padding
GREEDY = {"temperature": 0.0, "ignore_eos": True}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("rwkv")


def written(folder, kind: str):
    """A random checkpoint as `.pth` and as GGUF; the path of the latter."""
    path = folder / f"{kind}.gguf"
    if not path.exists():
        tensors = {name: lazy.from_array(array) for name, array in reference.checkpoint(kind).items()}
        torch_file.write(folder / f"{kind}.pth", tensors)
        refllm.convert(folder / f"{kind}.pth", path, "f32")
    return path


def session(folder, kind: str) -> Session:
    file = gguf.open(written(folder, kind))
    config = models.read_config(file.metadata)
    return Session(config, models.load_weights(config, file.tensors, "exact"), 8192)


@pytest.mark.parametrize("kind", reference.KINDS)
def test_logits_are_those_of_the_formulas(folder, kind):
    """60 tokens, read in the parallel form in two chunks, the second of which is padded."""
    expected = reference.forward(kind, reference.checkpoint(kind), IDS)
    reader = session(folder, kind)
    found = np.concatenate([reader.read_all(IDS[:32])[0], reader.read_all(IDS[32:])[0]])
    assert np.abs(found - expected).max() <= 1e-5 * np.ptp(expected)
    assert np.abs(expected[1:] - expected[:-1]).max() > 0.05 * np.ptp(expected)  # they do differ from token to token


@pytest.mark.parametrize("kind", ["rwkv4", "rwkv5", "rwkv6", "rwkv7"])
def test_the_parallel_form_is_the_recurrent_one(folder, kind):
    together, one_by_one = session(folder, kind), session(folder, kind)
    together.read_all(IDS[:32])
    together.read_all(IDS[32:-1])
    for token in IDS[:-1]:
        one_by_one.write(token)
    for left, right in zip(*(jax.tree.leaves(reader.memory.now) for reader in (together, one_by_one)), strict=True):
        assert np.abs(left - right).max() <= 1e-5 * max(1, np.abs(right).max())
    logits = [np.asarray(reader.write(IDS[-1])) for reader in (together, one_by_one)]
    assert np.abs(logits[0] - logits[1]).max() <= 1e-5 * np.ptp(logits[1])
    assert together.ids == one_by_one.ids == IDS


def test_memory_is_flat_over_4000_tokens(folder):
    reader = session(folder, "rwkv6")
    reader.read(IDS[:8])
    sizes, programs = [bytes_of(reader)], steps.read._cache_size()
    reader.read((IDS * 70)[:4000])
    sizes.append(bytes_of(reader))
    assert sizes[0] == sizes[1] == models.dispatch.memory_bytes(reader.config, 4008, 4)
    assert len(reader.ids) == int(reader.memory.now.length) == 4008
    assert steps.read._cache_size() <= programs + 2  # one program for chunks of 512, one for the rest, however many


def bytes_of(reader: Session) -> int:
    return sum(leaf.nbytes for leaf in jax.tree.leaves(reader.memory))


def test_the_last_call_can_be_undone_and_nothing_before_it(folder):
    reader = session(folder, "rwkv6")
    reader.read(IDS[:8])
    kept = np.asarray(reader.memory.now.memory)
    reader.write_ahead(IDS[8])
    assert reader.keep_common_prefix([*IDS[:8], 7]) == [7]
    np.testing.assert_array_equal(reader.memory.now.memory, kept)
    assert reader.keep_common_prefix([*IDS[:4], 7]) == [*IDS[:4], 7] and reader.ids == []


def test_a_text_goes_on_where_it_ended(folder):
    llm = refllm.load(written(folder, "rwkv6"), compute="exact")
    first = llm.generate(IDS[:5], max_tokens=6, **GREEDY)
    more = llm.generate([*IDS[:5], *first.ids], max_tokens=6, **GREEDY)
    assert more.timings.prompt_n == 1
    assert first.ids + more.ids == llm.generate(IDS[:5], max_tokens=12, **GREEDY).ids


def test_a_batch_writes_what_each_would_write_alone(folder):
    llm = refllm.load(written(folder, "rwkv6"), compute="exact")
    prompts = [IDS[:5], IDS[5:8]]
    together = llm.generate(prompts, max_tokens=6, **GREEDY)
    assert [one.ids for one in together] == [llm.generate(ids, max_tokens=6, **GREEDY).ids for ids in prompts]


def test_nothing_can_be_dropped_from_a_state(folder):
    reader = session(folder, "rwkv6")
    reader.read(IDS[:8])
    with pytest.raises(ContextError, match="nothing can be dropped from the state"):
        reader.shift(0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m, t: t.pop("blk.1.time_mix_key.weight"), "tensor 'blk.1.time_mix_key.weight' is missing"),
        (
            lambda m, t: t.update({"blk.0.what.weight": t["output.weight"]}),
            "'blk.0.what.weight' has no place in a rwkv6",
        ),
        (lambda m, t: m.pop("rwkv6.wkv.head_size"), "'rwkv6.wkv.head_size' is missing"),
        (lambda m, t: m.update({"rwkv6.wkv.head_size": 48}), "is 48; expected a part of 128"),
        (lambda m, t: m.update({"general.architecture": "rwkv3"}), "unknown architecture 'rwkv3'; known: .*rwkv7"),
    ],
)
def test_a_file_that_does_not_describe_a_model(folder, tmp_path, change, message):
    file = gguf.open(written(folder, "rwkv6"))
    metadata, tensors = dict(file.metadata), {name: tensor.to_float() for name, tensor in file.tensors.items()}
    change(metadata, tensors)
    gguf.write(tmp_path / "bad.gguf", metadata, tensors)
    with pytest.raises(ModelError, match=message):
        refllm.load(tmp_path / "bad.gguf")


def test_the_first_files_of_rwkv6_mix_one_by_one_and_halve(folder, tmp_path):
    """Both are read: `time_mix_lerp_w` ... instead of the fused tensor, and layers scaled down for float16."""
    file = gguf.open(written(folder, "rwkv6"))
    metadata, tensors = dict(file.metadata), {name: tensor.to_float() for name, tensor in file.tensors.items()}
    metadata["rwkv6.rescale_every_n_layers"] = 1
    for layer in range(reference.LAYERS):
        for part, row in zip("wkvrg", tensors.pop(f"blk.{layer}.time_mix_lerp_fused.weight"), strict=True):
            tensors[f"blk.{layer}.time_mix_lerp_{part}.weight"] = row.reshape(-1)
        for name in ("time_mix_output", "channel_mix_value"):
            tensors[f"blk.{layer}.{name}.weight"] /= 2**layer
    gguf.write(tmp_path / "old.gguf", metadata, tensors)
    old, new = (refllm.load(path, compute="exact").logits(IDS[:32]) for path in (tmp_path / "old.gguf", file.path))
    assert np.abs(old - new).max() <= 1e-3 * np.ptp(new)  # the epsilon of norms is not scaled


@pytest.mark.conformance
@pytest.mark.parametrize("kind", ["rwkv6", "rwkv7"])
def test_logits_and_text_are_those_of_llama_cpp(folder, kind):
    llama_cpp = pytest.importorskip("llama_cpp")
    theirs = llama_cpp.Llama(str(written(folder, kind)), n_ctx=128, logits_all=True, verbose=False)
    theirs.eval(IDS[:32])
    ours = refllm.load(written(folder, kind), compute="exact")
    expected = theirs.scores[:32]
    assert np.abs(ours.logits(IDS[:32]) - expected).max() <= 1e-4 * np.ptp(expected)
    count = 64 if os.environ.get("REFLLM_LONG") else 12
    theirs.reset()
    written_there = theirs.generate(IDS[:6], temp=0.0, repeat_penalty=1.0)
    assert ours.generate(IDS[:6], max_tokens=count, **GREEDY).ids == [next(written_there) for _ in range(count)]
