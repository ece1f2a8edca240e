from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from hrpe_jax.score.voicing import BASS_HIGH, BASS_LOW, voice_chord, voice_progression
from hrpe_jax.theory.chord import QUALITIES, Chord, parse_lead_sheet
from hrpe_jax.theory.quality import INTERVALS

chords = st.builds(Chord, st.integers(0, 11), st.sampled_from(QUALITIES), st.integers(0, 11))


@given(st.lists(chords, max_size=8))
def test_every_voicing_is_the_chord_and_playable(progression: list[Chord]) -> None:
    for chord, voicing in zip(progression, voice_progression(progression), strict=True):
        assert voicing is not None
        assert BASS_LOW <= voicing.bass <= BASS_HIGH
        assert voicing.bass % 12 == chord.bass
        assert {pitch % 12 for pitch in voicing.pitches} <= chord.pitch_classes
        assert 2 <= len(voicing.upper) <= 4
        assert voicing.upper[-1] - voicing.upper[0] <= 12
        assert voicing.bass < voicing.upper[0]
        assert voicing.upper[-1] <= 76


@given(chords)
def test_third_and_seventh_are_always_there(chord: Chord) -> None:
    heard = {(pitch - chord.root) % 12 for pitch in voice_chord(chord).pitches}
    notes = INTERVALS[chord.quality]
    third = {4} if 4 in notes else {3}
    assert (notes & (third | {10, 11})) <= heard


def test_voices_move_little() -> None:
    names = ["C", "Am", "F", "G", "C/E", "F", "Dm7", "G7", "C", "Eb", "Ab", "Db", "G7", "C"]
    voicings = voice_progression([parse_lead_sheet(name) for name in names])
    tops = [voicing.upper[-1] for voicing in voicings if voicing]
    moves = [abs(b - a) for a, b in pairwise(tops)]
    assert max(moves) <= 5
    assert sum(moves) / len(moves) <= 2.5


def test_no_chord_is_silent_and_leading_goes_on_after_it() -> None:
    first, none, last = voice_progression([Chord(0, "maj"), Chord.NONE, Chord(0, "maj")])
    assert none is None
    assert first == last
