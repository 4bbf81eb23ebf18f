"""Writing a folder as transformers saves it: config, weights in safetensors with an index, the tokenizer's files.

The weights stream from wherever they are. Files appear one by one, the index last; after an error those that this call
wrote are taken away again. Meta's weights become such a folder here, too: other names, and each head's rotary pairs
apart (the first halves, then the second).

>>> [name for _, name in zip(range(2), shard_names(3))]
['model-00001-of-00003.safetensors', 'model-00002-of-00003.safetensors']
"""

import contextlib
import json
import pathlib
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

from refllm.convert import lazy, meta, safetensors_file
from refllm.convert.lazy import Lazy
from refllm.convert.names import COMMON, OUTSIDE, PRE_NORM
from refllm.errors import RefllmError
from refllm.files import atomic_write

SHARD_BYTES = 5_000_000_000
WEIGHTS = "model.safetensors"
TOKENIZER_FILES = (
    *("tokenizer.model", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("chat_template.jinja", "generation_config.json"),
)
LLAMA_TOKENIZER = {
    "add_bos_token": True,
    "add_eos_token": False,
    "bos_token": "<s>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
    "tokenizer_class": "LlamaTokenizer",
}


def write(
    folder: pathlib.Path,
    config: Mapping[str, Any],
    tensors: Mapping[str, Lazy],
    others: Mapping[str, pathlib.Path | dict],
    shard_bytes: int = SHARD_BYTES,
) -> list[pathlib.Path]:
    """Write the folder; `others` are further files: copies, or objects for JSON. Gives the files written."""
    folder.mkdir(parents=True, exist_ok=True)
    groups = shards_of(tensors, shard_bytes)
    names = [WEIGHTS] if len(groups) == 1 else list(shard_names(len(groups)))
    places = {name: file for file, group in zip(names, groups, strict=True) for name in group}
    total = sum(tensor.nbytes for tensor in tensors.values())
    objects = {"config.json": dict(config)}
    objects |= {} if len(groups) == 1 else {f"{WEIGHTS}.index.json": index(places, total)}
    if existing := [name for name in (*names, *objects) if (folder / name).exists()]:
        raise RefllmError(f"{folder}: {existing[0]} is there already; expected a new or an empty folder")
    written = []
    with contextlib.ExitStack() as after_an_error:
        for name, group in zip(names, groups, strict=True):
            safetensors_file.write(folder / name, group)
            written.append(folder / name)
            after_an_error.callback((folder / name).unlink)
        for name, content in {**others, **objects}.items():
            after_an_error.callback((folder / name).unlink, missing_ok=True)
            put(folder / name, content)
            written.append(folder / name)
        after_an_error.pop_all()
    return written


def put(path: pathlib.Path, content: pathlib.Path | dict) -> None:
    with atomic_write(path) as file:
        if isinstance(content, dict):
            file.write(json.dumps(content, ensure_ascii=False, indent=2).encode() + b"\n")
        else:
            with content.open("rb") as source:
                shutil.copyfileobj(source, file)


def tokenizer_files(folder: pathlib.Path) -> dict[str, pathlib.Path | dict]:
    """The files of a folder that belong to its tokenizer."""
    return {name: folder / name for name in TOKENIZER_FILES if (folder / name).exists()}


def index(places: Mapping[str, str], total: int) -> dict[str, Any]:
    return {"metadata": {"total_size": total}, "weight_map": dict(places)}


def shard_names(count: int) -> Iterator[str]:
    for number in range(1, count + 1):
        yield f"model-{number:05d}-of-{count:05d}.safetensors"


def shards_of(tensors: Mapping[str, Lazy], limit: int) -> list[dict[str, Lazy]]:
    """The tensors in groups of at most so many bytes, in order."""
    groups, size = [{}], 0
    for name, tensor in tensors.items():
        if size and size + tensor.nbytes > limit:
            groups.append({})
            size = 0
        groups[-1][name] = tensor
        size += tensor.nbytes
    return groups


# ---- Meta's weights ----


def from_meta(source: pathlib.Path, folder: pathlib.Path, shard_bytes: int = SHARD_BYTES) -> list[pathlib.Path]:
    """Write the model of a folder of Meta's in the form of Hugging Face."""
    config, tensors = meta.read_checkpoint(source)
    others = {"tokenizer.model": meta.tokenizer_path(source), "tokenizer_config.json": LLAMA_TOKENIZER}
    renamed = {hf_name(name): unturned(name, tensor, config) for name, tensor in tensors.items()}
    kind = {"F16": "float16", "BF16": "bfloat16"}.get(tensors["token_embd.weight"].scheme.name, "float32")
    return write(folder, config | {"torch_dtype": kind}, renamed, others, shard_bytes)


def hf_name(name: str) -> str:
    """The name of a tensor of a LLaMA model at Hugging Face.

    >>> hf_name("blk.3.attn_q.weight"), hf_name("output.weight")
    ('model.layers.3.self_attn.q_proj.weight', 'lm_head.weight')
    """
    stem, _, kind = name.rpartition(".")
    outside = {ours: theirs for theirs, ours in OUTSIDE.items()}
    inside = {ours: theirs for theirs, ours in (COMMON | PRE_NORM).items()}
    if stem in outside:
        return f"{'' if stem == 'output' else 'model.'}{outside[stem]}.{kind}"
    _, layer, part = stem.split(".")
    return f"model.layers.{layer}.{inside[part]}.{kind}"


def unturned(name: str, tensor: Lazy, config: Mapping[str, Any]) -> Lazy:
    """Query and key with their rotary pairs apart."""
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    part = name.split(".")[-2]
    return lazy.half_split(tensor, heads[part]) if part in heads else tensor
