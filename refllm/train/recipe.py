"""What is trained: the sizes of the model, the length of the training, and every number that is chosen by hand.

A recipe and a seed determine the whole training. `EMBEDDED` is the model in `data/`; `SMALL` is the same on a scale
that tests can afford.

>>> EMBEDDED.model.dim % 256, EMBEDDED.model.hidden_dim % 256     # so every block scheme fits
(0, 0)
>>> round(EMBEDDED.weights / 1e6, 1)
5.8
"""

import dataclasses

from refllm.models.config import Config, Rope


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything that decides what a training makes."""

    model: Config
    steps: int
    batch_tokens: int = 4096
    lengths: tuple[int, ...] = (32, 48, 64, 96, 128, 192, 320, 512)  # examples are padded to the next of these
    learning_rate: float = 3e-3
    warm_up: int = 100
    decay_share: float = 0.3  # the last part of the steps, in which the learning rate falls to zero
    weight_decay: float = 0.05
    prompt_weight: float = 0.1  # what a token of a question counts beside one of an answer
    seed: int = 1
    vocabulary_items: int = 30_000  # dialogues and documents that the vocabulary is made from

    @property
    def weights(self) -> int:
        """How many numbers are learned."""
        model = self.model
        attention = model.dim * model.head_dim * 2 * (model.heads + model.kv_heads)
        layer = attention + 3 * model.dim * model.hidden_dim + 2 * model.dim
        return model.layers * layer + model.vocab_size * model.dim + model.dim


def _llama(layers: int, dim: int, hidden_dim: int, vocab_size: int) -> Config:
    heads = dim // 64
    rope = Rope("interleaved", 64, 10_000.0)
    return Config("llama", layers, dim, heads, heads // 2, 64, hidden_dim, vocab_size, context_length=512, rope=rope)


EMBEDDED = Recipe(_llama(layers=6, dim=256, hidden_dim=768, vocab_size=4096), steps=1200)
SMALL = Recipe(
    _llama(layers=2, dim=128, hidden_dim=256, vocab_size=3072),
    steps=200,
    batch_tokens=2048,
    lengths=(32, 64, 128),
    vocabulary_items=5_000,
)
