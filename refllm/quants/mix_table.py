"""Which scheme each part of a model gets: the mixes (`Q4_K_M`, `IQ3_XS` ...) written down as tables.

"Q4_K_M" names a whole file, not a scheme: most weights are stored in its base scheme, Q4_K, and the few parts that
suffer most from rounding get more bits. A rule is a sentence such as `"Q5_K if first_2 else Q4_K"`; where it gives
nothing, the base stays. The conditions that a rule may name are the functions in `CONDITIONS`. Walking over a model's
tensors with these tables is the work of `mixes.py`; nothing here looks at a weight.

>>> MIXES["Q4_K_M"].rules
{'attn_v': 'Q6_K if spread', 'ffn_down': 'Q6_K if spread'}
>>> [layer for layer in range(32) if CONDITIONS["spread"](Place(position=layer, total=32))]
[0, 1, 2, 3, 6, 9, 12, 15, 18, 21, 24, 27, 28, 29, 30, 31]
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Mix:
    """A kind of file: its number (`general.file_type`), its base scheme, and the parts that deviate from the base."""

    name: str
    id: int
    base: str
    output: str | None  # for output.weight, or for the embedding that doubles as the output; None: the base
    rules: dict[str, str]


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a tensor stands in the model: all that a condition may ask about."""

    position: int = 0  # attn_v: how many came before it; ffn: its layer
    total: int = 0  # attn_v: how many there are; ffn: the number of layers
    index: int = 0  # how many tensors of this part came before it
    group: int = 1  # query heads that share one key head
    experts: int = 0
    expert_slices: bool = False  # the tensor holds one matrix per expert
    has_importance: bool = False


def _spread(place: Place) -> bool:
    """The first and the last eighth, and every third between them."""
    eighth = place.total // 8
    return place.position < eighth or place.position >= 7 * place.total // 8 or (place.position - eighth) % 3 == 2


CONDITIONS = {
    "first_2": lambda place: place.position < 2,
    "first_4": lambda place: place.position < 4,
    "first_16th": lambda place: place.position < place.total // 16,
    "first_8th": lambda place: place.position < place.total // 8,
    # counts tensors where first_8th counts layers: experts and the shared expert beside them are two in one layer
    "first_8th_counted": lambda place: place.index < place.total // 8,
    "middle": lambda place: place.total // 8 <= place.position < 7 * place.total // 8,
    "spread": _spread,
    # attn_v is then four or more times smaller than attn_q: more bits for it cost little
    "grouped": lambda place: place.group >= 4,
    "grouped_or_experts": lambda place: place.group >= 4 or place.experts >= 4,
    "expert_slices": lambda place: place.expert_slices,
    "measured": lambda place: place.has_importance,
    "unmeasured": lambda place: not place.has_importance,
}

