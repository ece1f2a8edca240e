"""The one exception that means: the user gave something wrong, and here is what to do about it."""

from __future__ import annotations


class UserError(ValueError):
    """Bad input from outside. Its message is one line: what, where, what was expected, what to do.

    The command-line wrapper prints it without a traceback and exits with status 1.
    """
