"""The two ways in which refllm says no.

`RefllmError` means that something given to refllm is bad: a file, a name, a shape. Its text is the whole message a user
sees, so it says what is wrong, where, and what was expected. `UsageError` means that a command was typed wrongly. The
command line turns them into one line on stderr and exit status 1 or 2.

>>> raise RefllmError("model.gguf: byte 4: version is 7; expected 2 or 3")
Traceback (most recent call last):
    ...
refllm.errors.RefllmError: model.gguf: byte 4: version is 7; expected 2 or 3
"""


class RefllmError(Exception):
    """Something given to refllm is bad; the text says what, where, and what was expected."""


class UsageError(RefllmError):
    """A command was typed wrongly."""
