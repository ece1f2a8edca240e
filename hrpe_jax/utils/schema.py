"""Frozen dataclasses from nested plain values, strictly.

A dataclass is the whole schema: its fields are the allowed keys, their annotations the allowed types, its
defaults the defaults, and its ``__post_init__`` the checks between fields. ``build`` walks nested mappings
(a config file, JSON) into such dataclasses and names the full path of whatever it refuses.

Understood annotations: ``bool int float str``, ``Literal[...]``, ``tuple[X, ...]``, ``tuple[X, Y]``,
``Dataclass`` and ``X | None``. Values that came from a command line are wrapped in ``Text`` and read by type.
A dataclass may have a class method ``upgrade(values) -> values`` for what earlier versions wrote.
"""

from __future__ import annotations

import ast
import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from hrpe_jax.errors import UserError

T = TypeVar("T")


class Text(str):
    """A value typed on a command line: its type is that of the field it is meant for."""


def suggestion(word: str, known: typing.Iterable[str]) -> str:
    """Returns "; did you mean X?" for the nearest known word, or the list of known words."""
    known = list(known)
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(known)}"


def build(cls: type[T], values: Mapping[str, Any], path: str = "config") -> T:
    """Builds one frozen dataclass, with everything nested in it.

    Args:
      cls: the dataclass.
      values: its fields; missing ones take their default.
      path: where ``values`` stand, for messages.

    Returns:
      An instance of ``cls``.

    Raises:
      UserError: an unknown or missing key, a wrong type, or a failed check between fields; one line.
    """
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(cls)
    built = {}
    upgrade: Any = getattr(cls, "upgrade", dict)
    for name, value in upgrade(values).items():
        if name not in fields:
            raise UserError(f"{path}.{name}: no such key; {suggestion(str(name), fields)}")
        built[name] = convert(hints[name], value, f"{path}.{name}")
    for name, field in fields.items():
        if name not in built and field.default is field.default_factory is dataclasses.MISSING:
            raise UserError(f"{path}.{name}: missing; a value of type {_spell(hints[name])} is needed")
    try:
        return cls(**built)
    except UserError as error:  # a check between fields: it knows the field, we know the path
        raise UserError(f"{path}.{error}") from None


def convert(hint: Any, value: Any, path: str) -> Any:
    """Converts one value to an annotation, or raises ``UserError`` naming ``path``.

    Args:
      hint: the annotation.
      value: plain.
      path: of the field, for the message.
    """
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        (inner,) = [arg for arg in args if arg is not type(None)]
        if value is None or (isinstance(value, Text) and value.lower() in ("none", "null")):
            return None
        return convert(inner, value, path)
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise UserError(f"{path}: a section with keys was expected, got {value!r}; set {path}.KEY=VALUE")
        return build(typing.cast(type, hint), value, path)
    if origin is Literal:
        text = str(value)
        if text not in args:
            raise UserError(f"{path}: {text!r} is not a choice; {suggestion(text, args)}")
        return text
    if isinstance(value, Text):
        value = _read(hint, value)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise _mismatch(hint, value, path)
        inner = [args[0]] * len(value) if args[-1] is Ellipsis else list(args)
        if len(inner) != len(value):
            raise _mismatch(hint, value, path)
        return tuple(convert(h, v, f"{path}[{i}]") for i, (h, v) in enumerate(zip(inner, value, strict=True)))
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:  # a bool is an int to isinstance, and never meant as one
        raise _mismatch(hint, value, path)
    return value


def merge(values: dict[str, Any], dotted: str, value: Any, path: str = "config") -> None:
    """Sets ``values[a][b]`` for ``dotted`` = "a.b", in place, making sections that are not there.

    Args:
      values: nested dicts, changed in place.
      dotted: such as "stages.backbone.steps".
      value: what is set.
      path: of the whole, for messages.

    Raises:
      UserError: if a part of the path before the last is no section.
    """
    *parents, last = dotted.split(".")
    for depth, name in enumerate(parents):
        values = values.setdefault(name, {})
        if not isinstance(values, dict):
            where = ".".join([path, *parents[: depth + 1]])
            raise UserError(f"{where}: is {values!r} here, not a section; {dotted!r} cannot be set in it")
    values[last] = value


def _read(hint: Any, text: Text) -> Any:
    """Reads command-line text as a Python literal where the field is not a string."""
    if hint is str:
        return str(text)
    if hint is bool:
        return {"true": True, "false": False, "1": True, "0": False}.get(text.lower(), str(text))
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return str(text)


def _spell(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint)


def _mismatch(hint: Any, value: Any, path: str) -> UserError:
    return UserError(f"{path}: {_spell(hint)} expected, got {value!r} ({type(value).__name__})")
