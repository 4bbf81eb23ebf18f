"""Makes the golden values of the tiny models with llama.cpp: `python tests/golden/models/make_llama_cpp.py`.

Needs llama-cpp-python (the committed values: 0.3.36, llama.cpp of October 2026, ggml 0.25.3). For each model: logits of
64 positions with float32 and with float16 weights, and 20 greedy answers of 64 tokens, chosen so that no step was
decided by less than `GAP`: two exact programs may differ by rounding, and then a tie tells nothing.
"""

import pathlib
import sys
import tempfile

import llama_cpp
import numpy as np

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "models"))
import tiny  # noqa: E402

ANSWERS, LENGTH = 20, 64
GAP = {"gemma": 0.01, "gemma2": 0.01, "gemma3": 0.01}  # ggml looks GELU up in a table of float16: a coarser tie
DEFAULT_GAP = 1e-3


def load(path: pathlib.Path) -> llama_cpp.Llama:
    options = {"type_k": 0, "type_v": 0, "flash_attn": False}  # a float32 cache
    return llama_cpp.Llama(str(path), n_ctx=256, logits_all=True, n_threads=2, verbose=False, **options)


def logits(path: pathlib.Path) -> np.ndarray:
    model = load(path)
    model.eval(tiny.prompt())
    return np.array(model.scores[:64], np.float32)


def greedy(model: llama_cpp.Llama, prompt: list[int]) -> tuple[list[int], float]:
    """The best token at every step, and the smallest lead of a best over a second-best."""
    model.reset()
    model.eval(prompt)
    answer, gap = [], np.inf
    for position in range(len(prompt) - 1, len(prompt) - 1 + LENGTH):
        scores = model.scores[position]
        second, best = np.sort(scores)[-2:]
        gap = min(gap, float(best - second))
        answer.append(int(scores.argmax()))
        model.eval(answer[-1:])
    return answer, gap


def decided_answers(path: pathlib.Path, least: float) -> tuple[np.ndarray, np.ndarray, float]:
    model, kept = load(path), []
    for prompt in tiny.greedy_prompts(2000):
        answer, gap = greedy(model, prompt)
        if gap >= least:
            kept.append((prompt, answer, gap))
        if len(kept) == ANSWERS:
            break
    prompts, answers, gaps = zip(*kept, strict=True)
    return np.array(prompts, np.uint16), np.array(answers, np.uint16), min(gaps)


def main() -> None:
    golden = {}
    with tempfile.TemporaryDirectory() as folder:
        for variant in tiny.VARIANTS:
            path = tiny.write(variant, pathlib.Path(folder) / f"{variant}.gguf")
            golden[f"{variant}/sha256"] = np.array(tiny.fingerprint(variant))
            golden[f"{variant}/f32"] = logits(path)[:, tiny.COLUMNS]
            prompts, answers, gap = decided_answers(path, GAP.get(variant, DEFAULT_GAP))
            kept = {"prompts": prompts, "answers": answers, "gap": np.float32(gap)}
            golden.update({f"{variant}/{name}": value for name, value in kept.items()})
            half = tiny.write(variant, pathlib.Path(folder) / f"{variant}-f16.gguf", "F16")
            golden[f"{variant}/f16"] = logits(half)[:, tiny.COLUMNS]
            print(variant, len(answers), "answers, smallest gap", gap, flush=True)
    np.savez_compressed(HERE / "llama_cpp.npz", **golden)


if __name__ == "__main__":
    main()
