"""Tiny LoRA adapters as peft saves them, from seeds: for the tests, and for the script that merges them with peft."""

import pathlib

import numpy as np

from refllm.convert import lazy, safetensors_file, torch_file
from tests.convert import checkpoints

ADDED = 5  # pieces that the first adapter adds to the vocabulary
TARGETS = {"self_attn.q_proj": (64, 64), "self_attn.k_proj": (32, 64), "mlp.down_proj": (64, 96)}
CONFIG = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "fan_in_fan_out": False, "bias": "none"}
ADAPTERS = {
    "chinese": {"r": 4, "lora_alpha": 16, "modules_to_save": ["embed_tokens", "lm_head"]},
    "alpaca": {"r": 2, "lora_alpha": 3, "modules_to_save": None, "use_rslora": True},
    "plain": {"r": 4, "lora_alpha": 8, "modules_to_save": None, "alpha_pattern": {"k_proj": 2}},
}


def config(name: str) -> dict:
    targets = [target.rpartition(".")[2] for target in TARGETS]
    return CONFIG | {"target_modules": targets, "base_model_name_or_path": "base"} | ADAPTERS[name]


def state(name: str) -> dict[str, np.ndarray]:
    """The tensors of an adapter under peft's names."""
    rng, rank, made = np.random.default_rng(list(name.encode())), ADAPTERS[name]["r"], {}
    for layer in range(2):
        for target, (rows, columns) in TARGETS.items():
            stem = f"base_model.model.model.layers.{layer}.{target}"
            made[f"{stem}.lora_A.weight"] = rng.standard_normal((rank, columns), np.float32) * np.float32(0.1)
            made[f"{stem}.lora_B.weight"] = rng.standard_normal((rows, rank), np.float32) * np.float32(0.1)
    if ADAPTERS[name]["modules_to_save"]:
        for whole in ("model.embed_tokens", "lm_head"):
            shape = (checkpoints.VOCAB + ADDED, checkpoints.DIM)
            made[f"base_model.model.{whole}.weight"] = rng.standard_normal(shape, np.float32) * np.float32(0.1)
    return made


def write_adapter(folder: pathlib.Path, name: str, form: str = "adapter_model.safetensors") -> pathlib.Path:
    folder.mkdir(parents=True)
    write = torch_file.write if form.endswith(".bin") else safetensors_file.write
    write(folder / form, {key: lazy.from_array(array) for key, array in state(name).items()})
    checkpoints.write_json(folder / "adapter_config.json", config(name))
    if ADAPTERS[name]["modules_to_save"]:
        checkpoints.write_sentencepiece(folder, ADDED)
    return folder
