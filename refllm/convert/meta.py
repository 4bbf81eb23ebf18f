"""Meta's own LLaMA folders: `consolidated.00.pth` and its siblings, `params.json`, `tokenizer.model`.

The larger models lie in 2 to 8 files that each hold a strip of every matrix, as they lay on as many GPUs: rows of most,
columns of those whose output is added up. Here the strips are joined again, still without being read. Rotary pairs lie
side by side already, as in GGUF. `params.json` says less than `config.json`; what is missing follows from the shapes or
is known of the models. Llama 3's tokenizer in these folders is of another kind and is refused.

>>> config_of({"dim": 4096, "n_layers": 32, "n_heads": 32, "norm_eps": 1e-05}, hidden=11008, vocabulary=32000)[
...     "max_position_embeddings"]
4096
"""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from refllm import gguf
from refllm.convert import hugging_face, lazy, torch_file
from refllm.convert.checkpoint import read_json
from refllm.convert.lazy import Lazy
from refllm.convert.model import Model, check_layers
from refllm.convert.names import LLAMA
from refllm.convert.vocabulary import sentencepiece_vocabulary
from refllm.errors import RefllmError

OUTSIDE = {"tok_embeddings": "token_embd", "norm": "output_norm", "output": "output"}
LAYER = {
    "attention.wq": "attn_q",
    "attention.wk": "attn_k",
    "attention.wv": "attn_v",
    "attention.wo": "attn_output",
    "feed_forward.w1": "ffn_gate",
    "feed_forward.w2": "ffn_down",
    "feed_forward.w3": "ffn_up",
    "attention_norm": "attn_norm",
    "ffn_norm": "ffn_norm",
}
BESIDE = ("attn_output", "ffn_down")  # strips of columns


def is_meta_folder(folder: pathlib.Path) -> bool:
    return (folder / "params.json").exists() and not (folder / "config.json").exists()


def read(folder: pathlib.Path, *, vocabulary_only: bool = False) -> Model:
    """The model in a folder."""
    config, tensors = read_checkpoint(folder)
    metadata = gguf.Metadata({"general.architecture": "llama", "general.type": "model"})
    metadata |= hugging_face.general(folder)
    metadata |= {f"llama.{key}": value for key, value in hugging_face.fields(LLAMA, config, folder).items()}
    metadata |= sentencepiece_vocabulary(tokenizer_path(folder), config["vocab_size"])
    return Model(metadata, {} if vocabulary_only else tensors)


def read_checkpoint(folder: pathlib.Path) -> tuple[dict[str, Any], dict[str, Lazy]]:
    """The config as Hugging Face would have it, and the tensors under GGUF's names."""
    params = read_json(folder / "params.json")
    paths = sorted(folder.glob("consolidated.*.pth"))
    if not paths or [int(path.suffixes[-2][1:]) for path in paths] != list(range(len(paths))):
        raise RefllmError(f"{folder}: holds {[path.name for path in paths]}; expected consolidated.00.pth, .01.pth ...")
    tensors = joined([torch_file.read(path) for path in paths], params, folder)
    missing = [name for name in ("token_embd.weight", "blk.0.ffn_gate.weight") if name not in tensors]
    if missing:
        raise RefllmError(f"{folder}: has no {missing[0]!r}; expected the tensors of a LLaMA model")
    config = config_of(params, tensors["blk.0.ffn_gate.weight"].shape[0], tensors["token_embd.weight"].shape[0], folder)
    check_layers(tensors, config["num_hidden_layers"], folder)
    return config, tensors


def tokenizer_path(folder: pathlib.Path) -> pathlib.Path:
    """`tokenizer.model` lies in the folder or beside it, where several models share it."""
    for place in (folder, folder.resolve().parent):
        if (place / "tokenizer.model").exists():
            return place / "tokenizer.model"
    raise RefllmError(f"{folder}: has no tokenizer.model, and neither has the folder above it")


def config_of(params: Mapping[str, Any], hidden: int, vocabulary: int, folder: object = "") -> dict[str, Any]:
    """The fields of `config.json` that follow from `params.json` and from two shapes."""
    for name in ("dim", "n_layers", "n_heads", "norm_eps"):
        if not isinstance(params.get(name), int | float):
            raise RefllmError(f"{folder}/params.json: {name!r} is missing; expected a number")
    rope_base = float(params.get("rope_theta", 10000.0))
    # The file does not say how long a text may be: Code Llama is known by its base, LLaMA 2 by its epsilon.
    context = 16384 if rope_base == 1e6 else 4096 if params["norm_eps"] == 1e-5 else 2048
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "hidden_size": params["dim"],
        "intermediate_size": hidden,
        "num_hidden_layers": params["n_layers"],
        "num_attention_heads": params["n_heads"],
        "num_key_value_heads": params.get("n_kv_heads") or params["n_heads"],
        "max_position_embeddings": context,
        "rms_norm_eps": params["norm_eps"],
        "rope_theta": rope_base,
        "tie_word_embeddings": False,
        "vocab_size": vocabulary,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }


def joined(shards: Sequence[Mapping[str, Lazy]], params: Mapping[str, Any], folder: pathlib.Path) -> dict[str, Lazy]:
    """The whole tensors under GGUF's names."""
    tensors = {}
    for name in shards[0]:
        if name == "rope.freqs":  # a table that every program computes
            continue
        for number, shard in enumerate(shards):
            if name not in shard:
                raise RefllmError(f"{folder}/consolidated.{number:02d}.pth: has no {name!r}; the first file has it")
        tensors[gguf_name(name, folder)] = whole([shard[name] for shard in shards], gguf_name(name, folder), params)
    return tensors


def gguf_name(name: str, folder: pathlib.Path) -> str:
    stem = name.removesuffix(".weight")
    _, _, rest = stem.partition("layers.")
    layer, _, inside = rest.partition(".")
    if stem in OUTSIDE:
        return f"{OUTSIDE[stem]}.weight"
    if not layer.isdecimal() or inside not in LAYER:
        raise RefllmError(f"{folder}: tensor {name!r} has no place in a LLaMA model")
    return f"blk.{int(layer)}.{LAYER[inside]}.weight"


def whole(strips: list[Lazy], name: str, params: Mapping[str, Any]) -> Lazy:
    """The strips joined; norms are whole in every file, embeddings lie in columns (in rows since Llama 3)."""
    if len(strips) == 1 or len(strips[0].shape) < 2:
        return strips[0]
    in_columns = name.split(".")[-2] in BESIDE or (name == "token_embd.weight" and strips[0].columns != params["dim"])
    return lazy.beside(strips) if in_columns else lazy.joined(strips)
