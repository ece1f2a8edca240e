"""Chords and key of voices."""

from __future__ import annotations

from hrpe_jax.readers.part_songs import find_voice_chords, find_voice_key
from hrpe_jax.score.score import Note
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter


def voice(*pitches: int, duration: int = 12) -> list[Note]:
    return [Note(i * duration, duration, pitch) for i, pitch in enumerate(pitches)]


VOICES = [voice(67, 65, 65, 64), voice(64, 60, 62, 60), voice(60, 57, 59, 55), voice(48, 53, 43, 48)]


def test_four_chords() -> None:
    chords = find_voice_chords(VOICES, Meter(4, 4), ())
    assert [(span.onset, str(span.chord)) for span in chords] == [
        (0, "C:maj"),
        (12, "F:maj"),
        (24, "G:7"),
        (36, "C:maj"),
    ]
    assert find_voice_key(VOICES, 0, chords) == Key(0, "major")
    assert find_voice_key(VOICES, None, ()) == Key(0, "major")


def test_beats_restart_after_a_pickup_and_rests_change_nothing() -> None:
    late = [
        [Note(note.onset + 24 * (note.onset >= 18), note.duration, note.pitch) for note in line]
        for line in VOICES
    ]
    shifted = [[Note(n.onset + 6, n.duration, n.pitch) for n in line] for line in late]
    lead = [[Note(0, 6, line[0].pitch), *line] for line in shifted]
    chords = find_voice_chords(lead, Meter(4, 4), (6,))
    assert [span.onset for span in chords] == [0, 18, 54, 66]
    assert all(not span.chord.is_none for span in chords)
