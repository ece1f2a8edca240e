"""MIDI files in: notes, tempos, meters and texts of any file within the limits of `midi_guard`.

Reading is by symusic, some two hundred times faster than pretty_midi; writing is in `midi_write`, and both
are named here. What the notes mean (beats, chords, key, melody) is for `analysis` to find.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hrpe_jax.score import midi_guard as guard
from hrpe_jax.score.midi_guard import MidiError
from hrpe_jax.score.midi_write import midi_bytes, write_midi

__all__ = ["MidiError", "MidiFile", "MidiNote", "MidiTrack", "midi_bytes", "read_midi", "write_midi"]


class MidiNote(NamedTuple):
    """A note in the file's own ticks."""

    onset: int
    duration: int
    pitch: int
    velocity: int

    @property
    def end(self) -> int:
        """The tick at which it stops."""
        return self.onset + self.duration


@dataclass(frozen=True)
class MidiTrack:
    """One track and channel.

    Attributes:
        name: as in the file; often empty, never unique.
        program: General MIDI program 0..127.
        is_drum: whether its notes are percussion (channel 10).
        notes: sorted by onset, then pitch; overlaps are usual.
    """

    name: str
    program: int
    is_drum: bool
    notes: tuple[MidiNote, ...]

    def array(self) -> np.ndarray:
        """[notes, 4] int64: onset, duration, pitch, velocity."""
        return np.array(self.notes, dtype=np.int64).reshape(-1, 4)


