"""The 54 chat formats that llama.cpp knows by name, as templates: for files that bring none, on request only.

Each is what `llama_chat_apply_template` writes for that name (src/llama-chat.cpp), put down as a Jinja template that a
person can read, and rendered like a file's own. What they do not do: tools, images and reasoning are a matter of the
files' own templates; the token that begins a sequence is put there by the tokenizer, as in llama.cpp.

>>> print(BUILTIN["zephyr"].replace("{% ", "\\n{% "))
<BLANKLINE>
{% for message in messages %}
{% set role, content = message['role'], message['content'] %}<|{{ role }}|>
{{ content }}<|endoftext|>
<BLANKLINE>
{% endfor %}
{% if add_generation_prompt %}<|assistant|>
<BLANKLINE>
{% endif %}
>>> len(BUILTIN)
54
"""

CONTENT = "{{ content }}"
TRIMMED = "{{ content | trim }}"


def each(turn: str, answer: str = "", first: str = "") -> str:
    """A template that writes `first`, then `turn` for every message, and at the end what invites an answer."""
    names = "{% set role, content = message['role'], message['content'] %}"
    loop = "{% for message in messages %}" + names + turn + "{% endfor %}"
    return first + loop + ("{% if add_generation_prompt %}" + answer + "{% endif %}" if answer else "")


def roles(otherwise: str = "", **texts: str) -> str:
    """A turn whose text depends on the role."""
    cases = [f"if role == '{role}' %}}{text}{{% " for role, text in texts.items()]
    return "{% " + "el".join(cases) + (f"else %}}{otherwise}{{% " if otherwise else "") + "endif %}"


def mistral(before: str, behind: str, answer: str = CONTENT) -> str:
    """The three older Mistral formats differ by the spaces around [INST]."""
    begin = (
        "{% if not state.inside %}{{ '" + before + "[INST]" + behind + "' }}{% set state.inside = true %}{% endif %}"
    )
    end = "{{ '" + behind + "' }}" + answer + "</s>{% set state.inside = false %}"
    turn = roles(system=f"{CONTENT}\n\n", user=f"{CONTENT}{before}[/INST]", otherwise=end)
    return each(begin + turn, first="{% set state = namespace(inside=false) %}")


def llama2(system: str, content: str = CONTENT, again: str = "[INST] ") -> str:
    """A question stands between [INST] and [/INST], what the system says inside the first one."""
    first = "{% set state = namespace(ended=false) %}[INST] "
    begin = "{% if state.ended %}{% set state.ended = false %}" + again + "{% endif %}"
    end = f"{content}</s>{{% set state.ended = true %}}"
    return each(begin + roles(system=system, user=f"{content} [/INST]", otherwise=end), first=first)


def folded(answer: str = "", content: str = CONTENT, **texts: str) -> str:
    """For models without a system role: what the system says is kept, until the next question puts it first."""
    keep = "{% set state.system = state.system ~ " + content[3:-3] + " %}"
    return each(roles(system=keep, **texts), answer, first="{% set state = namespace(system='') %}")


KEPT = "{% if state.system %}{{ state.system }}\n\n{% set state.system = '' %}{% endif %}"
GRANITE_4 = (
    "{% if role == 'assistant_tool_call' %}<|start_of_role|>assistant<|end_of_role|><|tool_call|>"
    "{% else %}<|start_of_role|>{{ role }}<|end_of_role|>{% endif %}{{ content }}<|end_of_text|>\n"
)
HUMAN = "<role>{{ 'HUMAN' if role == 'user' else role | upper }}</role>"
EXAONE = {role: f"[|{role}|]{TRIMMED}[|endofturn|]\n" for role in ("system", "assistant")} | {
    "user": f"[|user|]{TRIMMED}\n"
}
EXAONE_MOE = {role: f"<|{role}|>\n{TRIMMED}<|endofturn|>\n" for role in ("system", "user", "assistant", "tool")}
PANGU = {"system": "系统", "user": "用户", "assistant": "助手", "tool": "工具", "function": "方法"}
KIMI = {"system": "system", "user": "user", "assistant": "assistant", "tool": "system"}

