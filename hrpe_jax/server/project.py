"""A project: one JSON document with a state, all steps that led to it, those undone, and named versions.

A document never changes; `change`, `undo`, `redo` and the others give new ones, each a revision later. A step
holds what it took out and put in, so undo and redo have no end and cost little.

Two windows may edit one project. A change says which revision it was made on. If others came in between, it
is merged: what it changes and what they changed are compared bar by bar and field by field. Where these are
apart it is made on the state of now; where they meet it is kept as a version, and `Conflict` says so.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hrpe_jax.errors import UserError
from hrpe_jax.score.score import ChordSpan, Note
from hrpe_jax.server.actions import Refused
from hrpe_jax.server.edits import act, actions
from hrpe_jax.server.state import State, sounding_chords, state_from_values, state_values

FORMAT = 1
REMEMBERED = 64
"""States of before that changes of another window are merged with; kept in memory only."""
_MAX_VERSIONS = 200


class DocumentError(UserError):
    """Text that is no project."""


class Conflict(Refused):
    """A change that meets one of another window. It is not made, and not lost.

    Args:
        message: for people.
        document: with the change kept as a version.
    """

    def __init__(self, message: str, document: Document) -> None:
        super().__init__(message)
        self.document = document


@dataclass(frozen=True)
class Step:
    """One change.

    Attributes:
        label: for people: "Add a note".
        time: seconds since 1970.
        patch: by path, what was there and what came: see `difference`.
    """

    label: str
    time: float
    patch: Mapping[str, Any]


@dataclass(frozen=True)
class Version:
    """A state that was kept, with its name and time."""

    name: str
    time: float
    state: State


@dataclass(frozen=True)
class Document:
    """A project.

    Attributes:
        id: letters and digits.
        state: of now.
        revision: counts changes, those of undo and redo too.
        past: steps that can be undone, the last first to go.
        future: steps that can be done again, the last first to go.
        versions: kept states.
        remembered: (revision, state) of some revisions of before; not in the file.
    """

    id: str
    state: State
    revision: int = 0
    past: tuple[Step, ...] = ()
    future: tuple[Step, ...] = ()
    versions: tuple[Version, ...] = ()
    remembered: tuple[tuple[int, State], ...] = ()


def change(document: Document, action: Mapping[str, Any], now: float, base: int | None = None) -> Document:
    """Applies an action.

    Args:
        document: to be changed.
        action: see `actions.act`.
        now: seconds since 1970.
        base: the revision that the action was made on; None for the one of now.

    Raises:
        Refused: it cannot be made.
        Conflict: another window changed the same meanwhile.
    """
    if base is None or base == document.revision:
        return put(document, act(document.state, action), label_of(action), now)
    old = _state_of(document, base)
    mine = act(old, action)
    if _touched(old, mine) & _touched(old, document.state):
        name = f"{label_of(action)} (from another window)"
        raise Conflict(
            f"{label_of(action)}: another window changed the same place; your change is kept as a version",
            keep_version(document, name, now, mine),
        )
    return put(document, act(document.state, action), label_of(action), now)


def label_of(action: Mapping[str, Any]) -> str:
    """What an action is called in the list of steps."""
    found = actions().get(str(action.get("do")))
    return found.label if found else "Change"


def put(document: Document, state: State, label: str, now: float) -> Document:
    """The document with another state, as one step; the very document where nothing changed."""
    patch = difference(state_values(document.state), state_values(state))
    if not patch:
        return document
    step = Step(label, now, patch)
    return _next(replace(document, past=(*document.past, step), future=()), state)


def undo(document: Document) -> Document:
    """Takes the last step back.

    Raises:
        Refused: there is none.
    """
    if not document.past:
        raise Refused("there is nothing to undo")
    *rest, step = document.past
    values = _patched(state_values(document.state), step.patch, back=True)
    moved = replace(document, past=tuple(rest), future=(*document.future, step))
    return _next(moved, state_from_values(values))


def redo(document: Document) -> Document:
    """Does the step again that was taken back last.

    Raises:
        Refused: there is none.
    """
    if not document.future:
        raise Refused("there is nothing to do again")
    *rest, step = document.future
    values = _patched(state_values(document.state), step.patch, back=False)
    moved = replace(document, past=(*document.past, step), future=tuple(rest))
    return _next(moved, state_from_values(values))


def keep_version(document: Document, name: str, now: float, state: State | None = None) -> Document:
    """Keeps a state, that of now by default, under a name.

    Raises:
        Refused: there are too many.
    """
    if len(document.versions) >= _MAX_VERSIONS:
        raise Refused(f"a project has at most {_MAX_VERSIONS} versions; delete some")
    name = " ".join(name.split())[:100] or f"Version {len(document.versions) + 1}"
    version = Version(name, now, state or document.state)
    return replace(document, versions=(*document.versions, version), revision=document.revision + 1)


def delete_version(document: Document, number: int) -> Document:
    """Takes a version, by its place from 1, away."""
    _version(document, number)
    kept = document.versions[: number - 1] + document.versions[number:]
    return replace(document, versions=kept, revision=document.revision + 1)


def restore_version(document: Document, number: int, now: float) -> Document:
    """Goes back to a version, by its place from 1, as a step that can be undone."""
    version = _version(document, number)
    return put(document, version.state, f"Restore “{version.name}”", now)


def _version(document: Document, number: int) -> Version:
    if not 1 <= number <= len(document.versions):
        raise Refused(f"version {number}: expected 1 to {len(document.versions)}")
    return document.versions[number - 1]


def _next(document: Document, state: State) -> Document:
    remembered = (*document.remembered, (document.revision, document.state))[-REMEMBERED:]
    return replace(document, state=state, revision=document.revision + 1, remembered=remembered)


def _state_of(document: Document, revision: int) -> State:
    """The state of a revision; versions that are kept count revisions but leave the state as it is."""
    found = [state for number, state in document.remembered if number >= revision]
    if revision > document.revision or not (found or document.remembered == ()):
        raise Refused(f"revision {revision} is not known; load the project again")
    if document.remembered and revision < document.remembered[0][0]:
        raise Refused(f"revision {revision} is too old; load the project again")
    return found[0] if found else document.state


# ---- What a step holds


def difference(old: Any, new: Any, path: str = "") -> dict[str, Any]:
    """What makes one value of another, by path ("score.key").

    Returns:
        For a list that changed `{"at": index, "out": [...], "in": [...]}`, for any other value
        `{"out": old, "in": new}`, where None stands for a field that is not there.
    """
    if old == new:
        return {}
    if isinstance(old, dict) and isinstance(new, dict):
        found: dict[str, Any] = {}
        for name in [*old, *(name for name in new if name not in old)]:
            found |= difference(old.get(name), new.get(name), f"{path}.{name}" if path else name)
        return found
    if isinstance(old, list) and isinstance(new, list):
        most = min(len(old), len(new))
        at = next((i for i in range(most) if old[i] != new[i]), most)
        tail = next((i for i in range(most - at) if old[-1 - i] != new[-1 - i]), most - at)
        return {path: {"at": at, "out": old[at : len(old) - tail], "in": new[at : len(new) - tail]}}
    return {path: {"out": old, "in": new}}


def _patched(values: dict[str, Any], patch: Mapping[str, Any], back: bool) -> dict[str, Any]:
    """Values with a difference applied, or taken back."""
    source, target = ("in", "out") if back else ("out", "in")
    values = json.loads(json.dumps(values))
    for path, entry in patch.items():
        *folders, name = path.split(".")
        place = values
        for folder in folders:
            place = place[folder]
        if "at" in entry:
            at = entry["at"]
            place[name][at : at + len(entry[source])] = entry[target]
        elif entry[target] is None and path.startswith("score."):
            place.pop(name, None)
        else:
            place[name] = entry[target]
    return values


# ---- What two windows changed


def _touched(old: State, new: State) -> set[Any]:
    """Bars (numbers) and fields (names) in which two states differ; everything where their bars do."""
    if old.bars != new.bars or old.score.meter != new.score.meter or old.score.key != new.score.key:
        return {*range(1, len(old.bars) + 1), *_FIELDS} if old != new else set()
    found: set[Any] = {name for name, read in _FIELDS.items() if read(old) != read(new)}
    changed: list[Note | ChordSpan] = [
        *(set(old.score.melody) ^ set(new.score.melody)),
        *(set(sounding_chords(old.score)) ^ set(sounding_chords(new.score))),
    ]
    for item in changed:
        found |= set(range(old.bar_at(item.onset), old.bar_at(item.end - 1) + 1))
    for name in ("chords", "notes"):
        found |= {old.bar_at(tick) for tick in getattr(old.locks, name) ^ getattr(new.locks, name)}
    return found | (old.locks.bars ^ new.locks.bars)


_FIELDS: dict[str, Callable[[State], Any]] = {
    "title": lambda state: (state.score.title, state.score.composer),
    "tempo": lambda state: state.score.tempo_bpm,
    "form": lambda state: state.score.form,
    "style": lambda state: state.settings.style,
    "range": lambda state: state.settings.range,
    "density": lambda state: state.settings.density,
    "band": lambda state: state.settings.band,
}


# ---- As text


def document_text(document: Document) -> str:
    """A document as JSON text."""
    values = {
        "format": FORMAT,
        "program": "hrpe_jax studio",
        "id": document.id,
        "revision": document.revision,
        "state": state_values(document.state),
        "versions": [[v.name, v.time, state_values(v.state)] for v in document.versions],
        "past": [[step.label, step.time, step.patch] for step in document.past],
        "future": [[step.label, step.time, step.patch] for step in document.future],
    }
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def read_document(text: str) -> Document:
    """The document of `document_text`.

    Raises:
        DocumentError: it is none; in one line.
    """
    try:
        values = json.loads(text)
        if values["format"] != FORMAT:
            raise DocumentError(f"format {values['format']!r}: this version reads format {FORMAT}")
        past, future = (
            tuple(Step(str(label), float(time), dict(patch)) for label, time, patch in values[name])
            for name in ("past", "future")
        )
        versions = tuple(Version(str(n), float(t), state_from_values(s)) for n, t, s in values["versions"])
        state = state_from_values(values["state"])
        return Document(str(values["id"]), state, int(values["revision"]), past, future, versions)
    except DocumentError:
        raise
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DocumentError(f"is no project ({type(error).__name__}: {str(error)[:120]})") from None