@dataclass(frozen=True)
class MidiFile:
    """A MIDI file; all times in its own ticks.

    Attributes:
        ticks_per_quarter: length of a quarter note.
        tracks: tracks that have notes, in file order.
        tempos: (tick, quarter notes a minute), sorted, the first at tick 0.
        meters: (tick, numerator, denominator), sorted; may be empty, and is wrong in many files.
        keys: (tick, sharps or minus flats, 1 where minor), sorted; may be empty, and is C major in many
            files.
        lyrics: (tick, text), sorted.
        dropped_notes: how many notes without length were left out.
    """

    ticks_per_quarter: int
    tracks: tuple[MidiTrack, ...]
    tempos: tuple[tuple[int, float], ...]
    meters: tuple[tuple[int, int, int], ...] = ()
    keys: tuple[tuple[int, int, int], ...] = ()
    lyrics: tuple[tuple[int, str], ...] = ()
    dropped_notes: int = 0

    @property
    def end(self) -> int:
        """The tick at which the last note stops."""
        return max((note.end for track in self.tracks for note in track.notes), default=0)

    @property
    def note_count(self) -> int:
        """Notes in all tracks."""
        return sum(len(track.notes) for track in self.tracks)

    @cached_property
    def _tempo_map(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """[n] ticks of the tempo changes, their seconds, and seconds per tick from each on."""
        ticks = np.array([tick for tick, _ in self.tempos], dtype=np.float64)
        rates = 60.0 / (np.array([bpm for _, bpm in self.tempos]) * self.ticks_per_quarter)
        seconds = np.concatenate([[0.0], np.cumsum(np.diff(ticks) * rates[:-1])])
        return ticks, seconds, rates

    def seconds(self, ticks: Sequence[float] | np.ndarray) -> np.ndarray:
        """[n] seconds from the start at these [n] ticks, through all tempo changes."""
        starts, seconds, rates = self._tempo_map
        wanted = np.asarray(ticks, dtype=np.float64)
        index = np.maximum(np.searchsorted(starts, wanted, side="right") - 1, 0)
        return np.asarray(seconds[index] + (wanted - starts[index]) * rates[index])

    def ticks(self, seconds: Sequence[float] | np.ndarray) -> np.ndarray:
        """[n] real-valued ticks at these [n] seconds; inverse of `seconds`."""
        starts, times, rates = self._tempo_map
        wanted = np.asarray(seconds, dtype=np.float64)
        index = np.maximum(np.searchsorted(times, wanted, side="right") - 1, 0)
        return np.asarray(starts[index] + (wanted - times[index]) / rates[index])


def read_midi(path: str | os.PathLike[str]) -> MidiFile:
    """Read a MIDI file, or refuse it in one line.

    Notes without length are left out and counted. Times that a file says twice (two tempos at one tick) count
    as last said.

    Args:
        path: a standard MIDI file with ticks-per-quarter timing.

    Returns:
        Its contents; never tracks without notes.

    Raises:
        MidiError: with a `reason` code, if the file cannot be read or passes a limit of `midi_guard`.
    """
    where = os.fspath(path)
    try:
        with Path(path).open("rb") as file:
            data = file.read(guard.MAX_BYTES + 1)  # one more than allowed is enough to know
    except OSError as error:
        raise MidiError("midi_missing", where, f"cannot be read: {error.strerror or error}") from None
    if len(data) > guard.MAX_BYTES:
        raise MidiError("midi_too_large", where, f"larger than {guard.MAX_BYTES} bytes, the most accepted")
    return parse_midi(data, where)


def parse_midi(data: bytes, where: str = "MIDI data") -> MidiFile:
    """`read_midi` of a file's bytes; `where` is what error messages call it."""
    guard.check_bytes(data, where)
    import symusic  # here, so that importing this package starts nothing

    try:
        parsed: Any = symusic.Score.from_midi(data)
    except Exception as error:  # the parser has no exception type of its own
        raise MidiError("midi_corrupt", where, f"not readable as MIDI: {_first_line(error)}") from None
    if len(parsed.tracks) > guard.MAX_TRACKS:
        raise MidiError("midi_too_many_tracks", where, f"{len(parsed.tracks)} tracks: expected at most 256")
    count = parsed.note_num()
    if count > guard.MAX_NOTES:
        raise MidiError("midi_too_many_notes", where, f"{count} notes: expected at most {guard.MAX_NOTES}")
    tempos, meters = _tempos(parsed, where), _meters(parsed, where)
    tracks, dropped = _tracks(parsed, where)
    lyrics = sorted((int(text.time), str(text.text)) for track in parsed.tracks for text in track.lyrics)
    keys = {int(key.time): (int(key.key), int(key.tonality)) for key in parsed.key_signatures}
    midi = MidiFile(
        ticks_per_quarter=int(parsed.ticks_per_quarter),
        tracks=tracks,
        tempos=tempos,
        meters=meters,
        keys=tuple((tick, *keys[tick]) for tick in sorted(keys)),
        lyrics=tuple(lyrics),
        dropped_notes=dropped,
    )
    seconds = float(midi.seconds([midi.end])[0])
    if seconds >= guard.MAX_SECONDS:
        raise MidiError("midi_too_long", where, f"lasts {seconds / 3600:.1f} hours: expected less than 24")
    return midi


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _tempos(parsed: Any, where: str) -> tuple[tuple[int, float], ...]:
    """Tempos by tick, starting with MIDI's default of 120 where the file does not say."""
    tempos = {0: 120.0}
    for tempo in parsed.tempos:
        bpm = 6e7 / tempo.mspq if tempo.mspq > 0 else float("inf")
        if not guard.MIN_BPM <= bpm <= guard.MAX_BPM:
            raise MidiError(
                "midi_bad_tempo", where, f"tempo {bpm:.4g} at tick {tempo.time}: expected 10 to 1000 bpm"
            )
        tempos[int(tempo.time)] = bpm
    return tuple(sorted(tempos.items()))


def _meters(parsed: Any, where: str) -> tuple[tuple[int, int, int], ...]:
    meters = {}
    for meter in parsed.time_signatures:
        if not 1 <= meter.numerator <= guard.MAX_NUMERATOR or meter.denominator not in guard.DENOMINATORS:
            raise MidiError(
                "midi_bad_meter",
                where,
                f"meter {meter.numerator}/{meter.denominator} at tick {meter.time}: expected numerator 1 to "
                f"{guard.MAX_NUMERATOR} and denominator 1, 2, 4, 8, 16 or 32",
            )
        meters[int(meter.time)] = (int(meter.numerator), int(meter.denominator))
    return tuple((tick, *meters[tick]) for tick in sorted(meters))


def _tracks(parsed: Any, where: str) -> tuple[tuple[MidiTrack, ...], int]:
    """Tracks with notes, and how many notes without length were left out."""
    tracks, dropped = [], 0
    for track in parsed.tracks:
        if not len(track.notes):
            continue
        columns = track.notes.numpy()
        names = ("time", "duration", "pitch", "velocity")
        onset, duration, pitch, velocity = (columns[name].astype(np.int64) for name in names)
        if onset.min() < 0 or duration.min() < 0 or (onset + duration).max() > guard.MAX_TICKS:
            raise MidiError("midi_too_long", where, f"track {track.name!r}: note times pass 2^31 ticks")
        if min(pitch.min(), velocity.min()) < 0 or max(pitch.max(), velocity.max()) > 127:
            raise MidiError("midi_bad_note", where, f"track {track.name!r}: pitch or velocity not in 0..127")
        order = np.lexsort((pitch, onset))
        order = order[duration[order] > 0]
        dropped += len(onset) - len(order)
        if len(order):
            rows = zip(
                *(column[order].tolist() for column in (onset, duration, pitch, velocity)), strict=True
            )
            notes = tuple(MidiNote(*row) for row in rows)
            tracks.append(MidiTrack(str(track.name), int(track.program), bool(track.is_drum), notes))
    return tuple(tracks), dropped
