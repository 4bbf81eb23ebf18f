"""Models as lists of names and shapes, without weights: what the mixes are compared on.

Widths are small, since only their remainders matter; heads and experts are those of real models.
"""

import itertools
import re

from refllm.quants.mixes import ModelFacts


def model(layers: int, layer: dict, width: int = 256, tied: bool = False) -> dict:
    shapes = {"token_embd.weight": (512, width), "output_norm.weight": (width,)}
    if not tied:
        shapes["output.weight"] = (512, width)
    for number in range(layers):
        shapes |= {f"blk.{number}.{name}": shape for name, shape in layer.items()}
    return shapes


def attention(width: int, keys: int) -> dict:
    return {
        "attn_norm.weight": (width,),
        "attn_q.weight": (width, width),
        "attn_k.weight": (keys, width),
        "attn_v.weight": (keys, width),
        "attn_output.weight": (width, width),
    }


def gated(width: int, hidden: int, suffix: str = "", experts: tuple = ()) -> dict:
    inward, outward = (*experts, hidden, width), (*experts, width, hidden)
    return {f"ffn_gate{suffix}.weight": inward, f"ffn_up{suffix}.weight": inward, f"ffn_down{suffix}.weight": outward}


ROUTER = {"ffn_gate_inp.weight": (64, 256)}
SENSITIVE = {"attn_v.weight": (64, 256), "ffn_down.weight": (256, 512)}
FALCON = {"attn_qkv.weight": (384, 256), "attn_output.weight": (256, 256), "ffn_down.weight": (256, 1024)}

MODELS = {
    "llama": (ModelFacts("llama", 24, 32, 32), model(24, attention(256, 256) | gated(256, 512))),
    "grouped": (ModelFacts("llama", 22, 32, 4), model(22, attention(256, 64) | gated(256, 512))),
    "tied": (ModelFacts("qwen2", 12, 12, 2), model(12, attention(256, 64) | gated(256, 512), tied=True)),
    "odd": (ModelFacts("qwen2", 12, 14, 2), model(12, attention(224, 32) | gated(224, 1216), 224, tied=True)),
    "very odd": (ModelFacts("llama", 9, 4, 4), model(9, attention(100, 100) | gated(100, 272), 100)),
    "70B": (ModelFacts("llama", 80, 64, 8), model(80, SENSITIVE)),
    "72B": (ModelFacts("qwen2", 80, 64, 8), model(80, SENSITIVE, tied=True)),
    "8 experts": (
        ModelFacts("llama", 12, 32, 8, 8),
        model(12, attention(256, 64) | ROUTER | gated(256, 512, "_exps", (8,))),
    ),
    "128 experts": (
        ModelFacts("qwen3moe", 12, 32, 4, 128),
        model(12, attention(256, 64) | ROUTER | gated(256, 512, "_exps", (128,))),
    ),
    "shared expert": (
        ModelFacts("qwen2moe", 17, 16, 16, 60),
        model(17, attention(256, 256) | gated(256, 512, "_exps", (60,)) | gated(256, 512, "_shexp")),
    ),
    "falcon": (ModelFacts("falcon", 32, 64, 8), model(32, FALCON)),
}


def shortened(schemes: dict[str, str | None], base: str) -> dict[str, list[str]]:
    """The names of each scheme's tensors, except the base's; the layers of one kind of tensor in one name."""
    groups = {}
    for name, scheme in schemes.items():
        match = re.match(r"blk\.(\d+)(\..*)", name)
        layers = groups.setdefault(scheme or "kept", {}).setdefault(match[2] if match else name, [])
        layers.append(int(match[1]) if match else None)
    return {
        scheme: [name if layers == [None] else f"blk.{runs(layers)}{name}" for name, layers in groups[scheme].items()]
        for scheme in sorted(groups)
        if scheme != base
    }


def runs(numbers: list[int]) -> str:
    """[0, 1, 2, 5] as "0-2,5"."""
    texts = []
    for _, group in itertools.groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
        group = [number for _, number in group]
        texts.append(str(group[0]) if len(group) == 1 else f"{group[0]}-{group[-1]}")
    return ",".join(texts)