BUILTIN = {
    "bailing": each(HUMAN + CONTENT, "<role>ASSISTANT</role>"),
    "bailing-think": each(HUMAN + CONTENT, "<role>ASSISTANT</role><think>"),
    "bailing2": each(
        HUMAN + CONTENT + "<|role_end|>",
        "<role>ASSISTANT</role>",
        first="{% if messages[0]['role'] != 'system' %}<role>SYSTEM</role>detailed thinking off<|role_end|>{% endif %}",
    ),
    "chatglm3": each("<|{{ role }}|>\n {{ content }}", "<|assistant|>", first="[gMASK]sop"),
    "chatglm4": each("<|{{ role }}|>\n{{ content }}", "<|assistant|>\n", first="[gMASK]<sop>"),
    "chatml": each("<|im_start|>{{ role }}\n{{ content }}<|im_end|>\n", "<|im_start|>assistant\n"),
    "command-r": each(
        roles(
            system=f"<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>{TRIMMED}<|END_OF_TURN_TOKEN|>",
            user=f"<|START_OF_TURN_TOKEN|><|USER_TOKEN|>{TRIMMED}<|END_OF_TURN_TOKEN|>",
            assistant=f"<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>{TRIMMED}<|END_OF_TURN_TOKEN|>",
        ),
        "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>",
    ),
    "deepseek": each(
        roles(
            system=CONTENT,
            user="### Instruction:\n{{ content }}\n",
            assistant="### Response:\n{{ content }}\n<|EOT|>\n",
        ),
        "### Response:\n",
    ),
    "deepseek-ocr": each(CONTENT),
    "deepseek2": each(
        roles(
            system="{{ content }}\n\n",
            user="User: {{ content }}\n\n",
            assistant="Assistant: {{ content }}<｜end▁of▁sentence｜>",
        ),
        "Assistant:",
    ),
    "deepseek3": each(
        roles(
            system="{{ content }}\n\n",
            user="<｜User｜>{{ content }}",
            assistant="<｜Assistant｜>{{ content }}<｜end▁of▁sentence｜>",
        ),
        "<｜Assistant｜>",
    ),
    "exaone-moe": each(roles(**EXAONE_MOE), "<|assistant|>\n"),
    "exaone3": each(roles(**EXAONE), "[|assistant|]"),
    "exaone4": each(roles(**EXAONE, tool=f"[|tool|]{TRIMMED}[|endofturn|]\n"), "[|assistant|]"),
    "falcon3": each("<|{{ role }}|>\n{{ content }}\n", "<|assistant|>\n"),
    "gemma": folded(
        answer="<start_of_turn>model\n",
        content=TRIMMED,
        assistant=f"<start_of_turn>model\n{TRIMMED}<end_of_turn>\n",
        otherwise=f"<start_of_turn>{{{{ role }}}}\n{KEPT}{TRIMMED}<end_of_turn>\n",
    ),
    "gigachat": each(
        roles(
            system="{% if loop.first %}{{ content }}<|message_sep|>{% endif %}",
            user="user<|role_sep|>{{ content }}<|message_sep|>available functions<|role_sep|>[]<|message_sep|>",
            assistant="assistant<|role_sep|>{{ content }}<|message_sep|>",
        ),
        "assistant<|role_sep|>",
        first="<s>",
    ),
    "glmedge": each("<|{{ role }}|>\n{{ content }}", "<|assistant|>"),
    "gpt-oss": each(
        "<|start|>{{ role }}<|message|>{{ content }}{{ '<|return|>' if role == 'assistant' else '<|end|>' }}",
        "<|start|>assistant",
    ),
    "granite": each(
        "<|start_of_role|>{{ role }}<|end_of_role|>"
        "{% if role == 'assistant_tool_call' %}<|tool_call|>{% endif %}{{ content }}<|end_of_text|>\n",
        "<|start_of_role|>assistant<|end_of_role|>",
    ),
    "granite-4.0": each(GRANITE_4, "<|start_of_role|>assistant<|end_of_role|>"),
    "granite-4.1": each(GRANITE_4, "<|start_of_role|>assistant<|end_of_role|>"),
    "grok-2": each(
        roles(
            system=f"System: {TRIMMED}<|separator|>\n\n",
            user=f"Human: {TRIMMED}<|separator|>\n\n",
            assistant=f"Assistant: {CONTENT}<|separator|>\n\n",
        ),
        "Assistant:",
    ),
    "hunyuan-dense": each(
        roles(
            system="{% if loop.first %}{{ content }}<｜hy_place▁holder▁no▁3｜>{% endif %}",
            user="<｜hy_User｜>{{ content }}<｜hy_Assistant｜>",
            assistant="<｜hy_Assistant｜>{{ content }}<｜hy_place▁holder▁no▁2｜>",
        )
    ),
    "hunyuan-moe": each(
        roles(
            system="<|startoftext|>{{ content }}<|extra_4|>",
            assistant="{{ content }}<|eos|>",
            otherwise="<|startoftext|>{{ content }}<|extra_0|>",
        )
    ),
    "hunyuan-vl": each(
        roles(
            system="{% if loop.first %}{{ content }}<｜hy_place▁holder▁no▁3｜>{% endif %}",
            user="{{ content }}<｜hy_User｜>",
            assistant="{{ content }}<｜hy_Assistant｜>",
        ),
        first="<｜hy_begin▁of▁sentence｜>",
    ),
    "kimi-k2": each(
        roles(**{role: f"<|im_{tag}|>{role}<|im_middle|>" for role, tag in KIMI.items()}) + "{{ content }}<|im_end|>",
        "<|im_assistant|>assistant<|im_middle|>",
    ),
    "llama2": llama2("{{ content }}\n"),
    "llama2-sys": llama2(f"<<SYS>>\n{CONTENT}\n<</SYS>>\n\n"),
    "llama2-sys-bos": llama2(f"<<SYS>>\n{CONTENT}\n<</SYS>>\n\n", again="<s>[INST] "),
    "llama2-sys-strip": llama2(f"<<SYS>>\n{TRIMMED}\n<</SYS>>\n\n", content=TRIMMED),
    "llama3": each(
        "<|start_header_id|>{{ role }}<|end_header_id|>\n\n{{ content | trim }}<|eot_id|>",
        "<|start_header_id|>assistant<|end_header_id|>\n\n",
    ),
    "llama4": each(
        "<|header_start|>{{ role }}<|header_end|>\n\n{{ content | trim }}<|eot|>",
        "<|header_start|>assistant<|header_end|>\n\n",
    ),
    "megrez": each(
        "<|role_start|>{{ role }}<|role_end|>{{ content }}<|turn_end|>", "<|role_start|>assistant<|role_end|>"
    ),
    "minicpm": each(roles(user=f"<用户>{TRIMMED}<AI>", otherwise=TRIMMED)),
    "mistral-v1": mistral(" ", " "),
    "mistral-v3": mistral("", " ", TRIMMED),
    "mistral-v3-tekken": mistral("", ""),
    "mistral-v7": each(
        roles(
            system="[SYSTEM_PROMPT] {{ content }}[/SYSTEM_PROMPT]",
            user="[INST] {{ content }}[/INST]",
            otherwise="{{ ' ' ~ content }}</s>",
        )
    ),
    "mistral-v7-tekken": each(
        roles(
            system="[SYSTEM_PROMPT]{{ content }}[/SYSTEM_PROMPT]",
            user="[INST]{{ content }}[/INST]",
            otherwise="{{ content }}</s>",
        )
    ),
    "monarch": each("{% if not loop.first %}<s>{% endif %}{{ role }}\n{{ content }}</s>\n", "<s>assistant\n"),
    "openchat": each(
        roles(
            system="{{ content }}<|end_of_turn|>",
            otherwise="GPT4 Correct {{ role[:1] | upper }}{{ role[1:] }}: {{ content }}<|end_of_turn|>",
        ),
        "GPT4 Correct Assistant:",
    ),
    "orion": folded(user=f"Human: {KEPT}{CONTENT}\n\nAssistant: </s>", otherwise="{{ content }}</s>"),
    "pangu-embedded": each(
        roles(**{role: f"[unused9]{name}：{CONTENT}[unused10]" for role, name in PANGU.items()}),
        "[unused9]助手：",
        first="{% if messages[0]['role'] != 'system' %}[unused9]系统：[unused10]{% endif %}",
    ),
    "phi3": each("<|{{ role }}|>\n{{ content }}<|end|>\n", "<|assistant|>\n"),
    "phi4": each("<|im_start|>{{ role }}<|im_sep|>{{ content }}<|im_end|>", "<|im_start|>assistant<|im_sep|>"),
    "rwkv-world": each(
        roles(
            system=f"System: {TRIMMED}\n\n",
            user=f"User: {TRIMMED}\n\n{{% if loop.last %}}Assistant:{{% endif %}}",
            assistant=f"Assistant: {TRIMMED}\n\n",
        )
    ),
    "seed_oss": each(
        "<seed:bos>{{ role }}\n{{ content | trim if role == 'assistant' else content }}<seed:eos>",
        "<seed:bos>assistant\n",
    ),
    "smolvlm": each(
        roles(
            system="{{ content }}\n\n",
            user="User: {{ content }}<end_of_utterance>\n",
            otherwise="Assistant: {{ content }}<end_of_utterance>\n",
        ),
        "Assistant:",
        first="<|im_start|>",
    ),
    "solar-open": each("<|begin|>{{ role }}<|content|>{{ content }}<|end|>", "<|begin|>assistant"),
    "vicuna": each(
        roles(system="{{ content }}\n\n", user="USER: {{ content }}\n", assistant="ASSISTANT: {{ content }}</s>\n"),
        "ASSISTANT:",
    ),
    "vicuna-orca": each(
        roles(
            system="SYSTEM: {{ content }}\n",
            user="USER: {{ content }}\n",
            assistant="ASSISTANT: {{ content }}</s>\n",
        ),
        "ASSISTANT:",
    ),
    "yandex": each(
        roles(user="{{ ' Пользователь: ' ~ content }}\n\n", assistant="{{ ' Ассистент: ' ~ content }}\n\n"),
        "{{ ' Ассистент:[SEP]' }}",
    ),
    "zephyr": each("<|{{ role }}|>\n{{ content }}<|endoftext|>\n", "<|assistant|>\n"),
}
