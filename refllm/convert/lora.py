"""LoRA adapters as the library peft saves them: read, and merged into the weights they were trained for.

An adapter changes a matrix W to W + s·B·A, where A and B are thin: their product has a rank of 8 or 64, and s is
`lora_alpha` over that rank. Merged rows are computed when they are asked for, so a model of any size is merged a few MB
at a time. Whole layers that were trained beside the thin ones (`modules_to_save`: embedding and head) take the place of
the old ones, also with more rows, as where Chinese-LLaMA and Chinese-Alpaca extend the vocabulary. Several adapters are
merged one after the other. Prompt tuning, IA3, DoRA and quantized adapters are refused by name.

>>> weights = {"model.norm.weight": lazy.from_array(np.zeros((2, 3), np.float32))}
>>> a, b = np.float32([[1, 2, 3]]), np.float32([[1], [10]])
>>> adapter = Adapter("demo", {"model.norm": Thin(a, b, scale=0.5)}, {})
>>> lazy.rows_of(merge(weights, adapter)["model.norm.weight"]).tolist()
[[0.5, 1.0, 1.5], [5.0, 10.0, 15.0]]
"""

import dataclasses
import math
import pathlib
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float32

from refllm.convert import lazy, safetensors_file, torch_file
from refllm.convert.checkpoint import read_json
from refllm.convert.lazy import Lazy
from refllm.errors import RefllmError

FILES = {"adapter_model.safetensors": safetensors_file.read, "adapter_model.bin": torch_file.read}
PREFIX = "base_model.model."
SUFFIXES = re.compile(r"\.(lora_A|lora_B|lora_embedding_A|lora_embedding_B)(?:\.\w+)?(?:\.weight)?$")
WHOLE = re.compile(r"\.(?:modules_to_save(?:\.\w+)?|base_layer)\.(weight|bias)$")


@dataclasses.dataclass(frozen=True)
class Thin:
    """The two factors of a change, and what their product is multiplied by."""

    a: Float32[np.ndarray, "rank columns"]
    b: Float32[np.ndarray, "rows rank"]
    scale: float
    turned: bool = False  # the weight is stored as columns by rows (GPT-2's Conv1D), or is an embedding

    @property
    def shape(self) -> tuple[int, int]:
        shape = (len(self.b), self.a.shape[1])
        return shape[::-1] if self.turned else shape

    def rows(self, numbers: np.ndarray) -> np.ndarray:
        """These rows of the change."""
        if self.turned:
            return np.float32(self.scale) * (self.a[:, numbers].T @ self.b.T)
        return np.float32(self.scale) * (self.b[numbers] @ self.a)


@dataclasses.dataclass(frozen=True)
class Adapter:
    """An adapter: changes by the name of the layer, and whole tensors that replace others."""

    path: str
    changes: dict[str, Thin]
    whole: dict[str, Lazy]
    alpha: float = 0.0


def read(folder: pathlib.Path) -> Adapter:
    """The adapter in a folder with `adapter_config.json`."""
    config = read_json(folder / "adapter_config.json")
    if config.get("peft_type") != "LORA" or config.get("use_dora"):
        kind = (
            "DoRA" if config.get("use_dora") else config.get("peft_type", "no adapter (adapter_config.json is missing)")
        )
        raise RefllmError(f"{folder}: is {kind}; expected a LoRA adapter")
    factors: dict[str, dict[str, Lazy]] = {}
    whole = {}
    for name, tensor in read_tensors(folder).items():
        name = name.removeprefix(PREFIX)
        found = SUFFIXES.search(name)
        if found:
            factors.setdefault(name[: found.start()], {})[found[1]] = tensor
        elif "lora_" in name:
            raise RefllmError(f"{folder}: {name!r} is no part of a LoRA that can be merged")
        else:
            whole[WHOLE.sub(r".\1", name)] = tensor
    changes = {layer: thin(layer, parts, config, folder) for layer, parts in factors.items()}
    return Adapter(str(folder), changes, whole, float(config.get("lora_alpha", 0)))


def read_tensors(folder: pathlib.Path) -> dict[str, Lazy]:
    for name, read_file in FILES.items():
        if (folder / name).exists():
            return read_file(folder / name)
    raise RefllmError(f"{folder}: holds no weights; expected {' or '.join(FILES)}")


def thin(layer: str, parts: Mapping[str, Lazy], config: Mapping[str, Any], folder: pathlib.Path) -> Thin:
    """The factors of one layer, checked."""
    embedding = "lora_embedding_A" in parts
    names = ("lora_embedding_A", "lora_embedding_B") if embedding else ("lora_A", "lora_B")
    if parts.keys() != set(names):
        raise RefllmError(f"{folder}: {layer!r} has {', '.join(parts)}; expected {' and '.join(names)}")
    a, b = (parts[name].weights(np.arange(parts[name].height)) for name in names)
    rank = len(a)
    if b.shape[1] != rank:
        raise RefllmError(f"{folder}: {layer!r}: A has {rank} rows, B {b.shape[1]} columns; expected the same")
    alpha = pattern(config.get("alpha_pattern"), layer, config.get("lora_alpha", rank))
    scale = alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)
    return Thin(a, b, scale, turned=embedding or bool(config.get("fan_in_fan_out")))


def pattern(values: Mapping[str, Any] | None, layer: str, default: Any) -> float:
    """The value for a layer where some layers have their own: by the end of its name."""
    for key, value in (values or {}).items():
        if re.search(rf"(^|\.){re.escape(key)}$", layer):
            return float(value)
    return float(default)


def merge(tensors: Mapping[str, Lazy], adapter: Adapter) -> dict[str, Lazy]:
    """The tensors with the adapter merged into them; each stays in its type."""
    merged = dict(tensors)
    for name, tensor in adapter.whole.items():
        if name not in merged:
            raise RefllmError(f"{adapter.path}: {name!r} is no part of the base model")
        merged[name] = replaced(merged[name], tensor, name, adapter)
    for layer, change in adapter.changes.items():
        name = f"{layer}.weight"
        if name not in merged:
            raise RefllmError(f"{adapter.path}: {name!r} is no part of the base model")
        if merged[name].shape != change.shape:
            raise RefllmError(
                f"{adapter.path}: {name!r} is changed as {change.shape}; the base model has it as {merged[name].shape}"
            )
        merged[name] = changed(merged[name], change, name)
    return merged


def changed(tensor: Lazy, change: Thin, name: str) -> Lazy:
    """W + s·B·A, in the type of W."""
    sums = lazy.computed(tensor, lambda weights, numbers: weights + change.rows(numbers))
    return lazy.encoded(sums, tensor.scheme, name)


def replaced(old: Lazy, new: Lazy, name: str, adapter: Adapter) -> Lazy:
    """A layer that was trained as a whole, in the type of the old one; more rows are a larger vocabulary."""
    if new.shape[1:] != old.shape[1:] or new.shape[0] < old.shape[0]:
        raise RefllmError(f"{adapter.path}: {name!r} has the shape {new.shape}; the base model has it as {old.shape}")
    return lazy.encoded(new, old.scheme, name)
