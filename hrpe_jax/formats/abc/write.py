"""Lead sheets as ABC 2.1 tunes, four bars to the line.

Accidentals are written wherever programs that carry them through the bar in one octave and those that carry
them in all octaves would differ. A note under which the chord changes is written as tied notes, since a
symbol can only stand over a note.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from hrpe_jax.formats.musicxml.write import plain_text, signature_alter, spelled
from hrpe_jax.score.notation import Bar, Symbol, write_bars
from hrpe_jax.score.score import Score
from hrpe_jax.score.written import cut_pickup
from hrpe_jax.theory.chord import to_lead_sheet
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.spelling import NoteName

_BARS_PER_LINE = 4
_EIGHTH = 12  # of `Symbol.value`
_SIGNS = {-2: "__", -1: "_", 0: "=", 1: "^", 2: "^^"}


def write_abc(score: Score, path: str | os.PathLike[str]) -> None:
    """Writes a score as an ABC file with one tune; its folder must exist. Loudness is not kept.

    As in MusicXML, silence before a pickup is left out: see `score.written.cut_pickup`.
    """
    Path(path).write_text(abc_text(cut_pickup(score)), encoding="utf-8", newline="\n")


def abc_text(score: Score) -> str:
    """The ABC tune of a score; equal scores give equal text."""

    def field(name: str, text: str) -> list[str]:
        text = plain_text(text).replace("\\", "\\\\").replace("%", "\\%")
        return [f"{name}:{text}"] if text else []

    tonic, mode = score.key.name.split()
    head = [
        "%abc-2.1",
        "X:1",
        *(field("T", score.title) or ["T:Untitled"]),
        *field("S", score.source),
        *field("N", score.license),
        f"M:{score.meter}",
        "L:1/8",
        f"Q:1/4={score.tempo_bpm:.6g}",
        f"K:{tonic}{'m' if mode == 'minor' else ''}",
    ]
    names, bars = spelled(score), write_bars(score, split_at_chords=True)
    texts = []
    meter = score.meter
    for bar in bars:
        change = f"[M:{bar.meter}]" if bar.meter != meter else ""
        meter = bar.meter
        texts.append(change + _bar(bar, score.key, names))
    lines = [texts[place : place + _BARS_PER_LINE] for place in range(0, len(texts), _BARS_PER_LINE)]
    body = [" | ".join(line) + (" |" if line is not lines[-1] else " |]") for line in lines]
    return "\n".join([*head, *body, ""])


def _bar(bar: Bar, key: Key, names: Sequence[NoteName]) -> str:
    """The bar's notes, those of a beat together so that they share a beam."""
    octaves: dict[tuple[str, int], int] = {}
    letters: dict[str, int] = {}
    symbols = {tick: to_lead_sheet(chord, key) for tick, chord in bar.chords}
    words: list[str] = []
    beat = 18 if bar.meter.is_compound else 12
    for index, symbol in enumerate(bar.symbols):
        text = f'"{symbols[symbol.onset]}"' if symbol.onset in symbols else ""
        if symbol.note is None:
            text += "z"
        else:
            name = names[symbol.note]
            text += _sign(name, key, octaves, letters) + _letter(name)
        text += _length(symbol) + ("-" if symbol.tie_to else "")
        if symbol.tuplet and symbol.tuplet[0]:
            text = f"(3:2:{_tuplet_length(bar.symbols[index:])}{text}"
        inside = symbol.tuplet is not None and not symbol.tuplet[0]
        same_beat = (symbol.onset - bar.start) % beat and index and bar.symbols[index - 1].shape[0] > 4
        if words and (inside or same_beat):
            words[-1] += text
        else:
            words.append(text)
    return " ".join(words)


def _tuplet_length(symbols: Sequence[Symbol]) -> int:
    """How many symbols the tuplet has that begins with the first of these."""
    return next(
        (n for n, symbol in enumerate(symbols, 1) if symbol.tuplet and symbol.tuplet[1]), len(symbols)
    )


def _length(symbol: Symbol) -> str:
    length = Fraction(symbol.value, _EIGHTH)
    if length.denominator == 1:
        return "" if length == 1 else str(length)
    return f"{length.numerator if length.numerator > 1 else ''}/{length.denominator}"


def _letter(name: NoteName) -> str:
    if name.octave >= 5:
        return name.step.lower() + "'" * (name.octave - 5)
    return name.step + "," * (4 - name.octave)


def _sign(name: NoteName, key: Key, octaves: dict[tuple[str, int], int], letters: dict[str, int]) -> str:
    """The accidental, unless signature and bar say it in either way of reading them."""
    signature = signature_alter(name.step, key.fifths)
    in_octave = octaves.get((name.step, name.octave), signature)
    in_all = letters.get(name.step, signature)
    if in_octave == in_all == name.alter:
        return ""
    octaves[name.step, name.octave] = letters[name.step] = name.alter
    return _SIGNS[name.alter]
