"""A folder as Hugging Face's transformers saves it, as a model for GGUF: `config.json`, weights, tokenizer.

What the fields of `config.json` are called in GGUF stands here, in the order in which llama.cpp's converter writes
them; names and shapes of tensors come from `names.py`, the vocabulary from `vocabulary.py`. It does not know images
and sound: of a model that has them, the language part is taken.

>>> architecture_of({"architectures": ["MambaForCausalLM"]}, "folder")  # doctest: +ELLIPSIS
Traceback (most recent call last):
    ...
refllm.errors.RefllmError: folder/config.json: the architecture is 'MambaForCausalLM'; expected one of ...
"""

import logging
import math
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from refllm import gguf
from refllm.convert import lazy
from refllm.convert.checkpoint import read_json, tensors_of
from refllm.convert.lazy import Lazy
from refllm.convert.model import Model, check_layers, title
from refllm.convert.names import ARCHITECTURES, NEEDLESS, Architecture, gguf_name
from refllm.convert.vocabulary import read_vocabulary
from refllm.errors import RefllmError

Config = dict[str, Any]

log = logging.getLogger("refllm")

# GGUF's name, the names in config.json.
SIZES = {
    "context_length": ("max_position_embeddings", "model_max_length"),
    "embedding_length": ("hidden_size",),
    "block_count": ("num_hidden_layers",),
    "feed_forward_length": ("intermediate_size",),
    "attention.head_count": ("num_attention_heads",),
    "attention.head_count_kv": ("num_key_value_heads", "num_attention_heads"),
    "vocab_size": ("vocab_size",),
}
OPTIONAL = {
    "attention.key_length": ("head_dim",),
    "attention.value_length": ("head_dim",),
    "expert_count": ("num_local_experts", "num_experts"),
    "expert_used_count": ("num_experts_per_tok",),
    "expert_feed_forward_length": ("moe_intermediate_size",),
}
SAMPLING = {  # of generation_config.json
    "top_k": "top_k",
    "top_p": "top_p",
    "min_p": "min_p",
    "temp": "temperature",
    "penalty_repeat": "repetition_penalty",
}


def read(folder: pathlib.Path, *, vocabulary_only: bool = False, normalize_head: bool = True) -> Model:
    """The model in a folder; its tensors are not read yet."""
    config = read_config(folder)
    return build(folder, config, {} if vocabulary_only else tensors_of(folder), folder, normalize_head)


def build(
    folder: pathlib.Path,
    config: Config,
    stored: Mapping[str, Lazy],
    tokenizer: pathlib.Path,
    normalize_head: bool = True,
) -> Model:
    """The model of a config and tensors, with the tokenizer of a folder; without tensors the vocabulary alone."""
    architecture = architecture_of(config, folder)
    metadata = gguf.Metadata({"general.architecture": architecture.name, "general.type": "model"})
    metadata |= general(folder)
    metadata |= {f"{architecture.name}.{key}": value for key, value in fields(architecture, config, folder).items()}
    tensors = placed_tensors(folder, architecture, config, stored, normalize_head) if stored else {}
    metadata |= read_vocabulary(tokenizer, config, vocabulary_size(config, tensors, folder))
    return Model(metadata, tensors)


def read_config(folder: pathlib.Path) -> Config:
    config = read_json(folder / "config.json")
    if not config:
        raise RefllmError(f"{folder}: has no config.json; expected a folder as transformers saves it")
    return config | (config.get("text_config") or {})  # the language part of a model with eyes


def architecture_of(config: Config, folder: pathlib.Path | str) -> Architecture:
    """The architecture, with what its config may leave out filled in."""
    name = (config.get("architectures") or [None])[0]
    if name == "Gemma3ForConditionalGeneration":
        name = "Gemma3ForCausalLM"
    if name not in ARCHITECTURES:
        raise RefllmError(
            f"{folder}/config.json: the architecture is {name!r}; expected one of {', '.join(ARCHITECTURES)}"
        )
    for key, value in ARCHITECTURES[name].defaults.items():
        if config.get(key) is None:
            config[key] = value
    return ARCHITECTURES[name]


def general(folder: pathlib.Path) -> dict[str, Any]:
    """The name, and how the model is to be sampled from."""
    wishes = read_json(folder / "generation_config.json")
    found = {
        f"general.sampling.{ours}": wishes[theirs]
        for ours, theirs in SAMPLING.items()
        if isinstance(wishes.get(theirs), int | float)
    }
    found = {key: np.int32(value) if key.endswith("top_k") else float(value) for key, value in found.items()}
    return found | {"general.name": title(folder.resolve().name)}


# ---- the fields of config.json ----


