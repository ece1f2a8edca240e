"""Edits by name: a registry of functions `state, arguments -> state`, checked before they run.

An action is JSON: `{"do": "add_note", "onset": 0, "duration": 12, "pitch": 60}`. Its arguments are those of
the function behind the name; their types come from its annotations, and so does the API's description.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hrpe_jax.errors import UserError, cut
from hrpe_jax.server.state import State

Edit = Callable[..., State]


class Refused(UserError):
    """An edit that cannot be made; the message says why, in one line."""


@dataclass(frozen=True)
class Action:
    """An edit that can be asked for.

    Attributes:
        name: in requests.
        label: for people, in the list of what can be undone.
        edit: the function.
    """

    name: str
    label: str
    edit: Edit


ACTIONS: dict[str, Action] = {}


def action(label: str) -> Callable[[Edit], Edit]:
    """Makes a function an action of its own name."""

    def register(edit: Edit) -> Edit:
        ACTIONS[edit.__name__] = Action(edit.__name__, label, edit)
        return edit

    return register


def parameters(found: Action) -> dict[str, tuple[Any, Any]]:
    """(type, default) of each argument; the default is `inspect.Parameter.empty` where it must be given."""
    hints = typing.get_type_hints(found.edit)
    inside = list(inspect.signature(found.edit).parameters.values())[1:]
    return {parameter.name: (hints[parameter.name], parameter.default) for parameter in inside}


def read_arguments(found: Action, given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of an action, from outside.

    Raises:
        Refused: one is missing, unknown, or of another type.
    """
    known = parameters(found)
    for name in given:
        if name not in known:
            raise Refused(
                f"{found.name}: {cut(str(name))!r} is no argument; expected {', '.join(known) or 'none'}"
            )
    for name, (_, default) in known.items():
        if name not in given and default is inspect.Parameter.empty:
            raise Refused(f"{found.name}: {name} is missing")
    return {name: _value(f"{found.name}: {name}", known[name][0], value) for name, value in given.items()}


def _value(where: str, kind: Any, value: Any) -> Any:
    """A value from outside, where it has the type that is asked for."""
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        kinds = typing.get_args(kind)
        if value is None and type(None) in kinds:
            return None
        return _value(where, next(inner for inner in kinds if inner is not type(None)), value)
    if origin is list:
        if not isinstance(value, list) or len(value) > 20_000:
            raise Refused(f"{where}: expected a list")
        (inner,) = typing.get_args(kind)
        return [_value(where, inner, item) for item in value]
    whole = isinstance(value, int) and not isinstance(value, bool)
    fits = {
        int: whole and abs(value) < 2**31 if whole else False,
        float: isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e9,
        str: isinstance(value, str) and len(value) <= 4000,
        bool: isinstance(value, bool),
    }
    if not fits[kind]:
        names = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
        raise Refused(f"{where}: expected {names[kind]}, got {cut(repr(value))}")
    return float(value) if kind is float else value
