"""What a page shows, as JSON values: of a state its bars, notes, chords, sections and what can be undone;
and what the controls offer."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from hrpe_jax.arranging.styles import band_names
from hrpe_jax.codec.columns import STYLES
from hrpe_jax.formats.page.html import pretty
from hrpe_jax.server.edit_music import bar_text
from hrpe_jax.server.edit_piece import MAX_TEMPO, MIN_TEMPO
from hrpe_jax.server.jobs import Job
from hrpe_jax.server.project import Document
from hrpe_jax.server.state import State, sounding_chords
from hrpe_jax.server.suggestions import WHAT, WISHES
from hrpe_jax.server.transfer import KINDS
from hrpe_jax.theory.chord import to_lead_sheet
from hrpe_jax.theory.function import function_code, roman_numeral
from hrpe_jax.theory.key import Key, Mode

METERS = ("4/4", "3/4", "2/4", "6/8", "9/8", "12/8", "2/2", "5/4")
_MODES: tuple[Mode, ...] = ("major", "minor")
_STEPS = 50
"""Steps of the history that a page lists."""


def document_view(document: Document) -> dict[str, Any]:
    """A project as its page shows it."""
    return {
        "id": document.id,
        "revision": document.revision,
        **state_view(document.state),
        "undo": document.past[-1].label if document.past else None,
        "redo": document.future[-1].label if document.future else None,
        "steps": len(document.past),
        "history": [[step.label, step.time] for step in document.past[: -_STEPS - 1 : -1]],
        "versions": [[version.name, version.time] for version in document.versions],
    }


def state_view(state: State) -> dict[str, Any]:
    """A state as a page shows it; ticks, 12 to the quarter note; bars from 1.

    Notes are `[tick, ticks, pitch, velocity, syllable, locked]`, chords `[tick, ticks, symbol, numeral,
    function, locked]`, sections `[letter, first bar, bars]`, bars `[tick, ticks, chords as text, locked]`.
    """
    score = state.score
    key = score.key
    return {
        "title": score.title,
        "composer": score.composer,
        "key": key.name,
        "key_shown": pretty(key.name),
        "tonic": key.tonic,
        "scale": list(key.scale),
        "fifths": key.fifths,
        "meter": str(score.meter),
        "beat": score.meter.beat_ticks,
        "bar": score.meter.bar_ticks,
        "tempo": score.tempo_bpm,
        "bars": [
            [start, length, bar_text(score, start, length), number in state.locks.bars]
            for number, (start, length) in enumerate(state.bars, 1)
        ],
        "notes": [
            [n.onset, n.duration, n.pitch, n.velocity, n.lyric, n.onset in state.locks.notes]
            for n in score.melody
        ],
        "chords": [
            [
                span.onset,
                span.duration,
                pretty(to_lead_sheet(span.chord, key)),
                pretty(roman_numeral(span.chord, key)) if not span.chord.is_none else "",
                function_code(span.chord, key),
                span.onset in state.locks.chords,
            ]
            for span in sounding_chords(score)
        ],
        "form": [[section.letter, section.first_bar + 1, section.bars] for section in score.form],
        "settings": asdict(state.settings),
    }


def job_view(job: Job) -> dict[str, Any]:
    """A job and its answer."""
    return {
        "id": job.id,
        "kind": job.kind,
        "status": job.status,
        "seconds": round(job.seconds, 3),
        "answer": job.extra,
        "candidates": [
            {"first": c.first, "last": c.last, "about": c.about, **state_view(c.state)}
            for c in job.candidates
        ],
    }


def choices() -> dict[str, Any]:
    """What the controls offer: keys as [name, shown], meters, styles, bands, files, kinds of suggestions."""
    keys = [Key(tonic, mode).name for mode in _MODES for tonic in range(12)]
    return {
        "keys": [[name, pretty(name)] for name in keys],
        "meters": list(METERS),
        "styles": list(STYLES),
        "bands": list(band_names()),
        "what": list(WHAT),
        "wishes": [wish for wish in WISHES if wish],
        "export": list(KINDS),
        "tempo": [MIN_TEMPO, MAX_TEMPO],
    }
