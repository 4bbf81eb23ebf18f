"""Tiny random models that bring a chat template, for the tests of the room."""

import pathlib

from refllm import gguf
from tests.models import tiny

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA2 = (
    "{% if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] %}{% set rest = messages[1:] %}"
    "{% else %}{% set rest = messages %}{% endif %}{% for message in rest %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}"
    "{% if message['role'] == 'user' %}{{ bos_token }}[INST] "
    "{% if loop.first and system is defined %}<<SYS>>\n{{ system }}\n<</SYS>>\n\n{% endif %}"
    "{{ message['content'].strip() }} [/INST]"
    "{% else %}{{ ' ' + message['content'].strip() + ' ' + eos_token }}{% endif %}{% endfor %}"
)


def vocabulary() -> dict:
    """The vocabulary of `tiny` with a space and the tokens of ChatML, which take the place of three letters."""
    known = tiny.vocabulary()
    pieces, types = list(known["tokenizer.ggml.tokens"]), known["tokenizer.ggml.token_type"].copy()
    pieces[-3:] = ["▁", "<|im_end|>", "<|im_start|>"]
    types[-2:] = 3
    return {**known, "tokenizer.ggml.tokens": pieces, "tokenizer.ggml.token_type": types}


def metadata(template: str | None) -> dict:
    own = {} if template is None else {"tokenizer.chat_template": template}
    return {**tiny.metadata("llama"), **vocabulary(), **own}


def write(path: pathlib.Path, template: str | None = CHATML) -> pathlib.Path:
    gguf.write(path, metadata(template), tiny.tensors("llama"))
    return path
