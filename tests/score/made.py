"""Made-up scores that notation has to get right: triplets, syncopations, rests, short bars, any key."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.theory.chord import QUALITIES, Chord
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter

METERS = ("4/4", "3/4", "6/8", "7/8", "2/2", "12/8", "5/16", "3/2")
_LENGTHS = st.sampled_from((1, 2, 3, 4, 5, 6, 6, 8, 9, 12, 12, 18, 24, 36, 50))
_GAPS = st.sampled_from((0, 0, 0, 0, 1, 3, 4, 6, 12, 24))
_CHORDS = st.builds(Chord, st.integers(0, 11), st.sampled_from(QUALITIES), st.integers(0, 11))


@st.composite
def scores(draw: st.DrawFn) -> Score:
    """A score with at least one note; chords that follow each other differ."""
    notes, spans, now = [], [], 0
    for gap, length in draw(st.lists(st.tuples(_GAPS, _LENGTHS), min_size=1, max_size=14)):
        notes.append(Note(now + gap, length, draw(st.integers(21, 108)), draw(st.integers(1, 127))))
        now = notes[-1].end
    now = 0
    for gap, length in draw(st.lists(st.tuples(_GAPS, st.sampled_from((6, 12, 18, 24, 48))), max_size=10)):
        chord = draw(_CHORDS)
        if not (spans and spans[-1].chord == chord and gap == 0):
            spans.append(ChordSpan(now + gap, length, chord))
            now = spans[-1].end
    return Score(
        id="tune",
        title=draw(st.sampled_from(("A tune", '<b> & "x"', "50% \\ of", "Ünï"))),
        key=Key.from_index(draw(st.integers(0, 23))),
        meter=Meter.parse(draw(st.sampled_from(METERS))),
        tempo_bpm=draw(st.sampled_from((60.0, 97.5, 120.0))),
        melody=tuple(notes),
        chords=tuple(spans),
        bar_resets=draw(st.sampled_from(((), (12,), (6, 60)))),
    )


def as_written(score: Score) -> Score:
    """What a notation without loudness holds of a score: no explicit no-chords either."""
    return replace(
        score,
        id="",
        source="",
        melody=tuple(replace(note, velocity=80) for note in score.melody),
        chords=tuple(span for span in score.chords if not span.chord.is_none),
    )
