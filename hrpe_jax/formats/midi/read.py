"""MIDI files in: notes, tempos, meters and texts of any file within the limits of `formats.midi.limits`.

Formats 0 and 1, bare or in a RIFF file. The patterns of a format 2 file are put one after the other, each on
a bar line: they are parts of a song that a sequencer was to play in some order, and the file's is the one
order known. Reading is by symusic, some two hundred times faster than pretty_midi; writing is in
`midi_write`, and both are named here. What the notes mean (beats, chords, key, melody) is for `analysis` to
find.

A damaged file is refused, or, where that is asked for, read as far as it goes (`midi_salvage`).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from hrpe_jax.formats.midi import limits as guard
from hrpe_jax.formats.midi.limits import (
    MidiError,
    clamp,
    file_title,
    is_pattern_file,
    salvage,
    split_patterns,
    unwrap,
)
from hrpe_jax.formats.midi.voices import find_pieces, find_zones, join_pieces
from hrpe_jax.formats.midi.words import NOTHING, find_chord_names, is_heard, syllable_ticks
from hrpe_jax.formats.midi.write import midi_bytes, write_midi
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.chord_parser import Naming

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


@dataclass(frozen=True, eq=False)
class MidiTrack:
    """One voice: a track and channel, or all channels of a track that play one voice.

    Attributes:
        name: as in the file; often empty, never unique.
        program: General MIDI program 0..127; of several, that of most notes.
        is_drum: whether its notes are percussion (channel 10).
        rows: [notes, 4] int64, not writable: onset, duration, pitch, velocity; sorted by onset, then pitch;
            overlaps are usual. Sequences of `MidiNote` are taken too, and made into this.
        channel: 0 to 15, the first of several; -1 where nobody asked.
    """

    name: str
    program: int
    is_drum: bool
    rows: np.ndarray
    channel: int = -1

    def __post_init__(self) -> None:
        rows = np.asarray(self.rows, dtype=np.int64).reshape(-1, 4)
        rows.setflags(write=False)
        object.__setattr__(self, "rows", rows)

    @cached_property
    def notes(self) -> tuple[MidiNote, ...]:
        """The same as named tuples, made when first asked for."""
        return tuple(MidiNote(*row) for row in self.rows.tolist())

    def array(self) -> np.ndarray:
        """`rows`, as they are."""
        return self.rows


@dataclass(frozen=True, eq=False)
class MidiFile:
    """A MIDI file; all times in its own ticks.

    Attributes:
        ticks_per_quarter: length of a quarter note.
        tracks: tracks that have notes, in file order.
        tempos: (tick, quarter notes a minute), sorted, the first at tick 0.
        meters: (tick, numerator, denominator), sorted; may be empty, and is wrong in many files.
        keys: (tick, sharps or minus flats, 1 where minor), sorted; may be empty, and is C major in many
            files.
        lyrics: (tick, text), sorted; letters that are not UTF-8 are replaced.
        dropped_notes: how many notes without length were left out.
        title: what the file calls the piece (see `file_title`); often empty or without meaning.
        syllables: ticks at which the words of a karaoke file are sung, increasing (see `syllable_ticks`).
        damage: what of the file was lost, in words; empty for a sound file.
        joined: how many voices were put together from several channels.
        clamped: how many data bytes over 127 were taken as 127.
        chords: (tick, chord) that the file names, sorted; see `find_chord_names`.
        chord_naming: whose note names these are.
    """

    ticks_per_quarter: int
    tracks: tuple[MidiTrack, ...]
    tempos: tuple[tuple[int, float], ...]
    meters: tuple[tuple[int, int, int], ...] = ()
    keys: tuple[tuple[int, int, int], ...] = ()
    lyrics: tuple[tuple[int, str], ...] = ()
    dropped_notes: int = 0
    title: str = ""
    syllables: tuple[int, ...] = ()
    damage: str = ""
    joined: int = 0
    clamped: int = 0
    chords: tuple[tuple[int, Chord], ...] = ()
    chord_naming: Naming = "english"

    @cached_property
    def end(self) -> int:
        """The tick at which the last note stops."""
        return max((int((rows[:, 0] + rows[:, 1]).max()) for rows in self._filled), default=0)

    @property
    def _filled(self) -> list[np.ndarray]:
        return [track.rows for track in self.tracks if len(track.rows)]

    @property
    def note_count(self) -> int:
        """Notes in all tracks."""
        return sum(len(track.rows) for track in self.tracks)

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


SALVAGED_NOTES = 64
"""Notes that a damaged file must have left to be read at all."""


def read_midi(path: str | os.PathLike[str], *, damaged: bool = False) -> MidiFile:
    """Read a MIDI file, or refuse it in one line.

    Notes without length are left out and counted. Times that a file says twice (two tempos at one tick) count
    as last said.

    Args:
        path: a standard MIDI file with ticks-per-quarter timing.
        damaged: read a damaged file as far as it goes, where its header is sound and `SALVAGED_NOTES` are
            left (format 0 or 1).

    Returns:
        Its contents; never tracks without notes.

    Raises:
        MidiError: with a `reason` code, if the file cannot be read or passes one of the limits.
    """
    where = os.fspath(path)
    try:
        about = os.stat(where)
        if not stat.S_ISREG(about.st_mode):
            raise MidiError("midi_missing", where, "not a file: expected a MIDI file")
        with open(where, "rb") as file:
            data = file.read(min(about.st_size, guard.MAX_BYTES) + 1)  # one more than allowed is enough
    except OSError as error:
        raise MidiError("midi_missing", where, f"cannot be read: {error.strerror or error}") from None
    if len(data) > guard.MAX_BYTES:
        raise MidiError("midi_too_large", where, f"larger than {guard.MAX_BYTES} bytes, the most accepted")
    return parse_midi(data, where, damaged=damaged)


def parse_midi(data: bytes, where: str = "MIDI data", *, damaged: bool = False) -> MidiFile:
    """`read_midi` of a file's bytes; `where` is what error messages call it.

    Args:
        data: of the file.
        where: what messages call it.
        damaged: whether what is left of a damaged file is read.
    """
    data = unwrap(data)
    guard.check_bytes(data, where)
    if not is_pattern_file(data):
        try:
            midi = _parse(data, where)
        except MidiError as error:
            if not damaged or error.reason != "midi_corrupt":
                raise
            midi = _clamped(data, where) or _salvaged(data, where, error)
        return midi
    return _checked(_in_a_row([_parse(pattern, where) for pattern in split_patterns(data)], where), where)


def _clamped(data: bytes, where: str) -> MidiFile | None:
    """The file with its data bytes over 127 taken as 127, as players do; None where that is not what is
    wrong with it."""
    fixed, count = clamp(data)
    if not count:
        return None
    try:
        return replace(_parse(fixed, where), clamped=count)
    except MidiError:
        return None


def _salvaged(data: bytes, where: str, error: MidiError) -> MidiFile:
    """The readable part of a file; the error that it had where too little is left."""
    left = salvage(data)
    guard.check_bytes(left.data, where)
    midi = _parse(left.data, where)
    if midi.note_count < SALVAGED_NOTES:
        raise MidiError(
            error.reason,
            where,
            f"{error.detail}; {midi.note_count} notes could be read: too few to keep",
        )
    damage = (
        f"{left.kept} of {len(data)} bytes could be read: {left.tracks} tracks, {left.cut} of them cut off, "
        f"and {left.missing} are missing"
    )
    return replace(midi, damage=damage)


def _checked(midi: MidiFile, where: str) -> MidiFile:
    """The file, unless it is too long."""
    seconds = float(midi.seconds([midi.end])[0])
    if seconds >= guard.MAX_SECONDS:
        raise MidiError("midi_too_long", where, f"lasts {seconds / 3600:.1f} hours: expected less than 24")
    return midi


def _parse(data: bytes, where: str) -> MidiFile:
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
    tempos, meters = guard.read_tempos(parsed, where), guard.read_meters(parsed, where)
    tracks, dropped, last = _tracks(parsed, where)
    tracks, joined = _voices(data, tracks)
    named = find_chord_names(data, int(parsed.ticks_per_quarter))
    if named.doubtful and not is_heard(named.chords, [track.rows for track in tracks if not track.is_drum]):
        named = NOTHING
    keys = {int(key.time): (int(key.key), int(key.tonality)) for key in parsed.key_signatures}
    midi = MidiFile(
        ticks_per_quarter=int(parsed.ticks_per_quarter),
        tracks=tracks,
        tempos=tempos,
        meters=meters,
        keys=tuple((tick, *keys[tick]) for tick in sorted(keys)),
        lyrics=tuple(
            sorted((int(text.time), str(text.text)) for track in parsed.tracks for text in track.lyrics)
        ),
        dropped_notes=dropped,
        title=file_title(data),
        syllables=syllable_ticks(data),
        joined=joined,
        chords=named.chords,
        chord_naming=named.naming,
    )
    slowest = min(bpm for _, bpm in tempos)
    # Nearly every file is shorter at its slowest tempo throughout, which costs nothing to say.
    is_short = last * 60.0 / (slowest * midi.ticks_per_quarter) < guard.MAX_SECONDS
    return midi if is_short else _checked(midi, where)


def _voices(data: bytes, tracks: tuple[MidiTrack, ...]) -> tuple[tuple[MidiTrack, ...], int]:
    """The parser's tracks put together where they are one voice, and how many are from several channels."""
    names = [track.name for track in tracks]
    cut = data[8:10] == b"\0\0" or any(name == after for name, after in pairwise(names))
    pieces = find_pieces(data) if cut else None  # elsewhere every track is from a chunk of its own
    if pieces is None or len(pieces) != len(tracks):
        return tracks, 0
    voices: list[MidiTrack] = []
    joined = 0
    for places, is_joined in join_pieces(pieces, [track.rows for track in tracks], find_zones(data)):
        joined += is_joined
        first, channel = tracks[places[0]], pieces[places[0]].channel
        if len(places) == 1:
            voices.append(replace(first, channel=channel))
            continue
        rows = np.concatenate([tracks[place].rows for place in places])
        rows = rows[np.lexsort((rows[:, 2], rows[:, 0]))]
        most, drums = max(places, key=lambda p: len(tracks[p].rows)), all(tracks[p].is_drum for p in places)
        voices.append(replace(tracks[most], name=first.name, is_drum=drums, rows=rows, channel=channel))
    return tuple(voices), joined


