"""The tools that an assistant has over MCP: lead sheets as ABC in, lead sheets as ABC out.

No tool takes a path. A lead sheet comes as text (ABC, MusicXML, ChordPro or a chord grid), or as the id of a
project of the studio's folder; one that is kept becomes a project there.
"""

from __future__ import annotations

import base64
import functools
import re
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hrpe_jax.errors import UserError
from hrpe_jax.formats.abc.write import abc_text
from hrpe_jax.metrics.arrays import Undefined, piece_of
from hrpe_jax.metrics.registry import METRICS
from hrpe_jax.server import new_piece
from hrpe_jax.server import suggestions as ask
from hrpe_jax.server.edits import act
from hrpe_jax.server.explanations import explain_chords
from hrpe_jax.server.sheet import Engraver
from hrpe_jax.server.state import State, empty_state
from hrpe_jax.server.store import Store
from hrpe_jax.server.suggestions import Candidate, Musician
from hrpe_jax.server.transfer import KINDS, export, read_upload

if TYPE_CHECKING:
    from mcp.server import MCPServer

_PROJECT = re.compile(r"[0-9a-f]{12}")
_MAX_TEXT = 200_000
_INSTRUCTIONS = """Writes and edits lead sheets (a melody with chords) with a model on this machine.
A sheet is given as ABC, MusicXML, ChordPro or a chord grid, or as the id of a project. Answers are ABC.
Bars are numbered from 1. Chords may be symbols (Am7) or numerals (ii V I)."""


class Assistant:
    """What the tools share.

    Args:
        load: gives the model; called when a tool first needs it.
        store: the projects.
    """

    def __init__(self, load: Callable[[], Musician], store: Store) -> None:
        self._load, self.store = load, store
        self._composer: Musician | None = None
        self._busy = threading.Lock()

    def model(self, work: Callable[[Musician], Any]) -> Any:
        """Does something with the model, one thing at a time."""
        with self._busy:
            if self._composer is None:
                self._composer = self._load()
            return work(self._composer)

    def state(self, sheet: str) -> State:
        """The state of a sheet.

        Raises:
            UserError: it cannot be read.
        """
        text = sheet.strip()
        if _PROJECT.fullmatch(text):
            return self.store.get(text).state
        if not text or len(text) > _MAX_TEXT:
            raise UserError(f"sheet: expected a lead sheet as text of at most {_MAX_TEXT} characters")
        suffix = "musicxml" if text.startswith("<") else "abc" if text.startswith(("X:", "%")) else "txt"
        return read_upload(text.encode(), f"sheet.{suffix}")


def build_server(assistant: Assistant) -> MCPServer:
    """The MCP server with its tools."""
    from mcp.server import MCPServer

    server = MCPServer("hrpe_jax", instructions=_INSTRUCTIONS)
    for tool in _tools(assistant):
        server.tool()(_told(tool))
    return server


def _told(tool: Callable[..., Any]) -> Callable[..., Any]:
    """A tool whose errors of the user are answers in one line."""
    from mcp.server.mcpserver.exceptions import ToolError

    @functools.wraps(tool)
    def _telling(*args: Any, **kwargs: Any) -> Any:
        try:
            return tool(*args, **kwargs)
        except UserError as error:
            raise ToolError(str(error).replace("--", "")) from None

    return _telling


