"""Weights as the machine multiplies them: quantized matrices that stay in their blocks, and the one door `matmul`.

>>> from refllm.kernels import QTensor, matmul
"""

from refllm.kernels.qtensor import (
    QTensor,
    Weight,
    dequantize,
    from_blocks,
    from_float,
    matmul,
    native,
    take_rows,
    to_float,
)

__all__ = ["QTensor", "Weight", "dequantize", "from_blocks", "from_float", "matmul", "native", "take_rows", "to_float"]
