"""The little world: facts in English and Chinese, a corpus about them, and questions to examine who has read it."""

from refllm.world.corpus import Document, stream
from refllm.world.dialogue import Dialogue
from refllm.world.questions import Question, questions

__all__ = ["Dialogue", "Document", "Question", "questions", "stream"]
