"""What llama.cpp's `llama_chat_apply_template` writes for each of its 54 names: builtin.json.

Run with llama-cpp-python 0.3.36: python tests/golden/chat/make_builtin.py
The first conversation is that of llama.cpp's own tests/test-chat-template.cpp.
"""

import ctypes
import json
import pathlib

import llama_cpp

HELPFUL = ("system", "You are a helpful assistant")
CONVERSATIONS = [
    [
        *(HELPFUL, ("user", "Hello"), ("assistant", "Hi there"), ("user", "Who are you")),
        *(("assistant", "   I am an assistant   "), ("user", "Another question")),
    ],
    [("user", " 你好\n"), ("assistant", "\n你好！"), ("user", "再见 ")],
    [
        *(("system", " Use tools.\n\n"), ("user", "Weather?"), ("assistant_tool_call", '{"name": "weather"}')),
        *(("tool", "sunny"), ("assistant", "Sunny."), ("system", "Be brief."), ("user", "Thanks")),
    ],
]


def names() -> list[str]:
    count = llama_cpp.llama_chat_builtin_templates(None, 0)
    texts = (ctypes.c_char_p * count)()
    llama_cpp.llama_chat_builtin_templates(texts, count)
    return [text.decode() for text in texts]


def applied(name: str, conversation: list[tuple[str, str]], add: bool) -> str:
    turns = [(role.encode(), content.encode()) for role, content in conversation]
    messages = (llama_cpp.llama_chat_message * len(turns))(*[llama_cpp.llama_chat_message(*turn) for turn in turns])
    room = ctypes.create_string_buffer(1 << 16)
    size = llama_cpp.llama_chat_apply_template(name.encode(), messages, len(turns), add, room, len(room))
    return room.raw[:size].decode()


def main() -> None:
    expected = {
        name: [applied(name, turns, True) for turns in CONVERSATIONS] + [applied(name, CONVERSATIONS[0], False)]
        for name in names()
    }
    messages = [[{"role": role, "content": content} for role, content in turns] for turns in CONVERSATIONS]
    golden = {"llama-cpp-python": llama_cpp.__version__, "conversations": messages, "expected": expected}
    text = json.dumps(golden, ensure_ascii=False, indent=1)
    pathlib.Path(__file__).with_name("builtin.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
