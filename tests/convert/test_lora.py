"""LoRA adapters merged as peft merges them, in three forms, as a GGUF file, and the order of the Chinese guides."""

import json
import pathlib

import numpy as np
import pytest

import refllm
from refllm import cli, gguf
from refllm.convert import checkpoint, lora
from refllm.convert.lora_gguf import lora_to_gguf
from refllm.convert.merge_lora import merge_lora
from refllm.errors import RefllmError, UsageError
from tests.convert import adapters, checkpoints
from tests.convert.test_meta import write_meta_folder

GOLDEN = np.load(pathlib.Path(__file__).parents[1] / "golden" / "convert" / "peft.npz")
MERGES = {"plain": ["plain"], "two": ["chinese", "alpaca"]}


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """A base model and the adapters."""
    base = tmp_path_factory.mktemp("lora")
    checkpoints.write_folder(base / "base", "llama")
    for name in adapters.ADAPTERS:
        adapters.write_adapter(base / name, name)
    return base


def values(tensors: dict, name: str) -> np.ndarray:
    tensor = tensors[name]
    return tensor.weights(np.arange(tensor.height)).reshape(tensor.shape)


@pytest.mark.parametrize("case", MERGES)
def test_merged_as_peft_does(places, tmp_path, case):
    merge_lora(places / "base", [places / name for name in MERGES[case]], tmp_path / "out")
    tensors = checkpoint.tensors_of(tmp_path / "out")
    golden = {key.partition("/")[2]: array for key, array in GOLDEN.items() if key.startswith(f"{case}/")}
    assert tensors.keys() == golden.keys()
    base = checkpoints.state("llama")
    for name, expected in golden.items():
        found = values(tensors, name)
        np.testing.assert_allclose(found.reshape(-1)[::37], expected, rtol=1e-6, atol=1e-6)
        changed = any(f"{target}." in name for target in adapters.TARGETS) or (
            case == "two" and "norm" not in name and "layers" not in name
        )
        assert changed == (found.shape != base[name].shape or not np.array_equal(found, base[name]))
    size = json.loads((tmp_path / "out" / "config.json").read_text())["vocab_size"]
    assert size == checkpoints.VOCAB + (adapters.ADDED if case == "two" else 0)


def test_an_adapter_in_a_bin_file_and_a_base_in_bfloat16(tmp_path):
    base = checkpoints.write_folder(tmp_path / "base", "llama", "BF16")
    for form in ("adapter_model.bin", "adapter_model.safetensors"):
        adapters.write_adapter(tmp_path / form, "plain", form)
        merge_lora(base, [tmp_path / form], tmp_path / f"out-{form}")
    ours, other = (checkpoint.tensors_of(tmp_path / f"out-adapter_model.{form}") for form in ("bin", "safetensors"))
    for name, tensor in ours.items():
        assert tensor.scheme.name == "BF16"
        np.testing.assert_array_equal(values(ours, name), values(other, name))


def test_the_three_forms_are_one_model(places, tmp_path):
    names = [places / name for name in MERGES["two"]]
    merge_lora(places / "base", names, tmp_path / "hf" / "model")
    merge_lora(places / "base", names, tmp_path / "pth" / "model", "pth")
    merge_lora(places / "base", names, tmp_path / "direct.gguf", "gguf")
    for form in ("hf", "pth"):
        refllm.convert(tmp_path / form / "model", tmp_path / f"{form}.gguf")
    files = {form: gguf.open(tmp_path / f"{form}.gguf") for form in ("direct", "hf", "pth")}
    prints = {form: checkpoints.fingerprint(f) for form, f in files.items()}
    assert prints["direct"]["tensors"] == prints["hf"]["tensors"] == prints["pth"]["tensors"]
    tokens = files["pth"].metadata["tokenizer.ggml.tokens"]
    assert len(tokens) == checkpoints.VOCAB + adapters.ADDED and tokens[-1] == "▁加4"
    for form in ("direct", "hf"):
        assert files[form].metadata["tokenizer.ggml.tokens"] == tokens


def test_an_embedding_and_weights_stored_the_other_way():
    base = np.arange(12, dtype=np.float32).reshape(4, 3)
    a, b = np.float32([[1, 2, 3, 4]]), np.float32([[1], [0], [2]])  # of an embedding: rank by pieces, width by rank
    change = lora.Thin(a, b, 0.5, turned=True)
    tensors = {"e.weight": lora.lazy.from_array(base)}
    found = values(lora.merge(tensors, lora.Adapter("x", {"e": change}, {})), "e.weight")
    np.testing.assert_array_equal(found, base + 0.5 * (b @ a).T)


# --- as a file of its own


