"""Starting the studio: the model in its thread, the server, the browser."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import secrets
import socket
import threading
import time
import webbrowser
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hrpe_jax.errors import UserError, WrongUse
from hrpe_jax.server.guard import MAX_UPLOAD_BYTES, Access
from hrpe_jax.server.jobs import Jobs, WarmUp
from hrpe_jax.server.store import Store
from hrpe_jax.server.suggestions import Musician
from hrpe_jax.server.transfer import READ_SECONDS, read_upload
from hrpe_jax.utils import cli

if TYPE_CHECKING:
    import uvicorn

MAX_CONNECTIONS = 64
"""Requests at once; more are told to come again (503)."""
ADDRESS = ".studio.json"
"""In the folder of projects, while the studio runs: its address, for other programs of this user."""
_START_SECONDS = 20.0


def check_studio() -> None:
    """Finds out before any work whether the studio can run.

    Raises:
        UserError: the extra is missing.
    """
    try:
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
        import verovio  # noqa: F401
    except ImportError as error:
        raise UserError(f"studio: needs {error.name}: pip install 'hrpe_jax[studio]'") from None


@dataclass
class Running:
    """A server that runs in a thread of this process.

    Attributes:
        url: its address with the token.
        port: its port.
        server: uvicorn's.
        thread: in which it runs.
    """

    url: str
    port: int
    server: uvicorn.Server
    thread: threading.Thread

    def stop(self) -> None:
        """Ends it."""
        self.server.should_exit = True
        self.thread.join(10)


def serve(
    model: str = "pretrained",
    folder: str = "~/hrpe_jax",
    file: str | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    browser: bool = True,
) -> int | None:
    """Serves until Ctrl-C.

    Args:
        model: what `Composer.load` takes.
        folder: of projects.
        file: to begin with, as a new project.
        host: address to listen on.
        port: 0 for a free one.
        browser: whether it is opened.

    Returns:
        The exit code of the command; None for 0.

    Raises:
        UserError: the extra is missing, or folder, file, host or port cannot be used.
    """
    check_studio()
    store = Store(folder)
    opened = ""
    if file is not None:
        opened = store.create(_read_file(Path(file))).id
    access = access_for(host)
    listening = listen(host, port)
    running = start(store, model_jobs(model, cli.say), access, listening, opened)
    print(running.url, flush=True)
    address = _tell_address(store.folder, running.url)
    if access.addresses:
        cli.say("warning: --host opens the studio to the network; who has this address can use it")
    cli.say(f"projects: {store.folder}; Ctrl-C ends the studio")
    if browser:
        with contextlib.suppress(webbrowser.Error):
            webbrowser.open(running.url)
    try:
        while running.thread.is_alive():
            running.thread.join(0.5)
    except KeyboardInterrupt:
        cli.say("the studio ends; everything is saved")
    running.stop()
    address.unlink(missing_ok=True)
    return None


def _tell_address(folder: Path, url: str) -> Path:
    """Writes the address where programs of this user find it, and nobody else."""
    path = folder / ADDRESS
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump({"url": url}, file)
    return path


def _read_file(path: Path) -> Any:
    try:
        data = path.read_bytes() if path.stat().st_size <= MAX_UPLOAD_BYTES else None
    except OSError as error:
        raise UserError(f"--open: {path}: cannot be read ({error.strerror}); expected a music file") from None
    if data is None:
        raise UserError(f"--open: {path}: larger than {MAX_UPLOAD_BYTES} bytes; expected a music file")
    cli.say(f"reading {path.name} (at most {READ_SECONDS:.0f} s)")
    return read_upload(data, path.name)


def access_for(host: str, token: str | None = None) -> Access:
    """Who may call a server that listens on an address.

    Raises:
        WrongUse: it is no address.
    """
    token = token or secrets.token_urlsafe(24)
    if host == "localhost":
        return Access(token)
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        raise WrongUse(f"--host: {host}: expected an address such as 127.0.0.1 or 0.0.0.0") from None
    return Access(token, addresses=not loopback)


def listen(host: str, port: int) -> socket.socket:
    """A socket that is bound.

    Raises:
        WrongUse: it is no port.
        UserError: the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    if os.name == "posix":
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except (OSError, OverflowError) as error:
        listening.close()
        detail = getattr(error, "strerror", None) or str(error)
        wrong = WrongUse if isinstance(error, OverflowError) else UserError  # no port, or one that is taken
        raise wrong(f"--port={port}: cannot be used ({detail}); give another, or none") from None
    return listening


def start(store: Store, jobs: Jobs, access: Access, listening: socket.socket, project: str = "") -> Running:
    """Starts a server in a thread.

    Args:
        store: of projects.
        jobs: the model; it begins to load.
        access: who may call.
        listening: where.
        project: id of the one that the address opens; "" for the list.

    Raises:
        UserError: it does not start.
    """
    import uvicorn

    from hrpe_jax.server.app import Studio

    config = uvicorn.Config(
        Studio(store, jobs, access).app(),
        log_level="warning",
        access_log=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=20,
        timeout_graceful_shutdown=2,
        server_header=False,
        ws="none",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="studio", daemon=True)
    host, port = listening.getsockname()[:2]
    thread.start()
    until = time.monotonic() + _START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > until:
            raise UserError("studio: the server does not start; --debug shows more")
        time.sleep(0.01)
    shown = "127.0.0.1" if host in ("0.0.0.0", "::", "::1") else host
    url = f"http://{shown}:{port}/?token={access.token}" + (f"#{project}" if project else "")
    return Running(url, port, server, thread)


def model_jobs(model: str, say: Callable[[str], None]) -> Jobs:
    """The jobs of a model on disk."""

    return Jobs(lambda: load_composer(model), *warm_up(), say)


def load_composer(model: str) -> Musician:
    """The composer of a model on disk."""
    from hrpe_jax.composer import Composer

    return Composer.load(model)


def warm_up() -> tuple[Sequence[WarmUp], Sequence[WarmUp]]:
    """What is compiled before anybody asks for it: a piece, what is asked for most, and the rest aside."""
    from hrpe_jax.server import suggestions as ask
    from hrpe_jax.server.new_piece import compose
    from hrpe_jax.server.state import empty_state

    state = empty_state(8)

    def piece(composer: Musician) -> None:
        nonlocal state
        state = compose(composer, state, count=4)[0].state

    return [
        ("a piece", piece),
        ("melodies", lambda composer: ask.suggest(composer, state, 3, 6, "melody")),
        ("chords", lambda composer: ask.suggest(composer, state, 3, 6, "chords")),
        ("harmony", lambda composer: ask.harmonize(composer, state, 1, 8)),
    ], [("suggestions", lambda composer: ask.suggest(composer, state, 3, 6, "both"))]
