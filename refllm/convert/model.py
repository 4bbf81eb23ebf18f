"""What every source becomes before it is written: the metadata of a GGUF file, and tensors under GGUF's names.

Here stands what is the same for all of them: which tensors stay in float32, what a file type is called, how large a
model calls itself, and the check that no layer lacks what the others have. Nothing is read or written here.

>>> size_label({"token_embd.weight": (32000, 4096), "blk.0.ffn_up.weight": (11008, 4096)})
'176M'
>>> stays_float("blk.0.attn_norm.weight", (4096,)), stays_float("blk.0.attn_q.weight", (4096, 4096))
(True, False)
"""

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping

from refllm import gguf
from refllm.convert.lazy import Lazy
from refllm.errors import RefllmError

FILE_TYPES = {"f32": ("F32", 0), "f16": ("F16", 1), "q8_0": ("Q8_0", 7), "bf16": ("BF16", 32)}  # scheme, number
FLOAT_IN_RWKV = re.compile(r"time_mix_(first|w1|w2|decay_w1|decay_w2|lerp_fused)\.weight")  # as in llama.cpp
LAYER = re.compile(r"blk\.(\d+)\.(.+)")


@dataclasses.dataclass
class Model:
    """A model on its way into a GGUF file; `metadata` says nothing yet of how weights will be stored."""

    metadata: gguf.Metadata
    tensors: dict[str, Lazy]
    keeps_types: bool = False  # the tensors go into the file as they are, quantized ones too


def stays_float(name: str, shape: tuple[int, ...]) -> bool:
    """Whether a tensor is float32 in every file: vectors, norms, the choice of experts, RWKV's mixing."""
    if len(shape) < 2 or not name.endswith(".weight"):
        return True
    return name.endswith("_norm.weight") or "ffn_gate_inp." in name or FLOAT_IN_RWKV.search(name) is not None


def stored_type(tensors: Mapping[str, Lazy]) -> str:
    """The file type that keeps matrices as they are: bf16 where the first one is, else f16."""
    first = next((tensor for tensor in tensors.values() if len(tensor.shape) > 1), None)
    return "bf16" if first is not None and first.scheme.name == "BF16" else "f16"


def size_label(shapes: Mapping[str, tuple[int, ...]]) -> str:
    """`7B`, or `8x7B` for a model of eight experts."""
    experts = [shape[0] for name, shape in shapes.items() if "_exps." in name]
    weights = sum(math.prod(shape[1:]) if "_exps." in name else math.prod(shape) for name, shape in shapes.items())
    scale, letter = next(
        (10**power, letter)
        for power, letter in ((12, "T"), (9, "B"), (6, "M"), (3, "K"))
        if weights > 10**power or power == 3
    )
    number = weights / scale
    digits = max(0, 2 - len(str(round(number)).lstrip("0")))
    return (f"{experts[0]}x" if experts else "") + f"{number:.{digits}f}{letter}"


def title(name: str) -> str:
    """A folder's name as people write it: `tiny-llama-v1` is called `Tiny Llama v1`."""
    words = name.strip().replace("-", " ").split()
    return " ".join(word.title() if word.islower() and not re.match(r"v?\d", word) else word for word in words)


def check_layers(names: Iterable[str], layers: int, where: object) -> None:
    """Every layer has the tensors of the first one, and there are as many as the model is said to have."""
    inside = [set() for _ in range(layers)]
    for name in names:
        if found := LAYER.fullmatch(name):
            number, kind = int(found[1]), found[2]
            if number >= layers:
                raise RefllmError(f"{where}: holds {name!r}; expected layers 0 to {layers - 1}")
            inside[number].add(kind)
    everything = set().union(*inside)
    for number, kinds in enumerate(inside):
        if missing := everything - kinds:
            raise RefllmError(f"{where}: layer {number} has no {min(missing)!r}; other layers have it")