def fields(architecture: Architecture, config: Config, folder: pathlib.Path) -> dict[str, Any]:
    """What GGUF has to say about this architecture."""
    found = {key: first(config, names, folder) for key, names in SIZES.items()}
    found["attention.layer_norm_rms_epsilon"] = float(first(config, ("rms_norm_eps",), folder))
    found |= {key: first(config, names, None) for key, names in OPTIONAL.items()}
    found |= rope_fields(architecture, config)
    if architecture.name in ("gemma2", "gemma3"):
        found["attention.sliding_window"] = config.get("sliding_window")
    if architecture.name == "gemma2":
        found["attn_logit_softcapping"] = config["attn_logit_softcapping"]
    if architecture.name in ("gemma2", "gemma3"):
        found["final_logit_softcapping"] = config.get("final_logit_softcapping")
    if architecture.name == "phi3":
        found["attention.sliding_window"] = config.get("sliding_window") or 0
    elif (
        config.get("sliding_window")
        and config.get("use_sliding_window", True)
        and "attention.sliding_window" not in found
    ):
        log.warning(
            "%s: tokens see all before them, not only %d: GGUF's %s has no window",
            folder,
            config["sliding_window"],
            architecture.name,
        )
    return {key: value for key, value in found.items() if value is not None}


def first(config: Config, names: tuple[str, ...], needed_in: pathlib.Path | None) -> Any:
    """The first of these fields that the config has."""
    for name in names:
        if config.get(name) is not None:
            return config[name]
    if needed_in:
        raise RefllmError(f"{needed_in}/config.json: {names[0]!r} is missing; expected a number")
    return None


def rope_of(config: Config, attention: str = "full_attention") -> Config:
    """How positions turn, whether the config is of the newest transformers (`rope_parameters`) or older."""
    found = config.get("rope_parameters") or config.get("rope_scaling") or {}
    found = dict(found.get(attention) or ({} if "full_attention" in found else found))
    found.setdefault("rope_type", found.get("type"))
    if attention == "sliding_attention":
        return found if "rope_theta" in found else {"rope_theta": config.get("rope_local_base_freq")}
    for name, default in (("rope_theta", 10000.0), ("partial_rotary_factor", 1.0)):
        found.setdefault(name, config.get(name, default))
    found.setdefault("original_max_position_embeddings", config.get("original_max_position_embeddings"))
    return found


def head_dim(config: Config) -> int:
    return config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]


def rope_fields(architecture: Architecture, config: Config) -> dict[str, Any]:
    rope, kind = rope_of(config), rope_of(config).get("rope_type")
    found = {"rope.freq_base": float(rope["rope_theta"])}
    if architecture.name in ("llama", "baichuan", "phi3"):
        found["rope.dimension_count"] = int(rope["partial_rotary_factor"] * head_dim(config))
    if kind in ("linear", "yarn"):
        found |= {"rope.scaling.type": kind, "rope.scaling.factor": float(rope["factor"])}
    if kind == "yarn":
        found["rope.scaling.attn_factor"] = rope.get("attention_factor")
    if kind == "yarn" or architecture.name == "phi3":
        trained = rope.get("original_max_position_embeddings") or config["max_position_embeddings"]
        found["rope.scaling.original_context_length"] = trained
    if kind in ("longrope", "su"):
        found["rope.scaling.attn_factor"] = long_rope_magnitude(rope, config)
    if architecture.name == "gemma3":
        local = rope_of(config, "sliding_attention")["rope_theta"]
        found["rope.freq_base_swa"] = local and float(local)
    return found


def long_rope_magnitude(rope: Config, config: Config) -> float:
    """Phi-3's attention is sharpened a little where it is stretched."""
    trained = rope.get("original_max_position_embeddings") or config["max_position_embeddings"]
    stretch = config["max_position_embeddings"] / trained
    return math.sqrt(1 + math.log(stretch) / math.log(trained)) if stretch > 1 else 1.0


# ---- the tensors ----


def placed_tensors(
    folder: pathlib.Path,
    architecture: Architecture,
    config: Config,
    stored: Mapping[str, Lazy],
    normalize_head: bool = True,
) -> dict[str, Lazy]:
    """The tensors under GGUF's names."""
    experts: dict[str, dict[int, Lazy]] = {}
    tensors = dict(rope_tensors(config))
    for name, tensor in stored.items():
        if NEEDLESS.search(name) or name.startswith(("vision_tower.", "multi_modal_projector.")):
            continue
        place = gguf_name(architecture, name.replace("language_model.", ""))
        if place is None:
            raise RefllmError(f"{folder}: tensor {name!r} has no place in a model of the kind {architecture.name}")
        if place.name == "output.weight" and config.get("tie_word_embeddings"):
            continue
        if place.expert is None:
            tensors |= prepared(architecture, config, place.name, tensor, folder)
        else:
            experts.setdefault(place.name, {})[place.expert] = tensor
    tensors |= {name: lazy.stacked(in_order(name, found, config, folder)) for name, found in experts.items()}
    check_layers(tensors, config["num_hidden_layers"], folder)
    if is_baichuan_2(architecture, config) and normalize_head:
        tensors["output.weight"] = lazy.computed(tensors["output.weight"], unit_rows)
    return tensors