def _in_a_row(patterns: list[MidiFile], where: str) -> MidiFile:
    """The patterns one after the other; each begins on a bar line, with the tempo and meter it says
    itself."""
    voices: dict[tuple[int, bool], MidiTrack] = {}
    tempos: list[tuple[int, float]] = []
    meters: list[tuple[int, int, int]] = []
    keys: list[tuple[int, int, int]] = []
    lyrics: list[tuple[int, str]] = []
    syllables: list[int] = []
    chords: list[tuple[int, Chord]] = []
    begin = 0
    for midi in patterns:
        if not midi.tracks:
            continue
        for track in midi.tracks:  # a channel is one voice in all patterns
            moved = track.rows + np.array([begin, 0, 0, 0])
            known = voices.get((track.channel, track.is_drum))
            rows = moved if known is None else np.concatenate([known.rows, moved])
            voices[track.channel, track.is_drum] = replace(known or track, rows=rows)
        tempos.extend((begin + tick, bpm) for tick, bpm in midi.tempos)
        meters.extend((begin + tick, num, den) for tick, num, den in (midi.meters or ((0, 4, 4),)))
        keys.extend((begin + tick, fifths, minor) for tick, fifths, minor in midi.keys)
        lyrics.extend((begin + tick, text) for tick, text in midi.lyrics)
        syllables.extend(begin + tick for tick in midi.syllables)
        chords.extend((begin + tick, chord) for tick, chord in midi.chords)
        start, numerator, denominator = meters[-1]
        bar = max(1, midi.ticks_per_quarter * 4 * numerator // denominator)
        begin = start + -((start - begin - midi.end) // bar) * bar
        if begin > guard.MAX_TICKS or sum(len(track.rows) for track in voices.values()) > guard.MAX_NOTES:
            raise MidiError(
                "midi_too_long", where, f"patterns of {begin} ticks in all: expected at most 2^31"
            )
    return MidiFile(
        ticks_per_quarter=patterns[0].ticks_per_quarter if patterns else 1,
        tracks=tuple(voices.values()),
        tempos=tuple(tempos) or ((0, 120.0),),
        meters=tuple(meters),
        keys=tuple(keys),
        lyrics=tuple(lyrics),
        dropped_notes=sum(midi.dropped_notes for midi in patterns),
        title=patterns[0].title if patterns else "",
        syllables=tuple(syllables),
        chords=tuple(chords),
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _tracks(parsed: Any, where: str) -> tuple[tuple[MidiTrack, ...], int, int]:
    """Tracks with notes, how many notes without length were left out, and the tick at which the last ends."""
    filled = [track for track in parsed.tracks if len(track.notes)]
    if not filled:
        return (), 0, 0
    columns = [track.notes.numpy() for track in filled]
    counts = [len(notes["time"]) for notes in columns]
    rows = np.empty((4, sum(counts)), dtype=np.int64)
    for row, name in zip(rows, ("time", "duration", "pitch", "velocity"), strict=True):
        np.concatenate([notes[name] for notes in columns], out=row)
    onset, duration, pitch, velocity = rows
    shortest, last = duration.min(), int((onset + duration).max())
    if onset.min() < 0 or shortest < 0 or last > guard.MAX_TICKS:
        raise MidiError("midi_too_long", where, "note times pass 2^31 ticks: expected at most so many")
    if min(pitch.min(), velocity.min()) < 0 or max(pitch.max(), velocity.max()) > 127:
        raise MidiError("midi_bad_note", where, "pitch or velocity not in 0..127")
    owner = np.repeat(np.arange(len(filled)), counts)
    rank = (owner << 40) + (onset << 8) + pitch  # by track, onset and pitch in one number
    limits = [0, *np.cumsum(counts).tolist()]
    if not shortest or (rank[1:] < rank[:-1]).any():
        order = np.argsort(rank, kind="stable")
        order = order[duration[order] > 0]
        rows, limits = rows.take(order, axis=1), np.searchsorted(owner[order], range(len(limits))).tolist()
    tracks = [
        MidiTrack(str(track.name), int(track.program), bool(track.is_drum), rows[:, begin:end].T)
        for track, begin, end in zip(filled, limits, limits[1:], strict=False)
        if end > begin
    ]
    return tuple(tracks), len(owner) - rows.shape[1], last
