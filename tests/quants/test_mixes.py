"""The mixes against llama-quantize: committed answers for eleven models, and random models asked live."""

import json
import pathlib
import random

import numpy as np
import pytest

from refllm.quants import QuantError, mixes
from refllm.quants.mixes import MIXES, NO_WISHES, ModelFacts, Wishes, assign, get
from tests.quants import llama_quant
from tests.quants.mix_models import MODELS, shortened

GOLDEN = json.loads((pathlib.Path(__file__).parents[1] / "golden" / "mixes.json").read_text())
IN_C = [mix for mix in MIXES.values() if mix.name != "NVFP4"]  # llama-quantize makes no NVFP4 files
SMALL = {"token_embd.weight": (8, 256), "output.weight": (8, 256), "blk.0.attn_v.weight": (8, 256)}
FACTS = ModelFacts("llama", layers=1, heads=8, key_heads=8)


def schemes(mix, shapes, facts=FACTS, has_importance=False, wishes=NO_WISHES):
    ordered = {name: shapes[name] for name in sorted(shapes, key=mixes.file_order)}
    return {name: choice.scheme for name, choice in assign(mix, ordered, facts, has_importance, wishes).items()}


@pytest.mark.parametrize("model", MODELS)
def test_every_mix_gives_every_tensor_the_type_that_llama_quantize_gives(model):
    facts, shapes = MODELS[model]
    expected = GOLDEN["without importance"][model]
    assert list(expected) == [mix.name for mix in IN_C]
    for mix in IN_C:
        if expected[mix.name] == "refused":
            with pytest.raises(QuantError, match="nothing stands in"):
                assign(mix, shapes, facts)
        else:
            found = shortened(schemes(mix, shapes, facts), mix.base)
            assert found.pop("kept") == GOLDEN["kept"][model], mix.name
            assert found == expected[mix.name], mix.name


@pytest.mark.parametrize("model", MODELS)
def test_importance_changes_the_mixes_that_it_changes_in_llama_quantize(model):
    facts, shapes = MODELS[model]
    expected = GOLDEN["with importance"].get(model, {})
    for name in ("Q4_0", "Q5_0", "IQ4_NL", "IQ4_XS", "IQ3_XXS"):
        found = shortened(schemes(get(name), shapes, facts, has_importance=True), get(name).base)
        assert found.pop("kept") == GOLDEN["kept"][model]
        assert found == expected.get(name, GOLDEN["without importance"][model][name]), name


def test_importance_changes_no_other_mix():
    changed = {name for answers in GOLDEN["with importance"].values() for name in answers}
    assert changed == {"Q4_0", "Q5_0", "IQ4_NL", "IQ4_XS", "IQ3_XXS"}
    asking = {mix.name for mix in IN_C if "measured" in str(mix.rules)}
    assert asking == changed


def test_a_mix_is_found_by_name_in_any_case_short_name_and_number():
    assert get("q4_k_m") is get("Q4_K") is get("15") is get(15) is MIXES["Q4_K_M"]
    assert len({mix.id for mix in MIXES.values()}) == len(MIXES)
    with pytest.raises(QuantError, match="unknown file type 'Q4_X'; expected one of F32, F16"):
        get("Q4_X")


def test_the_facts_come_from_the_metadata():
    metadata = {"general.architecture": "llama", "llama.block_count": 80, "llama.attention.head_count": 64}
    assert mixes.facts(metadata) == ModelFacts("llama", 80, 64, 64)
    assert not mixes.facts(metadata).is_70b
    grouped = metadata | {"llama.attention.head_count_kv": np.full(80, 8, np.uint32), "llama.expert_count": 8}
    assert mixes.facts(grouped) == ModelFacts("llama", 80, 64, 8, 8)
    assert mixes.facts({}) == ModelFacts("", 0, 0, 0)
    for bad in ("80", 8.0, []):
        with pytest.raises(QuantError, match=r"metadata\['llama\.block_count'\] is .*; expected a whole number"):
            mixes.facts(metadata | {"llama.block_count": bad})


def test_a_user_may_wish_otherwise():
    q4 = get("Q4_K_M")
    assert schemes(q4, SMALL) == {"output.weight": "Q6_K", "token_embd.weight": "Q4_K", "blk.0.attn_v.weight": "Q6_K"}
    assert set(schemes(q4, SMALL, wishes=Wishes(pure=True)).values()) == {"Q4_K"}
    assert schemes(q4, SMALL, wishes=Wishes(leave_output=True))["output.weight"] is None
    assert schemes(q4, SMALL, wishes=Wishes(output="F16"))["output.weight"] == "F16"
    assert schemes(q4, SMALL, wishes=Wishes(token_embedding="Q8_0"))["token_embd.weight"] == "Q8_0"
    chosen = schemes(q4, SMALL, wishes=Wishes(tensors=(("attn", "Q2_K"), ("weight", "Q5_K"))))
    assert chosen == {"output.weight": "Q5_K", "token_embd.weight": "Q5_K", "blk.0.attn_v.weight": "Q2_K"}


