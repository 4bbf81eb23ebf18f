"""Tiny checkpoints as transformers saves them, the same on every machine: folders for the converter's tests.

Everything comes from seeds and numpy, so that no torch is needed; the golden script loads the same folders into
transformers. Configs are spelled as real ones are: some as in 2023, some as the newest transformers writes them.
"""

import hashlib
import json
import pathlib

import numpy as np

from refllm import gguf, quants
from refllm.convert import lazy, safetensors_file, torch_file
from refllm.tokenizers import sentencepiece_model
from refllm.tokenizers.vocabulary import Vocabulary
from tests.models import tiny

DIM, HIDDEN, HEADS, KV_HEADS, VOCAB = 64, 96, 4, 2, 259 + len(tiny.WORDS)
COMMON = {
    "hidden_size": DIM,
    "intermediate_size": HIDDEN,
    "num_hidden_layers": 2,
    "num_attention_heads": HEADS,
    "num_key_value_heads": KV_HEADS,
    "max_position_embeddings": 256,
    "rms_norm_eps": 1e-5,
    "vocab_size": VOCAB,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
    "tie_word_embeddings": False,
}
GEMMA = {"head_dim": 32, "tie_word_embeddings": True, "hidden_activation": "gelu_pytorch_tanh", "sliding_window": 24}
GEMMA |= {"query_pre_attn_scalar": 32}
CONFIGS = {
    "llama": {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "rope_theta": 10000.0},
    "llama3": {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "tie_word_embeddings": True,
        "rope_theta": 500000.0,
        "rope_scaling": {
            "rope_type": "llama3",
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64,
        },
    },
    "mistral": {"architectures": ["MistralForCausalLM"], "model_type": "mistral", "sliding_window": None},
    "mixtral": {
        "architectures": ["MixtralForCausalLM"],
        "model_type": "mixtral",
        "num_local_experts": 4,
        "num_experts_per_tok": 2,
        "rope_parameters": {"rope_theta": 1000000.0, "rope_type": "default"},
    },
    "qwen2": {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "rope_theta": 1000000.0,
        "use_sliding_window": False,
        "sliding_window": 128,
    },
    "qwen3": {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "head_dim": 32,
        "rope_theta": 1000000.0,
        "use_sliding_window": False,
        "sliding_window": None,
    },
    "gemma2": {
        "architectures": ["Gemma2ForCausalLM"],
        "model_type": "gemma2",
        "attn_logit_softcapping": 50.0,
        "final_logit_softcapping": 30.0,
        **GEMMA,
    },
    "gemma3": {
        "architectures": ["Gemma3ForCausalLM"],
        "model_type": "gemma3_text",
        "num_hidden_layers": 7,
        "rope_parameters": {
            "full_attention": {"rope_theta": 1000000.0, "rope_type": "default"},
            "sliding_attention": {"rope_theta": 10000.0, "rope_type": "default"},
        },
        **GEMMA,
    },
    "phi3": {
        "architectures": ["Phi3ForCausalLM"],
        "model_type": "phi3",
        "sliding_window": None,
        "max_position_embeddings": 512,
        "original_max_position_embeddings": 256,
        "rope_theta": 10000.0,
        "rope_scaling": {
            "type": "longrope",
            "long_factor": [1.0 + 0.25 * i for i in range(8)],
            "short_factor": [1.0 + 0.1 * i for i in range(8)],
        },
    },
}
USER_DEFINED = ("▁red", "文")  # pieces that are always taken as a whole
PROMPT = [1, *np.random.default_rng(7).integers(3, VOCAB, 40).tolist()]
COLUMNS = slice(0, None, 7)  # the logits that golden files keep, at every position


def config(variant: str) -> dict:
    return COMMON | CONFIGS[variant]


