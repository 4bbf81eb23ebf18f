"""Writes `quantize.json`: the SHA-256 of the files that the C library makes from the models of tests/convert.

Made with llama-cpp-python 0.3.36 (llama.cpp of October 2026, ggml 0.25.3) by `python -m tests.golden.make_quantize`:
`llama_model_quantize` for several mixes, without and with an importance of the columns.
"""

import hashlib
import json
import pathlib
import tempfile

from refllm.quants import mixes
from tests.convert.small_models import MODELS, importance, write_model
from tests.quants import llama_quant

PLAIN = ("F16", "BF16", "Q8_0", "Q5_1", "Q2_K", "Q3_K_M", "Q4_K_M", "IQ4_XS", "IQ3_S", "TQ2_0", "Q1_0")
MEASURED = ("Q4_0", "Q2_K_S", "Q5_K_M", "Q6_K", "IQ4_NL", "IQ3_XXS", "IQ2_M", "IQ2_XXS", "IQ1_M", "IQ1_S")
CASES = [("grouped", mix, False) for mix in PLAIN] + [("grouped", mix, True) for mix in MEASURED]
CASES += [("tied", "Q3_K_M", False), ("tied", "IQ4_XS", False), ("odd", "Q4_0", False), ("odd", "Q4_K_M", True)]
CASES += [("experts", "Q4_K_M", True), ("experts", "IQ2_XS", True), ("experts", "MXFP4_MOE", False)]


def main() -> None:
    golden = {}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for model in MODELS:
            write_model(folder / model, model)
        for model, mix, measured in CASES:
            columns = importance(model) if measured else None
            llama_quant.quantize(folder / model, folder / "out", mixes.get(mix).id, importance=columns)
            golden[label(model, mix, measured)] = hashlib.sha256((folder / "out").read_bytes()).hexdigest()
    (pathlib.Path(__file__).parent / "quantize.json").write_text(json.dumps(golden, indent=1) + "\n")


def label(model: str, mix: str, measured: bool) -> str:
    return f"{model} {mix}{' with importance' if measured else ''}"


if __name__ == "__main__":
    main()
