"""RWKV checkpoints as models for GGUF: the `.pth` files of its author, and rwkv.cpp's files (`rwkv_file.py`).

Which of the generations 4 to 7 a checkpoint is shows in its tensors; what becomes of these is in `rwkv_tensors.py`.
Sizes follow from shapes. The metadata is that of llama.cpp's converter, under the architectures `rwkv6` and `rwkv7`,
and in the same manner `rwkv4` and `rwkv5`, which llama.cpp does not know. What differs from its converter: layers are
not scaled down for float16 (`rescale_every_n_layers` is 0).

>>> generation({"blocks.0.att.ln_x.weight": None, "blocks.0.att.gate.weight": None})
'rwkv5'
"""

import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from refllm import gguf
from refllm.convert import rwkv_file, torch_file
from refllm.convert.lazy import Lazy
from refllm.convert.model import Model, check_layers, title
from refllm.convert.rwkv_tensors import placed
from refllm.convert.rwkv_vocabulary import read_vocabulary
from refllm.errors import RefllmError

UNLIMITED = 1 << 20  # the context of a model that has no limit, as llama.cpp's converter writes it
EPSILON = 1e-5
SIGNS = {"rwkv7": "att.k_k", "rwkv6": "att.time_maa_x", "rwkv5": "att.ln_x.weight"}
NEEDED = ("emb.weight", "head.weight", "blocks.0.ln0.weight", "blocks.0.ffn.key.weight")
SIZED_BY = {  # tensors whose shapes say something about these models
    "rwkv4": (),
    "rwkv5": ("time_mix_first",),
    "rwkv6": ("time_mix_first", "time_mix_w2", "time_mix_decay_w1"),
    "rwkv7": ("time_mix_w1", "time_mix_a1", "time_mix_g1", "time_mix_v1"),
}
FILE_TYPES = {"F32": 0, "F16": 1, "Q4_0": 2, "Q4_1": 3, "Q8_0": 7, "Q5_0": 8, "Q5_1": 9}  # in GGUF


def is_checkpoint(path: pathlib.Path) -> bool:
    return path.suffix == ".pth" or rwkv_file.is_rwkv_file(path)


def read(path: pathlib.Path) -> Model:
    """The model in a file."""
    if not rwkv_file.is_rwkv_file(path):
        return build(path, torch_file.read(path), is_prepared=False)
    data_type, stored = rwkv_file.read(path)
    model = build(path, stored, is_prepared=True)
    model.metadata["general.file_type"] = np.uint32(FILE_TYPES.get(data_type, FILE_TYPES["F16"]))
    model.keeps_types = True
    return model


def build(path: pathlib.Path, stored: Mapping[str, Lazy], is_prepared: bool) -> Model:
    """The model of a checkpoint's tensors; rwkv.cpp has prepared some of them already."""
    for name in NEEDED:
        if name not in stored or len(stored[name].shape) != 1 + (name != "blocks.0.ln0.weight"):
            raise RefllmError(f"{path}: has no tensor {name!r}; expected a checkpoint of RWKV")
    kind = generation(stored)
    tensors = placed(path, kind, stored, is_prepared)
    layers = 1 + max(int(name.split(".")[1]) for name in tensors if name.startswith("blk."))
    check_layers(tensors, layers, path)
    metadata = gguf.Metadata({"general.architecture": kind, "general.type": "model", "general.name": title(path.stem)})
    found = fields(path, kind, tensors, layers)
    if kind == "rwkv7":
        found["wkv.head_size"] = stored["blocks.0.att.r_k"].shape[-1]
    metadata |= {f"{kind}.{key}": value for key, value in found.items()}
    return Model(metadata | read_vocabulary(path, found["vocab_size"]), tensors)


def generation(names: Iterable[str]) -> str:
    """Which RWKV has such tensors."""
    return next((kind for kind, sign in SIGNS.items() if f"blocks.0.{sign}" in names), "rwkv4")


def fields(path: pathlib.Path, kind: str, tensors: Mapping[str, Lazy], layers: int) -> dict[str, Any]:
    """The sizes, as the shapes tell them."""
    vocabulary, dim = tensors["token_embd.weight"].shape
    found = {
        "context_length": UNLIMITED,
        "embedding_length": dim,
        "block_count": layers,
        "feed_forward_length": tensors["blk.0.channel_mix_key.weight"].shape[0],
        "attention.layer_norm_epsilon": EPSILON,
        "attention.head_count": 0,  # llama.cpp wants to read one
        "vocab_size": vocabulary,
    }
    # of the last layer: the first one of RWKV-7 has something else where the others mix values
    names = {part: f"blk.{layers - 1}.{part}.weight" for part in SIZED_BY[kind]}
    if missing := [name for name in names.values() if name not in tensors]:
        raise RefllmError(f"{path}: {missing[0]!r} is missing; expected a model of the kind {kind}")
    shapes = [tensors[name].shape for name in names.values()]
    if kind in ("rwkv5", "rwkv6"):
        found["wkv.head_size"] = shapes[0][1]
    if kind == "rwkv6":
        found |= {"rescale_every_n_layers": 0, "time_mix_extra_dim": shapes[1][-1]}
        found["time_decay_extra_dim"] = shapes[2][0]
    if kind == "rwkv7":
        ranks = ("decay", "iclr", "gate", "value_residual_mix")
        found |= {f"attention.{rank}_lora_rank": shape[0] for rank, shape in zip(ranks, shapes, strict=True)}
    return found