def _tools(assistant: Assistant) -> list[Callable[..., Any]]:
    def compose(
        chords: str = "",
        key: str = "C major",
        meter: str = "4/4",
        tempo: float = 110.0,
        bars: int = 16,
        form: str = "",
        style: str = "",
        range: str = "",
        count: int = 1,
        seed: int = 0,
    ) -> list[dict[str, Any]]:
        """Composes lead sheets. Chords such as "| C | Am F | ? | G7 |" are kept; ? is for the model to
        fill. A form such as A8B8A8 says which sections come again."""
        state = empty_state(max(1, min(bars, 128)))
        edits: list[dict[str, Any]] = [
            {"do": "set_key", "key": key},
            {"do": "set_meter", "meter": meter},
            {"do": "set_tempo", "tempo": tempo},
            {"do": "set_settings", "style": style, "range": range},
            *([{"do": "set_form", "text": form}] if form else []),
            *([{"do": "set_chords", "bar": 1, "text": chords}] if chords else []),
        ]
        for edit in edits:
            state = act(state, edit)
        return _sheets(
            assistant.model(lambda composer: new_piece.compose(composer, state, _few(count), seed))
        )

    def suggest(
        sheet: str,
        first_bar: int,
        last_bar: int,
        what: str = "both",
        wish: str = "",
        count: int = 4,
        seed: int = 0,
    ) -> list[dict[str, Any]]:
        """Writes bars of a sheet anew; the rest stays as it is. `what` is melody, chords, both, rhythm,
        pitches or vary; `wish` may be less busy, busier, higher or lower."""
        state = assistant.state(sheet)
        return _sheets(
            assistant.model(
                lambda composer: ask.suggest(
                    composer, state, first_bar, last_bar, what, _few(count), wish=wish, seed=seed
                )
            )
        )

    def harmonise(sheet: str, count: int = 2, seed: int = 0) -> list[dict[str, Any]]:
        """Finds chords for the melody of a sheet; the first answer is the safe one."""
        state = assistant.state(sheet)
        last = len(state.bars)
        return _sheets(
            assistant.model(lambda composer: ask.harmonize(composer, state, 1, last, _few(count), seed))
        )

    def evaluate(sheet: str) -> dict[str, Any]:
        """Measures a sheet: how the melody fits the chords, and what else the metrics of single pieces say.
        What is better is closeness to real music, never a high or low number."""
        piece = piece_of(assistant.state(sheet).score)
        found: dict[str, Any] = {}
        for metric in (one for one in METRICS if one.kind == "piece" and one.recommended):
            try:
                found[metric.name] = {
                    "value": round(float(metric.function(piece, **metric.options)), 4),
                    "title": metric.title,
                    "direction": metric.direction,
                }
            except Undefined as reason:
                found[metric.name] = {"value": None, "title": metric.title, "reason": str(reason)}
        return found

    def explain(sheet: str) -> dict[str, Any]:
        """Why the model would write the chords of a sheet: how likely each was, what else it expected, and
        which earlier chords it attended to."""
        state = assistant.state(sheet)
        told: dict[str, Any] = assistant.model(lambda composer: explain_chords(composer, state))
        return told

    def render(sheet: str, kind: str = "musicxml") -> dict[str, str]:
        """A sheet as a file: musicxml, abc or txt as text, svg as one picture a line, mid, pdf or wav
        (with a band) in base64."""
        state = assistant.state(sheet)
        if kind == "svg":
            engraver, parts = Engraver(), 1
            lines: list[str] = []
            number = 0
            while number < parts:
                part = engraver.part(state, number, 4)
                parts = part["parts"]
                lines += [line["svg"] for line in part["lines"]]
                number += 1
            return {"kind": kind, "text": "\n".join(lines)}
        data = export(state, kind, "assistant")
        if kind in ("musicxml", "abc", "txt", "json"):
            return {"kind": kind, "text": data.decode()}
        return {"kind": kind, "type": KINDS[kind], "base64": base64.b64encode(data).decode()}

    def projects() -> list[dict[str, str]]:
        """The user's projects in the studio: their ids and titles."""
        return [
            {"id": one.id, "title": one.title, "changed": time.strftime("%Y-%m-%d", time.gmtime(one.changed))}
            for one in assistant.store.list()
        ]

    def read(sheet: str) -> dict[str, Any]:
        """A project, or any sheet, as ABC with its chords by bar."""
        return _sheet(assistant.state(sheet), "")

    def keep(sheet: str, title: str) -> dict[str, str]:
        """Keeps a sheet as a new project, which the user can open in the studio."""
        state = act(assistant.state(sheet), {"do": "set_title", "title": title})
        return {"id": assistant.store.create(state).id, "title": title}

    return [compose, suggest, harmonise, evaluate, explain, render, projects, read, keep]


def _few(count: int) -> int:
    if not 1 <= count <= ask.MAX_COUNT:
        raise UserError(f"count: expected 1 to {ask.MAX_COUNT}, got {count}")
    return count


def _sheets(found: list[Candidate]) -> list[dict[str, Any]]:
    return [_sheet(one.state, one.about) for one in found]


def _sheet(state: State, about: str) -> dict[str, Any]:
    from hrpe_jax.server.edit_music import bar_text

    chords = [bar_text(state.score, start, length) for start, length in state.bars]
    told = {"abc": abc_text(state.score), "chords": f"| {' | '.join(chords)} |", "key": state.score.key.name}
    return {**told, "bars": len(chords), **({"about": about} if about else {})}