def in_order(name: str, found: Mapping[int, Lazy], config: Config, folder: pathlib.Path) -> list[Lazy]:
    count = first(config, OPTIONAL["expert_count"], folder)
    if set(found) != set(range(count)):
        raise RefllmError(f"{folder}: {name!r} has the experts {sorted(found)}; expected 0 to {count - 1}")
    return [found[number] for number in range(count)]


def prepared(
    architecture: Architecture, config: Config, name: str, tensor: Lazy, folder: pathlib.Path
) -> Iterator[tuple[str, Lazy]]:
    """A tensor as GGUF has it: reordered, shifted, or taken apart."""
    heads, kv_heads = config["num_attention_heads"], first(config, SIZES["attention.head_count_kv"], folder)
    dims = heads * head_dim(config), kv_heads * head_dim(config)
    if architecture.name == "baichuan" and ".attn_qkv." in name:
        dim = tensor.shape[0] // 3
        for index, part in enumerate("qkv"):
            own = name.replace("attn_qkv", f"attn_{part}")
            yield from prepared(architecture, config, own, lazy.part(tensor, index * dim, (index + 1) * dim), folder)
        return
    if architecture.interleaves and (".attn_q." in name or ".attn_k." in name):
        expected, own_heads = (dims[0], heads) if ".attn_q." in name else (dims[1], kv_heads)
        if tensor.shape[0] != expected:
            raise RefllmError(f"{folder}: {name!r} has {tensor.shape[0]} rows; config.json says {expected}")
        tensor = lazy.interleaved(tensor, own_heads)
    if architecture.norm_offset and name.endswith("norm.weight"):
        tensor = lazy.computed(tensor, lambda weights, numbers: weights + np.float32(architecture.norm_offset))
    yield name, tensor


def rope_tensors(config: Config) -> Iterator[tuple[str, Lazy]]:
    """Divisors of the frequencies: Llama 3's, computed from a few numbers; Phi-3's, listed."""
    rope = rope_of(config)
    if (rope.get("rope_type") or "").lower() == "llama3":
        yield "rope_freqs.weight", lazy.from_array(llama3_divisors(rope, head_dim(config)))
    for kind in ("long", "short"):
        if rope.get(f"{kind}_factor"):
            yield f"rope_factors_{kind}.weight", lazy.from_array(np.array(rope[f"{kind}_factor"], np.float32))


def llama3_divisors(rope: Config, dims: int) -> np.ndarray:
    """1 for the fast pairs, `factor` for those that turned less than once in training, something between for others."""
    frequency = rope["rope_theta"] ** (-np.arange(0, dims, 2) / dims)
    turns = rope.get("original_max_position_embeddings", 8192) * frequency / (2 * math.pi)
    low, high = rope.get("low_freq_factor", 1.0), rope.get("high_freq_factor", 4.0)
    kept = np.clip((turns - low) / (high - low), 0, 1)
    return (1 / (kept + (1 - kept) / rope.get("factor", 8.0))).astype(np.float32)


# ---- Baichuan 2 ----

BAICHUAN_2_VOCABULARY = 125696


def is_baichuan_2(architecture: Architecture, config: Config) -> bool:
    """The second Baichuan, known by its vocabulary, gives every row of the head the length one (NormHead)."""
    return architecture.name == "baichuan" and config.get("vocab_size") == BAICHUAN_2_VOCABULARY


def unit_rows(weights: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Rows of length one, as torch's `normalize` makes them."""
    lengths = np.sqrt(np.square(weights, dtype=np.float32).sum(-1, keepdims=True))
    return weights / np.maximum(lengths, np.float32(1e-12))


def vocabulary_size(config: Config, tensors: Mapping[str, Lazy], folder: pathlib.Path) -> int:
    """How many pieces the model knows; config and embedding must agree."""
    said = first(config, ("vocab_size",), folder)
    for name in ("token_embd.weight", "output.weight"):
        if name in tensors and tensors[name].shape[0] != said:
            raise RefllmError(
                f"{folder}: {name!r} has {tensors[name].shape[0]} rows; config.json says vocab_size {said}"
            )
    return said