def shapes(variant: str) -> dict[str, tuple[int, ...]]:
    """Every tensor of a checkpoint, under Hugging Face's names."""
    fields = config(variant)
    head_dim, kind = fields.get("head_dim", DIM // HEADS), fields["model_type"]
    queries, keys = HEADS * head_dim, KV_HEADS * head_dim
    layer = {"self_attn.q_proj.weight": (queries, DIM), "self_attn.k_proj.weight": (keys, DIM)}
    layer |= {"self_attn.v_proj.weight": (keys, DIM), "self_attn.o_proj.weight": (DIM, queries)}
    layer |= {"mlp.gate_proj.weight": (HIDDEN, DIM), "mlp.up_proj.weight": (HIDDEN, DIM)}
    layer |= {"mlp.down_proj.weight": (DIM, HIDDEN)}
    layer |= {"input_layernorm.weight": (DIM,), "post_attention_layernorm.weight": (DIM,)}
    if kind == "qwen2":
        layer |= {f"self_attn.{name}_proj.bias": (size,) for name, size in (("q", queries), ("k", keys), ("v", keys))}
    if kind in ("qwen3", "gemma3_text"):
        layer |= {"self_attn.q_norm.weight": (head_dim,), "self_attn.k_norm.weight": (head_dim,)}
    if kind in ("gemma2", "gemma3_text"):
        layer |= {f"{place}_feedforward_layernorm.weight": (DIM,) for place in ("pre", "post")}
    if kind == "phi3":
        layer = {name: shape for name, shape in layer.items() if "norm" in name or "o_proj" in name or "down" in name}
        layer |= {"self_attn.qkv_proj.weight": (queries + 2 * keys, DIM), "mlp.gate_up_proj.weight": (2 * HIDDEN, DIM)}
    if kind == "mixtral":
        layer = {name: shape for name, shape in layer.items() if "mlp" not in name}
        layer |= {"block_sparse_moe.gate.weight": (4, DIM)}
        for expert, (name, shape) in ((e, pair) for e in range(4) for pair in (("w1", 0), ("w2", 1), ("w3", 0))):
            layer[f"block_sparse_moe.experts.{expert}.{name}.weight"] = (DIM, HIDDEN) if shape else (HIDDEN, DIM)
    found = {"model.embed_tokens.weight": (VOCAB, DIM), "model.norm.weight": (DIM,)}
    found |= {} if fields["tie_word_embeddings"] else {"lm_head.weight": (VOCAB, DIM)}
    layers = range(fields["num_hidden_layers"])
    return found | {f"model.layers.{number}.{name}": shape for number in layers for name, shape in layer.items()}


def state(variant: str) -> dict[str, np.ndarray]:
    """Random weights, small enough that activations stay near one."""
    offset = np.float32(0 if variant.startswith("gemma") else 1)  # Gemma's norms are stored as what is added to one
    rng, made = np.random.default_rng(list(variant.encode())), {}
    for name, shape in shapes(variant).items():
        values = rng.standard_normal(shape, np.float32)
        made[name] = offset + values * np.float32(0.1) if "norm" in name else values * np.float32(shape[-1] ** -0.5)
    return made


def as_lazy(array: np.ndarray, scheme: str) -> lazy.Lazy:
    return lazy.from_array(quants.get(scheme).quantize(array), quants.get(scheme))


def write_folder(
    folder: pathlib.Path, variant: str, scheme: str = "F32", shards: int = 1, form: str = "model.safetensors"
) -> pathlib.Path:
    """A checkpoint with everything that belongs to it."""
    folder.mkdir(parents=True)
    tensors = {name: as_lazy(array, scheme) for name, array in state(variant).items()}
    write_tensors(folder, tensors, shards, form)
    write_json(folder / "config.json", config(variant))
    write_json(folder / "generation_config.json", {"temperature": 0.6, "top_p": 0.9, "top_k": 50, "do_sample": True})
    write_sentencepiece(folder)
    return folder


def write_tensors(folder: pathlib.Path, tensors: dict, shards: int, form: str = "model.safetensors") -> None:
    write = {"model.safetensors": safetensors_file.write, "pytorch_model.bin": torch_file.write}[form]
    if shards == 1:
        return write(folder / form, tensors)
    stem, _, ending = form.partition(".")
    places = {name: f"{stem}-{at % shards + 1:05d}-of-{shards:05d}.{ending}" for at, name in enumerate(tensors)}
    for file in set(places.values()):
        write(folder / file, {name: tensors[name] for name in tensors if places[name] == file})
    write_json(folder / f"{form}.index.json", {"metadata": {}, "weight_map": places})


def write_sentencepiece(folder: pathlib.Path, added: int = 0) -> None:
    """`tokenizer.model` with the vocabulary of the tiny models, of which two pieces are user-defined, and some more."""
    metadata = tiny.vocabulary()
    metadata["tokenizer.ggml.tokens"] += [f"▁加{number}" for number in range(added)]
    extra = {"tokenizer.ggml.token_type": [1] * added, "tokenizer.ggml.scores": [-100.0] * added}
    metadata |= {key: np.append(metadata[key], values).astype(metadata[key].dtype) for key, values in extra.items()}
    kinds = [
        4 if piece in USER_DEFINED else int(kind)
        for piece, kind in zip(metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.token_type"], strict=True)
    ]
    vocabulary = Vocabulary(metadata["tokenizer.ggml.tokens"], kinds, metadata["tokenizer.ggml.scores"].tolist())
    model = sentencepiece_model.model_file(vocabulary, sentencepiece_model.BPE, 0, space_prefix=True)
    (folder / "tokenizer.model").write_bytes(model)
    settings = {"bos_token": "<s>", "eos_token": {"content": "</s>"}, "unk_token": "<unk>", "add_bos_token": True}
    settings |= {"add_eos_token": False, "tokenizer_class": "LlamaTokenizer", "chat_template": "[INST] {{ x }} [/INST]"}
    write_json(folder / "tokenizer_config.json", settings)


def write_json(path: pathlib.Path, values: dict) -> None:
    path.write_text(json.dumps(values, ensure_ascii=False), "utf-8")


def change_json(path: pathlib.Path, **changes) -> None:
    """Change fields of a JSON file; None takes one out."""
    values = json.loads(path.read_text("utf-8")) | changes
    write_json(path, {key: value for key, value in values.items() if value is not None})


def fingerprint(f: gguf.GGUFFile) -> dict:
    """What a GGUF file holds, in little: type, shape and a digest of tensors, long lists as digests."""

    def small(value):
        if isinstance(value, list | np.ndarray):
            return f"{len(value)} items {digest(repr(np.asarray(value).tolist()).encode())}"
        return value

    tensors = {name: [each.type, list(each.shape), digest(each.data.tobytes())] for name, each in f.tensors.items()}
    return {
        "tensors": tensors,
        "metadata": {key: [f.metadata.type_of(key), small(f.metadata[key])] for key in f.metadata},
    }


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
