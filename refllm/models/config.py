"""What one model is like: its sizes, and the choices in which decoders differ, as one frozen record.

Everything here is known before a weight is loaded and never changes, so it is static for `jax.jit`. `architectures.py`
reads it from a file's metadata; `decoder.py` obeys it. The record holds no tokens and no arrays.

>>> rope = Rope(layout="interleaved", dims=4, base=10000.0)
>>> [round(float(f), 3) for f in rope.frequency()]
[1.0, 0.01]
>>> config = Config("llama", layers=6, dim=8, heads=2, kv_heads=1, head_dim=4, hidden_dim=16, vocab_size=32,
...                 context_length=64, rope=rope, window=16, global_every=3)
>>> [config.layer_window(layer) for layer in range(6)]
[16, 16, None, 16, 16, None]
"""

import dataclasses

from refllm.layers import rope as rotary


@dataclasses.dataclass(frozen=True)
class Rope:
    """How positions become rotations."""

    layout: str  # "interleaved" or "half_split"
    dims: int
    base: float
    scaling: str = "none"  # "linear", "yarn"
    factor: float = 1.0
    trained_context: int = 0
    attention_factor: float = 1.0

    def frequency(self) -> rotary.Frequency:
        plain = rotary.frequencies(self.dims, self.base)
        if self.scaling == "linear":
            return rotary.linear_scaling(plain, self.factor)
        if self.scaling == "yarn":
            return rotary.yarn_scaling(plain, self.factor, self.trained_context, self.base)
        return plain

    @property
    def magnitude(self) -> float:
        """What rotated queries and keys are multiplied by."""
        stretched = rotary.yarn_magnitude(self.factor) if self.scaling == "yarn" else 1.0
        return self.attention_factor * stretched


@dataclasses.dataclass(frozen=True)
class Config:
    """The fields in which decoders differ."""

    architecture: str
    layers: int
    dim: int
    heads: int
    kv_heads: int
    head_dim: int
    hidden_dim: int
    vocab_size: int
    context_length: int
    rope: Rope
    norm_eps: float = 1e-5
    activation: str = "silu"
    attention_scale: float | None = None  # None: one over the root of head_dim
    attention_softcap: float | None = None
    final_softcap: float | None = None
    embedding_scale: float = 1.0
    window: int | None = None  # tokens that a local layer sees; None: every layer sees everything
    global_every: int = 1  # with a window, every n-th layer is global
    local_rope: Rope | None = None  # None: local layers turn as global ones do
    experts: int = 0
    experts_used: int = 0

    @property
    def score_scale(self) -> float:
        return self.head_dim**-0.5 if self.attention_scale is None else self.attention_scale

    def is_local(self, layer: int) -> bool:
        return self.window is not None and layer % self.global_every < self.global_every - 1

    def layer_window(self, layer: int) -> int | None:
        return self.window if self.is_local(layer) else None

    def layer_rope(self, layer: int) -> Rope:
        return self.local_rope if self.is_local(layer) and self.local_rope is not None else self.rope
