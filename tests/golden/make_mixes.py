"""Writes `mixes.json`: the type that the C library gives every tensor of the models in `tests/quants/mix_models.py`.

Made with llama-cpp-python 0.3.36 (llama.cpp of October 2026, ggml 0.25.3) and gguf 0.19.0 by
`python -m tests.golden.make_mixes`: each model is written as a sparse file of float64 zeros (so that every type differs
from it) and goes through `llama_model_quantize` with `dry_run`, for every file type, without and with importance.

The answer is kept short: per model the tensors that stay as they are; per model and file type the tensors of each type
except the base type. `"blk.0-3,9.attn_v.weight"` stands for layers 0, 1, 2, 3 and 9. "with importance" holds only the
answers that differ. "refused": the C library knows no substitute for a type whose blocks are wider than a row.
"""

import json
import pathlib
import re
import sys
import tempfile

import gguf
import numpy as np

from refllm.quants.mixes import MIXES
from tests.quants import llama_quant
from tests.quants.mix_models import MODELS, shortened

NOT_IN_C = ("NVFP4",)  # llama-quantize has no mix for it
LINE = re.compile(r"\[ *\d+/ *\d+\] (\S+) .* size = .*? MiB(?: -> .*\((\w+)\))?\n")


def write_zeros(path, facts, shapes) -> None:
    writer = gguf.GGUFWriter(path, facts.architecture)
    writer.add_block_count(facts.layers)
    writer.add_context_length(512)
    writer.add_embedding_length(256)
    writer.add_feed_forward_length(512)
    writer.add_head_count(facts.heads)
    writer.add_head_count_kv(facts.key_heads)
    writer.add_vocab_size(512)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_layer_norm_eps(1e-5)
    if facts.experts:
        writer.add_expert_count(facts.experts)
        writer.add_expert_used_count(2)
        writer.add_expert_feed_forward_length(512)
    size = 0
    for name, shape in shapes.items():
        count = 8
        for extent in shape:
            count *= extent
        writer.add_tensor_info(name, shape, np.dtype(np.float64), count)
        size += -(-count // 32) * 32
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    with path.open("r+b") as file:
        header = file.seek(0, 2)
        file.truncate(-(-header // 32) * 32 + size)


def answers(path, mix, importance) -> dict[str, list[str]] | str:
    try:
        log = llama_quant.quantize(path, path, mix.id, importance=importance, dry_run=True, nthread=1)
    except RuntimeError as error:
        assert "no tensor type fallback" in str(error)
        return "refused"
    found = {name: after.upper() or None for name, after in LINE.findall(log)}
    return shortened(found, mix.base)


def main() -> None:
    golden = {"kept": {}, "without importance": {}, "with importance": {}}
    with tempfile.TemporaryDirectory() as folder:
        for name, (facts, shapes) in MODELS.items():
            path = pathlib.Path(folder) / f"{name}.gguf"
            write_zeros(path, facts, shapes)
            for mix in MIXES.values():
                if mix.name in NOT_IN_C:
                    continue
                plain = answers(path, mix, None)
                measured = answers(path, mix, {"blk.0.attn_q.weight": [1.0]})
                golden["without importance"].setdefault(name, {})[mix.name] = plain
                if measured != plain:
                    measured.pop("kept")
                    golden["with importance"].setdefault(name, {})[mix.name] = measured
            for answer in golden["without importance"][name].values():
                if answer != "refused":
                    golden["kept"][name] = answer.pop("kept")  # the same for every mix
            path.unlink()
            print(name, file=sys.stderr)
    text = json.dumps(golden, indent=1)
    text = re.sub(r"\[\s+([^\[\]]*?)\s+\]", lambda found: "[" + re.sub(r"\s*\n\s*", " ", found[1]) + "]", text)
    (pathlib.Path(__file__).parent / "mixes.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