def test_a_substitute_is_named():
    choice = mixes.fitting("Q4_K", (8, 96))
    assert (choice.scheme, choice.instead_of) == ("Q5_0", "Q4_K")
    assert mixes.fitting("Q4_K", (8, 100)).scheme == "F16"
    assert mixes.fitting("Q4_K", (8, 512)).instead_of is None


def test_a_tensor_of_no_layer_is_refused_where_layers_are_read_from_names():
    facts = ModelFacts("llama", layers=1, heads=8, key_heads=8, experts=4)
    with pytest.raises(QuantError, match=r"'blk\.7\.ffn_down_exps\.weight': names no layer"):
        assign(get("Q4_K_M"), {"blk.7.ffn_down_exps.weight": (4, 8, 256)}, facts)


def test_which_tensors_need_importance():
    assert mixes.needs_importance(get("IQ2_S"), "blk.0.attn_q.weight", "IQ2_XS")
    assert mixes.needs_importance(get("Q2_K_S"), "blk.0.attn_q.weight", "Q2_K")
    assert not mixes.needs_importance(get("Q2_K"), "blk.0.attn_q.weight", "Q2_K")
    assert not mixes.needs_importance(get("IQ2_S"), "token_embd.weight", "IQ2_XS")
    assert not mixes.needs_importance(get("IQ2_S"), "blk.0.attn_norm.weight", None)


ARCHITECTURES = ("llama", "llama", "falcon", "qwen2", "gemma3", "glm5-next", "bailingmoe3", "deepseek2")
LAYER_NAMES = (
    *("attn_norm", "attn_q", "attn_k", "attn_v", "attn_qkv", "attn_kv_b", "attn_k_b", "attn_v_b", "attn_q_a"),
    *("attn_output", "ffn_gate", "ffn_up", "ffn_down", "ffn_gate_exps", "ffn_up_exps", "ffn_down_exps"),
    *("ffn_down_shexp", "ffn_gate_inp", "ssm_conv1d", "ssm_in", "ssm_beta", "time_mix_w1", "time_mix_key"),
    *("attn_rel_b", "nextn.eh_proj", "indexer.k_proj", "hc_attn", "laurel_l", "shortconv.conv"),
)
OTHER_NAMES = (
    *("token_embd", "output", "output_norm", "position_embd", "token_types", "per_layer_token_embd"),
    *("per_layer_model_proj", "v.patch_embd", "v.blk.0.attn_q", "mm.0", "cls", "altup_proj"),
)
PATTERNS = (
    ("attn_v", "Q8_0"),
    ("ffn_down", "Q5_K"),
    (r"blk\.[0-3]\.", "Q6_K"),
    ("per_layer", "Q4_0"),
    ("embd", "Q5_1"),
)


def random_model(dice: random.Random) -> tuple[ModelFacts, dict, Wishes]:
    architecture = dice.choice(ARCHITECTURES)
    # libllama's stand-in for a model knows the 70B rule of llama alone, and no falcon has experts
    layers = dice.choice([1, 2, 8, 12, 33, 80 if architecture == "llama" else 79])
    experts = 0 if architecture == "falcon" else dice.choice([0, 0, 1, 2, 4, 8, 8, 128])
    heads = dice.choice([1, 8, 64, 71])
    facts = ModelFacts(architecture, layers, heads, dice.choice([0, 1, 8, heads]), experts)
    widths = dice.choice([(256, 512), (32, 48, 96, 256, 640, 100)])
    shapes = {"token_embd.weight": (dice.choice([1, 64]), dice.choice(widths))}
    shapes |= {f"{name}.weight": (64, dice.choice(widths)) for name in dice.sample(OTHER_NAMES, 5)}
    for name in dice.sample(LAYER_NAMES, 8):
        for layer in dice.sample(range(layers), dice.randint(1, min(layers, 20))):
            rows = () if "norm" in name else (8, 64) if "exps" in name or name == "attn_k_b" else (64,)
            shapes[f"blk.{layer}.{name}.{dice.choice(['weight'] * 9 + ['bias'])}"] = (*rows, dice.choice(widths))
    scheme = [None, None, "F16", "Q8_0", "Q4_K", "IQ4_XS"]
    wishes = Wishes(
        pure=dice.random() < 0.1,
        leave_output=dice.random() < 0.1,
        output=dice.choice(scheme),
        token_embedding=dice.choice(scheme),
        tensors=tuple(dice.sample(PATTERNS, dice.choice([0, 0, 1, 2]))),
    )
    return facts, shapes, wishes


@pytest.mark.conformance
@pytest.mark.parametrize("seed", range(6))
def test_random_models_get_the_types_that_the_c_library_gives(seed):
    facts, shapes, wishes = random_model(random.Random(seed))
    ours = {}
    for mix in IN_C:
        try:
            ours[mix.id] = schemes(mix, shapes, facts, False, wishes)
        except QuantError:
            assert mix.name == "Q1_0"  # the C library refuses too: by ending the program
    ordered = {name: shapes[name] for name in sorted(shapes, key=mixes.file_order)}
    assert llama_quant.types(facts, ordered, list(ours), wishes) == ours
