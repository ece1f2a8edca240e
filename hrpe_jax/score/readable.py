"""A piece as somebody would write it down: note ends where a reader expects them, a pickup as a pickup.

What was sung stops a little before the next note, or a sixteenth into a rest. On paper that is noise. The
MIDI file keeps what was sung; only print is made readable.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace

from hrpe_jax.score.score import ChordSpan, Note, Score

_EIGHTH, _SIXTEENTH, _TRIPLET = 6, 3, 4


def make_readable(score: Score) -> Score:
    """The score with its note ends snapped, and an empty beginning made a pickup bar.

    Args:
        score: as played.

    Returns:
        A score with the same notes at the same places, all earlier by `pickup_shift(score)`.
    """
    return cut_pickup(replace(score, melody=snap_ends(score)))


def snap_ends(score: Score) -> tuple[Note, ...]:
    """The melody with ends that can be read.

    A silence shorter than an eighth before the next note or bar line goes; another end moves to the nearest
    eighth, or in a triplet to the nearest third of its beat.
    """
    bars = score.bar_starts()
    notes: list[Note] = []
    for index, note in enumerate(score.melody):
        bar = bisect_right(bars, note.onset) - 1
        line = bars[bar + 1] if bar + 1 < len(bars) else bars[bar] + score.meter.bar_ticks
        after = score.melody[index + 1].onset if index + 1 < len(score.melody) else max(score.end, note.end)
        end = _readable_end(note, bars[bar], line, after)
        notes.append(replace(note, duration=end - note.onset))
    return tuple(notes)


def _readable_end(note: Note, bar: int, line: int, after: int) -> int:
    off = [place for place in (note.onset, after) if bar <= place < line and (place - bar) % _SIXTEENTH]
    unit = _TRIPLET if off else _EIGHTH
    if 0 <= after - note.end < unit:
        return after
    if 0 < line - note.end < unit and line <= after:
        return line
    if line < note.end:  # over bar lines the grid is counted from the last of them
        bar = line + (note.end - line) // _EIGHTH * _EIGHTH
    end = bar + (note.end - bar + unit // 2) // unit * unit
    if end <= note.onset:
        end += unit
    return min(end, after)


def pickup_shift(score: Score) -> int:
    """Ticks of whole beats at the beginning in which nothing sounds: what a pickup bar leaves out.

    Returns:
        0 where the first bar is not a full one, has a chord, or its first half has a note.
    """
    bars = score.bar_starts()
    length = bars[1] if len(bars) > 1 else score.end
    chord = next((span.onset for span in score.chords if not span.chord.is_none), score.end)
    note = score.melody[0].onset if score.melody else 0
    full = score.meter.bar_ticks
    if length != full or chord < full or not full // 2 <= note < full:
        return 0
    return note // score.meter.beat_ticks * score.meter.beat_ticks


def cut_pickup(score: Score) -> Score:
    """The score without the silence before its pickup; the very score where it has none."""
    shift = pickup_shift(score)
    if not shift:
        return score
    chords = [_earlier(span, shift) for span in score.chords if span.end > shift]
    resets = [tick - shift for tick in score.bar_resets]
    return replace(
        score,
        melody=tuple(replace(note, onset=note.onset - shift) for note in score.melody),
        chords=tuple(chords),
        bar_resets=(score.meter.bar_ticks - shift, *resets),
    )


def _earlier(span: ChordSpan, shift: int) -> ChordSpan:
    onset = max(0, span.onset - shift)
    return replace(span, onset=onset, duration=span.end - shift - onset)
