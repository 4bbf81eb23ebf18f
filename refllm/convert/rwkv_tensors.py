"""The tensors of an RWKV checkpoint under GGUF's names and in GGUF's form.

Names and shapes are those of llama.cpp's converter: small matrices, which a checkpoint stores for x @ matrix, are
turned; the vectors by which tokens are mixed for several purposes lie in one tensor. RWKV-4 and 5 follow in the same
manner: their `time_mix_decay` holds what the model applies (-e^x, and e^-e^x), as rwkv.cpp has it, and what is mixed
in is the part of the token before, as in RWKV-6, one minus what they were trained with. In the first models of RWKV-5
a head has one decay and one bonus (of which e^x counts); they are repeated for its channels. Everything is computed
when it is written.

>>> gguf_name("blocks.3.att.receptance.weight"), gguf_name("blocks.3.ffn.x_k"), gguf_name("blocks.0.att.time_faaaa")
('blk.3.time_mix_receptance.weight', 'blk.3.channel_mix_lerp_k.weight', 'blk.0.time_mix_first.weight')
"""

import math
import pathlib
import re
from collections.abc import Callable, Mapping

import numpy as np

from refllm import quants
from refllm.convert.lazy import Lazy
from refllm.errors import RefllmError

OUTSIDE = {"emb": "token_embd", "blocks.0.ln0": "token_embd_norm", "ln_out": "output_norm", "head": "output"}
STEMS = {  # inside of a layer, before .weight and .bias
    "ln1": "attn_norm",
    "ln2": "attn_norm_2",
    "att.ln_x": "time_mix_ln",
    **{f"att.{name}": f"time_mix_{name}" for name in ("receptance", "key", "value", "gate", "output")},
    **{f"ffn.{name}": f"channel_mix_{name}" for name in ("receptance", "key", "value")},
}
BARE = {  # of time mixing, without .weight
    "time_first": "first",
    "time_faaaa": "first",
    "time_decay": "decay",
    "time_maa_x": "lerp_x",
    "time_maa_w1": "w1",
    "time_maa_w2": "w2",
    "time_decay_w1": "decay_w1",
    "time_decay_w2": "decay_w2",
    **{name: name for name in ("w0", "w1", "w2", "a0", "a1", "a2", "v0", "v1", "v2", "g1", "g2", "k_k", "k_a", "r_k")},
}
LERP = re.compile(r"(att|ffn)\.(?:time_mix|time_maa|x)_([rwkvag]|rwkvag)")
TURNED = re.compile(r"time_mix_([wavg][12]|decay_w[12])\.weight")
VECTORS = re.compile(r"time_mix_(w0|a0|v0|k_k|k_a|r_k|lerp_x)\.weight|channel_mix_lerp_[kr]\.weight")
MIXED = {"rwkv4": "kvr", "rwkv5": "kvrg", "rwkv6": "wkvrg", "rwkv7": "rwkvag"}  # what tokens are mixed for, in order
DECAY = {"rwkv4": lambda x: -np.exp(x), "rwkv5": lambda x: np.exp(-np.exp(x))}


def gguf_name(name: str) -> str | None:
    """The place of a tensor of the checkpoint; None if RWKV has none for it."""
    stem, _, ending = name.rpartition(".")
    if stem in OUTSIDE and ending in ("weight", "bias"):
        return f"{OUTSIDE[stem]}.{ending}"
    found = re.fullmatch(r"blocks\.(\d{1,4})\.(.+)", name)
    if not found:
        return None
    layer, inside = found.groups()
    if lerp := LERP.fullmatch(inside):
        purpose = "fused" if lerp[2] == "rwkvag" else lerp[2]
        return f"blk.{layer}.{'time' if lerp[1] == 'att' else 'channel'}_mix_lerp_{purpose}.weight"
    if inside.removeprefix("att.") in BARE:
        return f"blk.{layer}.time_mix_{BARE[inside.removeprefix('att.')]}.weight"
    stem, _, ending = inside.rpartition(".")
    return f"blk.{layer}.{STEMS[stem]}.{ending}" if stem in STEMS and ending in ("weight", "bias") else None


