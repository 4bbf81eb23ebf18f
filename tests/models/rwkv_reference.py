"""RWKV-4, 5, 6 and 7 in plain numpy and float64, token by token, from the published formulas and nothing of refllm.

It reads a checkpoint by the names that its author gave the tensors. `checkpoint` makes small random ones. Their heads
have 64 channels, as all have: with fewer llama.cpp reads beyond the end of RWKV-7's heads on AVX-512.
"""

import numpy as np

DIM, HEAD, HIDDEN, VOCABULARY, LAYERS, RANK = 128, 64, 160, 256, 2, 16
KINDS = ("rwkv4", "rwkv5.0", "rwkv5", "rwkv6", "rwkv7")
PURPOSES = {"rwkv4": "kvr", "rwkv5.0": "kvr", "rwkv5": "kvrg", "rwkv6": "wkvrg", "rwkv7": "rwkvag"}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def norm(x, w, name, eps=1e-5):
    x = x - x.mean(-1, keepdims=True)
    return x / np.sqrt(x.var(-1, keepdims=True) + eps) * w[f"{name}.weight"] + w[f"{name}.bias"]


def head_norm(x, w, name):
    x = x - x.mean(-1, keepdims=True)
    x = x / np.sqrt(x.var(-1, keepdims=True) + 64e-5)
    return x.reshape(-1) * w[f"{name}.weight"] + w[f"{name}.bias"]


def forward(kind: str, weights: dict, ids: list[int]) -> np.ndarray:
    """The logits after each token."""
    w = {name: np.asarray(array, np.float64) for name, array in weights.items()}
    state, scores = [{"att": np.zeros(DIM), "ffn": np.zeros(DIM)} for _ in range(LAYERS)], []
    for token in ids:
        x, first_value = norm(w["emb.weight"][token], w, "blocks.0.ln0"), [None]
        for layer in range(LAYERS):
            own = {name.removeprefix(f"blocks.{layer}."): a for name, a in w.items() if f"blocks.{layer}." in name}
            x = x + TIME_MIX[kind](own, norm(x, own, "ln1"), state[layer], first_value)
            x = x + channel_mix(kind, own, norm(x, own, "ln2"), state[layer])
        scores.append(w["head.weight"] @ norm(x, w, "ln_out"))
    return np.array(scores)


def channel_mix(kind, w, x, state):
    before, state["ffn"] = state["ffn"], x

    def mixed(purpose):
        if kind in ("rwkv6", "rwkv7"):
            part = w[f"ffn.time_maa_{purpose}" if kind == "rwkv6" else f"ffn.x_{purpose}"].reshape(-1)
            return x + (before - x) * part
        part = w[f"ffn.time_mix_{purpose}"].reshape(-1)
        return x * part + before * (1 - part)

    up = np.maximum(w["ffn.key.weight"] @ mixed("k"), 0) ** 2
    down = w["ffn.value.weight"] @ up
    return down if kind == "rwkv7" else sigmoid(w["ffn.receptance.weight"] @ mixed("r")) * down


def time_mix_4(w, x, state, first_value):
    before, state["att"] = state["att"], x
    k, v, r = (w[f"att.{name}.weight"] @ old_mix(w, x, before, name[0]) for name in ("key", "value", "receptance"))
    numerator, denominator = state.get("sums", (0.0, 0.0))
    bonus = np.exp(w["att.time_first"] + k)
    wkv = (numerator + bonus * v) / (denominator + bonus)
    fade = np.exp(-np.exp(w["att.time_decay"]))
    state["sums"] = fade * numerator + np.exp(k) * v, fade * denominator + np.exp(k)
    return w["att.output.weight"] @ (sigmoid(r) * wkv)


def old_mix(w, x, before, purpose):
    part = w[f"att.time_mix_{purpose}"].reshape(-1)
    return x * part + before * (1 - part)


