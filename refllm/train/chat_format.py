"""How a dialogue is written down for the model: llama-2-chat.

The Jinja template goes into the file, for refllm, llama.cpp and transformers alike. `parts` writes the same text in
Python, cut where a question ends and an answer begins, because training weighs the two differently; a test holds the
two equal.

>>> from refllm.world import Dialogue
>>> dialogue = Dialogue("demo", "en", (("Hi!", "Hello!"), ("你好", "你好！")), system="Be kind.")
>>> for text, is_answer in parts(dialogue):
...     print(is_answer, repr(text))
False '<s>[INST] <<SYS>>\\nBe kind.\\n<</SYS>>\\n\\nHi! [/INST]'
True 'Hello!</s>'
False '<s>[INST] 你好 [/INST]'
True '你好！</s>'
"""

from collections.abc import Iterator

from refllm.world import Dialogue

SYMBOLS = ("[INST]", "[/INST]", "<<SYS>>", "<</SYS>>")  # pieces of their own in the vocabulary

TEMPLATE = (
    "{% if messages[0]['role'] == 'system' %}"
    "{% set system = '<<SYS>>\\n' + messages[0]['content'] | trim + '\\n<</SYS>>\\n\\n' %}"
    "{% set messages = messages[1:] %}"
    "{% else %}{% set system = '' %}{% endif %}"
    "{% for message in messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Roles must alternate: user, assistant, user, ...') }}"
    "{% endif %}"
    "{% if message['role'] == 'user' %}"
    "{{ bos_token + '[INST] ' + (system if loop.first else '') + message['content'] | trim + ' [/INST]' }}"
    "{% else %}"
    "{{ message['content'] | trim + eos_token }}"
    "{% endif %}"
    "{% endfor %}"
)


def parts(dialogue: Dialogue) -> Iterator[tuple[str, bool]]:
    """The text in pieces, and whether each is an answer."""
    system = f"<<SYS>>\n{dialogue.system}\n<</SYS>>\n\n" if dialogue.system else ""
    for question, answer in dialogue.turns:
        yield f"<s>[INST] {system}{question.strip()} [/INST]", False
        yield f"{answer.strip()}</s>", True
        system = ""
