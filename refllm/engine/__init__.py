"""The engine: sessions, the cache, the compiled steps, and `load`.

>>> from refllm.engine import load
"""

from refllm.engine.completion import Completion, Timings, View
from refllm.engine.llm import LLM
from refllm.engine.load import load
from refllm.engine.session import ContextError, Session

__all__ = ["LLM", "Completion", "ContextError", "Session", "Timings", "View", "load"]