def time_mix_5(w, x, state, first_value):
    before, state["att"] = state["att"], x
    k, v, r = (w[f"att.{name}.weight"] @ old_mix(w, x, before, name[0]) for name in ("key", "value", "receptance"))
    u = w["att.time_faaaa"] if "att.time_faaaa" in w else np.exp(w["att.time_first"])
    decay = np.exp(-np.exp(w["att.time_decay"]))
    read = matrix_memory(state, r, k, v, u.reshape(len(u), -1), decay.reshape(len(decay), -1))
    read = head_norm(read, w, "att.ln_x")
    if "att.gate.weight" in w:
        gate = w["att.gate.weight"] @ old_mix(w, x, before, "g")
        read = read * gate * sigmoid(gate)
    return w["att.output.weight"] @ read


def matrix_memory(state, r, k, v, u, decay):
    """s[h, i, j]: key channel i, value channel j."""
    heads = DIM // HEAD
    r, k, v = (part.reshape(heads, HEAD) for part in (r, k, v))
    s = state.get("s", np.zeros((heads, HEAD, HEAD)))
    pair = k[:, :, None] * v[:, None, :]
    read = np.stack([r[h] @ (u[h][:, None] * pair[h] + s[h]) for h in range(heads)])
    state["s"] = pair + decay[:, :, None] * s
    return read


def time_mix_6(w, x, state, first_value):
    before, state["att"] = state["att"], x
    change = before - x
    start = x + change * w["att.time_maa_x"].reshape(-1)
    small = np.tanh(start @ w["att.time_maa_w1"]).reshape(5, -1)
    mixed = {}
    for index, purpose in enumerate("wkvrg"):
        own = small[index] @ w["att.time_maa_w2"][index]
        mixed[purpose] = x + change * (w[f"att.time_maa_{purpose}"].reshape(-1) + own)
    k, v, r, gate = (w[f"att.{n}.weight"] @ mixed[n[0]] for n in ("key", "value", "receptance", "gate"))
    decay = w["att.time_decay"].reshape(-1) + np.tanh(mixed["w"] @ w["att.time_decay_w1"]) @ w["att.time_decay_w2"]
    decay = np.exp(-np.exp(decay)).reshape(-1, HEAD)
    read = head_norm(matrix_memory(state, r, k, v, w["att.time_faaaa"], decay), w, "att.ln_x")
    return w["att.output.weight"] @ (read * gate * sigmoid(gate))


