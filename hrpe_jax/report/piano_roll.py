"""A score as a piano roll under chord names, as an SVG that the style sheet of its page colours."""

from __future__ import annotations

from html import escape

from hrpe_jax.codec.bars import bar_spans
from hrpe_jax.score.score import Score
from hrpe_jax.theory.chord import to_lead_sheet
from hrpe_jax.theory.function import roman_numeral
from hrpe_jax.theory.pitch import midi_name

TICK, ROW, TOP, LEFT = 2.5, 7, 44, 4
"""Pixels of a tick and of a semitone, and of the room above the notes and at the left."""

STYLE = """
svg{display:block}svg text{font:12px system-ui,sans-serif;fill:var(--ink)}
svg .small{font-size:10px;fill:var(--soft)}svg .chord{fill:var(--chord);font-weight:600}
svg .line{stroke:var(--line)}svg .row{fill:var(--row)}svg .note{fill:var(--note)}
"""
"""Needs the colours --ink, --soft, --line, --row, --note and --chord of the page."""


def roll_of(score: Score) -> str:
    """Bars, chord names with numerals, and the melody as an SVG; a scale of pitches at the left."""
    spans, pitches = bar_spans(score), [note.pitch for note in score.melody]
    low, high = (min(pitches) - 2, max(pitches) + 2) if pitches else (60, 59)
    width = round(LEFT + (spans[-1][0] + spans[-1][1] if spans else 1) * TICK + 8)
    height = TOP + (high - low + 1) * ROW + 4
    parts = [
        f'<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(_plain(score.id))}: {len(spans)} bars, {len(pitches)} notes">'
    ]
    for pitch in range(low, high + 1):
        if (pitch - score.key.tonic) % 12 in (0, 7):  # tonic and fifth, to see degrees by
            parts.append(f'<rect class="row" x="0" y="{_y(pitch, high)}" width="{width}" height="{ROW}"/>')
    for at, (start, length) in enumerate(spans, 1):
        x = _x(start)
        parts.append(f'<line class="line" x1="{x}" y1="0" x2="{x}" y2="{height}"/>')
        short = "*" if length < score.meter.bar_ticks else ""
        parts.append(f'<text class="small" x="{x + 3:.1f}" y="11">{at}{short}</text>')
    for span in score.chords:
        if span.chord.is_none:
            continue
        x, name = _x(span.onset) + 3, escape(to_lead_sheet(span.chord, score.key))
        fit = f' textLength="{span.duration * TICK - 4:.0f}" lengthAdjust="spacingAndGlyphs"'
        squeeze = fit if 7.5 * len(name) > span.duration * TICK else ""
        numeral = escape(roman_numeral(span.chord, score.key))
        squeeze2 = fit if 6 * len(numeral) > span.duration * TICK else ""
        parts.append(f'<text class="chord" x="{x:.1f}" y="26"{squeeze}>{name}</text>')
        parts.append(f'<text class="small" x="{x:.1f}" y="38"{squeeze2}>{numeral}</text>')
    for note in score.melody:
        beats = f"{note.duration / score.meter.beat_ticks:.3g}"
        label = f"{midi_name(note.pitch, score.key.fifths)}, {beats} beats"
        wide = max(1.5, note.duration * TICK - 1)
        parts.append(
            f'<rect class="note" x="{_x(note.onset)}" y="{_y(note.pitch, high)}" width="{wide:.1f}" '
            f'height="{ROW}" rx="2"><title>{label}</title></rect>'
        )
    for pitch in range(low, high + 1):
        if pitch % 12 == score.key.tonic:
            name = midi_name(pitch, score.key.fifths)
            parts.append(f'<text class="small" x="{LEFT + 2}" y="{_y(pitch, high) + ROW - 1}">{name}</text>')
    return "".join([*parts, "</svg>"])


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _x(tick: int) -> float:
    return round(LEFT + tick * TICK, 1)


def _y(pitch: int, high: int) -> int:
    return TOP + (high - pitch) * ROW
