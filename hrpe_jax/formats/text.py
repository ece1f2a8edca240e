"""Text files from outside, read with limits."""

from __future__ import annotations

from pathlib import Path

from hrpe_jax.errors import UserError

MAX_BYTES = 2_000_000


class TextFileError(UserError):
    """A text file of chords that cannot be read.

    Attributes:
        reason: short code for reject lists: "missing_file", "too_large", "not_text", "bad_line",
            "bad_number", "bad_meter", "bad_chord", "too_long" or "no_chords".
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def read_lines(path: str | Path) -> list[str]:
    """The lines of a text file in UTF-8, UTF-16 with its mark, or else Latin-1.

    Raises:
        TextFileError: "missing_file", "too_large" (over `MAX_BYTES`) or "not_text" (it has NUL bytes).
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise TextFileError("missing_file", f"{path}: no such file: expected a text file")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise TextFileError("missing_file", f"{path}: cannot be read ({error.strerror})") from None
    if len(data) > MAX_BYTES:
        raise TextFileError("too_large", f"{path}: expected at most {MAX_BYTES} bytes")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = data.decode("utf-16", errors="replace")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("latin-1")
    if "\0" in text:
        raise TextFileError("not_text", f"{path}: binary data: expected a text file")
    return text.splitlines()
