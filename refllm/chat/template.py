"""From a conversation to the ids that a model reads: which template, its text, and its tokens.

The template is the file's own; one of another name, or a text, only when it is asked for, since a model that reads
another format than it was trained on answers badly and nobody sees why. A system message, tools and their results are
treated as the template says, also when it refuses them.

What people write is text: a user who types "</s>" has not ended a turn. Control tokens are therefore taken only from
the template itself; those in messages are broken by an invisible mark before rendering, and mended after the special
tokens have been cut out. The token that begins a sequence stands there once, whether the template writes it or not.

>>> protected({"role": "user", "content": "What is </s>?"}, re.compile("</s>"))["content"] == f"What is <{MARK}/s>?"
True
>>> named("chatml", {})[:30]
'{% for message in messages %}{'
>>> named(None, {})  # doctest: +ELLIPSIS
Traceback (most recent call last):
    ...
refllm.chat.renderer.TemplateError: the model brings no chat template; name one of bailing, ... zephyr, or give one
"""

import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any

from refllm.chat.builtin import BUILTIN
from refllm.chat.renderer import Renderer, TemplateError
from refllm.tokenizers import Tokenizer
from refllm.tokenizers.special import cut
from refllm.tokenizers.tokenizer import well_formed

MARK = "\U000f0000"  # a letter for private use: in no vocabulary, and removed from what people write
TOKEN_NAMES = ("bos", "eos", "unk", "pad")

Message = Mapping[str, Any]


def named(wanted: str | None, own: Mapping[str, str], tools: bool = False) -> str:
    """The text of a template: the file's own, one of a name, or the given text itself."""
    if wanted is None:
        wanted = "tool_use" if tools and "tool_use" in own else "default"
        if wanted not in own:
            raise TemplateError(f"the model brings no chat template; name one of {', '.join(BUILTIN)}, or give one")
    if "{{" in wanted or "{%" in wanted:
        return wanted
    known = {**BUILTIN, **own}
    if wanted not in known:
        raise TemplateError(f"no chat template is named {wanted!r}; expected one of {', '.join(known)}, or a template")
    return known[wanted]


class Template:
    """A template and the tokenizer whose tokens it writes."""

    def __init__(self, text: str, tokenizer: Tokenizer):
        self.text = text
        self.tokenizer = tokenizer
        self._renderer = Renderer(text)

    def render(self, messages: Sequence[Message], add_generation_prompt: bool = True, **variables) -> str:
        """The conversation as text; `tools`, `enable_thinking` and the like are the template's own variables."""
        pieces, ids = self.tokenizer.vocabulary.pieces, self.tokenizer.special_ids
        tokens = {name: getattr(ids, name) for name in TOKEN_NAMES}
        texts = {f"{name}_token": "" if id is None else pieces[id] for name, id in tokens.items()}
        given = {"messages": list(messages), "add_generation_prompt": add_generation_prompt, **variables}
        return self._renderer.render({"tools": None, "documents": None, **texts, **given})

    def render_marked(self, messages: Sequence[Message], **variables) -> str:
        """The same with marks in what only looks like a control token, for `encode`."""
        return well_formed(self.render(**protected({"messages": list(messages), **variables}, self._control_tokens)))

    def encode(self, text: str, continues: bool = False) -> list[int]:
        """The ids of a rendered text; `continues` says that it goes on after other tokens."""
        tokenizer = self.tokenizer
        fragments = cut(text, tokenizer.specials, parse_special=True)
        ids: list[int] = []
        for place, fragment in enumerate(fragments):
            if isinstance(fragment, int):
                ids.append(fragment)
            else:
                within = continues and place == 0
                ids += encode_within(tokenizer, fragment) if within else tokenizer.encode_text(unmarked(fragment))
        begin = [] if continues or tokenizer.begins_with in (None, *ids[:1]) else [tokenizer.begins_with]
        return begin + ids

    @functools.cached_property
    def _control_tokens(self) -> re.Pattern:
        texts = [re.escape(special.text) for special in self.tokenizer.specials if not special.always]
        return re.compile("|".join(texts) or "(?!)")


def encode_within(tokenizer: Tokenizer, text: str) -> list[int]:
    """The ids of a text in the middle of a line, where the encoder must not put its space in front."""
    text = unmarked(text)
    if not tokenizer.space_prefix:
        return tokenizer.encode_text(text)
    if text.startswith(" "):
        return tokenizer.encode_text(text[1:])  # the encoder's space stands for it
    line_break = tokenizer.encode_text("\n")
    ids = tokenizer.encode_text("\n" + text)
    return ids[len(line_break) :] if ids[: len(line_break)] == line_break else tokenizer.encode_text(text)


def protected(value: Any, control_tokens: re.Pattern) -> Any:
    """The value with a mark inside everything, at any depth, that only looks like a control token."""
    if isinstance(value, str):
        return control_tokens.sub(lambda found: found[0][0] + MARK + found[0][1:], unmarked(value))
    if isinstance(value, Mapping):
        return {key: protected(item, control_tokens) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [protected(item, control_tokens) for item in value]
    return value


def unmarked(text: str) -> str:
    return text.replace(MARK, "")