PARTS = ("token_embd", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down", "other")

# The first of these found in a name says which part of the model a tensor is (output.weight and the embeddings are
# told by their whole names). Fused projections hold the values too, so they are treated as attn_v.
PART_OF_NAME = {
    "attn_qkv.weight": "attn_v",
    "attn_kv_b.weight": "attn_v",
    "attn_v.weight": "attn_v",
    "attn_k.weight": "attn_k",
    "attn_q.weight": "attn_q",
    "attn_output.weight": "attn_output",
    "ffn_up": "ffn_up",
    "ffn_gate": "ffn_gate",
    "ffn_down": "ffn_down",
}


def _mix(name: str, id: int, base: str, output: str | None = "Q6_K", **rules: str) -> Mix:
    return Mix(name, id, base, output, rules)


_FOUR_BITS = {"attn_v": "Q5_K if grouped", "ffn_down": "Q5_K if first_8th and unmeasured"}
_TWO_BITS_MORE = {"token_embd": "IQ3_S", "attn_output": "IQ3_S", "ffn_down": "IQ3_S if first_8th_counted"}
_TWO_BITS = {"token_embd": "Q2_K", "ffn_down": "Q2_K if first_8th_counted"}
_ONE_BIT = {**_TWO_BITS, "attn_output": "IQ2_XXS"}
_K_OR_IQ3 = "Q4_K if grouped_or_experts else IQ3_S"
_K_OR_Q2 = "Q4_K if grouped_or_experts else Q2_K"

MIXES = {
    mix.name: mix
    for mix in (
        _mix("F32", 0, "F32", output=None),
        _mix("F16", 1, "F16", output=None),
        _mix("BF16", 32, "BF16", output=None),
        _mix("Q8_0", 7, "Q8_0", output="Q8_0"),
        _mix("Q4_0", 2, "Q4_0", ffn_down="Q4_1 if first_8th and measured"),
        _mix("Q4_1", 3, "Q4_1"),
        _mix("Q5_0", 8, "Q5_0", ffn_down="Q5_1 if first_8th and measured"),
        _mix("Q5_1", 9, "Q5_1"),
        _mix("Q2_K", 10, "Q2_K", attn_v="Q4_K if grouped else Q3_K", attn_output="Q3_K", ffn_down="Q3_K"),
        _mix("Q2_K_S", 21, "Q2_K", attn_v="Q4_K if grouped", ffn_down="Q4_K if first_8th"),
        _mix("Q3_K_S", 11, "Q3_K"),
        _mix("Q3_K_M", 12, "Q3_K", attn_v="Q5_K if first_2 else Q4_K", attn_output="Q4_K",
             ffn_down="Q5_K if first_16th else Q4_K"),
        _mix("Q3_K_L", 13, "Q3_K", attn_v="Q5_K", attn_output="Q5_K", ffn_down="Q5_K"),
        _mix("Q4_K_S", 14, "Q4_K", attn_v="Q5_K if first_4", ffn_down="Q5_K if first_8th"),
        _mix("Q4_K_M", 15, "Q4_K", attn_v="Q6_K if spread", ffn_down="Q6_K if spread"),
        _mix("Q5_K_S", 16, "Q5_K"),
        _mix("Q5_K_M", 17, "Q5_K", attn_v="Q6_K if spread", ffn_down="Q6_K if spread"),
        _mix("Q6_K", 18, "Q6_K"),
        _mix("IQ4_NL", 25, "IQ4_NL", **_FOUR_BITS),
        _mix("IQ4_XS", 30, "IQ4_XS", **_FOUR_BITS),
        _mix("IQ3_M", 27, "IQ3_S", attn_v="Q4_K", attn_output="Q4_K", ffn_down="Q4_K if first_8th"),
        _mix("IQ3_S", 26, "IQ3_S", attn_v="Q4_K if grouped"),
        _mix("IQ3_XS", 22, "IQ3_S", attn_q="IQ3_XXS", attn_k="IQ3_XXS", attn_v="Q4_K if grouped",
             ffn_gate="IQ3_XXS if middle", ffn_up="IQ3_XXS if middle"),
        _mix("IQ3_XXS", 23, "IQ3_XXS", "Q5_K", token_embd="IQ3_S", attn_q="IQ2_S", attn_k="IQ2_S",
             attn_v="Q4_K if grouped else IQ3_S if unmeasured", attn_output="IQ3_S",
             ffn_down="Q4_K if first_8th and unmeasured else Q3_K if unmeasured"),
        _mix("IQ2_M", 29, "IQ2_S", "Q5_K", attn_v=_K_OR_IQ3, **_TWO_BITS_MORE),
        _mix("IQ2_S", 28, "IQ2_XS", "Q5_K", attn_v=_K_OR_IQ3, **_TWO_BITS_MORE),
        _mix("IQ2_XS", 20, "IQ2_XS", "Q5_K", attn_v=_K_OR_Q2, **_TWO_BITS),
        _mix("IQ2_XXS", 19, "IQ2_XXS", "Q5_K", attn_v=_K_OR_Q2, **_TWO_BITS),
        _mix("IQ1_M", 31, "IQ1_M", "Q5_K", attn_v=_K_OR_Q2, **_ONE_BIT),
        _mix("IQ1_S", 24, "IQ1_S", "Q5_K", attn_v=_K_OR_Q2, **_ONE_BIT),
        _mix("TQ1_0", 36, "TQ1_0", token_embd="Q4_K"),
        _mix("TQ2_0", 37, "TQ2_0", token_embd="Q4_K"),
        _mix("Q2_0", 41, "Q2_0", token_embd="Q4_K"),
        _mix("Q1_0", 40, "Q1_0"),
        _mix("NVFP4", 39, "NVFP4"),
        _mix("MXFP4_MOE", 38, "MXFP4", "Q8_0", **dict.fromkeys(PARTS, "MXFP4 if expert_slices else Q8_0")),
    )
}  # fmt: skip

BELOW_3_BITS = ("IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M")

# Models with exactly eight experts (Mixtral): attention is so small a part of them that bits are cheap there.
_EIGHT = {"attn_v": "Q8_0", "attn_k": "Q8_0"}
_EIGHT_AND_OUTPUT = {**_EIGHT, "attn_output": "Q5_K"}
_EIGHT_BELOW_3_BITS = {"attn_k": "Q4_K", "attn_output": "Q5_K"}
_WITH_OUTPUT = ("Q2_K", "Q3_K_S", "Q3_K_M", "Q4_K_S", "Q4_K_M", "IQ3_XXS", "IQ3_XS", "IQ3_S", "IQ4_NL", "IQ4_XS")
EIGHT_EXPERTS = {
    **dict.fromkeys(MIXES, _EIGHT),
    **dict.fromkeys(_WITH_OUTPUT, _EIGHT_AND_OUTPUT),
    **dict.fromkeys(BELOW_3_BITS, _EIGHT_BELOW_3_BITS),
    "Q3_K_L": {**_EIGHT, "attn_output": "Q3_K"},
    "IQ3_M": {**_EIGHT_AND_OUTPUT, "ffn_down": "Q4_K if first_8th else Q4_K if spread"},
    "MXFP4_MOE": {},
}

# Architectures that were measured on their own.
BY_ARCHITECTURE = {
    "falcon": {
        "Q2_K": {"attn_output": "Q2_K"},
        "Q3_K_M": {"attn_output": "Q3_K", "ffn_down": "Q5_K if first_16th else Q4_K if spread"},
        "Q3_K_L": {"attn_output": "Q4_K", "ffn_down": "Q4_K"},
        "Q4_K_S": {"ffn_down": "Q4_K"},
        "Q4_K_M": {"ffn_down": "Q6_K if first_16th else Q5_K if spread"},
        "IQ3_M": {"attn_output": "IQ3_S"},
        "IQ3_XXS": {"attn_output": "IQ3_XXS"},
    },
    "bailingmoe3": {"MXFP4_MOE": {"other": "Q8_0"}},
}

# The 70B models, known by their number of layers: 64 query heads share 8 key heads, so more bits for attn_v are cheap.
LAYERS_OF_70B = {"llama": 80, "llama-embed": 80, "qwen2": 80, "deci": 80, "olmo": 80, "jais2": 68}
ATTN_V_OF_70B = {"Q3_K": "Q5_K", "Q4_K": "Q5_K"}

# The scheme to take when the rows of a tensor do not divide into blocks of the wanted one; F16 when even this fails.
FALLBACK = {
    **dict.fromkeys(("IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "IQ4_XS"), "IQ4_NL"),
    **dict.fromkeys(("Q2_0", "Q2_K", "Q3_K", "TQ1_0", "TQ2_0"), "Q4_0"),
    "Q4_K": "Q5_0",
    "Q5_K": "Q5_1",
    "Q6_K": "Q8_0",
}

_SMALL_IN_RWKV = (
    *("first", "w0", "w1", "w2", "v0", "v1", "v2", "a0", "a1", "a2", "g1", "g2"),
    *("decay_w1", "decay_w2", "lerp_fused"),
)
# A tensor whose name contains one of these is small, or is not multiplied with: it stays as it is.
KEPT = (
    *("_norm.weight", "ffn_gate_inp.weight", "ffn_gate_tid2eid.weight", "attn_rel_b.weight"),
    *("altup", "laurel", "per_layer_model_proj", "ssm_conv1d", "shortconv.conv.weight"),
    *("indexer.k_proj.weight", "indexer.q_proj.weight"),
    *(f"time_mix_{name}.weight" for name in _SMALL_IN_RWKV),
    *(".position_embd", "sam.pos_embd", "sam.neck.", "sam.net_", ".rel_pos", ".patch_embd", ".patch_merger"),
    *("a.rvq.codebook", "mm.a.code_embd"),
)
KEPT_BY_ARCHITECTURE = {
    "glm5-next": (
        *("hc_", "indexer.attn_q_b", "indexer.attn_k", "indexer.proj", "indexer_compressor_gate"),
        *("indexer_compressor_ape", "ssm_f_a.weight", "ssm_f_b.weight", "ssm_g_a.weight", "ssm_g_b.weight"),
        *("ssm_beta.weight", "attn_kv_a_mqa.weight", "attn_k_b.weight", "attn_v_b.weight"),
    )
}
Q8_0_BY_ARCHITECTURE = {"glm5-next": ("attn_q_a", "attn_q_b", "nextn.eh_proj")}

# Below three bits the result is garbage when nothing says which columns matter.
NEEDS_IMPORTANCE = ("IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS")
