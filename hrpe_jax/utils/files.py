"""Writing files and folders: checked before the work, whole or not at all; and locks on folders.

One process at a time writes into a workdir or an output folder. The operating system holds the lock
(`filelock`: flock, or its equal on Windows) and drops it when its process ends, however it ends. So a lock
that a killed process left behind is not in the way. What it says of its owner stands in a file beside it,
which only serves the message.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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


LOCK, OWNER = ".hrpe_jax.lock", ".hrpe_jax.owner.json"
TRIES = 20
_WITHOUT_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTSUP}


@contextmanager
def lock_folder(folder: str | os.PathLike[str], work: str, remedy: str) -> Iterator[None]:
    """Holds a folder for this process until the block ends.

    The folder is made if it is not there, and removed again if nothing came into it. A file system without
    locks is said on stderr, and the work goes on.

    Args:
        folder: that nobody else may write into meanwhile.
        work: what is done in it, for the message of the other process: "train", "preprocess".
        remedy: what the user can do if it is taken, such as "give another --workdir".

    Raises:
        UserError: another process works in it (the message names process, host and time), or it cannot be
            written.
    """
    from filelock import FileLock, Timeout

    folder = Path(folder)
    made = not folder.exists()
    lock = FileLock(folder / LOCK, timeout=0)
    held = False
    try:
        for attempt in range(TRIES):
            folder.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire()
                break
            except FileNotFoundError:  # the process that had made the folder has just ended, and removed it
                if attempt == TRIES - 1:
                    raise
        held = True
        _sign(folder, work)
    except Timeout:
        raise UserError(f"{folder}: {_owner(folder)}; wait until it ends, or {remedy}") from None
    except (OSError, NotImplementedError) as error:
        number = getattr(error, "errno", errno.ENOSYS)
        if number not in _WITHOUT_LOCKS:
            lock.release()
            raise unwritable(folder, error) from None  # type: ignore[arg-type]
        print(f"note: {folder}: no locks on this file system; start nothing else in it", file=sys.stderr)
    try:
        yield
    finally:
        with suppress(OSError):
            if held:
                (folder / OWNER).unlink(missing_ok=True)
            # While it is held: who waits for it sees that the file is gone, and makes a new one.
            if held and os.name != "nt":
                (folder / LOCK).unlink(missing_ok=True)
        lock.release()
        with suppress(OSError):
            if os.name == "nt":
                (folder / LOCK).unlink(missing_ok=True)
            if made:
                folder.rmdir()  # only if it is empty


def clear_locked(folder: Path) -> None:
    """Removes what is in a locked folder, but for the lock."""
    for path in folder.iterdir():
        if path.name in (LOCK, OWNER):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()


def _sign(folder: Path, work: str) -> None:
    about = {"process": os.getpid(), "host": platform.node(), "work": work, "since": time.time()}
    with suppress(OSError):  # a full disk: the work itself will say so
        replace_file(folder / OWNER, json.dumps(about).encode())


def _owner(folder: Path) -> str:
    """Who holds the lock, as far as is known."""
    try:
        about = json.loads((folder / OWNER).read_bytes())
        since = time.strftime("%Y-%m-%d %H:%M", time.localtime(float(about["since"])))
        return f"process {about['process']} on {about['host']} works here ({about['work']}, since {since})"
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return "another process works here"
