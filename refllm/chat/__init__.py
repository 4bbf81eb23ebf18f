"""Conversations: templates, turns, the chat in a terminal and the classic `main`.

A terminal shows its prompt before there is a model, so nothing is loaded here before it is named.

>>> import refllm
>>> refllm.chat.named("llama2", {})[:30], refllm.chat.Chat
('{% set state = namespace(ended', <class 'refllm.chat.conversation.Chat'>)
"""

import importlib

_NAMES = {
    "BUILTIN": "builtin",
    "Chat": "conversation",
    "Template": "template",
    "TemplateError": "renderer",
    "named": "template",
}


def __getattr__(name: str):
    if name in _NAMES:
        return getattr(importlib.import_module(f"refllm.chat.{_NAMES[name]}"), name)
    raise AttributeError(f"module 'refllm.chat' has no attribute {name!r}")


def __dir__():
    return [*globals(), *_NAMES]
