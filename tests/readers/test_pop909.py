"""The POP909 reader on made-up songs whose every note is known, and on real ones where they are at hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pretty_midi
import pytest

from hrpe_jax.errors import UserError
from hrpe_jax.formats.charts.labels import LabelError
from hrpe_jax.readers.pop909 import is_pop909_song, read_pop909, read_pop909_song
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter

BEAT = 0.6  # seconds
START = 0.3  # of the first beat


def write(
    folder: Path,
    bars: Sequence[int],
    notes: Sequence[tuple[float, float, int]],
    chords: Sequence[tuple[int, int, str]],
    half: int = 2,
    keys: str = "0 10 C:maj\n",
) -> Path:
    """A song of bars with so many beats each; notes and chords in beats from the first given beat."""
    folder.mkdir()
    rows = []
    for length in bars:
        rows += [(beat % half == 0, beat == 0) for beat in range(length)]
    lines = (f"{START + i * BEAT} {float(a)} {float(b)}" for i, (a, b) in enumerate(rows))
    (folder / "beat_midi.txt").write_text("\n".join(lines))
    lines = (f"{START + a * BEAT:.6f}\t{START + b * BEAT:.6f}\t{label}" for a, b, label in chords)
    (folder / "chord_midi.txt").write_text("\n".join(lines))
    (folder / "key_audio.txt").write_text(keys)
    midi = pretty_midi.PrettyMIDI(resolution=960, initial_tempo=60 / BEAT)
    for name in ("MELODY", "PIANO"):
        track = pretty_midi.Instrument(0, name=name)
        track.notes = [pretty_midi.Note(90, p, START + a * BEAT, START + b * BEAT) for a, b, p in notes]
        midi.instruments.append(track)
    midi.write(str(folder / f"{folder.name}.mid"))
    return folder


def test_a_regular_song(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "001",
        [4, 4, 4],
        [(4, 5, 60), (5.5, 6, 62), (6, 9, 64)],
        [(0, 4, "N"), (4, 6, "C:maj"), (6, 8, "C:maj"), (8, 10, "G:7/3"), (10, 12, "N")],
        keys="0 4 C:maj\n4 10 A:min\n",
    )
    assert is_pop909_song(folder)
    score = read_pop909(folder)
    assert (score.id, score.meter, score.key) == ("001", Meter(4, 4), Key(9, "minor"))
    assert score.tempo_bpm == pytest.approx(100)
    assert [(n.onset, n.duration, n.pitch, n.velocity) for n in score.melody] == [
        (0, 12, 60, 90),
        (18, 6, 62, 90),
        (24, 36, 64, 90),
    ]
    assert [(s.onset, s.duration, s.chord) for s in score.chords] == [
        (0, 48, Chord(0, "maj")),
        (48, 24, Chord(7, "7", 11)),
    ]
    assert score.bar_resets == ()


def test_a_song_that_modulates_has_its_keys_from_bar_lines(tmp_path: Path) -> None:
    def keys(name: str, text: str) -> tuple[tuple[int, Key], ...]:
        chords = [(4, 12, "C:maj"), (12, 20, "D:maj")]
        return read_pop909_song(write(tmp_path / name, [4] * 5, [(4, 20, 60)], chords, keys=text)).keys

    # Beat 12 is the third bar of the score, 7.5 s into the song; labels lie a little beside it.
    assert keys("001", "0 7.2 C:maj\n7.2 12 D:maj\n") == ((0, Key(0, "major")), (96, Key(2, "major")))
    assert keys("002", "0 7.8 C:maj\n7.8 9 D:maj\n9 12 D:maj\n")[1:] == ((96, Key(2, "major")),)
    # A key that is not heard before the next begins is none, and one key is no modulation.
    assert keys("003", "0 0.4 G:maj\n0.4 7.5 C:maj\n7.5 12 D:maj\n")[0] == (0, Key(0, "major"))
    assert keys("004", "0 7 C:maj\n7 12 C:maj\n") == ()


def test_irregular_bars(tmp_path: Path) -> None:
    score = read_pop909(write(tmp_path / "a", [4, 6, 4, 2, 4], [(0, 20, 60)], [(0, 20, "C:maj")]))
    assert score.bar_starts() == (0, 48, 96, 120, 168, 192)
    assert score.bar_resets == (120, 192)


def test_a_pickup_stands_in_a_full_bar(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", [4, 4, 4], [(0, 1, 60), (1, 4, 62)], [(1, 9, "C:maj")])
    lines = (folder / "beat_midi.txt").read_text().splitlines()
    rows = [line.split()[0] + (" 1 1" if i % 4 == 1 else " 0 0") for i, line in enumerate(lines)]
    (folder / "beat_midi.txt").write_text("\n".join(rows))  # the first bar line is at the second beat
    score = read_pop909(folder)
    assert [n.onset for n in score.melody] == [36, 48]
    assert score.chords[0].onset == 48
    assert score.bar_starts()[:2] == (0, 48)
    assert score.bar_resets == ()


def test_six_beats_are_six_eighths(tmp_path: Path) -> None:
    notes = [(0, 1, 60), (1, 1.5, 62), (1.5, 2, 64), (3, 6, 65)]
    score = read_pop909(write(tmp_path / "a", [6, 6], notes, [(0, 3, "C:maj"), (3, 6, "F:maj")], half=3))
    assert score.meter == Meter(6, 8)
    assert score.tempo_bpm == pytest.approx(50)
    assert [(n.onset, n.duration) for n in score.melody] == [(0, 6), (6, 3), (9, 3), (18, 18)]
    assert [(s.onset, s.duration) for s in score.chords] == [(0, 18), (18, 18)]


def test_notes_outside_the_beats_are_placed_by_the_tempo(tmp_path: Path) -> None:
    notes = [(-0.5, 0, 59), (0, 1, 60), (9, 10, 62)]
    score = read_pop909(write(tmp_path / "a", [4, 4], notes, [(0, 8, "C:maj")]))
    assert [n.onset for n in score.melody] == [42, 48, 156]
    assert score.chords[0].onset == 48


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    good = write(tmp_path / "a", [4, 4], [(0, 1, 60)], [(0, 8, "C:nonsense")])
    with pytest.raises(LabelError, match="nonsense") as error:
        read_pop909(good)
    assert error.value.reason == "bad_label"
    for name, bars in (("b", [8]), ("c", [7, 7, 7])):
        with pytest.raises(LabelError, match="beat_midi"):
            read_pop909(write(tmp_path / name, bars, [(0, 1, 60)], [(0, 8, "C:maj")]))
    (good / "chord_midi.txt").write_text("0 1 C:maj")
    (good / "a.mid").write_bytes(b"not midi")
    with pytest.raises(UserError):
        read_pop909(good)
    assert not is_pop909_song(tmp_path)


def test_times_that_no_song_has(tmp_path: Path) -> None:
    song = write(tmp_path / "a", [4, 4], [(0, 1, 60)], [(0, 8, "C:maj")])
    (song / "chord_midi.txt").write_text("0 1e308 C:maj")
    with pytest.raises(LabelError, match="1e308") as error:
        read_pop909(song)
    assert error.value.reason == "bad_number"
    (song / "chord_midi.txt").write_text("0 8 C:maj")
    lines = (f"{9 + beat * 1e-7:.7f} 0.0 {float(beat % 4 == 0)}\n" for beat in range(16))
    (song / "beat_midi.txt").write_text("".join(lines))  # bars counted back to the first note: 20 million
    with pytest.raises(LabelError, match="a beat"):
        read_pop909(song)


def test_real_songs(shared_data: Path) -> None:
    root = shared_data / "pop909" / "POP909"
    errors = []
    for name in json.loads((shared_data / "splits" / "pop909.json").read_text())["train"][::40]:
        song = read_pop909_song(root / name)
        errors.append(song.melody.mean_error)
        assert song.score.melody
        first = min(song.score.chords[0].onset, song.score.melody[0].onset)
        assert first < song.score.meter.bar_ticks
        assert not song.score.chords[0].chord.is_none
    assert np.mean(errors) < 0.1
