"""Projects on disk: one JSON file each in a folder of the user's, written whole at every change.

Requests name projects by id. An id is looked up among the files that were found here and is never made into a
path. Beside a project `NAME.json` lies the file of one change before, `NAME.json.bak`, which is read where
the file itself is damaged.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hrpe_jax.errors import UserError
from hrpe_jax.server.project import Document, DocumentError, document_text, read_document
from hrpe_jax.server.state import State

DEFAULT_FOLDER = "~/hrpe_jax"
MAX_FILE_BYTES = 200_000_000
_SUFFIX, _BACKUP = ".json", ".bak"
_ID = re.compile(r"[0-9a-f]{12}")


class StoreError(UserError):
    """A project that cannot be read or written."""


class NotFound(UserError):
    """There is no such project."""


@dataclass(frozen=True)
class Listed:
    """A project as a list shows it."""

    id: str
    title: str
    changed: float
    problem: str = ""


class Store:
    """The projects of a folder.

    Args:
        folder: made if it is not there.

    Raises:
        StoreError: it cannot be.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder).expanduser()
        self._documents: dict[str, Document] = {}
        self._paths: dict[str, Path] = {}
        self._locks: dict[str, Any] = {}
        self._notices: dict[str, str] = {}
        self._guard = threading.Lock()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"--folder: {self.folder}: cannot be made ({error.strerror}); give another --folder"
            ) from None
        self._find()

    def _find(self) -> None:
        """Looks which projects there are."""
        with contextlib.suppress(OSError):
            for path in sorted(self.folder.glob(f"*{_SUFFIX}")):
                identifier = path.name.removesuffix(_SUFFIX).rpartition("-")[2]
                if _ID.fullmatch(identifier) and path.is_file():
                    self._paths.setdefault(identifier, path)

    def list(self) -> list[Listed]:
        """All projects, those changed last first."""
        self._find()
        found = []
        for identifier, path in list(self._paths.items()):
            try:
                changed = path.stat().st_mtime
            except OSError:
                continue
            document = self._documents.get(identifier)
            title = document.state.score.title if document else path.name[: -len(identifier) - 6]
            found.append(Listed(identifier, title.replace("_", " "), changed))
        return sorted(found, key=lambda one: -one.changed)

    def create(self, state: State) -> Document:
        """A new project with this state, written at once.

        Raises:
            StoreError: it cannot be written.
        """
        identifier = secrets.token_hex(6)
        name = re.sub(r"[^A-Za-z0-9]+", "_", state.score.title).strip("_")[:60] or "Untitled"
        document = Document(identifier, state)
        with self._guard:
            self._paths[identifier] = self.folder / f"{name}-{identifier}{_SUFFIX}"
            self._locks[identifier] = threading.RLock()
        try:
            self._write(document)
        except StoreError:
            self._paths.pop(identifier, None)
            raise
        return document

    def get(self, identifier: str) -> Document:
        """A project.

        Raises:
            NotFound: there is none with this id.
            StoreError: its file cannot be read.
        """
        document = self._documents.get(identifier)
        if document is not None:
            return document
        path = self._path(identifier)
        with self._lock(identifier):
            if identifier not in self._documents:
                self._documents[identifier], notice = _load(path)
                if notice:
                    self._notices[identifier] = notice
            return self._documents[identifier]

    def notice(self, identifier: str) -> str:
        """What to tell about how a project was read; "" for nothing."""
        return self._notices.get(identifier, "")

    def update(self, identifier: str, edit: Callable[[Document], Document]) -> Document:
        """Changes a project: written first, then believed, so that what was answered is on disk.

        Args:
            identifier: of the project.
            edit: gives the new document.

        Raises:
            NotFound: there is none with this id.
            StoreError: it cannot be written; it stays as it was.
        """
        with self._lock(identifier):
            old = self.get(identifier)
            new = edit(old)
            if new is not old:
                self._write(new)
            return new

    def delete(self, identifier: str) -> None:
        """Moves a project's file into the folder's `deleted`."""
        path = self._path(identifier)
        with self._lock(identifier):
            bin_ = self.folder / "deleted"
            try:
                bin_.mkdir(exist_ok=True)
                os.replace(path, bin_ / path.name)
                path.with_name(path.name + _BACKUP).unlink(missing_ok=True)
            except OSError as error:
                raise StoreError(f"{path.name}: cannot be moved ({error.strerror})") from None
            self._documents.pop(identifier, None)
            self._paths.pop(identifier, None)

    def _path(self, identifier: str) -> Path:
        if identifier not in self._paths:
            self._find()
        if identifier not in self._paths:
            raise NotFound("there is no such project; it may have been deleted")
        return self._paths[identifier]

    def _lock(self, identifier: str) -> Any:
        self._path(identifier)
        with self._guard:
            return self._locks.setdefault(identifier, threading.RLock())

    def _write(self, document: Document) -> None:
        path = self._paths[document.id]
        beside = path.with_name(path.name + ".new")
        try:
            with beside.open("wb") as file:
                file.write(document_text(document).encode())
                file.flush()
                os.fsync(file.fileno())
            if path.exists():
                _link(path, path.with_name(path.name + _BACKUP))
            os.replace(beside, path)
        except OSError as error:
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)
            raise StoreError(
                f"not saved: {path.name} cannot be written ({error.strerror or error}); your last change was "
                "not made, make room and try again"
            ) from None
        self._documents[document.id] = document


def _link(path: Path, backup: Path) -> None:
    """Keeps the file under another name, without copying where the system can."""
    beside = backup.with_name(backup.name + ".new")
    beside.unlink(missing_ok=True)
    try:
        os.link(path, beside)
    except OSError:
        shutil.copyfile(path, beside)
    os.replace(beside, backup)


def _load(path: Path) -> tuple[Document, str]:
    """A document of its file, or of the file before where that is damaged; and what to tell about it."""
    try:
        return _read(path), ""
    except StoreError as error:
        try:
            document = _read(path.with_name(path.name + _BACKUP))
        except StoreError:
            raise error from None
        damaged = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}")
        with contextlib.suppress(OSError):
            if path.exists():
                os.replace(path, damaged)
            shutil.copyfile(path.with_name(path.name + _BACKUP), path)
        return document, (
            f"The file of this project was damaged. You see it as it was one change before; the damaged file "
            f"is {damaged.name}."
        )


def _read(path: Path) -> Document:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise StoreError(f"{path.name}: larger than {MAX_FILE_BYTES} bytes")
        return read_document(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StoreError(f"{path.name}: cannot be read ({error.strerror})") from None
    except (DocumentError, UnicodeDecodeError) as error:
        reason = str(error) if isinstance(error, DocumentError) else "is no text"
        raise StoreError(f"{path.name}: {reason}; it is damaged, and there is no copy of before") from None
