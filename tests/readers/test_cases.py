"""Files that people reported (`../shared/cases`, where it is there): each gives what its case calls right."""

from __future__ import annotations

from pathlib import Path

import pytest

from hrpe_jax.errors import UserError
from hrpe_jax.readers.find import find_songs
from hrpe_jax.readers.read import read_songs
from hrpe_jax.readers.song import Song
from hrpe_jax.sampling.chord_input import read_chords
from hrpe_jax.theory.chord import parse_lead_sheet, to_lead_sheet
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter

CASES = Path(__file__).resolve().parents[3] / "shared" / "cases"
EIGHT = "C F G C Am F G7 C"
FLUTE = [72, 76, 79, 76, 69, 72, 77, 72, 71, 74, 79, 74, 72, 67, 64, 60]


def songs(case: str, name: str) -> list[Song]:
    path = CASES / case / name
    if not path.is_file():
        pytest.skip("the reported files are not here")
    read = read_songs(find_songs(path).songs[0])
    assert all(isinstance(song, Song) for song in read), read
    return [song for song in read if isinstance(song, Song)]


def chords(song: Song) -> str:
    return " ".join(to_lead_sheet(span.chord, song.score.key) for span in song.score.chords)


def pitches(song: Song) -> list[int]:
    return [note.pitch for note in song.score.melody]


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("abc_alt_chord", ["C F G Em C"]),
        ("abc_jazz_typed", ["Co7 C^7 C0 C-7 Csus C+ C^"]),
        ("abc_latin_german", ["C Am F G7 C", "Em B7 Bb Bm F# Em"]),
        ("abc_overlay_chords", ["C G7 Am F G C"]),
        ("abc_sline", ["C F G C"]),
        ("abc_transpose_voice", ["C F G7 C"]),
    ],
)
def test_abc_chords(case: str, expected: list[str]) -> None:
    assert [chords(song) for song in songs(case, f"{case}.abc")] == expected


def test_other_abc() -> None:
    (moved,) = songs("abc_transpose_voice", "abc_transpose_voice.abc")
    assert (moved.score.key.name, pitches(moved)[:3]) == ("C major", [60, 64, 67])
    octaves = songs("abc_clef8", "abc_clef8.abc")
    assert [pitches(song)[0] for song in octaves] == [48, 48, 58, 48]
    assert (octaves[2].score.key.name, chords(octaves[2])) == ("Bb major", "Bb")
    assert songs("abc_late_tempo", "abc_late_tempo.abc")[0].score.tempo_bpm == 120
    assert pitches(songs("abc_melody2", "abc_melody2.abc")[0])[:4] == [72, 76, 79, 76]


@pytest.mark.parametrize(
    ("case", "name", "names", "notes"),
    [
        ("mid_chordify", "mid_chordify.mid", "C G/C Am F C/E F/G G C", 0),
        ("mid_chordtext", "chords_as_lyric.mid", EIGHT, 26),
        ("mid_chordtext", "chords_as_marker.mid", EIGHT, 26),
        ("mid_chordtext", "chords_as_text.mid", EIGHT, 26),
        ("mid_duet", "mid_duet.mid", EIGHT, 26),
        *(("mid_fmt", f"{name}.mid", EIGHT, 26) for name in (
            "alien_chunk", "fmt0_with_3_tracks", "macbinary", "no_eot_garbage", "type0", "type2")),
        ("mid_fmt", "riff.rmi", EIGHT, 26),
        ("mid_kar", "latin1.kar", EIGHT, 26),
        ("mid_kar", "sjis.kar", EIGHT, 26),
        ("mid_progchange", "lead.mid", EIGHT, 26),
        ("mid_progchange", "mid_progchange.mid", EIGHT, 26),
        ("mid_short", "four_bars_both.mid", "C F G C", 13),
        ("mid_short", "four_bars_melody.mid", "", 13),
        ("mid_short", "four_chords.mid", "C F G C", 0),
        ("mid_vel200", "mid_vel200.mid", EIGHT, 26),
        ("mid_xf", "mid_xf.mid", EIGHT, 26),
    ],
)  # fmt: skip
def test_midi(case: str, name: str, names: str, notes: int) -> None:
    (song,) = songs(case, name)
    assert (chords(song), len(song.score.melody), song.score.key.name) == (names, notes, "C major")
    assert len(song.score.bar_starts()) == (4 if case == "mid_short" else 8)


