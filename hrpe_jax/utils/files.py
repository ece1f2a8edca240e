"""Writing files and folders: looked at before the work, whole or not at all."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from hrpe_jax.errors import UserError


def check_output(folder: str | os.PathLike[str], option: str = "--output") -> None:
    """Finds out, before any work and without making it, whether a folder can be written.

    Args:
        folder: which may be there or not.
        option: how the user named it, for the message.

    Raises:
        UserError: it cannot.
    """
    if not os.fspath(folder):
        raise UserError(f"{option}: is empty; give a folder, such as {option}=out, or . for this one")
    place = Path(folder).absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise UserError(f"{place}: is no folder, so {folder} cannot be written; give another {option}")
    if not os.access(place, os.W_OK | os.X_OK):
        raise UserError(f"{place}: may not be written; give another {option}, or change its permissions")
    try:
        with tempfile.TemporaryFile(dir=place):
            pass  # permissions do not tell of a file system that takes no files, such as /proc
    except OSError as error:
        raise UserError(
            f"{place}: takes no files ({error.strerror or error}); give another {option}"
        ) from None


def unwritable(folder: str | os.PathLike[str], error: OSError) -> UserError:
    """What to tell where writing failed after all: a full disk, a file system that takes no files."""
    return UserError(f"{folder}: cannot be written ({error.strerror or error}); give another folder")


def replace_file(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all."""
    beside = path.with_name(path.name + ".tmp")
    beside.write_bytes(content)
    os.replace(beside, path)


def checksum(file: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
