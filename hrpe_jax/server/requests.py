"""What a request asks for: a change of a project, or something of the model; wrong ones are refused here."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from hrpe_jax.errors import UserError, cut
from hrpe_jax.server import project as documents
from hrpe_jax.server import suggestions as ask
from hrpe_jax.server.actions import Refused
from hrpe_jax.server.answers import whole
from hrpe_jax.server.explanations import explain_chords
from hrpe_jax.server.new_piece import compose
from hrpe_jax.server.project import Document
from hrpe_jax.server.state import State


def changed(document: Document, given: Mapping[str, Any]) -> Document:
    """What a request for a change does."""
    now = time.time()
    base = given.get("base")
    if base is not None and (not isinstance(base, int) or isinstance(base, bool)):
        raise Refused("base: expected the revision that the change was made on")
    action = given.get("action")
    if not isinstance(action, dict):
        raise Refused('action: expected an object such as {"do": "undo"}')
    do = action.get("do")
    if do in ("undo", "redo"):
        if base is not None and base != document.revision:
            raise Refused("another window changed this project; look at it first")
        return documents.undo(document) if do == "undo" else documents.redo(document)
    if do == "keep_version":
        return documents.keep_version(document, str(action.get("name", "")), now)
    if do in ("restore_version", "delete_version"):
        number = whole(action, "number", 0, 0, 10_000)
        if do == "restore_version":
            return documents.restore_version(document, number, now)
        return documents.delete_version(document, number)
    return documents.change(document, action, now, base)


def wanted(
    given: Mapping[str, Any], state: State, like: Callable[[], State | None]
) -> Callable[[ask.Musician], Any]:
    """What a request asks the model for; wrong requests are refused before they wait."""
    kind = given.get("kind")
    count = whole(given, "count", 4, 1, ask.MAX_COUNT)
    seed = whole(given, "seed", int(time.time() * 1000) % 2**31, 0, 2**31 - 1)
    bars = len(state.bars)
    sections = len(state.score.form)
    if kind in ("suggest", "harmonize"):
        first = whole(given, "first", 1, 1, bars)
        last = whole(given, "last", bars, first, bars)
        if kind == "harmonize":
            return lambda composer: ask.harmonize(composer, state, first, last, count, seed)
        what, wish, model = str(given.get("what", "both")), str(given.get("wish", "")), like()
        return lambda composer: ask.suggest(composer, state, first, last, what, count, model, wish, seed)
    if kind == "compose":
        return lambda composer: compose(composer, state, count, seed)
    if kind == "continue":
        more = whole(given, "bars", 8, 1, 64)
        return lambda composer: ask.go_on(composer, state, more, count, seed)
    if kind == "verse":
        section = whole(given, "section", sections, 1, sections)
        return lambda composer: ask.second_verse(composer, state, section, count, seed)
    if kind == "bridge":
        after, more = whole(given, "after", sections, 1, sections), whole(given, "bars", 8, 1, 64)
        return lambda composer: ask.bridge(composer, state, after, more, count, seed)
    if kind == "explain":
        return lambda composer: explain_chords(composer, state)
    kinds = "suggest, harmonize, compose, continue, verse, bridge, explain"
    raise UserError(f"kind {cut(repr(kind))}: expected one of {kinds}")
