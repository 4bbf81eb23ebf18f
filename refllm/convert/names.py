"""What the architectures of Hugging Face are called in GGUF, and where each of their tensors goes.

Everything in which the checkpoints of these models differ is data here: the names, whether query and key are reordered
for interleaved rotation, what is added to norms, which matrices hold several. Reading them is `hugging_face.py`'s.

>>> ARCHITECTURES["LlamaForCausalLM"].name
'llama'
>>> place = gguf_name(ARCHITECTURES["MixtralForCausalLM"], "model.layers.3.block_sparse_moe.experts.7.w2.weight")
>>> place.name, place.expert
('blk.3.ffn_down_exps.weight', 7)
>>> gguf_name(ARCHITECTURES["Gemma2ForCausalLM"], "model.layers.0.post_attention_layernorm.weight").name
'blk.0.post_attention_norm.weight'
"""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

OUTSIDE = {"embed_tokens": "token_embd", "norm": "output_norm", "lm_head": "output"}
COMMON = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
PRE_NORM = {"post_attention_layernorm": "ffn_norm"}
PRE_AND_POST_NORM = {
    "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}
HEAD_NORMS = {"self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm"}
FUSED = {"self_attn.qkv_proj": "attn_qkv", "mlp.gate_up_proj": "ffn_up"}  # these stay fused: GGUF's phi3 has them so
PACKED = {"self_attn.W_pack": "attn_qkv"}  # taken apart, see hugging_face.py
MIXTRAL = {
    "block_sparse_moe.gate": "ffn_gate_inp",
    "block_sparse_moe.experts.*.w1": "ffn_gate_exps",
    "block_sparse_moe.experts.*.w2": "ffn_down_exps",
    "block_sparse_moe.experts.*.w3": "ffn_up_exps",
}
QWEN_MOE = {
    "mlp.gate": "ffn_gate_inp",
    "mlp.experts.*.gate_proj": "ffn_gate_exps",
    "mlp.experts.*.down_proj": "ffn_down_exps",
    "mlp.experts.*.up_proj": "ffn_up_exps",
}
NEEDLESS = re.compile(r"rotary_emb\.inv_freq$|\.(masked_)?bias_mask$")  # tables that every program computes


@dataclasses.dataclass(frozen=True)
class Architecture:
    """One model family as Hugging Face stores it."""

    name: str  # in GGUF
    layer: Mapping[str, str]  # inside of a layer: their names, GGUF's
    interleaves: bool = False  # query and key are reordered for rotary pairs side by side
    norm_offset: float = 0.0  # added to the weights of norms
    defaults: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # what config.json may leave out


LLAMA = Architecture("llama", COMMON | PRE_NORM, interleaves=True)
GEMMA = {"max_position_embeddings": 8192, "rms_norm_eps": 1e-6, "head_dim": 256}
GEMMA_2 = GEMMA | {"sliding_window": 4096, "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0}
GEMMA_3 = GEMMA | {
    "max_position_embeddings": 131072,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "rope_theta": 1e6,
    "rope_local_base_freq": 10000.0,
    "sliding_window": 4096,
    "vocab_size": 262208,
}
ARCHITECTURES = {
    "LlamaForCausalLM": LLAMA,
    "LLaMAForCausalLM": LLAMA,  # so spelled in the first weeks
    "MistralForCausalLM": LLAMA,
    "MixtralForCausalLM": dataclasses.replace(LLAMA, layer=COMMON | PRE_NORM | MIXTRAL),
    "BaichuanForCausalLM": Architecture("baichuan", COMMON | PRE_NORM | PACKED, interleaves=True),
    "BaiChuanForCausalLM": Architecture("baichuan", COMMON | PRE_NORM | PACKED, interleaves=True),
    "Qwen2ForCausalLM": Architecture("qwen2", COMMON | PRE_NORM),
    "Qwen3ForCausalLM": Architecture("qwen3", COMMON | PRE_NORM | HEAD_NORMS),
    "Qwen3MoeForCausalLM": Architecture("qwen3moe", COMMON | PRE_NORM | HEAD_NORMS | QWEN_MOE),
    "Phi3ForCausalLM": Architecture("phi3", COMMON | PRE_NORM | FUSED),
    "GemmaForCausalLM": Architecture("gemma", COMMON | PRE_NORM, norm_offset=1.0, defaults=GEMMA),
    "Gemma2ForCausalLM": Architecture("gemma2", COMMON | PRE_AND_POST_NORM, norm_offset=1.0, defaults=GEMMA_2),
    "Gemma3ForCausalLM": Architecture(
        "gemma3", COMMON | PRE_AND_POST_NORM | HEAD_NORMS, norm_offset=1.0, defaults=GEMMA_3
    ),
}


class Placed(NamedTuple):
    """Where a tensor goes: its name in GGUF, and which of the experts it is."""

    name: str
    expert: int | None = None


def gguf_name(architecture: Architecture, name: str) -> Placed | None:
    """The place of a tensor of the checkpoint; None if the architecture has none for it."""
    stem, _, kind = name.removeprefix("model.").rpartition(".")
    if kind not in ("weight", "bias"):
        return None
    if stem in OUTSIDE:
        return Placed(f"{OUTSIDE[stem]}.{kind}")
    found = re.fullmatch(r"layers\.(\d+)\.(.+)", stem)
    if not found:
        return None
    layer, inside = found.groups()
    expert = re.search(r"experts\.(\d+)\.", inside)
    inside = architecture.layer.get(re.sub(r"experts\.\d+\.", "experts.*.", inside))
    return inside and Placed(f"blk.{layer}.{inside}.{kind}", int(expert[1]) if expert else None)
