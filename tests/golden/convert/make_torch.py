"""Makes the golden logits of the tiny checkpoints with transformers: `python tests/golden/convert/make_torch.py`.

Needs torch and transformers beside refllm's own packages (the versions that made the committed values stand in the
file under `versions`). transformers loads the folders that the tests convert and computes in float64.
"""

import pathlib
import sys
import tempfile

import numpy as np
import torch
import transformers

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parents[2]))
from tests.convert import checkpoints  # noqa: E402


def logits(folder: pathlib.Path) -> np.ndarray:
    model, report = transformers.AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=torch.float64,
        attn_implementation="eager",
        experts_implementation="eager",
        output_loading_info=True,
    )
    assert not report["missing_keys"] and not report["unexpected_keys"], report
    with torch.no_grad():
        return model.eval()(torch.tensor([checkpoints.PROMPT])).logits[0].numpy()


def main() -> None:
    golden = {"versions": np.array(f"torch {torch.__version__}, transformers {transformers.__version__}")}
    with tempfile.TemporaryDirectory() as temporary:
        for variant in checkpoints.CONFIGS:
            folder = checkpoints.write_folder(pathlib.Path(temporary) / variant / "model", variant)
            golden[variant] = logits(folder)[:, checkpoints.COLUMNS].astype(np.float32)
            print(variant, np.ptp(golden[variant]))
    np.savez_compressed(HERE / "torch.npz", **golden)


if __name__ == "__main__":
    main()
