"""MusicXML files of every shape as songs."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hrpe_jax.formats.musicxml.read import MusicXmlError
from hrpe_jax.readers.musicxml import read_lead_sheet
from hrpe_jax.readers.song import Song, SongError
from hrpe_jax.score.score import Score
from hrpe_jax.theory.chord import to_lead_sheet

STEPS = {
    0: ("C", 0),
    2: ("D", 0),
    4: ("E", 0),
    5: ("F", 0),
    7: ("G", 0),
    9: ("A", 0),
    11: ("B", 0),
    10: ("B", -1),
}


def note(pitch: int, eighths: int, inside: str = "", before: str = "") -> str:
    step, alter = STEPS[pitch % 12]
    return (
        f"<note>{before}<pitch><step>{step}</step><alter>{alter}</alter>"
        f"<octave>{pitch // 12 - 1}</octave></pitch><duration>{eighths}</duration>{inside}</note>"
    )


def symbol(root: str, kind: str = "major") -> str:
    return f"<harmony><root><root-step>{root}</root-step></root><kind>{kind}</kind></harmony>"


def start(beats: int = 4, unit: int = 4, fifths: int = 0, extra: str = "", mode: str = "major") -> str:
    return (
        f"<attributes><divisions>2</divisions><key><fifths>{fifths}</fifths><mode>{mode}</mode></key>"
        f"<time><beats>{beats}</beats><beat-type>{unit}</beat-type></time>{extra}</attributes>"
    )


def document(parts: dict[str, list[str]]) -> str:
    names = "".join(f"<score-part id='{n}'><part-name>{n}</part-name></score-part>" for n in parts)
    body = "".join(
        f"<part id='{n}'>" + "".join(f"<measure>{m}</measure>" for m in measures) + "</part>"
        for n, measures in parts.items()
    )
    return f"<score-partwise><part-list>{names}</part-list>{body}</score-partwise>"


def read(tmp_path: Path, parts: dict[str, list[str]]) -> Song:
    path = tmp_path / "a song.musicxml"
    path.write_text(document(parts))
    return read_lead_sheet(path)


def chords(score: Score) -> list[tuple[int, int, str]]:
    return [(s.onset, s.duration, to_lead_sheet(s.chord)) for s in score.chords]


WHOLE = note(60, 8)


def test_a_lead_sheet(tmp_path: Path) -> None:
    song = read(
        tmp_path,
        {
            "Voice": [
                start() + note(67, 2),
                symbol("C") + note(72, 4) + symbol("G", "dominant") + note(71, 4),
                symbol("C") + note(72, 8),
            ]
        },
    )
    score = song.score
    assert [(n.onset, n.duration, n.pitch) for n in score.melody] == [
        (0, 12, 67),
        (12, 24, 72),
        (36, 24, 71),
        (60, 48, 72),
    ]
    assert chords(score) == [(12, 24, "C"), (36, 24, "G7"), (60, 48, "C")]
    assert (score.key.name, str(score.meter), score.bar_resets) == ("C major", "4/4", (12,))
    assert (score.id, score.title, score.source) == ("a song", "a song", "a song.musicxml")
    assert (song.found, song.warnings, song.keys) == (("key",), ("tempo_assumed",), ())


def test_symbols_over_a_piano_and_words_under_a_voice(tmp_path: Path) -> None:
    words = "<lyric><text>la</text></lyric>"
    song = read(
        tmp_path,
        {"Piano": [start() + symbol("F") + note(84, 8)], "Part 2": [start() + note(65, 8, words)]},
    )
    assert [n.pitch for n in song.score.melody] == [65]
    assert chords(song.score) == [(0, 48, "F")]


def test_a_tune_alone_is_a_melody(tmp_path: Path) -> None:
    song = read(tmp_path, {"Flute": [start() + note(72, 4) + note(74, 4)]})
    assert not song.score.chords
    assert song.warnings == ("no_chords", "tempo_assumed")


def test_symbols_alone_are_chords(tmp_path: Path) -> None:
    slash = note(71, 8, "<notehead>slash</notehead>")
    song = read(tmp_path, {"Chart": [start() + symbol("C") + slash, symbol("F") + slash]})
    assert not song.score.melody
    assert chords(song.score) == [(0, 48, "C"), (48, 48, "F")]
    assert "no_melody" in song.warnings


def test_a_piano_score_has_its_chords_found(tmp_path: Path) -> None:
    def bar(*pitches: int) -> str:
        upper = note(pitches[-1] + 12, 8, "<staff>1</staff>") + "<backup><duration>8</duration></backup>"
        first, *rest = pitches
        low = note(first, 8, "<staff>2</staff>")
        return upper + low + "".join(note(p, 8, "<staff>2</staff>", "<chord/>") for p in rest)

    song = read(
        tmp_path, {"Piano": [start() + bar(48, 52, 55), bar(53, 57, 60), bar(55, 59, 62), bar(48, 52, 55)]}
    )
    assert chords(song.score) == [(0, 48, "C"), (48, 48, "F"), (96, 48, "G"), (144, 48, "C")]
    assert [n.pitch for n in song.score.melody] == [67, 72, 74, 67]
    assert song.found == ("chords", "key")
    assert "melody_skyline" in song.warnings


def test_four_voices_go_the_way_of_the_chorales(tmp_path: Path) -> None:
    voices = {"Soprano": (72, 71, 72), "Alto": (67, 67, 67), "Tenor": (64, 62, 64), "Bass": (48, 55, 48)}
    parts = {name: [start() + note(p[0], 4) + note(p[1], 4), note(p[2], 8)] for name, p in voices.items()}
    song = read(tmp_path, {"Piano": [start() + note(90 - 7, 8), WHOLE], **parts})
    assert [n.pitch for n in song.score.melody] == [72, 71, 72]
    assert chords(song.score) == [(0, 24, "C"), (24, 24, "G"), (48, 48, "C")]
    assert song.found == ("chords", "key")


def test_changes_of_key_and_meter(tmp_path: Path) -> None:
    change = start(3, 4, 2)
    first = [symbol("C") + note(60, 8), symbol("G", "dominant") + note(62, 8), symbol("C") + note(60, 8)]
    second = [symbol("D") + note(62, 6), symbol("A", "dominant") + note(64, 6), symbol("D") + note(62, 6)]
    song = read(tmp_path, {"A": [start() + first[0], *first[1:], change + second[0], *second[1:]]})
    assert str(song.score.meter) == "4/4"
    assert song.score.bar_starts() == (0, 48, 96, 144, 180, 216)
    assert [(tick, key.name) for tick, key in song.keys] == [(0, "C major"), (144, "D major")]
    assert song.score.key.name == "C major"


def test_a_minor_mode_that_is_named_is_not_found(tmp_path: Path) -> None:
    bars = [symbol("A", "minor") + note(69, 8), symbol("E") + note(71, 8), symbol("A", "minor") + note(69, 8)]
    assert read(tmp_path, {"A": [start(mode="minor") + bars[0], *bars[1:]]}).found == ()
    assert read(tmp_path, {"A": [start() + bars[0], *bars[1:]]}).found == ("key",)


def test_meters_missing_and_too_long(tmp_path: Path) -> None:
    bare = "<attributes><divisions>2</divisions></attributes>"
    song = read(tmp_path, {"A": [bare + note(60, 6), note(62, 6)]})
    assert (str(song.score.meter), song.found) == ("3/4", ("key", "meter"))
    assert "meter_assumed" in song.warnings
    song = read(tmp_path, {"A": [start(7, 4) + note(60, 14), note(62, 14)]})
    assert str(song.score.meter) == "4/4"
    assert song.score.bar_starts() == (0, 48, 84, 132)
    assert "meter_split" in song.warnings


def test_a_transposing_part_sounds_where_its_symbols_are(tmp_path: Path) -> None:
    transpose = "<transpose><chromatic>-2</chromatic></transpose>"
    song = read(tmp_path, {"Trumpet": [start(fifths=2, extra=transpose) + symbol("D") + note(74, 8)]})
    assert ([n.pitch for n in song.score.melody], chords(song.score)) == ([72], [(0, 48, "C")])
    assert song.score.key.name == "C major"


def test_too_long(tmp_path: Path) -> None:
    bars = [start() + note(60, 8, "<voice>1</voice>")] + [
        "<note><rest/><duration>1900</duration></note>"
    ] * 25
    with pytest.raises(SongError, match="ticks: expected at most"):
        read(tmp_path, {"A": bars})


DOCUMENT = document(
    {
        "Voice": [
            start() + symbol("C") + note(67, 4) + note(69, 4, "<tie type='start'/>"),
            "<barline><repeat direction='forward'/></barline>" + symbol("G", "dominant") + WHOLE,
            "<barline><ending number='1' type='start'/></barline>" + WHOLE
            + "<barline><ending number='1' type='stop'/><repeat direction='backward'/></barline>",
            "<barline><ending number='2' type='start'/></barline>" + WHOLE,
        ],
        "Piano": [start() + WHOLE + "<backup><duration>8</duration></backup>" + note(64, 8)] + [WHOLE] * 3,
    }
)  # fmt: skip
VALUES = [
    "",
    "0",
    "-1",
    "1e9",
    "nan",
    "1e400",
    "64",
    "0.5",
    "1000",
    "x",
    "<",
    "999999999999",
    "3+2",
    "start",
    "yes",
]


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_any_change_gives_a_song_or_a_reason(tmp_path: Path, data: st.DataObject) -> None:
    text = DOCUMENT
    for _ in range(data.draw(st.integers(1, 3))):
        begin = data.draw(st.integers(0, len(text)))
        end = min(len(text), begin + data.draw(st.sampled_from([0, 1, 2, 7, 40])))
        if data.draw(st.booleans()):  # a value somewhere
            places = [i for i, c in enumerate(text[:-1]) if c == ">" and text[i + 1] not in "<"]
            begin = data.draw(st.sampled_from(places)) + 1 if places else begin
            end = max(begin, text.find("<", begin))
        new = data.draw(st.one_of(st.sampled_from(VALUES), st.text(max_size=4)))
        text = text[:begin] + new + text[end:]
    path = tmp_path / "a.xml"
    path.write_text(text, encoding="utf-8", errors="replace")
    _song_or_reason(path)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_give_a_song_or_a_reason(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.mxl"
    path.write_bytes(content)
    _song_or_reason(path)


def _song_or_reason(path: Path) -> None:
    song, reason, message = None, "", ""
    try:
        song = read_lead_sheet(path)
    except (MusicXmlError, SongError) as error:
        reason, message = error.reason, str(error)
    if song is None:
        assert reason
        assert "\n" not in message
    else:
        assert song.score.melody or song.score.chords
        assert math.isfinite(song.score.tempo_bpm)


@pytest.mark.slow
@pytest.mark.parametrize(("folder", "count"), [("openewld", 502), ("deepchoir_jsb", 366)])
def test_every_lead_sheet_at_hand(shared_data: Path, folder: str, count: int) -> None:
    paths = sorted((shared_data / folder).rglob("*.mxl"))
    assert len(paths) == count
    songs = [read_lead_sheet(path) for path in paths]
    assert all(song.score.melody and song.score.chords for song in songs)
