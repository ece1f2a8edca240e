from __future__ import annotations

import pytest

from hrpe_jax.metrics import harmony
from hrpe_jax.metrics.arrays import Undefined
from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter

C, G7 = Chord(0, "maj"), Chord(7, "7")


def song(melody: list[Note], chords: list[ChordSpan], key: Key = Key(0, "major")) -> Score:  # noqa: B008
    return Score("t", "", key, Meter(4, 4), 120.0, tuple(melody), tuple(chords))


# One bar of C, one of G7; the note E is held over the change for as long as before it.
SONG = song(
    [Note(0, 12, 60), Note(12, 24, 62), Note(36, 24, 64), Note(72, 12, 65), Note(84, 12, 66)],
    [ChordSpan(0, 48, C), ChordSpan(48, 48, G7)],
)


def test_chord_tone_ratio() -> None:
    assert harmony.chord_tone_ratio(SONG) == pytest.approx(3 / 5)  # C E F; not D, F#
    assert harmony.chord_tone_ratio(SONG, "duration") == pytest.approx((12 + 12 + 12) / 84)
    assert harmony.chord_tone_ratio(SONG, "strong") == 1.0  # C at 0, F at 72


def test_chance_is_the_mean_over_transpositions_of_the_melody() -> None:
    ratios = [
        harmony.chord_tone_ratio(
            song([Note(n.onset, n.duration, n.pitch + up) for n in SONG.melody], list(SONG.chords)),
            "duration",
        )
        for up in range(12)
    ]
    assert harmony.chord_tone_chance(SONG, "duration") == pytest.approx(sum(ratios) / 12)


def test_transposing_everything_changes_nothing() -> None:
    for up in (-5, 3, 6):
        assert harmony.chord_tone_ratio(SONG.transpose(up)) == harmony.chord_tone_ratio(SONG)
        assert harmony.in_key_share(SONG.transpose(up)) == harmony.in_key_share(SONG)


def test_in_key_share() -> None:
    assert harmony.in_key_share(SONG) == pytest.approx(72 / 84)
    assert harmony.in_key_share(SONG, "notes") == pytest.approx(4 / 5)
    leading = song([Note(0, 12, 68), Note(12, 12, 66)], [], Key(9, "minor"))  # G# and F# in A minor
    assert harmony.in_key_share(leading) == 1.0


def test_nothing_to_judge() -> None:
    note = Note(0, 12, 60)
    for metric in (
        harmony.chord_tone_ratio,
        harmony.ctnctr,
        harmony.pitch_consonance,
        harmony.melody_chord_tonal_distance,
    ):
        with pytest.raises(Undefined, match="it has no chords"):
            metric(song([note], [ChordSpan(0, 48, Chord.NONE)]))
        with pytest.raises(Undefined, match="no note of its melody is over a chord"):
            metric(song([note], [ChordSpan(12, 36, C)]))
        with pytest.raises(Undefined, match="it has no melody"):
            metric(song([], [ChordSpan(0, 48, C)]))
    with pytest.raises(Undefined, match="it has no melody"):
        harmony.in_key_share(song([], []))
    with pytest.raises(Undefined, match="it is empty"):
        harmony.out_of_key_share(song([], []))
