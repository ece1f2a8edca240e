"""What a command may end with, apart from success: the user gave something wrong, or asked it to stop."""

from __future__ import annotations


def cut(text: str, most: int = 40) -> str:
    """A text for a message: its start and its length where it is longer than `most` characters."""
    return text if len(text) <= most else f"{text[:most]}... ({len(text)} characters)"


class UserError(ValueError):
    """Bad input from outside. Its message is one line: what, where, what was expected, what to do.

    The command-line wrapper prints it without a traceback and exits with status 1.
    """


class Stopped(Exception):
    """Work was broken off because somebody asked for it, in an orderly way. Its message is one line.

    Args:
      message: how far it came and what to do to go on.
      code: exit status, 128 + the number of the signal that asked.
    """

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class WrongUse(UserError):
    """A command line that cannot be, and nothing was done: exit status 2.

    An option that is not there, a value that it cannot have, options that contradict each other. What is
    wrong with files, folders, models and data sets is a `UserError`, whichever option names them.
    """


class Unusable(UserError):
    """A file or an extra that an option names and that is not as it must be: never a `WrongUse`."""
