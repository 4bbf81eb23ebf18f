"""Writes `llama_cpp.npz`: which candidates llama.cpp's samplers keep, and the best probabilities they leave.

Made with llama-cpp-python 0.3.36 (llama.cpp of October 2026) by `python -m tests.golden.sampling.make`: every case of
`tests/sampling/oracle.py` on one vector of 32,000 logits of each steepness. For each case and vector a bit per token
(kept or not) and the 32 highest probabilities with their ids.
"""

import pathlib

import numpy as np

from tests.sampling.oracle import CASES, SCALES, Llama, vector

PATH = pathlib.Path(__file__).parent / "llama_cpp.npz"
BEST = 32


def main() -> None:
    llama, found = Llama(), {}
    for name, case in CASES.items():
        for number in range(len(SCALES)):
            probabilities = llama.probabilities(case, vector(number))
            best = np.argsort(-probabilities, kind="stable")[:BEST].astype(np.int32)
            found[f"{name}/{number}/kept"] = np.packbits(probabilities > 0)
            found[f"{name}/{number}/best"] = best
            found[f"{name}/{number}/probabilities"] = probabilities[best]
    np.savez_compressed(PATH, **found)


if __name__ == "__main__":
    main()
