"""Records what llama.cpp's own converter makes of the tiny checkpoints: `python make_llama_cpp.py LLAMA_CPP`.

LLAMA_CPP is a folder with its sources (those in llama-cpp-python 0.3.36 made the committed values); the Python that
runs this needs torch and transformers for it. Of tensors the type, shape and a digest are kept, of metadata the values,
of long lists a digest.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parents[2]))
from refllm import gguf  # noqa: E402
from tests.convert import checkpoints  # noqa: E402

TYPES = {"llama": ("f32", "f16", "bf16", "q8_0")}  # of the others only f32


def convert(llama_cpp: pathlib.Path, folder: pathlib.Path, outtype: str) -> dict:
    out = folder.parent / f"{outtype}.gguf"
    command = [sys.executable, llama_cpp / "convert_hf_to_gguf.py", folder, "--outfile", out, "--outtype", outtype]
    subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": str(llama_cpp / "gguf-py")})
    return checkpoints.fingerprint(gguf.open(out))


def main(llama_cpp: pathlib.Path) -> None:
    golden = {}
    with tempfile.TemporaryDirectory() as temporary:
        for variant in checkpoints.CONFIGS:
            folder = checkpoints.write_folder(pathlib.Path(temporary) / variant / "model", variant)
            for outtype in TYPES.get(variant, ("f32",)):
                golden[f"{variant}-{outtype}"] = convert(llama_cpp, folder, outtype)
    (HERE / "llama_cpp.json").write_text(json.dumps(golden, ensure_ascii=False, indent=0) + "\n")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
