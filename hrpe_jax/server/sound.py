"""The sound of a state in pieces of two bars, part by part, so that it plays while it is rendered.

A piece of sound is named by what it holds. After an edit only the pieces that changed are rendered, and a
part that is muted or played alone costs nothing new. Rendered pieces overlap: each has a lead before its
first bar and a tail behind its last, and the page adds them up.
"""

from __future__ import annotations

import hashlib
import threading
import zlib
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hrpe_jax.arranging.arrange import BandOptions, arrange
from hrpe_jax.arranging.arrangement import Arrangement, Part
from hrpe_jax.arranging.styles import read_band
from hrpe_jax.errors import UserError
from hrpe_jax.formats.audio import audio_bytes, render_part
from hrpe_jax.score.score import Score
from hrpe_jax.server.state import State
from hrpe_jax.theory.meter import TICKS_PER_QUARTER

CHUNK_BARS = 2
LEAD, TAIL = 0.1, 1.6
"""Seconds of a piece of sound before its first and behind its last bar."""
_GAIN = 0.5
_EARLY = 2.0
"""Ticks by which a player may be early and still belong to the bar."""
_KEPT_BYTES = 24_000_000
"""Of rendered sound, since a page keeps what it got, and rendering is quick."""
_KEPT_PLANS = 2000


@dataclass(frozen=True)
class _Piece:
    """What is to be rendered: a part from tick 0 on, after `LEAD` seconds."""

    part: Part
    tempo: float
    seconds: float


class Sounds:
    """Plans and renders sound; for use by several threads."""

    def __init__(self) -> None:
        self._plans: OrderedDict[str, _Piece] = OrderedDict()
        self._rendered: OrderedDict[str, bytes] = OrderedDict()
        self._bands: OrderedDict[tuple[Score, str, str, str], Arrangement] = OrderedDict()
        self._size = 0
        self._guard = threading.Lock()
        self._rendering = threading.Lock()

    def plan(self, state: State, project: str, first: int, last: int) -> dict[str, Any]:
        """The pieces of some bars.

        Args:
            state: what is played.
            project: its id; the band's choices depend on it.
            first: bar, from 1.
            last: bar.

        Returns:
            `lead`, seconds of each piece before its `tick`; `parts`, their names; `chunks`, objects with
            `tick`, `ticks` and `parts`, the key of the sound of each part that plays there.
        """
        arrangement = self._band(state, project)
        bars = state.bars[first - 1 : last]
        chunks = []
        for place in range(0, len(bars), CHUNK_BARS):
            inside = bars[place : place + CHUNK_BARS]
            start, end = inside[0][0], sum(inside[-1])
            parts = {}
            for part in arrangement.parts:
                piece = _piece(part, start, end, state.score.tempo_bpm)
                if piece.part.notes:
                    parts[part.name.lower()] = self._planned(piece)
            chunks.append({"tick": start, "ticks": end - start, "parts": parts})
        names = [part.name.lower() for part in arrangement.parts]
        return {"lead": LEAD, "band": arrangement.band, "parts": names, "chunks": chunks}

    def _planned(self, piece: _Piece) -> str:
        key = hashlib.sha256(repr(piece).encode()).hexdigest()[:24]
        with self._guard:
            self._plans[key] = piece
            self._plans.move_to_end(key)
            while len(self._plans) > _KEPT_PLANS:
                self._plans.popitem(last=False)
        return key

    def wav(self, key: str) -> bytes:
        """The sound with this key as a WAV file.

        Raises:
            UserError: nobody planned it, or it is long ago.
        """
        with self._guard:
            if key in self._rendered:
                self._rendered.move_to_end(key)
                return self._rendered[key]
            piece = self._plans.get(key)
        if piece is None:
            raise UserError("this sound is not known any more; press play again")
        with self._rendering:  # the renderer holds the interpreter anyway
            samples = render_part(piece.part, piece.tempo, piece.seconds)
        fade = min(len(samples), 4800)
        samples[len(samples) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)[:, None]
        sound = audio_bytes(np.clip(samples * _GAIN, -1, 1))
        with self._guard:
            if key not in self._rendered:
                self._rendered[key] = sound
                self._size += len(sound)
            while self._size > _KEPT_BYTES:
                self._size -= len(self._rendered.popitem(last=False)[1])
        return sound

    def _band(self, state: State, project: str) -> Arrangement:
        place = (state.score, state.settings.band, state.settings.style, project)
        with self._guard:
            found = self._bands.get(place)
        if found is None:
            found = arrangement_of(state, project)
            with self._guard:
                self._bands[place] = found
                while len(self._bands) > 16:
                    self._bands.popitem(last=False)
        return found


def arrangement_of(state: State, project: str) -> Arrangement:
    """The state played by the band that its settings name, or by one that fits."""
    band = read_band(state.settings.band) if state.settings.band else None
    options = BandOptions(band, seed=zlib.crc32(project.encode()), style=state.settings.style)
    return arrange(state.score, options)


def _piece(part: Part, start: int, end: int, tempo: float) -> _Piece:
    """What a part plays between two ticks; what goes on from before was in the piece before."""
    tick = 60.0 / (tempo * TICKS_PER_QUARTER)
    lead = LEAD / tick
    notes = tuple(
        replace(
            note,
            onset=round(max(0.0, note.onset - start + lead), 3),
            end=round(note.end - start + lead, 3),
        )
        for note in part.notes
        if (start - _EARLY <= note.onset or start == 0) and note.onset < end - _EARLY
    )
    longest = max((note.end for note in notes), default=0.0) * tick
    seconds = max(LEAD + (end - start) * tick, longest) + TAIL
    return _Piece(replace(part, notes=notes), tempo, round(seconds, 3))
