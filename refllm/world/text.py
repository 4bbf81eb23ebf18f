"""A word or sentence in both languages of the world.

>>> cat = Text("cat", "猫")
>>> cat["en"], cat["zh"]
('cat', '猫')
"""

from typing import NamedTuple

LANGUAGES = ("en", "zh")


def listed(text: str) -> list[str]:
    """The words of a table."""
    return text.split()


class Text(NamedTuple):
    """The same thing in English and Chinese; `text[language]` chooses."""

    en: str
    zh: str

    def __getitem__(self, language: str) -> str:
        return getattr(self, language)
