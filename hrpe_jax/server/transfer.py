"""Files in and out: uploads read in a process of their own, with limits; projects written as music files."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from hrpe_jax.analysis.find_form import find_form
from hrpe_jax.errors import UserError, cut
from hrpe_jax.formats.abc.write import write_abc
from hrpe_jax.formats.audio import audio_bytes, render
from hrpe_jax.formats.engrave import write_pdf
from hrpe_jax.formats.json import score_from_values, score_values
from hrpe_jax.formats.midi.write import midi_bytes
from hrpe_jax.formats.musicxml.write import READABLE, musicxml_bytes
from hrpe_jax.formats.write import write_score
from hrpe_jax.preprocessing.pool import map_files
from hrpe_jax.readers.read import read_first
from hrpe_jax.score.score import Score
from hrpe_jax.server.sound import arrangement_of
from hrpe_jax.server.state import State, sounding_chords, state_of, with_form

READ_SECONDS, READ_MEGABYTES = 15.0, 2000
KINDS = {
    "mid": "audio/midi",
    "musicxml": "application/vnd.recordare.musicxml+xml",
    "abc": "text/vnd.abc; charset=utf-8",
    "pdf": "application/pdf",
    "wav": "audio/wav",
    "txt": "text/plain; charset=utf-8",
    "json": "application/json",
}
"""What a project is written as, and the type of each."""


def read_upload(data: bytes, name: str, workers: int = 1) -> State:
    """Reads a music file that came over the network.

    Args:
        data: its bytes.
        name: as the browser says; only its suffix and its words are used.
        workers: 1 for a process of its own, which time and memory limits end; 0 for this one.

    Raises:
        UserError: it is no music, or takes too much time or memory.
    """
    suffix = Path(name).suffix.lower()
    suffix = suffix if re.fullmatch(r"\.[a-z0-9]{1,9}", suffix) else ""
    stem = " ".join(re.sub(r"[^\w\- ]+", " ", Path(name).stem.replace("_", " ")).split())[:80] or "Imported"
    with tempfile.TemporaryDirectory(prefix="hrpe-jax-") as folder:
        path = Path(folder) / f"upload{suffix}"
        path.write_bytes(data)
        results = map_files(
            _read,
            [str(path)],
            workers=workers,
            failed=_failed,
            seconds=READ_SECONDS,
            megabytes=READ_MEGABYTES,
        )
        (_, (values, problem)) = next(iter(results))
        if values is None:
            raise UserError(f"{cut(name, 80)}: {problem.replace(str(path), '').lstrip(': ')}")
    score = score_from_values(values)
    title = stem if score.title in ("", "upload") else score.title
    return imported(replace(score, title=title, id="piece"))


def imported(score: Score) -> State:
    """The state of a score that was read; its form is found where the file does not tell it."""
    state = state_of(score)
    if not score.form and (score.melody or sounding_chords(score)):
        found = find_form(state.score)
        if found:
            state = State(with_form(state.score, found))
    return state


def _read(path: str) -> tuple[dict[str, object] | None, str]:
    """Runs in the process of its own."""
    try:
        return score_values(read_first(path).score), ""
    except UserError as error:
        return None, str(error)


def _failed(path: str, reason: str, detail: str) -> tuple[None, str]:
    words = {
        "too_slow": f"takes longer than {READ_SECONDS:.0f} seconds to read",
        "too_much_memory": "takes too much memory to read",
    }
    return None, words.get(reason, f"cannot be read ({detail[:200]})")


def export(state: State, kind: str, project: str) -> bytes:
    """A state as the bytes of a music file.

    Args:
        state: what is written.
        kind: one of `KINDS`.
        project: its id; the band's choices depend on it.

    Raises:
        UserError: another kind, a missing extra, or sound that would be too long.
    """
    score = state.score
    if kind not in KINDS:
        raise UserError(f"{cut(kind)!r}: expected one of {', '.join(KINDS)}")
    if kind == "mid":
        return midi_bytes(score, arrangement_of(state, project))
    if kind == "musicxml":
        return musicxml_bytes(score, 0, READABLE)
    if kind == "wav":
        return audio_bytes(render(score, arrangement_of(state, project)))
    writers: dict[str, Callable[[Score, Path], object]] = {"abc": write_abc, "pdf": write_pdf}
    with tempfile.TemporaryDirectory(prefix="hrpe-jax-") as folder:
        path = Path(folder) / f"piece.{kind}"
        writers.get(kind, write_score)(score, path)
        return path.read_bytes()


def file_name(state: State, kind: str) -> str:
    """A name for the file, of letters and digits that every system takes."""
    return (re.sub(r"[^A-Za-z0-9]+", "_", state.score.title).strip("_")[:60] or "piece") + f".{kind}"
