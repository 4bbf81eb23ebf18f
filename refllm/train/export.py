"""What a training leaves behind: a checkpoint as Hugging Face lays it out, and the GGUF file made of it.

The model was trained with interleaved RoPE, as GGUF files of LLaMA have it; Hugging Face's LLaMA turns halves, so the
rows of q and k change places (`refllm.convert` changes them back).

>>> import numpy as np
>>> to_halves(np.arange(4)[:, None], heads=1)[:, 0]            # even rows first, then the odd ones
array([0, 2, 1, 3])
"""

import hashlib
import json
import pathlib

import ml_dtypes
import numpy as np
from jaxtyping import Shaped
from safetensors.numpy import save

from refllm import embedded, gguf
from refllm.convert.to_gguf import convert
from refllm.files import atomic_write
from refllm.models import Config
from refllm.train.chat_format import TEMPLATE

NAME = "Little World"
NAMES = {
    "attention_norm": "input_layernorm",
    "query": "self_attn.q_proj",
    "key": "self_attn.k_proj",
    "value": "self_attn.v_proj",
    "attention_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "gate": "mlp.gate_proj",
    "up": "mlp.up_proj",
    "down": "mlp.down_proj",
}


def export(config: Config, weights: dict, tokenizer_model: bytes, folder: pathlib.Path) -> None:
    """Write the checkpoint and the GGUF file into a folder, and the checksums of all."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "config.json": as_json(hugging_face_config(config)),
        "generation_config.json": as_json({"bos_token_id": 1, "eos_token_id": 2}),
        "tokenizer_config.json": as_json(tokenizer_config()),
        "tokenizer.model": tokenizer_model,
        "model.safetensors": save(tensors(config, weights), {"format": "pt"}),
    }
    for name, data in files.items():
        with atomic_write(folder / name) as file:
            file.write(data)
    convert(folder, folder / embedded.MODEL, outtype="f16")
    gguf.edit(folder / embedded.MODEL, None, set={"general.name": NAME})
    names = sorted([*files, embedded.MODEL])
    digests = [hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names]
    with atomic_write(folder / embedded.SUMS) as file:
        file.write("".join(f"{digest}  {name}\n" for digest, name in zip(digests, names, strict=True)).encode())


def tensors(config: Config, weights: dict) -> dict[str, Shaped[np.ndarray, "..."]]:
    """The weights under Hugging Face's names, in bfloat16."""
    found = {"model.embed_tokens": weights["token_embedding"], "model.norm": weights["output_norm"]}
    for number, layer in enumerate(weights["layers"]):
        for ours, theirs in NAMES.items():
            matrix = np.asarray(layer[ours])
            if ours in ("query", "key"):
                matrix = to_halves(matrix, config.heads if ours == "query" else config.kv_heads)
            found[f"model.layers.{number}.{theirs}"] = matrix
    return {f"{name}.weight": np.asarray(value).astype(ml_dtypes.bfloat16) for name, value in found.items()}


def to_halves(matrix: Shaped[np.ndarray, "rows columns"], heads: int) -> Shaped[np.ndarray, "rows columns"]:
    """The rows of each head reordered from pairs of neighbours to two halves."""
    pairs = matrix.reshape(heads, -1, 2, matrix.shape[1])
    return pairs.swapaxes(1, 2).reshape(matrix.shape)


def hugging_face_config(config: Config) -> dict:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": config.vocab_size,
        "hidden_size": config.dim,
        "intermediate_size": config.hidden_dim,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.kv_heads,
        "head_dim": config.head_dim,
        "max_position_embeddings": config.context_length,
        "rms_norm_eps": config.norm_eps,
        "rope_theta": config.rope.base,
        "hidden_act": "silu",
        "tie_word_embeddings": True,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "torch_dtype": "bfloat16",
    }


def tokenizer_config() -> dict:
    return {
        "tokenizer_class": "LlamaTokenizer",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "add_bos_token": True,
        "add_eos_token": False,
        "legacy": True,
        "chat_template": TEMPLATE,
    }


def as_json(value: dict) -> bytes:
    return json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n"
