from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from hrpe_jax.arranging.voicing import (
    BASS_HIGH,
    BASS_LOW,
    Voicing,
    _move,
    _place_cost,
    voice_chord,
    voice_progression,
)
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


def test_voices_hold_common_tones_and_go_by_steps() -> None:
    names = ["Cmaj7", "Am7", "Dm7", "G7", "Em7", "A7", "Dm7", "G7", "Cmaj7", "Fmaj7", "Bm7b5", "E7", "Am7"]
    hands = [voicing.upper for voicing in voice_progression([parse_lead_sheet(n) for n in names]) if voicing]
    moves = [abs(b - a) for old, new in pairwise(hands) for a, b in zip(old, new, strict=True)]
    held = sum(len({*old} & {*new}) for old, new in pairwise(hands))
    assert max(moves) <= 4
    assert sum(moves) / len(moves) <= 1.6
    # What neighbours have in common stays where it is, nearly always.
    common = [{p % 12 for p in old} & {p % 12 for p in new} for old, new in pairwise(hands)]
    assert held >= 0.8 * sum(map(len, common))


@given(chords)
def test_thirds_and_sevenths_in_the_bass_are_not_doubled(chord: Chord) -> None:
    interval = (chord.bass - chord.root) % 12
    voicing = voice_chord(chord)
    if interval in {3, 4, 10, 11} & INTERVALS[chord.quality]:
        assert chord.bass not in {pitch % 12 for pitch in voicing.upper}
    tripled = [pitch % 12 for pitch in voicing.pitches]
    assert max(tripled.count(pitch_class) for pitch_class in tripled) <= 3


def test_the_whole_progression_is_looked_at() -> None:
    """Never dearer than going from chord to chord, each time to the nearest."""
    names = ["C", "E7/G#", "Am", "C7/G", "F", "Fm", "C/G", "G7", "C", "Ab", "Bb", "C"]
    progression = [parse_lead_sheet(name) for name in names]
    greedy = [voice_chord(progression[0])]
    for chord in progression[1:]:
        greedy.append(voice_chord(chord, greedy[-1]))

    def cost(voicings: list[Voicing]) -> float:
        moves = sum(_move(old, new) for old, new in pairwise(voicings))
        return moves + sum(map(_place_cost, voicings))

    best = [voicing for voicing in voice_progression(progression) if voicing]
    assert [v.bass for v in best] == [v.bass for v in greedy]
    assert cost(best) <= cost(greedy)
