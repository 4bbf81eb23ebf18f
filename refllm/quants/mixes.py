"""Gives each tensor of a model the scheme that `llama-quantize` gives it.

`assign` walks over the tensors and asks the tables of `mix_table.py`. It needs names, shapes and a few facts from the
metadata, so a 70B model can be planned without its weights. It quantizes nothing (`refllm.convert` does) and knows
nothing of files.

>>> facts = ModelFacts("llama", layers=1, heads=8, key_heads=2)
>>> shapes = {"token_embd.weight": (512, 256), "blk.0.attn_norm.weight": (256,), "blk.0.attn_v.weight": (64, 256)}
>>> for name, choice in assign(get("Q4_K_M"), shapes, facts).items():
...     print(name, choice.scheme)
token_embd.weight Q6_K
blk.0.attn_norm.weight None
blk.0.attn_v.weight Q6_K

The embedding is Q6_K because nothing is called `output.weight`: it doubles as the output. None: kept as it is.
"""

import collections
import dataclasses
import numbers
import re
import reprlib
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from refllm import quants
from refllm.quants import mix_table
from refllm.quants.mix_table import CONDITIONS, MIXES, Mix, Place
from refllm.quants.scheme import QuantError

ALIASES = {"Q3_K": "Q3_K_M", "Q4_K": "Q4_K_M", "Q5_K": "Q5_K_M"}
UNQUANTIZED = ("F32", "F16", "BF16")

Shape = tuple[int, ...]  # rows last but one, columns last, as numpy has it


class Choice(NamedTuple):
    """The scheme for one tensor (None: kept as it is), and the one it should have had if its rows were wider."""

    scheme: str | None
    instead_of: str | None = None


@dataclasses.dataclass(frozen=True)
class ModelFacts:
    """What the rules ask about a model."""

    architecture: str
    layers: int
    heads: int
    key_heads: int
    experts: int = 0

    @property
    def group(self) -> int:
        """Query heads that share one key head (0 for a model without key heads)."""
        return self.heads // self.key_heads if self.key_heads else 0

    @property
    def is_70b(self) -> bool:
        right_layers = mix_table.LAYERS_OF_70B.get(self.architecture) == self.layers
        return right_layers and not (self.architecture.startswith("llama") and self.heads == self.key_heads)


@dataclasses.dataclass(frozen=True)
class Wishes:
    """What a user may say against the rules."""

    pure: bool = False  # the base scheme everywhere
    leave_output: bool = False  # output.weight stays as it is
    output: str | None = None
    token_embedding: str | None = None
    tensors: tuple[tuple[str, str], ...] = ()  # (pattern, scheme): the first pattern found in a name decides


NO_WISHES = Wishes()


def get(name: str | int) -> Mix:
    """The mix with this name, in any case (`q4_k_m`, `Q4_K` for short), or with this file type number (`15`)."""
    wanted = str(name).upper()
    for mix in MIXES.values():
        if ALIASES.get(wanted, wanted) in (mix.name, str(mix.id)):
            return mix
    raise QuantError(f"unknown file type {name!r}; expected one of {', '.join(MIXES)}")


def facts(metadata: Mapping) -> ModelFacts:
    """The facts of a model, from the metadata of its GGUF file."""
    architecture = str(metadata.get("general.architecture", ""))

    def number(name: str, default: int = 0) -> int:
        key = f"{architecture}.{name}"
        value = metadata.get(key, default)
        first = value[0] if np.ndim(value) == 1 and len(value) else value  # a list has one number per layer
        if not isinstance(first, numbers.Integral):
            raise QuantError(f"metadata[{key!r}] is {reprlib.repr(value)}; expected a whole number, or one per layer")
        return int(first)

    heads = number("attention.head_count")
    key_heads = number("attention.head_count_kv", heads)
    return ModelFacts(architecture, number("block_count"), heads, key_heads, number("expert_count"))


def file_order(name: str) -> tuple[int, bytes]:
    """The order of tensors in a quantized file: what belongs to no layer first, then layer by layer, by name."""
    return _layer_in_name(name), name.encode()


def assign(
    mix: Mix,
    shapes: Mapping[str, Shape],
    facts: ModelFacts,
    has_importance: bool = False,
    wishes: Wishes = NO_WISHES,
) -> dict[str, Choice]:
    """The scheme of every tensor. Some rules count tensors in the order given: for llama-quantize, `file_order`."""
    totals = collections.Counter(map(part_of, shapes))
    decided = collections.Counter()  # only what the rules decide is counted
    choices = {}
    for name, shape in shapes.items():
        part = part_of(name)
        if is_kept(name, shape, facts.architecture, wishes):
            choices[name] = Choice(None)
        elif wished := _wished(mix, name, part, shape, wishes):
            choices[name] = wished
        elif part == "output" or (part == "token_embd" and "output.weight" not in shapes):
            choices[name] = fitting(wishes.output or _output(mix, shape, facts), shape)
        else:
            position, total = decided[part], totals[part]
            if part.startswith("ffn"):
                position, total = _layer(name, position, facts), facts.layers
            slices = len(shape) > 2 and shape[-3] > 1
            place = Place(position, total, decided[part], facts.group, facts.experts, slices, has_importance)
            choices[name] = fitting(_by_rules(mix, name, part, place, facts), shape)
            decided[part] += 1
    return choices


