"""Meta's folders, in one file and in two, become the GGUF file that the Hugging Face form of the weights becomes."""

import json
import pathlib

import numpy as np
import pytest

import refllm
from refllm.convert import lazy, torch_file
from refllm.errors import RefllmError
from tests.convert import checkpoints

HEADS = {"wq": checkpoints.HEADS, "wk": checkpoints.KV_HEADS}
NAMES = {
    "self_attn.q_proj": "attention.wq",
    "self_attn.k_proj": "attention.wk",
    "self_attn.v_proj": "attention.wv",
    "self_attn.o_proj": "attention.wo",
    "mlp.gate_proj": "feed_forward.w1",
    "mlp.down_proj": "feed_forward.w2",
    "mlp.up_proj": "feed_forward.w3",
    "input_layernorm": "attention_norm",
    "post_attention_layernorm": "ffn_norm",
    "model.embed_tokens": "tok_embeddings",
    "model.norm": "norm",
    "lm_head": "output",
    "model.layers": "layers",
}
COLUMNS = ("wo", "w2", "tok_embeddings")


def meta_state() -> dict[str, np.ndarray]:
    """The weights of the checkpoint `llama` as Meta has them: other names, and rotary pairs side by side."""
    state = {}
    for name, array in checkpoints.state("llama").items():
        for theirs, metas in NAMES.items():
            name = name.replace(theirs, metas)
        heads = HEADS.get(name.split(".")[-2])
        state[name] = array.reshape(heads, 2, -1, 64).swapaxes(1, 2).reshape(array.shape) if heads else array
    return state | {"rope.freqs": np.ones(8, np.float32)}


def write_meta_folder(folder: pathlib.Path, shards: int, embeddings_in_rows: bool = False) -> pathlib.Path:
    folder.mkdir(parents=True)
    for number in range(shards):
        strips = {}
        for name, array in meta_state().items():
            axis = int(any(part in name for part in COLUMNS[: 2 if embeddings_in_rows else 3]))
            cut = array if array.ndim < 2 else np.array_split(array, shards, axis)[number]
            strips[name] = checkpoints.as_lazy(np.ascontiguousarray(cut), "F16")
        torch_file.write(folder / f"consolidated.{number:02d}.pth", strips)
    params = {"dim": 64, "n_layers": 2, "n_heads": 4, "n_kv_heads": 2, "multiple_of": 32, "norm_eps": 1e-5}
    checkpoints.write_json(folder / "params.json", params | {"vocab_size": -1})
    checkpoints.write_sentencepiece(folder)
    (folder / "tokenizer_config.json").unlink()
    return folder


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """What the Hugging Face form becomes."""
    base = tmp_path_factory.mktemp("expected")
    folder = checkpoints.write_folder(base / "7B", "llama", "F16")
    checkpoints.change_json(folder / "config.json", max_position_embeddings=4096, pad_token_id=None)
    checkpoints.change_json(folder / "tokenizer_config.json", chat_template=None)
    (folder / "generation_config.json").unlink()
    return refllm.convert(folder, base / "out.gguf")[0].read_bytes()


@pytest.mark.parametrize(("shards", "in_rows"), [(1, False), (2, False), (2, True)])
def test_the_same_file_as_from_hugging_face(tmp_path, expected, shards, in_rows):
    folder = write_meta_folder(tmp_path / "7B", shards, in_rows)
    assert refllm.convert(folder) == [folder / "ggml-model-f16.gguf"]
    assert (folder / "ggml-model-f16.gguf").read_bytes() == expected


def test_a_tokenizer_beside_the_folder(tmp_path, expected):
    folder = write_meta_folder(tmp_path / "models" / "7B", 1)
    (folder / "tokenizer.model").rename(folder.parent / "tokenizer.model")
    assert refllm.convert(folder, tmp_path / "out.gguf")[0].read_bytes() == expected


FAULTS = {
    "a missing shard": (lambda folder: (folder / "consolidated.00.pth").unlink(), r"expected consolidated\.00\.pth"),
    "no tokenizer": (lambda folder: (folder / "tokenizer.model").unlink(), r"has no tokenizer\.model"),
    "params without a number": (
        lambda folder: checkpoints.change_json(folder / "params.json", n_heads=None),
        "'n_heads' is missing",
    ),
    "a shard without a tensor": (
        lambda folder: torch_file.write(folder / "consolidated.01.pth", {"norm.weight": lazy.from_array(np.ones(64))}),
        r"consolidated\.01\.pth: has no 'tok_embeddings\.weight'",
    ),
    "layers that are not there": (
        lambda folder: checkpoints.change_json(folder / "params.json", n_layers=1),
        r"holds 'blk\.1\..*'; expected layers 0 to 0",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_one_error_for(fault, tmp_path):
    spoil, message = FAULTS[fault]
    folder = write_meta_folder(tmp_path / "7B", 2)
    spoil(folder)
    with pytest.raises(RefllmError, match=message):
        refllm.convert(folder, tmp_path / "out.gguf")
    assert not (tmp_path / "out.gguf").exists()


def test_an_unknown_tensor(tmp_path):
    folder = write_meta_folder(tmp_path / "7B", 1)
    tensors = torch_file.read(folder / "consolidated.00.pth")
    torch_file.write(folder / "consolidated.00.pth", tensors | {"layers.0.extra.weight": tensors["norm.weight"]})
    with pytest.raises(RefllmError, match=r"tensor 'layers\.0\.extra\.weight' has no place in a LLaMA model"):
        refllm.convert(folder, tmp_path / "out.gguf")


def test_code_llama_is_known_by_its_base(tmp_path):
    folder = write_meta_folder(tmp_path / "7B", 1)
    params = json.loads((folder / "params.json").read_text())
    checkpoints.write_json(folder / "params.json", params | {"rope_theta": 1e6})
    refllm.convert(folder, tmp_path / "out.gguf")
    metadata = refllm.gguf.open(tmp_path / "out.gguf").metadata
    assert (metadata["llama.context_length"], metadata["llama.rope.freq_base"]) == (16384, 1e6)