def test_other_midi() -> None:
    whole, cut = (songs("mid_progchange", f"{name}.mid")[0] for name in ("song24_nochange", "song24"))
    assert (whole.score.melody, whole.score.chords) == (cut.score.melody, cut.score.chords)
    long = songs("mid_vel200", "vel200_long.mid")[0]
    assert (len(long.score.melody), "bytes_clamped" in long.warnings) == (156, True)
    titles = [songs("mid_kar", name)[0].score.title for name in ("latin1.kar", "sjis.kar")]
    assert titles == ["L'été à Orléans", "夏のうた"]
    pickup = songs("mid_lilypond_partial", "mid_lilypond_partial.mid")[0].score
    assert pickup.bar_starts() == (0, *range(12, 264, 36))
    with pytest.raises(UserError, match="expected a piece of music"):
        read_songs(find_songs(CASES / "mid_short" / "two_bars.mid").songs[0])


def test_melodies_of_musicxml() -> None:
    if not CASES.is_dir():
        pytest.skip("the reported files are not here")
    for path in sorted((CASES / "xml_melody_part").glob("*.musicxml")):
        (song,) = songs("xml_melody_part", path.name)
        assert (pitches(song), chords(song)) == (FLUTE, "C F G C"), path.name
    assert pitches(songs("xml_melody_second", "xml_melody_second.musicxml")[0])[:4] == FLUTE[:4]


@pytest.mark.parametrize(
    ("case", "name", "order"),
    [
        ("xml_after_jump", "xml_after_jump", "C C D E C C D"),
        ("xml_volta_lists", "v13_24", "C D C E C D C E F"),
        ("xml_volta_lists", "v12_3", "C D C D C E F"),
        ("xml_volta_lists", "v1_2_3", "C D C E C G F"),
        ("xml_measure_repeat", "xml_measure_repeat", " ".join(["C E G E"] * 3 + ["G B D B"])),
    ],
)
def test_bars_of_musicxml_as_played(case: str, name: str, order: str) -> None:
    letters = {0: "C", 2: "D", 4: "E", 5: "F", 7: "G", 11: "B"}
    played = " ".join(letters[pitch % 12] for pitch in pitches(songs(case, f"{name}.musicxml")[0]))
    assert played == order


def test_meters_and_tempos_of_musicxml() -> None:
    added = songs("xml_meter_add", "xml_meter_add.musicxml")[0].score
    assert (str(added.meter), added.bar_starts()) == ("5/8", (0, 30, 60, 90))
    assert songs("xml_late_tempo", "xml_late_tempo.musicxml")[0].score.tempo_bpm == 120
    marks = {"e": 60, "h": 120, "qd": 90, "ca": 80, "32": 60}
    assert {name: songs("xml_tempo", f"tempo_{name}.musicxml")[0].score.tempo_bpm for name in marks} == marks


@pytest.mark.parametrize(
    ("case", "key", "expected"),
    [
        ("chords_enharmonic", "C", "C#m F#"),
        ("chords_m_plus_7", None, "Cm+7"),  # as typed; which chord that is stands in `test_typed_chords`
        ("chords_solfege", None, "C F C F"),
    ],
)
def test_chords_of_the_command_line(case: str, key: str | None, expected: str) -> None:
    path = CASES / case / "input.txt"
    if not path.is_file():
        pytest.skip("the reported files are not here")
    typed = path.read_text(encoding="utf-8").split('"')[1]
    timed, _ = read_chords(typed, Meter(4, 4), None if key is None else Key.parse(key))
    assert " ".join(to_lead_sheet(chord) for chord, _ in timed if chord is not None) == expected


def test_every_case_is_tried() -> None:
    """A case that comes later must get its line here, with what is right or why something else is."""
    if not CASES.is_dir():
        pytest.skip("the reported files are not here")
    source = Path(__file__).read_text(encoding="utf-8")
    assert [
        path.parent.name for path in CASES.glob("*/case.json") if f'"{path.parent.name}"' not in source
    ] == []


def test_typed_chords() -> None:
    assert to_lead_sheet(parse_lead_sheet("C♯m")) == "C#m"
    assert to_lead_sheet(parse_lead_sheet("C/F#")) == "C/F#"
    assert parse_lead_sheet("Cm+7").quality == "minmaj7"
