"""The page of a run: piano rolls, chord charts, playback, and what the model says about its chords.

One file that loads nothing: style and script stand in it, named by their hashes in its content security
policy, which forbids every request. The pieces are data (JSON in a script element that is not run), so that
nothing in a title is ever markup. MIDI files are in the page; the others are linked beside it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from typing import Any

from hrpe_jax.arranging.arrange import arrange
from hrpe_jax.arranging.arrangement import (
    BASS_TRACK,
    CHORD_TRACK,
    DRUM_TRACK,
    MELODY_TRACK,
    Arrangement,
)
from hrpe_jax.formats.midi.write import midi_bytes
from hrpe_jax.score.notation import bar_lengths
from hrpe_jax.score.score import Score
from hrpe_jax.theory.chord import Chord, to_lead_sheet
from hrpe_jax.theory.function import function_code, roman_numeral

MAX_BARS = 256
"""Bars of a piece that are drawn and played; a page is no place for more."""


@dataclass(frozen=True)
class Choice:
    """What a model says of one chord event.

    Attributes:
        onset: tick.
        chord: the chord.
        probability: what the model gave it.
        alternatives: (chord, probability), likeliest first.
        links: (number of an earlier choice or -1 for the beginning, share of attention, content, distance,
            harmony, layer, head), strongest first; the parts in nats.
    """

    onset: int
    chord: Chord
    probability: float
    alternatives: tuple[tuple[Chord, float], ...] = ()
    links: tuple[tuple[int, float, float, float, float, int, int], ...] = ()


@dataclass(frozen=True)
class Sheet:
    """Engraved notes.

    Attributes:
        svg: text of the picture.
        marks: (tick, id of the note or rest that begins then, id of its measure), repeats played out.
    """

    svg: str
    marks: tuple[tuple[int, str, str], ...]


@dataclass(frozen=True)
class PagePiece:
    """A piece on the page.

    Attributes:
        score: its music.
        files: (what, address) of files beside the page, such as ("MusicXML", "piece-01.musicxml").
        choices: in order of onset; none where no model is asked.
        about: facts in a few words, by name.
        arrangement: what is played; None for the band that fits.
        audio: its sound as a data address ("data:audio/mpeg;base64,..."); "" for the page's own instruments.
        sheet: its notes engraved; None for none.
    """

    score: Score
    files: tuple[tuple[str, str], ...] = ()
    choices: tuple[Choice, ...] = ()
    about: Mapping[str, str] = field(default_factory=dict)
    arrangement: Arrangement | None = None
    audio: str = ""
    sheet: Sheet | None = None


def build_page(pieces: Sequence[PagePiece], title: str, more: int = 0) -> str:
    """The whole page as HTML text; equal arguments give equal text.

    Args:
        pieces: in order.
        title: of the page.
        more: how many pieces there are beside the page.
    """
    names = ("page.css", "sound.js", "page.js")
    style, sound, page = (files(__package__).joinpath(name).read_text("utf-8") for name in names)
    script = f"{sound}\n{page}"
    policy = f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'"
    if any(piece.audio for piece in pieces):
        policy += "; media-src data:"
    data = {"more": more, "pieces": [_piece(piece) for piece in pieces]}
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    # Nothing in the data may end the script element; in JSON these are the same characters.
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    safe = escape(title)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        f"<title>{safe}</title>\n<style>{style}</style></head>\n<body>\n"
        f'<main><header><h1>{safe}</h1><p id="intro"></p></header><div id="pieces"></div></main>\n'
        '<noscript><p class="note">This page draws and plays its pieces with a script.</p></noscript>\n'
        f'<script type="application/json" id="data">{text}</script>\n<script>{script}</script>\n'
        "</body></html>\n"
    )


def pretty(symbol: str) -> str:
    """A chord symbol or key with real sharps and flats: "F#m7b5/C" becomes "F♯m7♭5/C"."""
    symbol = re.sub(r"(?<![a-z])([A-G])(#+|b+)", lambda m: m[1] + _signs(m[2]), symbol)
    return re.sub(r"([#b])(?=\d)", lambda m: _signs(m[1]), symbol)


def _signs(text: str) -> str:
    return text.replace("#", "♯").replace("b", "♭")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _piece(piece: PagePiece) -> dict[str, Any]:
    score = piece.score
    bars = bar_lengths(score)[:MAX_BARS]
    end = bars[-1][0] + bars[-1][1]
    arrangement = piece.arrangement or arrange(score)

    def played(name: str) -> list[list[float]]:
        part = arrangement.part(name)
        notes = part.notes if part else ()
        inside = [note for note in notes if note.onset < end]
        return [[round(n.onset, 2), round(n.end - n.onset, 2), n.pitch, n.velocity] for n in inside]

    return {
        "id": score.id,
        "title": score.title or score.id,
        "key": pretty(score.key.name),
        "tonic": score.key.tonic,
        "meter": str(score.meter),
        "beat": score.meter.beat_ticks,
        "tempo": score.tempo_bpm,
        "bars": bars,
        "hidden": len(bar_lengths(score)) - len(bars),
        "band": arrangement.band,
        "melody": played(MELODY_TRACK),
        "chords": played(CHORD_TRACK),
        "bass": played(BASS_TRACK),
        "drums": played(DRUM_TRACK),
        "audio": piece.audio,
        "sheet": None if piece.sheet is None else [piece.sheet.svg, list(map(list, piece.sheet.marks))],
        "symbols": [
            [
                span.onset,
                span.duration,
                pretty(to_lead_sheet(span.chord, score.key)),
                pretty(roman_numeral(span.chord, score.key)) if not span.chord.is_none else "",
                function_code(span.chord, score.key),
            ]
            for span in score.chords
            if span.onset < end
        ],
        "choices": [
            [
                choice.onset,
                pretty(to_lead_sheet(choice.chord, score.key)),
                _short(choice.probability),
                [[pretty(to_lead_sheet(c, score.key)), _short(p)] for c, p in choice.alternatives],
                [[link[0], *(_short(value) for value in link[1:5]), *link[5:]] for link in choice.links],
            ]
            for choice in piece.choices
            if choice.onset < end
        ],
        "about": dict(piece.about),
        "files": [list(file) for file in piece.files],
        "midi": base64.b64encode(midi_bytes(score, arrangement)).decode(),
    }


def _short(value: float) -> float:
    """Three digits are enough to look at."""
    return float(f"{value:.3g}")
