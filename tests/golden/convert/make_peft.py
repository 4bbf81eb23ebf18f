"""Merges the tiny adapters with peft: `python tests/golden/convert/make_peft.py`.

Needs torch, transformers and peft beside refllm's own packages (the versions that made the committed values stand in
the file under `versions`). Every 37th weight of the merged tensors is kept.
"""

import pathlib
import sys
import tempfile

import numpy as np
import peft
import torch
import transformers

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parents[2]))
from tests.convert import adapters, checkpoints  # noqa: E402

MERGES = {"plain": ["plain"], "two": ["chinese", "alpaca"]}


def merged(base: pathlib.Path, folders: list[pathlib.Path], added: int) -> dict[str, np.ndarray]:
    model = transformers.AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    if added:
        model.resize_token_embeddings(checkpoints.VOCAB + added, mean_resizing=False)
    for folder in folders:
        model = peft.PeftModel.from_pretrained(model, folder).merge_and_unload()
    return {name: tensor.numpy() for name, tensor in model.state_dict().items()}


def main() -> None:
    golden = {"versions": np.array(f"peft {peft.__version__}, torch {torch.__version__}")}
    with tempfile.TemporaryDirectory() as temporary:
        base = checkpoints.write_folder(pathlib.Path(temporary) / "base", "llama")
        for case, names in MERGES.items():
            folders = [adapters.write_adapter(pathlib.Path(temporary) / case / name, name) for name in names]
            found = merged(base, folders, adapters.ADDED if "chinese" in names else 0)
            golden |= {f"{case}/{name}": array.reshape(-1)[::37] for name, array in found.items()}
    np.savez_compressed(HERE / "peft.npz", **golden)


if __name__ == "__main__":
    main()
