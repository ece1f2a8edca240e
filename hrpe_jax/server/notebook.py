"""The studio inside a notebook: the page in a frame, served by the kernel's own process.

In Colab the frame goes through Colab's proxy, on a JupyterHub through jupyter-server-proxy, elsewhere
straight to this machine. Without the extra `studio` the frame shows a page of composed pieces instead, which
needs no server.
"""

from __future__ import annotations

import importlib.util
import os
from html import escape
from typing import TYPE_CHECKING, Any

from hrpe_jax.errors import UserError
from hrpe_jax.server.suggestions import Musician

if TYPE_CHECKING:
    from hrpe_jax.server.serve import Running

_STATIC_PIECES = 2
_running: dict[str, Running] = {}


def show(composer: Musician, folder: str = "~/hrpe_jax", height: int = 820) -> Any:
    """Shows the studio in the output of a cell.

    Args:
        composer: whose model makes suggestions.
        folder: where projects are kept; one server is started for each folder.
        height: of the frame, in pixels.

    Returns:
        What the notebook displays; None where Colab has displayed it already.

    Raises:
        UserError: this is no notebook.
    """
    if importlib.util.find_spec("IPython") is None:
        raise UserError("Composer.studio: this is no notebook; use python -m hrpe_jax.studio")
    from IPython.display import HTML

    from hrpe_jax.server.serve import check_studio

    try:
        check_studio()
    except UserError:
        return HTML(_frame_of_page(composer, height))
    proxy, hosts = find_proxy()
    running = _server(composer, folder, hosts)
    path = "/?" + running.url.partition("/?")[2]
    if proxy == "colab":
        from google.colab import output

        output.serve_kernel_port_as_iframe(running.port, path=path, height=height)
        return None
    address = f"{proxy}proxy/{running.port}{path}" if proxy else running.url
    return HTML(_frame("src", address, height))


def find_proxy() -> tuple[str, frozenset[str]]:
    """(What stands between browser and kernel, names that the Host header may have).

    The first is "colab", the path of a JupyterHub's proxy, or "" for none. A proxy has names of its own, so
    any is let in there; the token is asked for all the same.
    """
    if importlib.util.find_spec("google") and importlib.util.find_spec("google.colab"):
        return "colab", frozenset({"*"})
    prefix = os.environ.get("JUPYTERHUB_SERVICE_PREFIX", "")
    return prefix, frozenset({"*"} if prefix else {"localhost"})


def _server(composer: Musician, folder: str, hosts: frozenset[str]) -> Running:
    from dataclasses import replace

    from hrpe_jax.server.jobs import Jobs
    from hrpe_jax.server.serve import access_for, listen, start
    from hrpe_jax.server.store import Store

    running = _running.get(folder)
    if running is None or not running.thread.is_alive():
        access = replace(access_for("127.0.0.1"), hosts=hosts)
        jobs = Jobs(lambda: composer)
        running = start(Store(folder), jobs, access, listen("127.0.0.1", 0))
        _running[folder] = running
    return running


def _frame_of_page(composer: Musician, height: int) -> str:
    """A page of pieces that needs no server, in a frame."""
    from hrpe_jax.formats.page.html import PagePiece, build_page

    pieces = [PagePiece(score) for score in composer.compose(num_pieces=_STATIC_PIECES)]
    return _frame("srcdoc", build_page(pieces, "hrpe_jax"), height)


def _frame(kind: str, content: str, height: int) -> str:
    style = f"width:100%;height:{int(height)}px;border:0;border-radius:8px"
    # In a block of its own: IPython warns of a frame alone.
    return f'<div><iframe {kind}="{escape(content)}" style="{style}" allow="autoplay"></iframe></div>'
