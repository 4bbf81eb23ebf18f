"""Numbers in blocks: every way in which a GGUF file stores weights.

`get` finds a scheme by its name or by the number it has in a file; `SCHEMES` lists them all. One file per family.

>>> get("Q4_0") is get(2)
True
>>> get("Q9_9")
Traceback (most recent call last):
    ...
refllm.quants.scheme.QuantError: unknown quantization scheme 'Q9_9'; known: Q4_0, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K
"""

from refllm.quants.k_minmax import Q2_K, Q4_K, Q5_K
from refllm.quants.k_symmetric import Q3_K, Q6_K
from refllm.quants.scheme import QuantError, Scheme
from refllm.quants.simple import Q4_0, Q8_0

__all__ = ["SCHEMES", "QuantError", "Scheme", "get"]

SCHEMES = {scheme.name: scheme for scheme in (Q4_0, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K)}
_BY_ID = {scheme.id: scheme for scheme in SCHEMES.values() if scheme.id is not None}


def get(name: str | int) -> Scheme:
    """The scheme with this name (`"Q4_K"`) or this number in a GGUF file (`12`)."""
    scheme = (SCHEMES if isinstance(name, str) else _BY_ID).get(name)
    if scheme is None:
        raise QuantError(f"unknown quantization scheme {name!r}; known: {', '.join(SCHEMES)}")
    return scheme
