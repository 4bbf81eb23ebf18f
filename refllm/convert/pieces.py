"""A vocabulary on its way into a GGUF file: pieces that may still change, and what else the file says about them.

>>> pieces = Pieces("llama", ["<unk>", "a"], [2, 1], [0.0, -1.0], space_prefix=True)
>>> [key.removeprefix("tokenizer.ggml.") for key in pieces.metadata()]
['model', 'pre', 'tokens', 'scores', 'token_type', 'add_space_prefix']
"""

import dataclasses
from typing import Any

import numpy as np


@dataclasses.dataclass
class Pieces:
    """Texts as the file spells them, kinds as GGUF numbers them."""

    model: str  # "llama", "t5" (SentencePiece) or "gpt2" (bytes)
    texts: list[str]
    kinds: list[int]
    scores: list[float]
    pre: str = "default"  # how text is cut into words
    merges: list[str] = dataclasses.field(default_factory=list)
    space_prefix: bool | None = None
    roles: dict[str, int | None] = dataclasses.field(default_factory=dict)  # "bos": 1 ...
    frame: dict[str, bool] = dataclasses.field(default_factory=dict)  # whether "bos", "eos" stand around a text
    extra: dict[str, Any] = dataclasses.field(default_factory=dict)

    def append(self, text: str, kind: int, score: float) -> None:
        self.texts.append(text)
        self.kinds.append(kind)
        self.scores.append(score)

    def metadata(self) -> dict[str, Any]:
        found = {"model": self.model, "pre": self.pre, "tokens": self.texts}
        if self.model == "gpt2":
            found |= {"token_type": np.array(self.kinds, np.int32), "merges": self.merges}
        else:
            found |= {"scores": np.array(self.scores, np.float32), "token_type": np.array(self.kinds, np.int32)}
        if self.space_prefix is not None:
            found["add_space_prefix"] = self.space_prefix
        return {f"tokenizer.ggml.{key}": value for key, value in (found | self.extra).items()}
