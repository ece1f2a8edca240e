"""ABC tunes as songs: made-up books, mutations of them, and real collections where they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hrpe_jax.errors import UserError
from hrpe_jax.formats.abc.book import AbcError
from hrpe_jax.readers import abc as abc_tunes
from hrpe_jax.readers.abc import iterate_abc, read_abc
from hrpe_jax.readers.song import Song, SongError
from hrpe_jax.score.score import Note
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter

LEAD_SHEET = """X:12
T:A Tune
M:3/4
L:1/4
Q:1/4=90
K:Edor
|:B|"Em"e>f [gb]|"D"f2 d|[1 "Em"e2:|[2 "Em"e2 z||
[M:4/4]"G"g2 "D7/F#"f2|[K:G] "G"g4|]
"""
HYMN = """X:1
T:A Hymn
M:4/4
L:1/4
V:S1V1
V:S1V2
V:S2V1 clef=bass
V:S2V2
K:F % signature
[V:S1V1] [Q:1/4=80] d | A A ^c d | A4 |]
w: These are words, and more
[V:S1V2] F | E F E F | E4 |]
[V:S2V1] A, | A, D A, A, | ^C4 |]
[V:S2V2] D, | ^C, D, A,, D, | A,,4 |]
"""


def write(tmp_path: Path, text: str, name: str = "book.abc") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def only(songs: list[Song | SongError]) -> Song:
    (song,) = songs
    assert isinstance(song, Song), song
    return song


def test_a_lead_sheet(tmp_path: Path) -> None:
    song = only(read_abc(write(tmp_path, LEAD_SHEET)))
    score = song.score
    assert (score.id, score.title, score.source, song.tune) == ("book12", "A Tune", "book.abc", "12")
    assert (score.key, score.meter, score.tempo_bpm) == (Key(4, "minor"), Meter(3, 4), 90.0)
    assert score.melody[:4] == (Note(0, 12, 71), Note(12, 18, 76), Note(30, 6, 78), Note(36, 12, 83))
    assert [(span.onset, str(span.chord)) for span in score.chords] == [
        (12, "E:min"),
        (48, "D:maj"),
        (84, "E:min"),
        (156, "D:maj"),
        (192, "E:min"),
        (228, "G:maj"),
        (252, "D:7/3"),
        (276, "G:maj"),
    ]
    assert score.bar_resets == (12, 276)
    assert song.keys == ((0, Key(4, "minor")), (276, Key(7, "major")))
    assert song.found == ()
    assert song.warnings == ("meter_changes", "modal_key")


def test_a_hymn_for_four_voices(tmp_path: Path) -> None:
    song = only(read_abc(write(tmp_path, HYMN)))
    assert song.score.key == Key(2, "minor")  # the signature says F major
    assert [str(span.chord) for span in song.score.chords][:2] == ["D:min", "A:maj/3"]
    assert [note.pitch for note in song.score.melody] == [74, 69, 69, 73, 74, 69]
    assert song.score.bar_resets == (12,)
    assert song.score.tempo_bpm == 80.0
    assert (song.found, song.warnings) == (("chords", "key"), ())


def test_a_melody_alone(tmp_path: Path) -> None:
    song = only(read_abc(write(tmp_path, "X:1\nM:none\nL:1/4\nK:none\n[ce]2-[c2e]g|c'3|B3|c'3|\n")))
    assert song.score.chords == ()
    assert [(note.pitch, note.duration) for note in song.score.melody][:2] == [(76, 48), (79, 12)]
    assert (song.score.key, song.score.meter) == (Key(0, "major"), Meter(3, 4))
    assert song.found == ("key", "meter")
    assert song.warnings == ("meter_assumed", "no_chords", "tempo_assumed")


def test_books(tmp_path: Path) -> None:
    path = write(tmp_path, LEAD_SHEET + "\nX:3\nT:Empty\nK:C\n\n" + HYMN + "\n" + HYMN, "set7.abc")
    songs = read_abc(path)
    assert [song.tune for song in songs] == ["12", "3", "1", "1-2"]
    empty = songs[1]
    assert isinstance(empty, SongError)
    assert (empty.reason, "tune 3" in str(empty), "\n" in str(empty)) == ("abc_no_notes", True, False)
    assert [song.score.id for song in songs if isinstance(song, Song)] == ["set7-12", "set7-1", "set7-1-2"]
    assert next(iterate_abc(path)) == songs[0]
    with pytest.raises(UserError):
        read_abc(tmp_path / "missing.abc")


@pytest.mark.parametrize(
    ("meter", "expected"), [("C|", "2/2"), ("8/4", "4/4"), ("7/4", "4/4"), ("2+3/8", "5/8"), ("12/8", "12/8")]
)
def test_meters_become_ones_that_scores_have(tmp_path: Path, meter: str, expected: str) -> None:
    song = only(read_abc(write(tmp_path, f"X:1\nM:{meter}\nL:1/4\nK:C\nCDEFGABc|CDEFGABc|\n")))
    assert str(song.score.meter) == expected


def test_a_book_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abc_tunes, "MAX_BOOK_NOTES", 10)
    songs = read_abc(write(tmp_path, LEAD_SHEET * 3))
    assert [getattr(song, "reason", "") for song in songs] == ["", "abc_too_long", "abc_too_long"]


SEED = (LEAD_SHEET + "\n" + HYMN).encode()
PIECES = [
    b"[V:2]", b"|:", b":|", b"[1", b"|2", b"(3", b"[", b"]", b"{", b'"', b'"G7"', b"K:", b">", b"-", b"9999",
    b"////", b"Z999", b"::::", b"&", b"!", b"^^", b",,,,,,", b"V:", b"!D.C.!", b"Q:", b"%", b"\n\n", b"X:",
    b"\nM:9/0\n", b"\nP:A\n", b"\nL:1/64\n", b"\xff", b"\x00",
]  # fmt: skip


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("abc") / "fuzz.abc"


EDIT = st.tuples(
    st.integers(0, len(SEED)), st.integers(0, 12), st.one_of(st.sampled_from(PIECES), st.binary(max_size=4))
)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=st.lists(EDIT, min_size=1, max_size=12))
@example(edits=[(0, 0, b"X:1\nK:C\n" + b"|:C" * 400 + b":|" * 400)])
@example(edits=[(0, 0, b"X:1\nM:C\nP:" + b"(" * 500 + b"A9" * 500 + b")9" * 500 + b"\nK:C\nP:A\nZ999|C|\n")])
@example(edits=[(0, 0, b"X:1\nK:C\nC" + b"'" * 5000 + b"C" + b"," * 5000 + b"[" * 3000 + b"C" * 3000)])
def test_mutations_give_songs_or_reasons(scratch: Path, edits: list[tuple[int, int, bytes]]) -> None:
    data = SEED
    for place, removed, added in edits:
        data = data[:place] + added + data[place + removed :]
    scratch.write_bytes(data)
    try:
        songs = read_abc(scratch)
    except AbcError:
        return
    for song in songs:
        if isinstance(song, Song):
            assert song.score.melody
            assert list(song.warnings) == sorted(song.warnings)
        else:
            assert song.reason
            assert "\n" not in str(song)


def test_nottingham(shared_data: Path) -> None:
    songs = read_abc(shared_data / "nottingham" / "ABC_cleaned" / "waltzes.abc")
    assert len(songs) == 52
    assert all(isinstance(song, Song) for song in songs)
    named = json.loads((shared_data / "splits" / "nottingham.json").read_text())
    known = {song for split in named.values() for song in split}
    assert all(song.score.id in known for song in songs if isinstance(song, Song))


@pytest.mark.slow
def test_all_collections(shared_data: Path) -> None:
    files = [
        *(shared_data / "nottingham" / "ABC_cleaned").glob("*.abc"),
        *(shared_data / "openhymnal").glob("*.abc"),
    ]
    songs = [song for file in files for song in read_abc(file)]
    assert len(songs) == 1034 + 292
    assert sum(isinstance(song, SongError) for song in songs) <= 0.01 * len(songs)
    hymns = [song for song in songs if "chords" in getattr(song, "found", ())]
    assert len(hymns) > 280
