"""What makes a score fit for training, stage by stage, and the reason where it is not.

A score serves the melody stage with a line of `LEAST_NOTES` notes on `LEAST_PITCHES` pitches that is not
silent nearly throughout, and the backbone stage with at least two different chords. One that serves neither
is rejected with a reason:

    empty          neither a note nor a chord
    too_short      fewer than `LEAST_NOTES` notes, and no chords
    one_pitch      fewer than `LEAST_PITCHES` different pitches, and no chords
    nearly_silent  notes sound less than `LEAST_SOUNDING` of the time, and no chords
    one_chord      one chord throughout, and no melody
    too_long       more than `MOST_BARS` bars
"""

from __future__ import annotations

from dataclasses import replace

from hrpe_jax.score.form import crop_form
from hrpe_jax.score.score import ChordSpan, Score, bar_spans

LEAST_NOTES = 8
LEAST_PITCHES = 3
LEAST_SOUNDING = 0.05
LEAST_CHORDS = 2
MOST_BARS = 4000


def trim(score: Score) -> Score:
    """The score without no-chord spans at its ends, and without silence at its beginning.

    Silent bars are left out. Silence before a pickup is left out too, in whole beats, so that the pickup
    stands in a short bar, as pickups are written: silence of half the first bar or more, and shorter where
    the chords begin in the next bar. Any other rest is meant. The last chord fills its bar.
    """
    spans: list[ChordSpan] = list(score.chords)
    while spans and spans[-1].chord.is_none:
        spans.pop()
    while spans and spans[0].chord.is_none:
        spans.pop(0)
    first = min((line[0].onset for line in (score.melody, spans) if line), default=0)
    form, score = score.form, replace(score, chords=tuple(spans), form=())
    silent = [start for start, _ in bar_spans(score) if start <= first]
    dropped = len(silent) - 1
    if dropped > 0:
        score = _earlier(score, silent[dropped])
        first -= silent[dropped]
    bar = bar_spans(score)[0][1] if first else 0
    waits = bool(score.chords) and score.chords[0].onset >= bar
    if first and (waits or 2 * first >= bar):
        rest = first // score.meter.beat_ticks * score.meter.beat_ticks
        score = _earlier(score, rest, bar - rest)
    score = fill_last_bar(score)
    return replace(score, form=crop_form(form, max(dropped, 0), len(score.bar_starts())))


def fill_last_bar(score: Score) -> Score:
    """The score with its last chord held to the end of its bar, where nothing but silence follows in it.

    A last bar is short where it makes up for a pickup, or where the last chord was played shorter; written as
    a full bar it would end with a chord that is none.
    """
    if not score.chords:
        return score
    *before, last = score.chords
    end = next(
        (start + length for start, length in bar_spans(score) if start < last.end <= start + length), 0
    )
    return replace(score, chords=(*before, replace(last, duration=max(end, last.end) - last.onset)))


def _earlier(score: Score, ticks: int, pickup: int = 0) -> Score:
    """The score so many ticks earlier, its first bar cut short to a pickup where that is not 0."""
    resets = {tick - ticks for tick in score.bar_resets if tick > ticks} | ({pickup} if pickup else set())
    return replace(
        score,
        melody=tuple(replace(note, onset=note.onset - ticks) for note in score.melody),
        chords=tuple(replace(span, onset=span.onset - ticks) for span in score.chords),
        bar_resets=tuple(sorted(resets)),
    )


def stages_of(score: Score) -> tuple[tuple[str, ...], tuple[str, str]]:
    """The stages that a score serves, and the reason code and detail that hold where it serves none."""
    notes, chords = score.melody, [span.chord for span in score.chords if not span.chord.is_none]
    if not notes and not chords:
        return (), ("empty", "neither a melody note nor a chord was found")
    bars = len(bar_spans(score))
    if bars > MOST_BARS:
        return (), ("too_long", f"{bars} bars: expected at most {MOST_BARS}")
    stages, reason = [], ("one_chord", "one chord throughout, and no melody")
    if len(set(chords)) >= LEAST_CHORDS:
        stages.append("backbone")
    pitches, sounding = len({note.pitch for note in notes}), sum(note.duration for note in notes)
    beside = "no chords" if not chords else "one chord throughout"
    if notes and len(notes) < LEAST_NOTES:
        reason = ("too_short", f"{len(notes)} notes and {beside}: expected {LEAST_NOTES} or more")
    elif notes and pitches < LEAST_PITCHES:
        reason = ("one_pitch", f"{pitches} different pitches and {beside}: expected {LEAST_PITCHES} or more")
    elif notes and sounding < LEAST_SOUNDING * score.end:
        reason = ("nearly_silent", f"notes sound {100 * sounding // score.end} % of the time and {beside}")
    elif notes:
        stages.append("melody")
    return tuple(stages), reason
