"""The exercises of "Talk to it": the way of an answer through the house, and a function that asks.

The way is the one that the first picture of the lesson shows. The asker is tried on a chat that only remembers what was
done to it, so that no model is needed.
"""

import dataclasses

from refllm.teach.exercise import exercise, require

# What happens to a token, in the order in which it happens, by room.
WAY = ("chat", "tokenizers", "models", "sampling", "tokenizers", "chat")
WHY = {
    0: "your sentence is first put between the marks that the model learned to answer to",
    1: "a model reads numbers, so the text must become ids first",
    2: "there is nothing to choose from before the model has given its scores",
    3: "scores are not yet a token: one of them must be chosen",
    4: "the chosen token is a number, and nobody can read it yet",
    5: "somebody must show the text",
}


@exercise(
    "00.1",
    hints=(
        "six stations; two of the rooms are visited twice, once on the way in and once on the way out",
        "it begins and ends with chat; next to it, on both sides, are the tokenizers",
    ),
    wrong=(
        ["chat", "tokenizers", "models", "sampling", "chat"],
        ["chat", "tokenizers", "sampling", "models", "tokenizers", "chat"],
        ["tokenizers", "models", "sampling", "tokenizers"],
        "models",
        ["chat", "models", "sampling", "chat"],
    ),
)
def rooms_in_order(answer):
    """Which rooms does a token pass, from your sentence to the word on the screen?"""
    require(isinstance(answer, list | tuple), 'a list of rooms is asked for, such as ["chat", "models"]')
    rooms = [str(room).strip().lower() for room in answer]
    for place, (room, right) in enumerate(zip(rooms, WAY, strict=False)):
        require(room == right, f"station {place + 1} is not {room}: {WHY[place]}")
    require(len(rooms) >= len(WAY), f"after {len(rooms)} stations: {WHY[min(len(rooms), len(WAY) - 1)]}")
    require(len(rooms) == len(WAY), f"{len(rooms)} stations are too many: after {WAY[-1]} it is on the screen")


@dataclasses.dataclass
class Said:
    """What a chat gives back."""

    text: str


class Listener:
    """A chat that answers with what it knows so far, and notes whether it was asked for the likeliest words."""

    def __init__(self):
        self.heard: list[str] = ["something from before"]
        self.temperatures: list[float | None] = []

    def reset(self) -> None:
        self.heard = []

    def send(self, text: str, temperature: float | None = None) -> Said:
        self.heard.append(text)
        self.temperatures.append(temperature)
        return Said(f" heard: {', '.join(self.heard)}\n")


def without_reset(chat, question: str) -> str:
    return chat.send(question, temperature=0.0).text.strip()


def drawn(chat, question: str) -> str:
    """Lets chance choose the words."""
    chat.reset()
    return chat.send(question).text.strip()


def unstripped(chat, question: str) -> str:
    chat.reset()
    return chat.send(question, temperature=0.0).text


def whole_completion(chat, question: str) -> Said:
    chat.reset()
    return chat.send(question, temperature=0.0)


@exercise(
    "00.2",
    hints=(
        "three steps: forget, send, take the text of what comes back",
        "chat.reset(); then chat.send(question, temperature=0.0).text.strip()",
    ),
    wrong=(without_reset, drawn, unstripped, whole_completion),
)
def asker(answer):
    """A function that asks a question in a new conversation and gives back the bare text of the answer."""
    require(callable(answer), "a function is asked for")
    chat = Listener()
    for question in ("What is the opposite of big?", "狗怎么叫？"):
        found = answer(chat, question)
        require(isinstance(found, str), f"the function gave a {type(found).__name__}; expected the text of the answer")
        require("before" not in found, "the model still remembers what was said before: forget that first")
        require(", " not in found, "the second question was asked in the conversation of the first")
        require(chat.temperatures[-1] == 0, "the answer was drawn by chance: temperature=0.0 takes the likeliest words")
        require(found == f"heard: {question}", f"{found!r} came out; expected {f'heard: {question}'!r}, without spaces")
