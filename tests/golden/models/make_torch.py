"""Makes the golden values of the tiny models with transformers: `python tests/golden/models/make_torch.py`.

Needs torch and transformers beside refllm's own packages (the versions that made the committed values stand in the
file under `versions`). The weights are those of `tests/models/tiny.py`, put under Hugging Face's names; transformers
computes in float64, so that the difference is ours.
"""

import pathlib
import sys

import numpy as np
import torch
import transformers
from transformers import AutoModelForCausalLM

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "models"))
import tiny  # noqa: E402

NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_qkv": "self_attn.qkv_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
PRE_NORM = {"ffn_norm": "post_attention_layernorm"}
PRE_AND_POST_NORM = {
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}
OUTSIDE = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}

CONFIGS = {
    "llama": ("LlamaConfig", {}),
    "llama-tied": ("LlamaConfig", {}),
    "llama-linear": ("LlamaConfig", {"rope": {"rope_type": "linear", "factor": 4.0}}),
    "llama-yarn": (
        "LlamaConfig",
        {"rope": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}},
    ),
    "qwen2": ("Qwen2Config", {}),
    "qwen3": ("Qwen3Config", {}),
    "gemma": ("GemmaConfig", {"hidden_activation": "gelu_pytorch_tanh"}),
    "gemma2": ("Gemma2Config", {"sliding_window": 24, "query_pre_attn_scalar": 32}),
    "gemma3": ("Gemma3TextConfig", {"sliding_window": 24, "query_pre_attn_scalar": 32}),
    "phi3": ("Phi3Config", {"pad_token_id": 0}),
    "phi3-long": (
        "Phi3Config",
        {"pad_token_id": 0, "rope": {"rope_type": "longrope"}, "original_max_position_embeddings": 32},
    ),
}


def config_of(variant: str):
    kind, own = CONFIGS[variant]
    fields = {**tiny.COMMON, **tiny.VARIANTS[variant][1]}
    base = fields.get("rope.freq_base", 10000.0)
    rope = {"rope_theta": base, "rope_type": "default", **own.get("rope", {})}
    if rope["rope_type"] == "longrope":
        weights = tiny.tensors(variant)
        rope |= {f"{which}_factor": weights[f"rope_factors_{which}.weight"].tolist() for which in ("short", "long")}
        rope["attention_factor"] = fields["rope.scaling.attn_factor"]
    if kind == "Gemma3TextConfig":
        rope = {"full_attention": rope, "sliding_attention": {"rope_theta": 10000.0, "rope_type": "default"}}
    return getattr(transformers, kind)(
        vocab_size=259 + len(tiny.WORDS),
        hidden_size=fields["embedding_length"],
        intermediate_size=fields["feed_forward_length"],
        num_hidden_layers=fields["block_count"],
        num_attention_heads=fields["attention.head_count"],
        num_key_value_heads=fields["attention.head_count_kv"],
        head_dim=fields.get("attention.key_length", 16),
        max_position_embeddings=256,
        rms_norm_eps=1e-5,
        rope_parameters=rope,
        tie_word_embeddings=variant not in tiny.UNTIED,
        attn_implementation="eager",
        **{name: value for name, value in own.items() if name != "rope"},
    )


def permuted(rows: np.ndarray, heads: int) -> np.ndarray:
    """Interleaved rotary pairs, as in a GGUF of LLaMA, back to half-split ones, as Hugging Face has them."""
    return rows.reshape(heads, -1, 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def state_of(variant: str) -> dict[str, torch.Tensor]:
    architecture = tiny.VARIANTS[variant][0]
    inside = {**NAMES, **(PRE_AND_POST_NORM if architecture in ("gemma2", "gemma3") else PRE_NORM)}
    if architecture == "phi3":
        inside["ffn_up"] = "mlp.gate_up_proj"
    state = {}
    for name, array in tiny.tensors(variant).items():
        stem, _, kind = name.rpartition(".")
        if stem.startswith("rope_factors"):
            continue  # transformers has them in the config
        if architecture == "llama" and stem.endswith(("attn_q", "attn_k")):
            array = permuted(array, 6 if stem.endswith("q") else 2)
        if architecture in ("gemma", "gemma2", "gemma3") and "norm" in name:
            array = array - 1  # a Gemma checkpoint stores what is added to one
        if stem.startswith("blk."):
            _, layer, stem = stem.split(".")
            state[f"model.layers.{layer}.{inside[stem]}.{kind}"] = torch.from_numpy(array)
        else:
            state[f"{OUTSIDE[stem]}.{kind}"] = torch.from_numpy(array)
    return state


def logits(variant: str) -> np.ndarray:
    model = AutoModelForCausalLM.from_config(config_of(variant)).double().eval()
    missing, unexpected = model.load_state_dict(state_of(variant), strict=False)
    assert not unexpected, unexpected
    assert all("lm_head" in name or "rotary" in name for name in missing), missing
    with torch.no_grad():
        return model(torch.tensor([tiny.prompt()])).logits[0].numpy()


def main() -> None:
    golden = {"versions": np.array(f"torch {torch.__version__}, transformers {transformers.__version__}")}
    for variant in CONFIGS:
        golden[f"{variant}/f32"] = logits(variant)[:, tiny.COLUMNS].astype(np.float32)
        print(variant, np.ptp(golden[f"{variant}/f32"]))
    np.savez_compressed(HERE / "torch.npz", **golden)


if __name__ == "__main__":
    main()
