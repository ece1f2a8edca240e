"""The API described in OpenAPI, made of the actions' own signatures so that it cannot be out of date."""

from __future__ import annotations

import inspect
import types
import typing
from typing import Any

from hrpe_jax.server.actions import Action, parameters
from hrpe_jax.server.edits import actions
from hrpe_jax.server.suggestions import WHAT, WISHES
from hrpe_jax.server.transfer import KINDS
from hrpe_jax.utils.version import __version__

_TYPES = {int: "integer", float: "number", str: "string", bool: "boolean"}
_DOCUMENT_ACTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "undo": ("Takes the last step back.", {}),
    "redo": ("Does the step again that was taken back last.", {}),
    "keep_version": ("Keeps the state of now under a name.", {"name": {"type": "string"}}),
    "restore_version": ("Goes back to a version.", {"number": {"type": "integer", "minimum": 1}}),
    "delete_version": ("Takes a version away.", {"number": {"type": "integer", "minimum": 1}}),
}


def describe() -> dict[str, Any]:
    """The OpenAPI document."""
    identifier = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    job = {**identifier, "name": "job"}
    candidate = {"job": {"type": "string"}, "candidate": {"type": "integer", "minimum": 0}}
    paths: dict[str, Any] = {
        "/api/choices": {"get": _call("What the controls offer")},
        "/api/engine": {"get": _call("How far the model is")},
        "/api/chords": {
            "post": _call(
                "Reads chords without writing them",
                {"text": {"type": "string"}, "key": {"type": "string"}, "meter": {"type": "string"}},
            )
        },
        "/api/projects": {
            "get": _call("All projects"),
            "post": _call("A new project", {"title": {"type": "string"}, "bars": {"type": "integer"}}),
        },
        "/api/import": {"post": _upload()},
        "/api/projects/{id}": {
            "parameters": [identifier],
            "get": _call("A project as its page shows it"),
            "delete": _call("Moves a project into the folder `deleted`"),
        },
        "/api/projects/{id}/pulse": {"parameters": [identifier], "get": _call("The revision, and the model")},
        "/api/projects/{id}/actions": {
            "parameters": [identifier],
            "post": _call(
                "Changes a project. A change that meets one of another window since `base` is answered with "
                "409 and kept as a version",
                {
                    "base": {"type": "integer", "description": "revision that it was made on"},
                    "action": {"oneOf": [{"$ref": f"#/components/schemas/{name}"} for name in _all_names()]},
                },
            ),
        },
        "/api/projects/{id}/notation": {
            "parameters": [identifier],
            "post": _call(
                "Some lines of the notes as SVG",
                {
                    "part": {"type": "integer"},
                    "bars_per_line": {"type": "integer", "minimum": 1, "maximum": 8},
                    "have": {"type": "array", "items": {"type": "string"}},
                    **candidate,
                },
            ),
        },
        "/api/projects/{id}/sound": {
            "parameters": [identifier],
            "post": _call(
                "The pieces of sound of some bars",
                {"first": {"type": "integer"}, "last": {"type": "integer"}, **candidate},
            ),
        },
        "/api/projects/{id}/jobs": {
            "parameters": [identifier],
            "post": _call("Asks the model; 202 where it takes longer, 429 where it is busy", _job_fields()),
        },
        "/api/projects/{id}/jobs/{job}": {
            "parameters": [identifier, job],
            "get": _call("An answer of the model"),
            "delete": _call("Lets it go"),
        },
        "/api/projects/{id}/jobs/{job}/keep": {
            "parameters": [identifier, job],
            "post": _call("Keeps a candidate", {"candidate": {"type": "integer"}}),
        },
        "/api/projects/{id}/export/{kind}": {
            "parameters": [
                identifier,
                {**identifier, "name": "kind", "schema": {"type": "string", "enum": list(KINDS)}},
            ],
            "get": _call("The project as a music file"),
        },
        "/api/sound/{key}": {
            "parameters": [{**identifier, "name": "key"}],
            "get": _call("A piece of sound as WAV"),
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "hrpe_jax studio",
            "version": __version__,
            "description": "Every call carries the token of the run as `Authorization: Bearer TOKEN`. Times "
            "are ticks, 12 to the quarter note; bars are numbered from 1.",
        },
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": _schemas(),
        },
    }


def _all_names() -> list[str]:
    return [*actions(), *_DOCUMENT_ACTIONS]


def _schemas() -> dict[str, Any]:
    found = {name: _action_schema(one) for name, one in actions().items()}
    for name, (text, fields) in _DOCUMENT_ACTIONS.items():
        found[name] = _object({"do": {"const": name}, **fields}, ["do"], text)
    return found


def _action_schema(one: Action) -> dict[str, Any]:
    fields: dict[str, Any] = {"do": {"const": one.name}}
    required = ["do"]
    for name, (kind, default) in parameters(one).items():
        fields[name] = _schema(kind)
        if default is inspect.Parameter.empty:
            required.append(name)
    text = (one.edit.__doc__ or one.label).strip().splitlines()[0]
    return _object(fields, required, text)


def _schema(kind: Any) -> dict[str, Any]:
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return _schema(next(inner for inner in typing.get_args(kind) if inner is not type(None)))
    if origin is list:
        return {"type": "array", "items": _schema(typing.get_args(kind)[0])}
    return {"type": _TYPES[kind]}


def _object(fields: dict[str, Any], required: list[str], text: str) -> dict[str, Any]:
    return {"type": "object", "description": text, "properties": fields, "required": required}


def _job_fields() -> dict[str, Any]:
    return {
        "kind": {"enum": ["suggest", "harmonize", "compose", "continue", "verse", "bridge", "explain"]},
        "first": {"type": "integer", "description": "bar, of suggest and harmonize"},
        "last": {"type": "integer"},
        "what": {"enum": list(WHAT)},
        "wish": {"enum": list(WISHES)},
        "like": {"type": "object", "description": "a candidate: {job, candidate}"},
        "count": {"type": "integer"},
        "bars": {"type": "integer", "description": "of continue and bridge"},
        "section": {"type": "integer", "description": "of verse"},
        "after": {"type": "integer", "description": "section, of bridge"},
        "seed": {"type": "integer"},
    }


def _call(text: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    problem = {"description": "what was wrong, in the field `problem`, in one line"}
    call: dict[str, Any] = {"summary": text, "responses": {"200": {"description": "done"}, "4XX": problem}}
    if body is not None:
        schema = {"type": "object", "properties": body}
        call["requestBody"] = {"content": {"application/json": {"schema": schema}}}
    return call


def _upload() -> dict[str, Any]:
    call = _call("A new project of a music file: MIDI, MusicXML, ABC or a chart")
    binary = {"schema": {"type": "string", "format": "binary"}}
    call["requestBody"] = {"content": {"application/octet-stream": binary}}
    call["parameters"] = [{"name": "name", "in": "query", "schema": {"type": "string"}}]
    return call
