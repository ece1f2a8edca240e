"""All edits that there are, and applying one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from hrpe_jax.errors import cut
from hrpe_jax.score.score import ScoreError
from hrpe_jax.server import edit_form, edit_music, edit_piece
from hrpe_jax.server.actions import ACTIONS, Action, Refused, read_arguments
from hrpe_jax.server.state import State

MODULES = (edit_form, edit_music, edit_piece)
"""Their functions are the actions."""


@cache
def actions() -> Mapping[str, Action]:
    """All actions by name."""
    return dict(sorted(ACTIONS.items()))


def act(state: State, asked: Mapping[str, Any]) -> State:
    """Applies an action.

    Args:
        state: to be edited.
        asked: the action, from outside: anything may be in it.

    Raises:
        Refused: no such action, a wrong argument, or an edit that cannot be made here.
    """
    name = asked.get("do")
    found = actions().get(name) if isinstance(name, str) else None
    if found is None:
        raise Refused(f"action {cut(str(name))!r}: expected one of {', '.join(actions())}")
    arguments = read_arguments(found, {key: value for key, value in asked.items() if key != "do"})
    try:
        return found.edit(state, **arguments)
    except ScoreError as error:
        raise Refused(f"{found.label}: {error}") from None