def time_mix_7(w, x, state, first_value):
    before, state["att"] = state["att"], x
    m = {purpose: x + (before - x) * w[f"att.x_{purpose}"].reshape(-1) for purpose in "rwkvag"}
    r, k, v = (w[f"att.{n}.weight"] @ m[n[0]] for n in ("receptance", "key", "value"))
    decay = w["att.w0"].reshape(-1) + np.tanh(m["w"] @ w["att.w1"]) @ w["att.w2"]
    decay = np.exp(-np.exp(-0.5) * sigmoid(decay))
    rate = sigmoid(w["att.a0"].reshape(-1) + m["a"] @ w["att.a1"] @ w["att.a2"])
    gate = sigmoid(m["g"] @ w["att.g1"]) @ w["att.g2"]
    if first_value[0] is None:
        first_value[0] = v
    else:
        v = v + (first_value[0] - v) * sigmoid(w["att.v0"].reshape(-1) + m["v"] @ w["att.v1"] @ w["att.v2"])
    address = (k * w["att.k_k"].reshape(-1)).reshape(-1, HEAD)
    address = address / np.linalg.norm(address, axis=-1, keepdims=True)
    k = k * (1 + (rate - 1) * w["att.k_a"].reshape(-1))
    r, k, v, rate, decay = (part.reshape(-1, HEAD) for part in (r, k, v, rate, decay))
    s = state.get("s", np.zeros((DIM // HEAD, HEAD, HEAD)))  # s[h, i, j]: value channel i, key channel j
    read = []
    for h in range(DIM // HEAD):
        replaced = np.diag(decay[h]) - np.outer(address[h], rate[h] * address[h])
        s[h] = s[h] @ replaced + np.outer(v[h], k[h])
        read.append(s[h] @ r[h])
    state["s"] = s
    own = (r * k * w["att.r_k"]).sum(-1, keepdims=True) * v
    return w["att.output.weight"] @ ((head_norm(np.array(read), w, "att.ln_x") + own.reshape(-1)) * gate)


TIME_MIX = {
    "rwkv4": time_mix_4,
    "rwkv5.0": time_mix_5,
    "rwkv5": time_mix_5,
    "rwkv6": time_mix_6,
    "rwkv7": time_mix_7,
}


# ---- random checkpoints ----


def checkpoint(kind: str, seed: int = 0, dim: int = DIM, hidden: int = HIDDEN) -> dict[str, np.ndarray]:
    """Random weights under their names; the first layer of RWKV-7 has no v0, v1, v2."""
    rng = np.random.default_rng([seed, *kind.encode()])

    def matrix(rows, columns):
        return rng.standard_normal((rows, columns), np.float32) * np.float32(columns**-0.5)

    def vector(*shape, around=0.0):
        return (around + 0.3 * rng.standard_normal(shape)).astype(np.float32)

    w = {"emb.weight": matrix(VOCABULARY, dim) * np.float32(4), "head.weight": matrix(VOCABULARY, dim)}
    norms = ["ln_out", "blocks.0.ln0"]
    for layer in range(LAYERS):
        at = f"blocks.{layer}."
        norms += [at + "ln1", at + "ln2"] + ([] if kind == "rwkv4" else [at + "att.ln_x"])
        names = ["receptance", "key", "value", "output"] + (["gate"] if kind in ("rwkv5", "rwkv6") else [])
        w |= {f"{at}att.{name}.weight": matrix(dim, dim) for name in names}
        w |= {f"{at}ffn.key.weight": matrix(hidden, dim), f"{at}ffn.value.weight": matrix(dim, hidden)}
        if kind != "rwkv7":
            w[at + "ffn.receptance.weight"] = matrix(dim, dim)
        word = {"rwkv6": "time_maa", "rwkv7": "x"}.get(kind, "time_mix")
        w |= {f"{at}att.{word}_{p}": vector(1, 1, dim, around=0.5) for p in PURPOSES[kind]}
        w |= {f"{at}ffn.{word}_{p}": vector(1, 1, dim, around=0.5) for p in ("k" if kind == "rwkv7" else "kr")}
        w |= {f"{at}att.{name}": array for name, array in own_tensors(kind, layer, dim, matrix, vector).items()}
    for name in norms:
        width = dim
        w |= {f"{name}.weight": vector(width, around=1.0), f"{name}.bias": vector(width)}
    return w


def own_tensors(kind, layer, dim, matrix, vector) -> dict[str, np.ndarray]:
    heads = dim // HEAD
    if kind == "rwkv4":
        return {"time_decay": vector(dim), "time_first": vector(dim)}
    if kind == "rwkv5.0":
        return {"time_decay": vector(heads, around=-1), "time_first": vector(heads)}
    if kind == "rwkv5":
        return {"time_decay": vector(heads, HEAD, around=-1), "time_faaaa": vector(heads, HEAD)}
    if kind == "rwkv6":
        return {
            "time_maa_x": vector(1, 1, dim, around=0.5),
            "time_maa_w1": matrix(dim, 5 * RANK),
            "time_maa_w2": matrix(5 * RANK, dim).reshape(5, RANK, dim),
            "time_decay": vector(1, 1, dim, around=-1),
            "time_decay_w1": matrix(dim, 2 * RANK),
            "time_decay_w2": matrix(2 * RANK, dim),
            "time_faaaa": vector(heads, HEAD),
        }
    ranks = {"w": RANK, "a": RANK, "g": 2 * RANK} | ({"v": 8} if layer else {})
    found = {f"{name}1": matrix(dim, rank) for name, rank in ranks.items()}
    found |= {f"{name}2": matrix(rank, dim) for name, rank in ranks.items()}
    found |= {f"{name}0": vector(1, 1, dim) for name in ranks if name != "g"}
    found |= {name: vector(1, 1, dim, around=0.8) for name in ("k_k", "k_a")}
    return found | {"r_k": vector(heads, HEAD)}