def part_of(name: str) -> str:
    """Which part of the model a tensor is."""
    if name == "output.weight":
        return "output"
    if name in ("token_embd.weight", "per_layer_token_embd.weight"):
        return "token_embd"
    return next((part for fragment, part in mix_table.PART_OF_NAME.items() if fragment in name), "other")


def is_kept(name: str, shape: Shape, architecture: str, wishes: Wishes) -> bool:
    """Whether a tensor stays as it is: vectors, norms, and what is too small or too delicate to quantize."""
    fragments = mix_table.KEPT + mix_table.KEPT_BY_ARCHITECTURE.get(architecture, ())
    return (
        dimensions(shape) < 2
        or not name.endswith("weight")
        or name in ("position_embd.weight", "token_types.weight")
        or (name == "output.weight" and wishes.leave_output)
        or any(fragment in name for fragment in fragments)
    )


def dimensions(shape: Shape) -> int:
    """The dimensions that count: leading ones do not."""
    while len(shape) > 1 and shape[0] == 1:
        shape = shape[1:]
    return len(shape)


def fitting(scheme: str, shape: Shape) -> Choice:
    """The scheme itself where rows divide into its blocks, else the one that stands in for it."""
    columns, block = shape[-1], quants.get(scheme).block_size
    if columns % block == 0:
        return Choice(scheme)
    if block > 32 and scheme not in mix_table.FALLBACK:
        raise QuantError(f"{scheme}: rows of {columns} weights do not divide into blocks of {block}; nothing stands in")
    stand_in = mix_table.FALLBACK.get(scheme, scheme)
    return Choice(stand_in if columns % quants.get(stand_in).block_size == 0 else "F16", instead_of=scheme)


def needs_importance(mix: Mix, name: str, scheme: str | None) -> bool:
    """Whether a tensor would turn to garbage in this scheme without knowing which columns matter."""
    if part_of(name) in ("output", "token_embd"):
        return False
    return scheme in mix_table.NEEDS_IMPORTANCE or (scheme == "Q2_K" and mix.name == "Q2_K_S")


def evaluate(rule: str, place: Place) -> str | None:
    """What a rule such as `"Q5_K if first_2 else Q4_K"` gives at a place; None where it says nothing.

    >>> evaluate("Q5_K if first_2 else Q4_K if grouped", Place(position=5, group=8))
    'Q4_K'
    """
    for clause in rule.split(" else "):
        scheme, _, conditions = clause.partition(" if ")
        if all(CONDITIONS[condition](place) for condition in conditions.split(" and ") if condition):
            return scheme
    return None


def _wished(mix: Mix, name: str, part: str, shape: Shape, wishes: Wishes) -> Choice | None:
    """What goes before the rules. A scheme asked for by the kind of tensor is taken without a look at its rows."""
    by_pattern = next((scheme for pattern, scheme in wishes.tensors if re.search(pattern, name)), None)
    if part == "output" and wishes.output:
        return Choice(wishes.output)
    if part == "token_embd" and wishes.token_embedding and not (by_pattern and name.startswith("per_layer")):
        return Choice(wishes.token_embedding)
    if mix.base in UNQUANTIZED:
        return Choice(mix.base)
    if by_pattern or wishes.pure:
        return fitting(by_pattern or mix.base, shape)
    return None


def _output(mix: Mix, shape: Shape, facts: ModelFacts) -> str:
    odd = shape[-1] % quants.get(mix.base).block_size != 0
    return "Q8_0" if odd or facts.architecture == "falcon" else mix.output


def _by_rules(mix: Mix, name: str, part: str, place: Place, facts: ModelFacts) -> str:
    if any(fragment in name for fragment in mix_table.Q8_0_BY_ARCHITECTURE.get(facts.architecture, ())):
        return "Q8_0"
    rules = mix.rules | mix_table.BY_ARCHITECTURE.get(facts.architecture, {}).get(mix.name, {})
    if facts.experts == 8:
        rules = rules | mix_table.EIGHT_EXPERTS[mix.name]
    scheme = evaluate(rules.get(part, mix.base), place) or mix.base
    if part == "attn_v" and facts.is_70b and mix.name not in mix_table.BELOW_3_BITS:
        scheme = mix_table.ATTN_V_OF_70B.get(scheme, scheme)
    return scheme


def _layer(name: str, position: int, facts: ModelFacts) -> int:
    """The layer of an ffn tensor: its place among its kind, but experts do not come in the order of layers."""
    layer = _layer_in_name(name) if facts.experts > 1 else position
    if facts.experts > 1 and not 0 <= layer < facts.layers:
        raise QuantError(f"tensor {name!r}: names no layer of the model; expected blk.0. to blk.{facts.layers - 1}.")
    return layer


def _layer_in_name(name: str) -> int:
    match = re.match(r"blk\.(\d+)", name)
    return int(match[1]) if match else -1
