"""Random scores for property tests of the codecs."""

from __future__ import annotations

from hypothesis import strategies as st

from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.theory.chord import QUALITIES, Chord
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter

METERS = tuple(
    Meter.parse(text)
    for text in ("4/4", "3/4", "2/4", "6/8", "7/8", "12/8", "5/4", "6/4", "2/2", "3/8", "5/16")
)


@st.composite
def chords(draw: st.DrawFn) -> Chord:
    """Any chord of the vocabulary, sometimes none, sometimes over a foreign bass."""
    if draw(st.integers(0, 5)) == 0:
        return Chord.NONE
    root = draw(st.integers(0, 11))
    return Chord(root, draw(st.sampled_from(QUALITIES)), draw(st.none() | st.integers(0, 11)))


@st.composite
def scores(draw: st.DrawFn) -> Score:
    """Scores with gaps, long notes and chords, off-beat chords, short bars and odd meters."""
    ticks = st.integers(1, 20) | st.sampled_from((1, 6, 12, 24, 48, 49, 100, 300))
    gaps = st.just(0) | st.integers(0, 60)
    notes, spans, tick = [], [], 0
    for _ in range(draw(st.integers(0, 12))):
        tick += draw(gaps)
        notes.append(Note(tick, draw(ticks), draw(st.integers(0, 127)), draw(st.integers(1, 127))))
        tick = notes[-1].end
    tick = 0
    for _ in range(draw(st.integers(0, 8))):
        tick += draw(gaps)
        spans.append(ChordSpan(tick, draw(st.sampled_from((12, 24, 36, 48, 192)) | ticks), draw(chords())))
        tick = spans[-1].end
    resets = draw(
        st.lists(st.integers(1, 400) | st.sampled_from((12, 24, 60, 72, 84)), max_size=4, unique=True)
    )
    key, meter = Key.from_index(draw(st.integers(0, 23))), draw(st.sampled_from(METERS))
    tempo = draw(st.floats(30, 240))
    return Score(
        "random", "", key, meter, tempo, tuple(notes), tuple(spans), bar_resets=tuple(sorted(resets))
    )
