"""A LoRA adapter as a GGUF file of its own, which a program adds to the model while it runs.

Each changed matrix has two tensors, `NAME.lora_a` and `NAME.lora_b`, under the name of the matrix in the model's file;
where that one is reordered for rotary pairs, so are the rows of B. One number, `adapter.lora.alpha`, is for all layers;
what a layer has of its own goes into its B. Layers that were trained as a whole have no place in such a file: an
adapter that has them must be merged (`merge_lora`).
"""

import os
import pathlib

import numpy as np

from refllm import gguf
from refllm.convert import hugging_face, lazy, lora
from refllm.convert.model import title
from refllm.convert.names import gguf_name
from refllm.errors import RefllmError


def lora_to_gguf(
    adapter: str | os.PathLike, base: str | os.PathLike, dst: str | os.PathLike | None = None
) -> pathlib.Path:
    """Write the adapter as GGUF, in float32; `base` is the folder of the model (only its config is read)."""
    adapter, base = pathlib.Path(adapter), pathlib.Path(base)
    dst = pathlib.Path(dst or adapter / "ggml-adapter-f32.gguf")
    config = hugging_face.read_config(base)
    architecture = hugging_face.architecture_of(config, base)
    found = lora.read(adapter)
    if found.whole:
        raise RefllmError(f"{adapter}: {min(found.whole)!r} was trained as a whole; such an adapter must be merged")
    tensors = {}
    for layer, change in found.changes.items():
        place = gguf_name(architecture, f"{layer}.weight")
        if place is None or place.expert is not None or place.name.endswith("_norm.weight"):
            raise RefllmError(f"{adapter}: {layer!r} has no place in a model of the kind {architecture.name}")
        a, b = factors(change, place.name, found.alpha)
        ((_, turned),) = hugging_face.prepared(architecture, config, place.name, lazy.from_array(b), adapter)
        tensors |= {f"{place.name}.lora_a": a, f"{place.name}.lora_b": lazy.rows_of(turned)}
    gguf.write(dst, metadata_of(architecture.name, adapter, found.alpha), tensors)
    return dst


def factors(change: lora.Thin, name: str, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """A and B such that alpha over the rank scales their product; A of an embedding has a row for each piece."""
    own = change.scale * len(change.a)
    b = change.b if own == alpha else change.b * np.float32(own / alpha)
    is_embedding = name == "token_embd.weight"
    if change.turned and not is_embedding:
        raise RefllmError(f"{name!r}: the weight is stored as columns by rows, which GGUF's models are not")
    return np.ascontiguousarray(change.a.T) if is_embedding else change.a, b


def metadata_of(architecture: str, adapter: pathlib.Path, alpha: float) -> dict:
    return {
        "general.architecture": architecture,
        "general.type": "adapter",
        "general.name": title(adapter.resolve().name),
        "adapter.type": "lora",
        "adapter.lora.alpha": alpha,
    }
