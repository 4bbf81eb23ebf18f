"""Numbers in blocks: every way in which a GGUF file stores weights.

`get` finds a scheme by its name or by the number it has in a file; `SCHEMES` lists them all by name. One file per
family. What this room does not do: open files (`refllm.gguf` does) or multiply
(`refllm.kernels` does).

>>> get("Q4_0") is get(2)
True
>>> get("Q9_9")  # doctest: +ELLIPSIS
Traceback (most recent call last):
    ...
refllm.quants.scheme.QuantError: unknown quantization scheme 'Q9_9'; known: F32, F16, ...
>>> get(4)
Traceback (most recent call last):
    ...
refllm.quants.scheme.QuantError: quantization scheme 4 was Q4_2, which GGUF files no longer have
"""

from refllm.quants import activations, few_bit, floats, fp4, iq1, iq2, iq3, iq_nonlinear, legacy, simple, ternary
from refllm.quants.k_minmax import Q2_K, Q4_K, Q5_K
from refllm.quants.k_symmetric import Q3_K, Q6_K
from refllm.quants.scheme import QuantError, Scheme

__all__ = ["REMOVED", "SCHEMES", "QuantError", "Scheme", "get"]

FAMILIES = (
    floats.SCHEMES,
    simple.SCHEMES,
    (Q2_K, Q3_K, Q4_K, Q5_K, Q6_K),
    iq1.SCHEMES,
    iq2.SCHEMES,
    iq3.SCHEMES,
    iq_nonlinear.SCHEMES,
    ternary.SCHEMES,
    fp4.SCHEMES,
    few_bit.SCHEMES,
    activations.SCHEMES,
    legacy.SCHEMES,
)

SCHEMES = {scheme.name: scheme for family in FAMILIES for scheme in family}

# Numbers that no scheme has any more. The first two ended with the files of May 2023 (see legacy.py); the others held
# the same weights as Q4_0 and IQ4_NL, reordered for one processor, which is now done when a file is loaded.
REMOVED = {
    4: "Q4_2",
    5: "Q4_3",
    31: "Q4_0_4_4",
    32: "Q4_0_4_8",
    33: "Q4_0_8_8",
    36: "IQ4_NL_4_4",
    37: "IQ4_NL_4_8",
    38: "IQ4_NL_8_8",
}

_BY_ID = {scheme.id: scheme for scheme in SCHEMES.values() if scheme.id is not None}


def get(name: str | int) -> Scheme:
    """The scheme with this name (`"Q4_K"`) or this number in a GGUF file (`12`)."""
    scheme = (SCHEMES if isinstance(name, str) else _BY_ID).get(name)
    if scheme is None and name in REMOVED:
        raise QuantError(f"quantization scheme {name} was {REMOVED[name]}, which GGUF files no longer have")
    if scheme is None and isinstance(name, str):
        raise QuantError(f"unknown quantization scheme {name!r}; known: {', '.join(SCHEMES)}")
    if scheme is None:
        raise QuantError(f"unknown quantization scheme {name}; expected 0 to {max(_BY_ID)}")
    return scheme
