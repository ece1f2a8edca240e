"""Any MIDI file as a song: a written lead sheet, a melody with a chord track, or plain notes."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from hrpe_jax.formats.midi.lead_sheet import is_lead_sheet, lead_sheet_score
from hrpe_jax.formats.midi.read import MidiError, read_midi
from hrpe_jax.readers.midi_plain import plain_song
from hrpe_jax.readers.midi_two_tracks import MAX_TICKS, chord_track_song, find_chord_track
from hrpe_jax.readers.song import Song


def read_midi_song(path: str | Path) -> Song:
    """Read a MIDI file by what it holds.

    A file with chord names as lyrics, as `write_midi` makes them, is a lead sheet and taken as it is; one of
    two tracks, a melody and block chords, is read by `chord_track_song`; from any other, beats, melody,
    chords and key are found by `plain_song`. A damaged file is read as far as it goes, as plain notes.

    Args:
        path: a MIDI file.

    Returns:
        The song; its id is the file's stem. Warning: "damaged" (a part of the file was lost).

    Raises:
        MidiError: if the file cannot be read (has `.reason`).
        SongError: if it holds no song (has `.reason`).
    """
    midi = read_midi(path, damaged=True)
    if midi.damage:
        song = plain_song(midi, path)
        return replace(song, warnings=tuple(sorted({*song.warnings, "damaged"})))
    if is_lead_sheet(midi):
        with suppress(MidiError):  # notes that overlap, say: not written by us, and plain MIDI all the same
            score = lead_sheet_score(midi, path)
            if score.end <= MAX_TICKS and (score.chords or score.melody):
                return Song(score)
    tracks = find_chord_track(midi)
    if tracks is not None:
        return chord_track_song(midi, tracks, path)
    return plain_song(midi, path)
