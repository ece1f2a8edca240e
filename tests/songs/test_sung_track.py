from __future__ import annotations

from hrpe_jax.score.midi import MidiFile, MidiNote, MidiTrack
from hrpe_jax.songs.sung_track import sung_track


def track(
    name: str, onsets: list[int], velocity: int = 80, is_drum: bool = False, chord: int = 1
) -> MidiTrack:
    rows = [MidiNote(onset, 200, 60 + 4 * low, velocity) for onset in onsets for low in range(chord)]
    return MidiTrack(name, 0, is_drum, rows)


def file(tracks: list[MidiTrack], syllables: list[int]) -> MidiFile:
    return MidiFile(480, tuple(tracks), ((0, 120.0),), syllables=tuple(syllables))


WORDS = [480 * at + 240 * (at % 3 == 0) for at in range(40)]
TUNE = track("tune", [tick + 20 for tick in WORDS])
BUSY = track("busy", list(range(0, 40 * 480, 120)))


def test_the_track_with_the_onsets_of_the_words() -> None:
    drums = track("drums", WORDS, is_drum=True)
    assert sung_track(file([drums, BUSY, TUNE], WORDS)) is TUNE
    assert sung_track(file([BUSY, TUNE], [])) is None


def test_words_that_fit_nothing() -> None:
    shifted = track("late", [tick + 300 for tick in WORDS if tick % 960])
    assert sung_track(file([BUSY, shifted], WORDS)) is None
    assert sung_track(file([track("drums", WORDS, is_drum=True)], WORDS)) is None


def test_second_voices() -> None:
    pair = track("pair", WORDS, chord=2)
    loud = track("loud", WORDS, velocity=100)
    assert sung_track(file([pair, TUNE], WORDS)) is TUNE
    assert sung_track(file([TUNE, loud], WORDS)) is loud