def test_lora_as_gguf(places, tmp_path):
    """W + alpha/rank·B·A of the file's tensors is what merging gives."""
    path = lora_to_gguf(places / "plain", places / "base", tmp_path / "lora.gguf")
    refllm.convert(places / "base", tmp_path / "base.gguf", "f32")
    merge_lora(places / "base", [places / "plain"], tmp_path / "hf")
    refllm.convert(tmp_path / "hf", tmp_path / "merged.gguf", "f32")
    f, base, merged = (gguf.open(each) for each in (path, tmp_path / "base.gguf", tmp_path / "merged.gguf"))
    assert {key: f.metadata[key] for key in f.metadata if key != "general.name"} == {
        "general.architecture": "llama",
        "general.type": "adapter",
        "adapter.type": "lora",
        "adapter.lora.alpha": 8.0,
    }
    changed = {name.removesuffix(".lora_a") for name in f.tensors if name.endswith(".lora_a")}
    assert len(changed) == 2 * len(adapters.TARGETS) and len(f.tensors) == 2 * len(changed)
    for name in changed:
        a, b = (f.tensors[f"{name}.lora_{part}"].to_float() for part in "ab")
        expected = base.tensors[name].to_float() + 8.0 / len(a) * (b @ a)
        np.testing.assert_allclose(merged.tensors[name].to_float(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.conformance
def test_llama_cpp_takes_the_adapter(places, tmp_path):
    llama_cpp = pytest.importorskip("llama_cpp")
    lora_to_gguf(places / "plain", places / "base", tmp_path / "lora.gguf")
    refllm.convert(places / "base", tmp_path / "base.gguf", "f32")
    merge_lora(places / "base", [places / "plain"], tmp_path / "hf")
    refllm.convert(tmp_path / "hf", tmp_path / "merged.gguf", "f32")
    logits = []
    for name, extra in (("base", {"lora_path": str(tmp_path / "lora.gguf")}), ("merged", {}), ("base", {})):
        model = llama_cpp.Llama(str(tmp_path / f"{name}.gguf"), n_ctx=256, logits_all=True, verbose=False, **extra)
        model.eval(checkpoints.PROMPT)
        logits.append(np.array(model.scores[: len(checkpoints.PROMPT)]))
    with_adapter, merged, without = logits
    assert np.abs(with_adapter - merged).max() < 0.05 * np.abs(without - merged).max()


# --- what is wrong


def spoil_config(folder, **changes):
    checkpoints.change_json(folder / "adapter_config.json", **changes)


FAULTS = {
    "no adapter": (lambda folder: (folder / "adapter_config.json").unlink(), "adapter_config.json is missing"),
    "another kind": (lambda folder: spoil_config(folder, peft_type="IA3"), "is IA3; expected a LoRA adapter"),
    "DoRA": (lambda folder: spoil_config(folder, use_dora=True), "is DoRA; expected a LoRA adapter"),
    "no weights": (
        lambda folder: (folder / "adapter_model.safetensors").unlink(),
        "holds no weights; expected adapter",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_one_error_for(fault, places, tmp_path):
    spoil, message = FAULTS[fault]
    folder = adapters.write_adapter(tmp_path / "adapter", "plain")
    spoil(folder)
    with pytest.raises(RefllmError, match=message):
        merge_lora(places / "base", [folder], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_other_faults(places, tmp_path):
    with pytest.raises(UsageError, match="unknown output type 'onnx'"):
        merge_lora(places / "base", [places / "plain"], tmp_path / "out", "onnx")
    with pytest.raises(RefllmError, match="was trained as a whole; such an adapter must be merged"):
        lora_to_gguf(places / "chinese", places / "base", tmp_path / "x.gguf")
    other = checkpoints.write_folder(tmp_path / "other", "qwen3")  # its heads are wider
    with pytest.raises(RefllmError, match=r"q_proj\.weight' is changed as \(64, 64\); the base model has it as"):
        merge_lora(other, [places / "plain"], tmp_path / "out")
    merge_lora(places / "base", [places / "plain"], tmp_path / "twice")
    with pytest.raises(RefllmError, match="is there already; expected a new or an empty folder"):
        merge_lora(places / "base", [places / "plain"], tmp_path / "twice")


# --- the guides


def test_the_order_of_the_chinese_guide(places, tmp_path, capsys):
    """Meta's weights to Hugging Face's form, two adapters merged, converted, quantized: each a command of the guide."""
    write_meta_folder(tmp_path / "models" / "7B", 2)
    (tmp_path / "models" / "7B" / "tokenizer.model").rename(tmp_path / "models" / "tokenizer.model")
    commands = f"""
        convert-llama-weights-to-hf --input_dir {tmp_path}/models --model_size 7B --output_dir {tmp_path}/hf
        merge-lora --base_model {tmp_path}/hf --lora_model {places}/chinese,{places}/alpaca
            --output_type pth --output_dir {tmp_path}/zh-models/7B
        convert {tmp_path}/zh-models/7B/
        quantize {tmp_path}/zh-models/7B/ggml-model-f16.gguf {tmp_path}/zh-models/7B/ggml-model-q8_0.gguf q8_0
    """
    for command in commands.replace("\n            --", " --").strip().splitlines():
        assert cli.main(command.split()) == 0, capsys.readouterr().err
    f = gguf.open(tmp_path / "zh-models" / "7B" / "ggml-model-q8_0.gguf")
    assert f.tensors["blk.0.attn_q.weight"].type == "Q8_0"
    assert f.tensors["token_embd.weight"].shape == (checkpoints.VOCAB + adapters.ADDED, 64)
    assert f.metadata["tokenizer.ggml.tokens"][-1] == "▁加4"


@pytest.mark.parametrize("shard_bytes", [5_000_000, 60_000])
def test_metas_form_and_back(tmp_path, shard_bytes):
    from refllm.convert.hf_folder import from_meta

    source = write_meta_folder(tmp_path / "meta" / "7B", 1)
    paths = from_meta(source, tmp_path / "hf" / "7B", shard_bytes)
    assert (tmp_path / "hf" / "7B" / "model.safetensors.index.json" in paths) == (shard_bytes < 100_000)
    state = checkpoints.state("llama")
    for name, tensor in checkpoint.tensors_of(tmp_path / "hf" / "7B").items():
        found = tensor.weights(np.arange(tensor.height)).reshape(tensor.shape)
        np.testing.assert_array_equal(found, state[name].astype(np.float16))
    for folder in ("meta", "hf"):
        refllm.convert(tmp_path / folder / "7B", tmp_path / f"{folder}.gguf")
    assert (tmp_path / "meta.gguf").read_bytes() == (tmp_path / "hf.gguf").read_bytes()
