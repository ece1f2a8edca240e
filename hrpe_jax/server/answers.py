"""What routes share: bodies read with care, and answers in JSON, problems among them in one line."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hrpe_jax.errors import UserError, cut
from hrpe_jax.server.store import NotFound, StoreError

_PAGE_TYPES = {"html": "text/html", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}


def problem(status: int, message: str, project: Mapping[str, Any] | None = None) -> Response:
    """What was wrong, in one line; `project` is how it is now, where the page should know."""
    more = {} if project is None else {"project": project}
    return JSONResponse({"problem": message.removeprefix("--"), **more}, status)


async def read_json(request: Request) -> dict[str, Any]:
    """The body as an object; an empty body is an empty object."""
    data = await request.body()
    try:
        value = json.loads(data) if data else {}
    except (ValueError, RecursionError):
        raise BadBody from None
    if not isinstance(value, dict):
        raise BadBody
    return value


class BadBody(Exception):
    """A body that is no JSON object."""


async def bad_body(request: Request, error: Exception) -> Response:
    return problem(400, "the body is no JSON object")


async def too_large(request: Request, error: Exception) -> Response:
    return problem(413, "too large")


class Merged(UserError):
    """A conflict, with the project as it is now."""

    def __init__(self, message: str, view: dict[str, Any]) -> None:
        super().__init__(message)
        self.view = view


async def answered(work: Callable[..., dict[str, Any]], *arguments: Any) -> Response:
    """The answer of something that may take a while, or the problem that it had."""
    try:
        return JSONResponse(await run_in_threadpool(work, *arguments))
    except Merged as merged:
        return problem(409, str(merged), project=merged.view)
    except NotFound as error:
        return problem(404, str(error))
    except StoreError as error:
        return problem(507, str(error))
    except UserError as error:
        return problem(400, str(error))


def whole(given: Mapping[str, Any], name: str, default: int, low: int, high: int) -> int:
    value = given.get(name, default)
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise UserError(f"{name}: expected {low} to {high}, got {cut(repr(value))}")
    return value


def text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str) or len(value) > 4000:
        raise UserError(f"{name}: expected a text")
    return value


def page_file(name: str) -> Response:
    """A file of the page."""
    folder = files("hrpe_jax.server").joinpath("page")
    known = {entry.name for entry in folder.iterdir()}
    if name not in known:
        return problem(404, "no such file")
    kind = _PAGE_TYPES.get(name.rpartition(".")[2], "application/octet-stream")
    data = folder.joinpath(name).read_bytes()
    return Response(data, media_type=kind, headers={"cache-control": "no-cache"})
