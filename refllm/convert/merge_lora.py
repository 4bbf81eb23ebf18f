"""A base model and one or more LoRA adapters, merged into a new model in one of three forms.

`huggingface` is a folder for transformers (and for `convert`), `pth` one like Meta's (`consolidated.00.pth`), `gguf` a
file. The adapter that comes last and has a tokenizer gives the model its tokenizer: the Chinese models bring a larger
vocabulary with them. What merging means is in `lora.py`.

>>> import numpy
>>> from refllm.convert import lazy
>>> vocabulary_size({"model.embed_tokens.weight": lazy.from_array(numpy.zeros((7, 2), numpy.float32))})
7
"""

import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from refllm.convert import checkpoint, hf_folder, hugging_face, lora, meta, to_gguf, torch_file
from refllm.convert.lazy import Lazy
from refllm.errors import RefllmError, UsageError

OUTPUT_TYPES = ("huggingface", "pth", "gguf")
EMBEDDING = "model.embed_tokens.weight"


def merge_lora(
    base: str | os.PathLike, adapters: Sequence[str | os.PathLike], dst: str | os.PathLike, form: str = "huggingface"
) -> list[pathlib.Path]:
    """Merge the adapters, in order, into the model in the folder `base`; gives the files written to `dst`."""
    if form not in OUTPUT_TYPES:
        raise UsageError(f"unknown output type {form!r}; expected {', '.join(OUTPUT_TYPES)}")
    base, dst = pathlib.Path(base), pathlib.Path(dst)
    config, tensors = checkpoint.read_json(base / "config.json"), checkpoint.tensors_of(base)
    tokenizer = base
    for path in map(pathlib.Path, adapters):
        tensors = lora.merge(tensors, lora.read(path))
        tokenizer = path if has_tokenizer(path) else tokenizer
    config |= {"vocab_size": vocabulary_size(tensors)}
    if form == "huggingface":
        others = hf_folder.tokenizer_files(base) | hf_folder.tokenizer_files(tokenizer)
        return hf_folder.write(dst, config, tensors, others)
    if form == "pth":
        return write_pth(dst, config, tensors, tokenizer)
    return write_gguf(dst, config, tensors, tokenizer, base)


def has_tokenizer(folder: pathlib.Path) -> bool:
    return any((folder / name).exists() for name in ("tokenizer.model", "tokenizer.json"))


def vocabulary_size(tensors: Mapping[str, Lazy]) -> int:
    if EMBEDDING not in tensors:
        raise RefllmError(f"the base model has no {EMBEDDING!r}; expected the tensors of a language model")
    return tensors[EMBEDDING].shape[0]


def write_gguf(
    dst: pathlib.Path, config: dict[str, Any], tensors: dict[str, Lazy], tokenizer: pathlib.Path, base: pathlib.Path
) -> list[pathlib.Path]:
    """A file `ggml-model-f16.gguf` in the folder `dst`, or the file `dst`."""
    path = dst if dst.suffix == ".gguf" else dst / "ggml-model-f16.gguf"
    path.parent.mkdir(parents=True, exist_ok=True)
    model = hugging_face.build(base, config, tensors, tokenizer)
    return to_gguf.write(model, path, "f16")


def write_pth(
    dst: pathlib.Path, config: dict[str, Any], tensors: dict[str, Lazy], tokenizer: pathlib.Path
) -> list[pathlib.Path]:
    """A folder like Meta's, in one file."""
    architecture = hugging_face.architecture_of(config, tokenizer)
    if architecture.name != "llama" or not (tokenizer / "tokenizer.model").exists():
        raise RefllmError(f"{tokenizer}: is no LLaMA model with tokenizer.model; only these have a form like Meta's")
    model = hugging_face.placed_tensors(tokenizer, architecture, config, tensors)
    renamed = {meta_name(name): tensor for name, tensor in model.items()}
    params = {
        "dim": config["hidden_size"],
        "n_layers": config["num_hidden_layers"],
        "n_heads": config["num_attention_heads"],
        "n_kv_heads": config.get("num_key_value_heads") or config["num_attention_heads"],
        "norm_eps": config["rms_norm_eps"],
        "rope_theta": float(hugging_face.rope_of(config)["rope_theta"]),
        "vocab_size": -1,
    }
    dst.mkdir(parents=True, exist_ok=True)
    torch_file.write(dst / "consolidated.00.pth", renamed)
    hf_folder.put(dst / "params.json", params)
    hf_folder.put(dst / "tokenizer.model", tokenizer / "tokenizer.model")
    return [dst / name for name in ("consolidated.00.pth", "params.json", "tokenizer.model")]


def meta_name(name: str) -> str:
    """The name of a tensor in Meta's files.

    >>> meta_name("blk.3.attn_q.weight"), meta_name("output.weight")
    ('layers.3.attention.wq.weight', 'output.weight')
    """
    outside = {ours: theirs for theirs, ours in meta.OUTSIDE.items()}
    inside = {ours: theirs for theirs, ours in meta.LAYER.items()}
    stem, _, kind = name.rpartition(".")
    if stem in outside:
        return f"{outside[stem]}.{kind}"
    _, layer, part = stem.split(".")
    return f"layers.{layer}.{inside[part]}.{kind}"
