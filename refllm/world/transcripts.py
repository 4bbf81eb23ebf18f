"""Dialogues written as plain text, in the ways that programs and tutorials write them.

A chat template is one way among others: instruct mode writes `### Instruction:`, others put a name before each turn.

>>> from refllm.world.dialogue import Dialogue
>>> print(transcript(Dialogue("demo", "zh", (("你好", "你好！"),)), STYLES["zh"][0]))
用户：你好
助手：你好！
"""

import dataclasses

from refllm.world.dialogue import Dialogue


@dataclasses.dataclass(frozen=True)
class Style:
    """What stands at the beginning and around every turn; `{round}` counts the turns."""

    opening: str
    before: str
    between: str
    after: str


INSTRUCTION = (
    "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
)
INSTRUCT = Style(INSTRUCTION, "### Instruction:\n\n", "\n\n### Response:\n\n", "\n\n")
STYLES = {
    "en": (
        Style("", "User: ", "\nAssistant: ", "\n"),
        INSTRUCT,
        Style("", "### Instruction:\n\n", "\n\n### Response:\n\n", "\n\n"),
        Style("", "Question: ", "\nAnswer: ", "\n"),
    ),
    "zh": (
        Style("", "用户：", "\n助手：", "\n"),
        INSTRUCT,
        Style("", "[Round {round}]\n\n问：", "\n\n答：", "\n\n"),
        Style("", "问题：", "\n回答：", "\n"),
    ),
}


def transcript(dialogue: Dialogue, style: Style) -> str:
    turns = (
        style.before.format(round=number) + question + style.between + answer + style.after
        for number, (question, answer) in enumerate(dialogue.turns, 1)
    )
    return (style.opening + "".join(turns)).rstrip("\n")