def placed(path: pathlib.Path, kind: str, stored: Mapping[str, Lazy], is_prepared: bool) -> dict[str, Lazy]:
    """All tensors; rwkv.cpp has prepared some of them already."""
    dim, tensors, lerps = stored["emb.weight"].shape[1], {}, {}
    for name, tensor in stored.items():
        place = gguf_name(name)
        if place is None:
            raise RefllmError(f"{path}: tensor {name!r} has no place in a model of the kind {kind}")
        layer, _, purpose = place.partition(".time_mix_lerp_")
        if purpose and purpose not in ("x.weight", "fused.weight"):
            lerps.setdefault(layer, {})[purpose[0]] = tensor
        else:
            tensors[place] = in_gguf_form(kind, place, tensor, is_prepared, dim)
    for layer, found in lerps.items():
        tensors[f"{layer}.time_mix_lerp_fused.weight"] = fused(kind, found, dim, f"{path}: {layer}")
    if kind == "rwkv7":  # the first layer has no value to mix with its own; llama.cpp wants something to stand there
        rates = {name: name.replace("_a", "_v") for name in (f"blk.0.time_mix_a{n}.weight" for n in range(3))}
        tensors |= {ours: tensors[name] for name, ours in rates.items() if name in tensors}
    return tensors


def in_gguf_form(kind: str, place: str, tensor: Lazy, is_prepared: bool, dim: int) -> Lazy:
    """One tensor, whose place is known."""
    if TURNED.search(place):
        return tensor if is_prepared else turned(tensor)
    if place.endswith("time_mix_decay.weight"):
        applied = np.asarray if is_prepared else DECAY.get(kind, np.asarray)
        return for_channels(tensor, dim, kind in ("rwkv4", "rwkv6"), applied)
    if place.endswith("time_mix_first.weight"):
        is_trained_as_log = kind == "rwkv5" and math.prod(tensor.shape) < dim and not is_prepared
        return for_channels(tensor, dim, kind == "rwkv4", np.exp if is_trained_as_log else np.asarray)
    if place.endswith("time_mix_lerp_fused.weight"):
        return computed((len(MIXED[kind]), 1, 1, dim), np.asarray, tensor)
    if VECTORS.search(place):
        is_own_part = kind in ("rwkv4", "rwkv5")
        return computed((dim,), (lambda x: 1 - x) if is_own_part else np.asarray, tensor)
    return tensor


def for_channels(tensor: Lazy, dim: int, is_flat: bool, function: Callable) -> Lazy:
    """A number for each channel, in one row or in heads; what a head has only one of is repeated."""
    heads = 1 if is_flat else max(1, tensor.shape[0])
    rows = (heads, dim // heads)
    return computed(
        (dim,) if is_flat else rows, lambda x: np.broadcast_to(function(x).reshape(heads, -1), rows), tensor
    )


def fused(kind: str, found: Mapping[str, Lazy], dim: int, where: str) -> Lazy:
    """The mixing of tokens for all purposes, in llama.cpp's order; the first models of RWKV-5 have no gate."""
    purposes = [purpose for purpose in MIXED[kind] if purpose in found or not (kind == "rwkv5" and purpose == "g")]
    if set(purposes) != set(found):
        raise RefllmError(f"{where} mixes tokens for {sorted(found)}; expected {sorted(purposes)}")
    is_own_part = kind in ("rwkv4", "rwkv5")

    def stack(*parts: np.ndarray) -> np.ndarray:
        rows = np.stack([part.reshape(-1) for part in parts])
        return 1 - rows if is_own_part else rows

    return computed((len(purposes), 1, 1, dim), stack, *(found[purpose] for purpose in purposes))


# ---- computing ----


def turned(tensor: Lazy) -> Lazy:
    """The last two axes exchanged."""
    shape = (*tensor.shape[:-2], tensor.shape[-1], tensor.shape[-2])
    return computed(shape, lambda x: x.swapaxes(-1, -2), tensor)


def computed(shape: tuple[int, ...], function: Callable[..., np.ndarray], *tensors: Lazy) -> Lazy:
    """What a function makes of whole tensors, which are small; it is called when rows are asked for."""

    def rows(numbers: np.ndarray) -> np.ndarray:
        try:
            made = function(*(whole(tensor) for tensor in tensors)).reshape(shape)
        except ValueError as error:
            sizes = " and ".join(str(list(tensor.shape)) for tensor in tensors)
            raise RefllmError(f"a tensor of shape {list(shape)} cannot be made of {sizes}: {error}") from error
        return np.ascontiguousarray(made, np.float32).reshape(-1, shape[-1] if len(shape) > 1 else 1)[numbers]

    return Lazy(shape, quants.get("F32"), rows)


def whole(tensor: Lazy) -> np.ndarray:
    return tensor.weights(np.arange(tensor.height)).reshape(tensor.shape)
