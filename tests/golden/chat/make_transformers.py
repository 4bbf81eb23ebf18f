"""What transformers makes of real chat templates: transformers.json.

Run with transformers 5.23.0: python tests/golden/chat/make_transformers.py
The templates, one for each of twelve families, are those that llama.cpp keeps for its own tests: models/templates/;
`llama-2.jinja` is from tests/test-chat-template.cpp (bofenghuang/vigogne-2-70b-chat).
"""

import datetime
import json
import pathlib

import transformers
from transformers.utils import chat_template_utils

HERE = pathlib.Path(__file__).parent
WEATHER = {
    "name": "weather",
    "description": "The weather <now> 天气",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
CALL = {"id": "call00001", "type": "function", "function": {"name": "weather", "arguments": {"city": "北京"}}}
VARIABLES = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": ""}
CONVERSATIONS = {
    "plain": {
        "messages": [
            {"role": "user", "content": " Hello \n"},
            {"role": "assistant", "content": "Hi there "},
            {"role": "user", "content": "你是谁"},
        ],
    },
    "system": {
        "messages": [
            {"role": "system", "content": "Be brief. "},
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": "<think>\nhm\n</think>\n\n Hi"},
            {"role": "user", "content": "Bye"},
        ],
    },
    "closed": {
        "messages": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}],
        "add_generation_prompt": False,
    },
    "tools": {
        "messages": [
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": "", "tool_calls": [CALL]},
            {"role": "tool", "name": "weather", "tool_call_id": "call00001", "content": "sunny"},
        ],
        "tools": [{"type": "function", "function": WEATHER}],
    },
    "wrong": {"messages": [{"role": "assistant", "content": "Hi"}, {"role": "assistant", "content": "Hi"}]},
}


class FourthOfJuly(datetime.datetime):
    @classmethod
    def now(cls):
        return cls(2024, 7, 4, 12)


def rendered(template: str, messages: list, tools: list | None = None, add_generation_prompt: bool = True) -> dict:
    arguments = {"tools": tools, "chat_template": template, "add_generation_prompt": add_generation_prompt}
    try:
        return {"text": chat_template_utils.render_jinja_template([messages], **arguments, **VARIABLES)[0][0]}
    except Exception as error:
        return {"error": str(error)}


def main() -> None:
    chat_template_utils.datetime = FourthOfJuly
    expected = {
        path.stem: {name: rendered(path.read_text(), **given) for name, given in CONVERSATIONS.items()}
        for path in sorted(HERE.glob("templates/*.jinja"))
    }
    golden = {"transformers": transformers.__version__, "variables": VARIABLES, "conversations": CONVERSATIONS}
    text = json.dumps(golden | {"expected": expected}, ensure_ascii=False, indent=1)
    (HERE / "transformers.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
