"""One file: what is fit for training, for which stage, and the reasons against the rest."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from hrpe_jax.preprocessing.clean import stages_of, trim
from hrpe_jax.preprocessing.prepare import PreparedSong, prepare_file
from hrpe_jax.preprocessing.writer import Reject
from hrpe_jax.readers import read
from hrpe_jax.readers.find import SongFile
from hrpe_jax.readers.song import Song, SongError
from hrpe_jax.score.form import Section, form_text, parse_form
from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter

FILE = SongFile("book", "abc", "/nowhere/book.abc", "book.abc")


def _score(notes: int = 16, roots: tuple[int, ...] = (0, 7), first: int = 0, pitches: int = 7) -> Score:
    melody = tuple(Note(first + at * 12, 12, 60 + at % pitches) for at in range(notes))
    chords = tuple(ChordSpan(first + at * 48, 48, Chord(root, "maj")) for at, root in enumerate(roots))
    return Score("x", "", Key(0, "major"), Meter(4, 4), 100.0, melody, chords)


@pytest.mark.parametrize(
    ("score", "stages", "reason"),
    [
        (_score(), ("backbone", "melody"), None),
        (_score(roots=()), ("melody",), None),
        (_score(roots=(0, 0)), ("melody",), None),
        (_score(notes=0), ("backbone",), None),
        (_score(notes=7), ("backbone",), None),
        (_score(pitches=2), ("backbone",), None),
        (_score(notes=0, roots=()), (), "empty"),
        (_score(notes=7, roots=()), (), "too_short"),
        (_score(pitches=2, roots=(0,)), (), "one_pitch"),
        (_score(notes=0, roots=(5, 5, 5)), (), "one_chord"),
        (_score(notes=8, roots=(0,) * 60), (), "nearly_silent"),
        (_score(first=48 * 4000), (), "too_long"),
    ],
)
def test_a_score_is_kept_for_the_stages_it_serves(score: Score, stages: tuple[str, ...], reason: str | None):
    found, (code, detail) = stages_of(score)
    assert found == stages
    if reason:
        assert (code, bool(detail)) == (reason, True)


def test_silence_before_the_music_is_cut_by_whole_bars():
    late = _score(first=48 * 5 + 12)
    cut = trim(late)
    assert cut.melody[0].onset == 12
    assert cut.chords[0].onset == 12
    assert len(cut.melody) == len(late.melody)
    assert trim(_score(first=48)) == trim(_score(first=96)) == _score()
    none = (ChordSpan(0, 96, Chord.NONE), *_score(first=96).chords, ChordSpan(192, 480, Chord.NONE))
    spans = Score("x", "", Key(0, "major"), Meter(4, 4), 100.0, (), none, bar_resets=(20, 68, 300))
    assert trim(spans).end == trim(trim(spans)).end == 24 + 2 * 48  # to the end of the bar
    assert trim(spans).bar_resets == (24, 208)


@pytest.mark.parametrize(
    ("first", "onset", "resets"),
    [
        (36, 0, (12,)),  # a pickup of one beat
        (48 * 5 + 42, 6, (12,)),  # of half a beat
        (24, 0, (24,)),
        (18, 18, ()),  # a rest that is meant
        (12, 12, ()),
    ],
)
def test_a_bar_that_is_mostly_silent_becomes_a_pickup(first: int, onset: int, resets: tuple[int, ...]):
    late = _score(first=first)
    cut = trim(late)
    assert (cut.melody[0].onset, cut.chords[0].onset, cut.bar_resets) == (onset, onset, resets)
    assert trim(cut) == cut
    assert cut.chords[-1].end in cut.bar_starts()  # it fills its bar
    # Bar lines stay where they were, seen from the notes.
    assert (cut.bar_starts()[1] - onset) % 48 == -first % 48
    form = replace(late, form=(Section("A", len(late.bar_starts()) - 3, 2),))
    assert trim(form).form == (Section("A", len(cut.bar_starts()) - 3, 2),)


def test_a_short_rest_before_the_first_chord_is_no_part_of_a_pickup():
    """Two notes of three beats lead in, written in a full bar of which the chords know nothing."""
    notes = (Note(12, 12, 74), Note(24, 12, 72), *(Note(36 + 12 * at, 12, 60 + at) for at in range(12)))
    chords = tuple(ChordSpan(36 + 36 * at, 36, Chord(at, "maj")) for at in range(4))
    score = Score("x", "", Key(7, "major"), Meter(3, 4), 100.0, notes, chords)
    assert trim(score).bar_starts()[:2] == (0, 24)
    assert [note.onset for note in trim(score).melody[:3]] == [0, 12, 24]
    # With a chord under the rest it is a rest.
    under = replace(score, chords=(ChordSpan(0, 36, Chord(9, "maj")), *chords))
    assert trim(under).melody == under.melody
    # And so it is where there are no chords at all.
    assert trim(replace(score, chords=())).melody == score.melody


@pytest.mark.parametrize(("ends", "end"), [(84, 96), (96, 96), (97, 144)])
def test_the_last_chord_fills_its_bar(ends: int, end: int):
    chords = ChordSpan(0, 48, Chord(7, "maj")), ChordSpan(48, ends - 48, Chord(0, "maj"))
    score = replace(_score(notes=7), chords=chords)
    assert trim(score).chords[-1].end == end
    assert trim(score).melody == score.melody
    # Nothing is added behind a bar that is short.
    short = replace(score, bar_resets=(ends,))
    assert trim(short).chords == short.chords


def test_cut_bars_move_the_form():
    late = replace(_score(first=48 * 5 + 12), form=parse_form("i3 x2 A3 B2"))
    assert form_text(trim(late).form) == "A3B2"
    assert trim(late).form[0].first_bar == 0
    behind = _score(first=0)
    behind = replace(behind, chords=(*behind.chords, ChordSpan(480, 96, Chord.NONE)), form=parse_form("A4B8"))
    assert form_text(trim(behind).form) == "A4"


def _results(monkeypatch: pytest.MonkeyPatch, songs: list[Song | Exception]) -> list[PreparedSong | Reject]:
    monkeypatch.setattr("hrpe_jax.preprocessing.prepare.read_songs", lambda song: songs)
    return prepare_file(FILE)


def test_a_book_gives_songs_and_rejects(monkeypatch: pytest.MonkeyPatch):
    first = Song(
        _score(),
        found=("key", "chords"),
        warnings=("tempo_assumed",),
        keys=((0, Key(0, "major")), (96, Key(7, "major"))),
        error=0.25,
        tune="1",
    )
    results = _results(
        monkeypatch,
        [
            first,
            SongError("no_notes", "book.abc: X:2:\n no notes", "2"),
            Song(_score(roots=()), tune="1"),
            Song(_score(notes=0, roots=()), tune="3"),
        ],
    )
    song, reject, second, empty = results
    assert isinstance(song, PreparedSong)
    assert isinstance(second, PreparedSong)
    assert [song.id, second.id] == ["book#1", "book#1~2"]
    assert reject == Reject("book.abc", "no_notes", "book.abc: X:2: no notes", "2")
    assert isinstance(empty, Reject)
    assert (empty.reason, empty.tune) == ("empty", "3")
    assert list(song.records) == ["backbone", "melody"]
    for stage in ("backbone", "melody"):
        record = json.loads(song.records[stage])
        assert record["id"] == "book#1"
        assert record["found"] == ["chords", "key"]
        assert record["warnings"] == ["tempo_assumed"]
        assert record["keys"] == [[0, "C major"], [96, "G major"]]
        assert record["quantization_error"] == 0.25
        assert record["source"] == "abc"
    assert list(second.records) == ["melody"]
    record = json.loads(second.records["melody"])
    assert set(record["conditioning_quality_code"]) == {9}
    assert song.about["modulates"]
    assert not second.about["modulates"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (SongError("odd", "message"), "odd"),
        (PermissionError(13, "no"), "unreadable"),
        (RecursionError("deep"), "too_deep"),
        (KeyError("x"), "error_KeyError"),
    ],
)
def test_errors_of_readers_become_rejects(monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str):
    def fail(song: SongFile) -> list[Song]:
        raise error

    monkeypatch.setattr("hrpe_jax.preprocessing.prepare.read_songs", fail)
    assert [result.reason for result in prepare_file(FILE)] == [reason]


def test_memory_is_for_the_pool_to_reject(monkeypatch: pytest.MonkeyPatch):
    def fail(song: SongFile) -> list[Song]:
        raise MemoryError

    monkeypatch.setattr("hrpe_jax.preprocessing.prepare.read_songs", fail)
    with pytest.raises(MemoryError):
        prepare_file(FILE)


def test_an_empty_book_is_a_reject(monkeypatch: pytest.MonkeyPatch):
    assert [result.reason for result in _results(monkeypatch, [])] == ["no_tunes"]


def test_every_format_has_a_reader(tmp_path: Path):
    from hrpe_jax.readers.find import FORMATS

    for format in FORMATS:
        with pytest.raises((ValueError, OSError)) as caught:
            read.read_songs(SongFile("x", format, str(tmp_path / "absent"), "absent"))
        assert "one that songs.find gives" not in str(caught.value)
    with pytest.raises(ValueError, match=r"expected one that songs\.find gives"):
        read.read_songs(SongFile("x", "wav", "x", "x"))
