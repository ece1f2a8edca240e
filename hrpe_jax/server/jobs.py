"""The model's thread: it loads the model, warms it up, and does one thing after the other that projects ask
for.

JAX runs in this thread alone, but for a second one while the model warms up. A project has one job at a time,
and few may wait. A job that is cancelled while the model works on it ends when the model is done; its answer
goes nowhere.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hrpe_jax.errors import UserError
from hrpe_jax.server.state import State
from hrpe_jax.server.suggestions import Candidate, Musician

MAX_WAITING = 8
_KEPT = 40
"""Answers that can still be looked at."""
SLOW_SECONDS = 3.0
"""A program takes longer than that only where it is compiled."""
QUEUED, RUNNING, DONE, FAILED, CANCELLED = "queued", "running", "done", "failed", "cancelled"
_OVER = (DONE, FAILED, CANCELLED)


WarmUp = tuple[str, Callable[[Musician], object]]
"""What is warmed up, and the call that does so."""


class Busy(UserError):
    """A project that has a job already, or a queue that is full."""


@dataclass
class Job:
    """One thing that the model is asked for.

    Attributes:
        id: for requests.
        project: id of the project.
        kind: "suggest", "compose" ...
        base: the state that it was asked for.
        work: what is done in the model's thread.
        status: one of the words above.
        message: what went wrong, in one line.
        candidates: the answer.
        extra: other values of the answer.
        seconds: how long the model worked.
    """

    id: str
    project: str
    kind: str
    base: State
    work: Callable[[Musician], Any]
    status: str = QUEUED
    message: str = ""
    candidates: Sequence[Candidate] = ()
    extra: Any = None
    seconds: float = 0.0
    over: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class Progress:
    """How far the model is.

    Attributes:
        stage: "loading", "warming", "ready" or "failed".
        message: for people.
        done: programs that are ready.
        total: how many there are.
        long: the message for a program that has not come from the cache by now, so that it is compiled.
        since: when this began, in seconds of the monotonic clock.
    """

    stage: str
    message: str
    done: int = 0
    total: int = 0
    long: str = ""
    since: float = field(default_factory=time.monotonic)

    def said(self) -> str:
        """The message of now."""
        slow = self.long and time.monotonic() - self.since > SLOW_SECONDS
        return self.long if slow else self.message


class Jobs:
    """The queue and its thread.

    Args:
        load: gives the model; called in the thread.
        warm: (what, call) of each program that is compiled before anybody asks for it.
        aside: likewise, in a thread of its own beside all of `warm` but the first.
        say: told each line of progress.
    """

    def __init__(
        self,
        load: Callable[[], Musician],
        warm: Sequence[WarmUp] = (),
        aside: Sequence[WarmUp] = (),
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._load, self._warm, self._aside, self._say = load, list(warm), list(aside), say
        self._waiting: deque[Job] = deque()
        self._jobs: dict[str, Job] = {}
        self._changed = threading.Condition()
        self._ended = False
        self.progress = Progress("loading", "Loading the model")
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)

    def start(self) -> None:
        """Begins to load the model."""
        self._thread.start()

    def stop(self) -> None:
        """Takes nothing new; what the model does now is not waited for."""
        with self._changed:
            self._ended = True
            for job in self._waiting:
                self._end(job, CANCELLED)
            self._waiting.clear()
            self._changed.notify_all()

    def submit(self, project: str, kind: str, base: State, work: Callable[[Musician], Any]) -> Job:
        """Puts a job into the queue.

        Args:
            project: its id.
            kind: of the job.
            base: the state that it is about.
            work: called with the model in its thread; gives candidates, or another answer.

        Raises:
            Busy: the project has one, or too many wait.
            UserError: the model could not be loaded.
        """
        with self._changed:
            if self.progress.stage == "failed":
                raise UserError(self.progress.message)
            if any(job.project == project and job.status not in _OVER for job in self._jobs.values()):
                raise Busy("this project is being worked on; wait, or cancel that first")
            if len(self._waiting) >= MAX_WAITING:
                raise Busy("too many projects wait for the model; try again in a moment")
            job = Job(secrets.token_hex(8), project, kind, base, work)
            self._jobs[job.id] = job
            for old in [key for key, one in self._jobs.items() if one.status in _OVER][: -_KEPT or None]:
                del self._jobs[old]
            self._waiting.append(job)
            self._changed.notify_all()
            return job

    def get(self, identifier: str) -> Job:
        """A job.

        Raises:
            UserError: it is not known any more.
        """
        job = self._jobs.get(identifier)
        if job is None:
            raise UserError("this suggestion is not known any more; ask again")
        return job

    def of_project(self, project: str) -> Job | None:
        """What a project waits for, if anything."""
        return next(
            (job for job in list(self._jobs.values()) if job.project == project and job.status not in _OVER),
            None,
        )

    def cancel(self, identifier: str) -> None:
        """Lets a job's answer go; the project is free at once."""
        job = self.get(identifier)
        with self._changed:
            if job.status not in _OVER:
                if job in self._waiting:
                    self._waiting.remove(job)
                self._end(job, CANCELLED)

    def _end(self, job: Job, status: str, message: str = "") -> None:
        job.status, job.message = status, message
        job.over.set()

    def _run(self) -> None:
        try:
            self._say("loading the model")
            composer = self._load()
        except Exception as error:
            text = (
                str(error).splitlines()[0]
                if isinstance(error, UserError)
                else f"{type(error).__name__}: {error}"
            )
            self.progress = Progress("failed", f"The model cannot be loaded: {text}")
            self._say(self.progress.message)
            with self._changed:
                for job in self._waiting:
                    self._end(job, FAILED, self.progress.message)
                self._waiting.clear()
            return
        started = time.monotonic()
        side = threading.Thread(target=self._try_all, args=(composer, self._aside), daemon=True)
        for number, (what, call) in enumerate(self._warm):
            total = len(self._warm)
            compiling = f"Compiling {what}, once per machine"
            self.progress = Progress("warming", f"Getting ready: {what}", number, total, compiling)
            again = "; compiled once per machine, which takes minutes" if number == 0 else ""
            self._say(f"getting ready: {what} ({number + 1} of {total}){again}")
            self._serve(composer, wait=False)
            if self._ended:
                return
            self._try_all(composer, [(what, call)])
            if number == 0:
                side.start()
        while side.is_alive():  # compiling may take minutes: what is asked for meanwhile is done
            self._serve(composer, wait=False)
            side.join(0.1)
        if self._ended:
            return
        self.progress = Progress("ready", "Ready", len(self._warm), len(self._warm))
        self._say(f"ready ({time.monotonic() - started:.1f} s)")
        self._serve(composer, wait=True)

    def _try_all(self, composer: Musician, calls: Sequence[WarmUp]) -> None:
        """Warms up; what goes wrong will be seen by who asks for it."""
        for what, call in calls:
            try:
                call(composer)
            except Exception as error:
                self._say(f"{what}: {type(error).__name__}: {error}")

    def _serve(self, composer: Musician, wait: bool) -> None:
        """Does what waits; with `wait` for ever."""
        while True:
            with self._changed:
                while not self._waiting:
                    if self._ended or not wait:
                        return
                    self._changed.wait()
                job = self._waiting.popleft()
                job.status = RUNNING
            self._do(job, composer)

    def _do(self, job: Job, composer: Musician) -> None:
        started = time.monotonic()
        status, message, answer = DONE, "", None
        try:
            answer = job.work(composer)
        except UserError as error:
            status, message = FAILED, str(error).replace("--", "")
        except Exception as error:
            status, message = FAILED, f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:300]}"
            self._say(f"{job.kind}: {message}")
        with self._changed:
            job.seconds = time.monotonic() - started
            if job.status in _OVER:
                return
            if isinstance(answer, list):
                job.candidates = answer
            else:
                job.extra = answer
            self._end(job, status, message)
