"""What the engine asks of a grammar, or of anything else that decides which tokens may come next.

`generate(..., grammar=thing)` makes a `copy.copy()` of the thing for every answer, so that one may serve many answers:
`accept` must replace what it changes, never alter it in place. Then, for every token, the engine starts the model on
the token just chosen and, while that runs, calls `accept(token)` and `mask()`; masked tokens are removed before the
first sampler. A mask without a single token ends the answer: what was written is complete. End-of-generation tokens are
tokens like any other: the mask says whether the text may end here.

>>> import numpy as np
>>> class OnlyThree:
...     def mask(self): return np.arange(5) == 3
...     def accept(self, token): pass
>>> isinstance(OnlyThree(), TokenMask)
True
"""

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool


@runtime_checkable
class TokenMask(Protocol):
    """Which tokens may follow, and what follows from the choice of one."""

    def mask(self) -> Bool[np.ndarray, " vocab"]:
        """True for every token that may come next."""

    def accept(self, token: int) -> None:
        """Move on by the token that was chosen; it is one that the mask allowed."""
