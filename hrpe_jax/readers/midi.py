"""Any MIDI file as a song: a written lead sheet, a melody with a chord track, or plain notes."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from hrpe_jax.formats.midi.lead_sheet import is_lead_sheet, lead_sheet_score
from hrpe_jax.formats.midi.read import MidiError, MidiFile, read_midi
from hrpe_jax.readers.midi_plain import plain_song
from hrpe_jax.readers.midi_two_tracks import MAX_TICKS, chord_track_song, find_chord_track
from hrpe_jax.readers.song import Song


def read_midi_song(path: str | Path) -> Song:
    """Read a MIDI file by what it holds.

    A file that `write_midi` made is a lead sheet and taken as it is; one of two tracks, a melody or a bass
    line and block chords, is read by `chord_track_song`; from any other, beats, melody, key, and chords that
    it does not name, are found by `plain_song`. A damaged file is read as far as it goes, as plain notes.

    Args:
        path: a MIDI file.

    Returns:
        The song; its id is the file's stem. Warnings: "damaged" (a part of the file was lost),
        "bytes_clamped" (data bytes over 127 were taken as 127), "channels_joined" (a voice was played over
        several channels), "chord_names_german" and the like (whose note names the chords have).

    Raises:
        MidiError: if the file cannot be read (has `.reason`).
        SongError: if it holds no song (has `.reason`).
    """
    midi = read_midi(path, damaged=True)
    warnings = set()
    if midi.damage:
        warnings.add("damaged")
    if midi.clamped:
        warnings.add("bytes_clamped")
    if midi.joined:
        warnings.add("channels_joined")
    if midi.chords and midi.chord_naming != "english":
        warnings.add(f"chord_names_{midi.chord_naming}")
    song = _read(midi, path)
    return replace(song, warnings=tuple(sorted({*song.warnings, *warnings}))) if warnings else song


def _read(midi: MidiFile, path: str | Path) -> Song:
    """The song of a file, by what it holds."""
    if midi.damage:
        return plain_song(midi, path)
    if is_lead_sheet(midi):
        with suppress(MidiError):  # notes that overlap, say: not written by us, and plain MIDI all the same
            score = lead_sheet_score(midi, path)
            if score.end <= MAX_TICKS and (score.chords or score.melody):
                return Song(score)
    tracks = None if midi.chords else find_chord_track(midi)
    if tracks is not None:
        return chord_track_song(midi, tracks, path)
    return plain_song(midi, path)
