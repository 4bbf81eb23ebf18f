"""Conversations: templates, turns, the chat in a terminal and the classic `main`.

>>> from refllm.chat import BUILTIN
>>> "llama2" in BUILTIN
True
"""

from refllm.chat.builtin import BUILTIN
from refllm.chat.conversation import Chat
from refllm.chat.renderer import TemplateError
from refllm.chat.template import Template, named

__all__ = ["BUILTIN", "Chat", "Template", "TemplateError", "named"]
