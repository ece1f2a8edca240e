"""The JSON API and the page, as a Starlette application. `openapi` describes it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hrpe_jax.errors import UserError
from hrpe_jax.server import project as documents
from hrpe_jax.server import suggestions as ask
from hrpe_jax.server.answers import (
    BadBody,
    Merged,
    answered,
    bad_body,
    page_file,
    problem,
    read_json,
    text,
    too_large,
    whole,
)
from hrpe_jax.server.edit_music import parse_bar
from hrpe_jax.server.guard import Access, Guard, TooLarge
from hrpe_jax.server.jobs import CANCELLED, FAILED, Busy, Job, Jobs
from hrpe_jax.server.openapi import describe
from hrpe_jax.server.project import Conflict, Document
from hrpe_jax.server.requests import changed, wanted
from hrpe_jax.server.sheet import Engraver
from hrpe_jax.server.sound import Sounds
from hrpe_jax.server.state import State, empty_state
from hrpe_jax.server.store import NotFound, Store
from hrpe_jax.server.transfer import KINDS, export, file_name, read_upload
from hrpe_jax.server.view import choices, document_view, job_view
from hrpe_jax.theory.chord import to_lead_sheet
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter

WAIT_SECONDS = 25.0
"""How long a request for suggestions is answered late at most; then the page asks again."""


class Studio:
    """What the routes share.

    Args:
        store: projects on disk.
        jobs: the model.
        access: who may call.
    """

    def __init__(self, store: Store, jobs: Jobs, access: Access) -> None:
        self.store, self.jobs, self.access = store, jobs, access
        self.engraver, self.sounds = Engraver(), Sounds()
        self._reading = asyncio.Semaphore(1)

    def app(self) -> Starlette:
        """The application, guarded."""
        routes = [
            Route("/", self.index),
            Route("/page/{name}", self.page_file),
            Route("/api/openapi.json", self.describe),
            Route("/api/choices", self.choices),
            Route("/api/engine", self.engine),
            Route("/api/chords", self.check_chords, methods=["POST"]),
            Route("/api/projects", self.projects),
            Route("/api/projects", self.create, methods=["POST"]),
            Route("/api/import", self.upload, methods=["POST"]),
            Route("/api/projects/{id}", self.project),
            Route("/api/projects/{id}", self.delete, methods=["DELETE"]),
            Route("/api/projects/{id}/pulse", self.pulse),
            Route("/api/projects/{id}/actions", self.change, methods=["POST"]),
            Route("/api/projects/{id}/notation", self.notation, methods=["POST"]),
            Route("/api/projects/{id}/sound", self.sound_plan, methods=["POST"]),
            Route("/api/projects/{id}/jobs", self.submit, methods=["POST"]),
            Route("/api/projects/{id}/jobs/{job}", self.job),
            Route("/api/projects/{id}/jobs/{job}", self.cancel, methods=["DELETE"]),
            Route("/api/projects/{id}/jobs/{job}/keep", self.keep, methods=["POST"]),
            Route("/api/projects/{id}/export/{kind}", self.export),
            Route("/api/sound/{key}", self.sound),
        ]
        handlers = {BadBody: bad_body, TooLarge: too_large}
        app = Starlette(routes=routes, lifespan=self._lifespan, exception_handlers=handlers)
        app.add_middleware(Guard, access=self.access)
        return app

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        self.jobs.start()
        yield
        self.jobs.stop()

    # ---- The page

    async def index(self, request: Request) -> Response:
        """The page."""
        return page_file("index.html")

    async def page_file(self, request: Request) -> Response:
        """A script or style of the page."""
        return page_file(request.path_params["name"])

    # ---- What is not about one project

    async def describe(self, request: Request) -> Response:
        """The OpenAPI description."""
        return JSONResponse(describe())

    async def choices(self, request: Request) -> Response:
        """What the controls offer: keys, meters, styles, bands."""
        return JSONResponse(choices())

    async def engine(self, request: Request) -> Response:
        """How far the model is."""
        return JSONResponse(self._engine())

    def _engine(self) -> dict[str, Any]:
        progress = self.jobs.progress
        return {
            "stage": progress.stage,
            "message": progress.said(),
            "done": progress.done,
            "total": progress.total,
        }

    async def check_chords(self, request: Request) -> Response:
        """Reads chords as text, without writing them: for a field while one types."""
        return await answered(self._check_chords, await read_json(request))

    def _check_chords(self, given: Mapping[str, Any]) -> dict[str, Any]:
        try:
            key, meter = Key.parse(text(given, "key")), Meter.parse(text(given, "meter"))
            bars = text(given, "text").strip().strip("|").split("|")
            names = []
            for number, part in enumerate(bars, 1):
                spans = [] if part.strip() == "%" else parse_bar(part, key, meter, number)
                names.append([to_lead_sheet(span.chord, key) for span in spans])
        except ValueError as error:
            return {"ok": False, "problem": str(error).removeprefix("bar 1: ")}
        return {"ok": True, "bars": names}

    async def projects(self, request: Request) -> Response:
        """All projects."""
        found = await run_in_threadpool(self.store.list)
        return JSONResponse(
            {"projects": [{"id": one.id, "title": one.title, "changed": one.changed} for one in found]}
        )

    async def create(self, request: Request) -> Response:
        """A new, empty project."""
        given = await read_json(request)
        bars = given.get("bars", 8)
        if not isinstance(bars, int) or not 1 <= bars <= 512:
            return problem(400, "bars: expected 1 to 512")

        def work() -> dict[str, Any]:
            title = " ".join(str(given.get("title", "")).split())[:200]
            return document_view(self.store.create(empty_state(bars, title)))

        return await answered(work)

    async def upload(self, request: Request) -> Response:
        """A new project of a music file: the body is the file, its name is in the query."""
        data = await request.body()
        name = request.query_params.get("name", "upload")
        async with self._reading:
            return await answered(lambda: document_view(self.store.create(read_upload(data, name))))

    # ---- One project

    async def project(self, request: Request) -> Response:
        """A project as its page shows it."""
        identifier = request.path_params["id"]

        def work() -> dict[str, Any]:
            document = self.store.get(identifier)
            return {**document_view(document), "notice": self.store.notice(identifier)}

        return await answered(work)

    async def delete(self, request: Request) -> Response:
        """Moves a project into the folder `deleted`."""
        identifier = request.path_params["id"]

        def work() -> dict[str, Any]:
            self.store.delete(identifier)
            return {"deleted": identifier}

        return await answered(work)

    async def pulse(self, request: Request) -> Response:
        """The revision and the model's progress: what a page asks for now and then."""
        identifier = request.path_params["id"]

        def work() -> dict[str, Any]:
            job = self.jobs.of_project(identifier)
            return {
                "revision": self.store.get(identifier).revision,
                "engine": self._engine(),
                "job": None if job is None else {"id": job.id, "kind": job.kind, "status": job.status},
            }

        return await answered(work)

    async def change(self, request: Request) -> Response:
        """Applies an action: an edit, undo, redo, or one of versions."""
        given = await read_json(request)
        identifier = request.path_params["id"]

        def work() -> dict[str, Any]:
            def edit(document: Document) -> Document:
                return changed(document, given)

            try:
                return document_view(self.store.update(identifier, edit))
            except Conflict as conflict:
                merged = conflict.document
                kept = self.store.update(identifier, lambda _: merged)
                raise Merged(str(conflict), document_view(kept)) from None

        return await answered(work)

    async def notation(self, request: Request) -> Response:
        """A part of the notes as SVG."""
        given = await read_json(request)
        identifier = request.path_params["id"]

        def work() -> dict[str, Any]:
            state, revision = self._shown(identifier, given)
            listed = given.get("have")
            have = set(map(str, listed)) if isinstance(listed, list) else set()
            number, size = whole(given, "part", 0, 0, 10_000), whole(given, "bars_per_line", 4, 1, 8)
            part = self.engraver.part(state, number, size, have)
            return {**part, "revision": revision}

        return await answered(work)

    async def sound_plan(self, request: Request) -> Response:
        """Which pieces of sound make some bars."""
        given = await read_json(request)
        identifier = request.path_params["id"]

        def work() -> dict[str, Any]:
            state, _ = self._shown(identifier, given)
            count = len(state.bars)
            first = whole(given, "first", 1, 1, count)
            last = whole(given, "last", count, first, count)
            return self.sounds.plan(state, identifier, first, last)

        return await answered(work)

    async def sound(self, request: Request) -> Response:
        """A piece of sound as WAV."""
        try:
            data = await run_in_threadpool(self.sounds.wav, request.path_params["key"])
        except UserError as error:
            return problem(404, str(error))
        return Response(data, media_type="audio/wav", headers={"cache-control": "private, max-age=86400"})

    async def export(self, request: Request) -> Response:
        """The project as a music file."""
        kind, identifier = request.path_params["kind"], request.path_params["id"]

        def work() -> tuple[bytes, str]:
            state, _ = self._shown(identifier, dict(request.query_params))
            return export(state, kind, identifier), file_name(state, kind)

        try:
            data, name = await run_in_threadpool(work)
        except NotFound as error:
            return problem(404, str(error))
        except UserError as error:
            return problem(400, str(error))
        headers = {"content-disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
        return Response(data, media_type=KINDS[kind], headers=headers)

    def _shown(self, identifier: str, given: Mapping[str, Any]) -> tuple[State, int]:
        """The state of a project, or with `job` and `candidate` that of a candidate; and the revision."""
        document = self.store.get(identifier)
        if given.get("job"):
            return self._candidate(identifier, given).state, document.revision
        return document.state, document.revision

    def _candidate(self, identifier: str, given: Mapping[str, Any]) -> ask.Candidate:
        job = self._job(identifier, str(given.get("job", "")))
        return job.candidates[whole(given, "candidate", 0, 0, len(job.candidates) - 1)]

    # ---- The model

    async def submit(self, request: Request) -> Response:
        """Asks the model; answers when it is done, or after a while with the job to ask again for."""
        given = await read_json(request)
        identifier = request.path_params["id"]

        def work() -> Job:
            document = self.store.get(identifier)
            call = wanted(given, document.state, lambda: self._like(identifier, given))
            return self.jobs.submit(identifier, str(given.get("kind")), document.state, call)

        try:
            job = await run_in_threadpool(work)
        except Busy as error:
            return problem(429, str(error))
        except NotFound as error:
            return problem(404, str(error))
        except UserError as error:
            return problem(400, str(error))
        return await self._waited(job)

    async def job(self, request: Request) -> Response:
        """A job, when it is done or after a while."""
        try:
            job = self._job(request.path_params["id"], request.path_params["job"])
        except UserError as error:
            return problem(404, str(error))
        return await self._waited(job)

    async def cancel(self, request: Request) -> Response:
        """Lets a job go."""
        try:
            job = self._job(request.path_params["id"], request.path_params["job"])
        except UserError as error:
            return problem(404, str(error))
        self.jobs.cancel(job.id)
        return JSONResponse(job_view(job))

    async def keep(self, request: Request) -> Response:
        """Keeps a candidate: a step that can be undone."""
        given = {**await read_json(request), "job": request.path_params["job"]}
        identifier = request.path_params["id"]

        def work() -> dict[str, Any]:
            job, candidate = self._job(identifier, given["job"]), self._candidate(identifier, given)

            def edit(document: Document) -> Document:
                state = ask.kept(candidate, job.base, document.state)
                return documents.put(document, state, _LABELS.get(job.kind, "Keep"), time.time())

            return document_view(self.store.update(identifier, edit))

        return await answered(work)

    def _job(self, identifier: str, job: str) -> Job:
        found = self.jobs.get(job)
        if found.project != identifier:
            raise UserError("this suggestion is not known any more; ask again")
        return found

    def _like(self, identifier: str, given: Mapping[str, Any]) -> State | None:
        like = given.get("like")
        if not isinstance(like, dict):
            return None
        return self._candidate(identifier, like).state

    async def _waited(self, job: Job) -> Response:
        until = time.monotonic() + WAIT_SECONDS
        pause = 0.005
        while not job.over.is_set() and time.monotonic() < until:
            await asyncio.sleep(pause)
            pause = min(0.05, pause * 1.3)
        if job.status == FAILED:
            return problem(400, job.message)
        if job.status == CANCELLED:
            return problem(410, "cancelled")
        return JSONResponse(job_view(job), 200 if job.over.is_set() else 202)


_LABELS = {
    "suggest": "Keep a suggestion",
    "harmonize": "Keep chords",
    "compose": "Keep a piece",
    "continue": "Keep more bars",
    "verse": "Keep a second verse",
    "bridge": "Keep a bridge",
}
