"""Charts of bars: iReal Pro, ChordPro, text grids; and Humdrum."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest

from hrpe_jax.formats.text import TextFileError
from hrpe_jax.readers.find import find_songs
from hrpe_jax.readers.identify import identify
from hrpe_jax.readers.read import read_songs
from hrpe_jax.readers.song import Song, SongError
from hrpe_jax.theory.chord import to_lead_sheet
from hrpe_jax.theory.pitch import midi_name


def read(tmp_path: Path, text: str, name: str = "song.txt") -> list[Song]:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    songs = read_songs(find_songs(path).songs[0])
    assert all(isinstance(song, Song) for song in songs), songs
    return [song for song in songs if isinstance(song, Song)]


def chords(song: Song) -> str:
    return " ".join(f"{to_lead_sheet(span.chord)}@{span.onset // 12}" for span in song.score.chords)


def shuffled(music: str) -> str:
    """Music as the newer links have it."""
    music = music.replace("   ", "XyQ").replace(" |", "LZ").replace("| x", "Kcl")
    blocks = []
    while len(music) > 51:
        block = list(music[:50])
        for place in (*range(5), *range(10, 24)):
            block[place], block[49 - place] = block[49 - place], block[place]
        blocks.append("".join(block))
        music = music[50:]
    return "1r34LbKcu7" + "".join(blocks) + music


def link(*songs: tuple[str, str], name: str = "My list") -> str:
    fields = [
        f"{title}=Somebody==Medium Swing=Eb==" + shuffled(music) + "==0=140=3" for title, music in songs
    ]
    return "irealb://" + quote("===".join([*fields, name]))


MUSIC = "*A{T44Eb^7   |C-7 F7 |x  |Bb7sus, G7b9, |N1F-7   |Bb7   }|N2Eb6/G   |n   Z"
PLAYED = (
    "Ebmaj7@0 Cm7@4 F7@6 Cm7@8 F7@10 Bb7sus@12 G7b9@14 Fm7@16 Bb7@20 "
    "Ebmaj7@24 Cm7@28 F7@30 Cm7@32 F7@34 Bb7sus@36 G7b9@38 Eb6/G@40 N.C.@44"
)


def as_ireal(text: str) -> str:
    return text.replace("maj7", "^7").replace("m7@", "-7@")


def test_an_ireal_song_with_repeats_and_endings(tmp_path: Path) -> None:
    (song,) = read(tmp_path, link(("Made Up", MUSIC)))
    assert chords(song) == as_ireal(PLAYED)
    score = song.score
    assert (score.title, score.key.name, str(score.meter), score.tempo_bpm) == (
        "Made Up",
        "Eb major",
        "4/4",
        140,
    )
    assert len(score.bar_starts()) == 12
    assert song.warnings == ("no_melody",)


def test_an_ireal_playlist_in_a_page(tmp_path: Path) -> None:
    waltz = "[T34D-   |G-/Bb   |A7b9   |D-   ]"
    page = f'<html><body><a href="{link(("One", MUSIC), ("Two & 3", waltz))}">list</a></body></html>'
    one, two = read(tmp_path, page, "list.html")
    assert (one.tune, two.tune, two.score.title) == ("1", "2", "Two & 3")
    assert chords(two) == "D-@0 G-/Bb@3 A7b9@6 D-@9"
    assert str(two.score.meter) == "3/4"


def test_jumps_of_ireal(tmp_path: Path) -> None:
    music = "[T44C   |QF   ][SG   |A-   |<D.S. al Coda>D-   ][QE-   Z"
    (song,) = read(tmp_path, link(("Jumps", music)))
    assert [to_lead_sheet(span.chord) for span in song.score.chords][:5] == ["C", "F", "G", "A-", "D-"]


def test_the_older_links(tmp_path: Path) -> None:
    older = "irealbook://" + quote("Old One=Last First=Ballad=C=n=T44C   |A-7 D7 |r|  |G7   Z")
    (song,) = read(tmp_path, older)
    assert chords(song) == "C@0 A-7@4 D7@6 C@8 A-7@12 D7@14 G7@16"


def test_chordpro(tmp_path: Path) -> None:
    text = """{title: Paper boats}
{artist: Nobody}
{key: G}
{tempo: 96}
{start_of_verse}
[G]We fold a [C]boat and [D7]let it go[G]
{end_of_verse}
{start_of_chorus}
[Em]Row, [C]row (x2)
{end_of_chorus}
{comment: once more}
{chorus}
"""
    (song,) = read(tmp_path, text, "boats.cho")
    assert chords(song) == "G@0 C@4 D7@8 G@12 Em@16 C@20 Em@24 C@28 Em@32 C@36 Em@40 C@44"
    assert (song.score.title, song.score.key.name, song.score.tempo_bpm) == ("Paper boats", "G major", 96)
    assert {"bars_assumed", "meter_assumed"} <= set(song.warnings)


def test_grids_in_chordpro_and_other_note_names(tmp_path: Path) -> None:
    grid = "{t: Grid}\n{time: 3/4}\n{start_of_grid}\n| Am . . | Dm . E7 | x2\n{end_of_grid}\n"
    (song,) = read(tmp_path, grid, "grid.txt")
    assert chords(song) == "Am@0 Dm@3 E7@5 Am@6 Dm@9 E7@11"
    assert "bars_assumed" not in song.warnings
    (song,) = read(tmp_path, "{t: Uno}\n[Do]la la [Lam]la [Fa]la [Sol7]la\n", "uno.pro")
    assert chords(song) == "C@0 Am@4 F@8 G7@12"
    assert "chord_names_latin" in song.warnings


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("| C / / / | Am F | G7 |", "C@0 Am@4 F@6 G7@8"),
        ("| C / F / | % | G7 . . C | x2", "C@0 F@2 C@4 F@6 G7@8 C@11 F@14 C@16 F@18 G7@20 C@23"),
        ("|: Dm7 G7 | Cmaj7 :| Am7 |", "Dm7@0 G7@2 Cmaj7@4 Dm7@8 G7@10 Cmaj7@12 Am7@16"),
        ("|: C |1. F :|2. G | C |", "C@0 F@4 C@8 G@12 C@16"),
        ("[A] | C | F |\n[B] | G7 | N.C. |\n", "C@0 F@4 G7@8 N.C.@12"),
        ("Verse: | Bb F/A | Gm7 Eb |", "Bb@0 F/A@2 Gm7@4 Eb@6"),
        ("| Do | Lam Fa | Sol7 |", "C@0 Am@4 F@6 G7@8"),
        ("Key: G\n| 1 | 6- 4 | 57 |", "G@0 Em@4 C@6 D7@8"),
        ("| C,F | G |", "C@0 F@2 G@4"),
        ("|: C | F :| x3\n| G |", "C@0 F@4 C@8 F@12 C@16 F@20 G@24"),
        ("|: C | F :|x3 | G |", "C@0 F@4 C@8 F@12 C@16 F@20 G@24"),
        ("| C | F | %% | G |", "C@0 F@4 C@8 F@12 G@16"),
        ("|: C |1 F :|2 G ||", "C@0 F@4 C@8 G@12"),
        ("| C | F | G | Am D.C. al Fine |", "C@0 F@4 G@8 Am@12 C@16 F@20 G@24 Am@28"),
        ("Verse:\n| C | F |\n[Chorus]\n| G | C |", "C@0 F@4 G@8 C@12"),
        ("1 | C | Am |\n3 | Dm | G7 |", "C@0 Am@4 Dm@8 G7@12"),
        ("  1   C   |  Am7  |\n  3   Dm7 |  G7   |", "C@0 Am7@4 Dm7@8 G7@12"),
        ("Key: A\n| 1 4/6 | 1^7 2-7 | b7 | 5/7 |", "A@0 D/F#@2 Amaj7@4 Bm7@6 G@8 E/G#@12"),
    ],
)
def test_text_grids(tmp_path: Path, text: str, expected: str) -> None:
    (song,) = read(tmp_path, text)
    assert chords(song) == expected


def test_fields_of_a_text_grid(tmp_path: Path) -> None:
    text = "A Waltz of Mine\nKey: Bb   Tempo: 150   Time: 3/4\n\n| Bb | Gm / C7 | F7 |\n"
    score = read(tmp_path, text)[0].score
    assert (score.title, score.key.name, str(score.meter), score.tempo_bpm) == (
        "A Waltz of Mine", "Bb major", "3/4", 150
    )  # fmt: skip
    assert [span.onset for span in score.chords] == [0, 36, 60, 72]


@pytest.mark.parametrize(
    ("music", "expected"),
    [
        ("[T44C   |F   U][G   |<D.C. al Fine>A-   Z", "C@0 F@4 G@8 A-@12 C@16 F@20"),
        ("{T44C   |<3x>F   }|G   Z", "C@0 F@4 C@8 F@12 C@16 F@20 G@24"),
        ("[T44C   |/B   |/A   |F   Z", "C@0 C/B@4 C/A@8 F@12"),
        ("{T44C   |N1F   }|N2G   }|N3A-   Z", "C@0 F@4 C@8 G@12 C@16 A-@20"),
    ],
)
def test_signs_of_ireal(tmp_path: Path, music: str, expected: str) -> None:
    assert chords(read(tmp_path, link(("Signs", music)))[0]) == expected


def test_several_songs_and_transposition_in_chordpro(tmp_path: Path) -> None:
    text = "{title: One}\n[C]a [F]b\n{new_song}\n{title: Two}\n{key: C}\n{transpose: 2}\n[C]a [G]b x12\n"
    one, two = read(tmp_path, text, "two.cho")
    assert (one.score.title, chords(one)) == ("One", "C@0 F@4")
    assert (two.score.title, two.score.key.name, len(two.score.chords)) == ("Two", "D major", 24)
    assert chords(two).startswith("D@0 A@4 D@8")


def test_margins_and_remarks_of_chordpro_grids(tmp_path: Path) -> None:
    grid = (
        '{t: A}\n{start_of_grid shape="1+4x4+1"}\n'
        "A | G7 . . . | % . . . | C . . . | . . . . | repeat 2 times\n"
        "| C7 . . . |: F . . . :| C . . . |.\n{eog}\n"
    )
    (song,) = read(tmp_path, grid, "grid.cho")
    assert chords(song) == "G7@0 C@8 G7@16 C@24 C7@32 F@36 C@44"
    assert "chord_symbol_unread" not in song.warnings


def test_long_directives_and_lines_take_linear_time(tmp_path: Path) -> None:
    blank = " " * 200_000
    (song,) = read(tmp_path, f"{{title{blank}\n[C]a{blank}b [G]c\n{{t: x{blank}y}}\n", "long.cho")
    assert chords(song) == "C@0 G@4"


def test_one_line_of_very_many_bars_takes_linear_time(tmp_path: Path) -> None:
    """Each bar looked through all bars before it: 200,000 of them took minutes."""
    path = tmp_path / "wide.txt"
    path.write_text("A song\n| C / / / | Am F |\n" + "| C " * 200_000 + "|\n", encoding="utf-8")
    with pytest.raises(TextFileError, match="more than 10000 bars"):
        list(read_songs(find_songs(path).songs[0]))


KERN = """!!!OTL: A little tune
**kern\t**kern\t**harte
*Ibass\t*Ivoice\t*
*clefF4\t*clefG2\t*
*k[b-]\t*k[b-]\t*
*F:\t*F:\t*
*M3/4\t*M3/4\t*
*MM100\t*MM100\t*
4r\t4c\t.
=1\t=1\t=1
2.FF\t4f\tF:maj
.\t8a\t.
.\t8cc\t.
.\t4a\t.
=2\t=2\t=2
2.C\t[2.g\tC:7
=3\t=3\t=3
2.FF\t4g]\tF:maj/3
.\t2f\t.
==\t==\t==
*-\t*-\t*-
"""


def test_kern_with_harte(tmp_path: Path) -> None:
    (song,) = read(tmp_path, KERN, "tune.krn")
    score = song.score
    assert (score.title, score.key.name, str(score.meter), score.tempo_bpm) == (
        "A little tune", "F major", "3/4", 100
    )  # fmt: skip
    assert [(midi_name(note.pitch), note.onset, note.duration) for note in score.melody] == [
        ("C4", 0, 12), ("F4", 12, 12), ("A4", 24, 6), ("C5", 30, 6), ("A4", 36, 12), ("G4", 48, 48),
        ("F4", 96, 24)
    ]  # fmt: skip
    assert chords(song) == "F@1 C7@4 F/A@7"
    assert score.bar_starts() == (0, 12, 48, 84)
    assert song.warnings == ()


def test_mxhm_splits_and_expansions(tmp_path: Path) -> None:
    text = (
        "**kern\t**mxhm\n*>[A,B,A]\t*>[A,B,A]\n*M4/4\t*M4/4\n*>A\t*>A\n=1\t=1\n1cc\tC major\n*>B\t*>B\n"
        "=2\t=2\n"
        "*^\t*\n2ee\t1g\tA minor-seventh\n2ff\t.\tB- dominant/D\n*v\t*v\t*\n==\t==\n*-\t*-\n"
    )
    (song,) = read(tmp_path, text, "split.krn")
    assert chords(song) == "C@0 Am7@4 Bb7/D@6 C@8"
    assert [midi_name(note.pitch) for note in song.score.melody] == ["C5", "E5", "F5", "C5"]


def test_repeat_signs_of_kern(tmp_path: Path) -> None:
    bars = ["=1\t=1\n1c\tC:maj", "=2\t=2\n1f\tF:maj", "=3:|!\t=3:|!\n1g\tG:7", "=4\t=4\n1a\tA:min"]
    rows = "\n".join(["**kern\t**harte", "*M4/4\t*", *bars, "==\t==", "*-\t*-", ""])
    assert chords(read(tmp_path, rows, "a.krn")[0]) == "C@0 F@4 C@8 F@12 G7@16 Am@20"
    begun = rows.replace("=2\t=2", "=2!|:\t=2!|:")
    assert chords(read(tmp_path, begun, "b.krn")[0]) == "C@0 F@4 G7@12 Am@16"
    split = (
        rows.replace("*M4/4\t*", "*M4/4\t*\n*^\t*").replace("1c\t", "1c\t1e\t").replace("1f\t", "1f\t1a\t")
    )
    split = (
        split.replace("=1\t", "=1\t=1\t")
        .replace("=2\t", "=2\t=2\t")
        .replace("=3:|!\t", "*v\t*v\t*\n=3:|!\t", 1)
    )
    assert chords(read(tmp_path, split, "c.krn")[0]) == "C@0 F@4 G7@8 Am@12"  # columns do not fit twice


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("irealb://nothing", "a.txt"), ("{t: words}\nno chords here\n", "a.cho"), ("**kern\n*-\n", "a.krn"),
        ("**kern\t**kern\n4c\n*-\t*-\n", "b.krn"),
    ],
)  # fmt: skip
def test_files_without_music_are_refused_in_a_line(tmp_path: Path, text: str, name: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TextFileError) as caught:
        read_songs(find_songs(path).songs[0])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "format"),
    [
        ("some words | in a | table", ""), ("a | b\n1 | 2\n", ""), ("see [1] and [2], [note]", ""),
        ("| C | G |", "grid"), ("[Am]words [F]and [C]chords [G]here", "chordpro"),
        ("**kern\n4c\n*-", "humdrum"),
    ],
)  # fmt: skip
def test_other_texts_are_no_charts(tmp_path: Path, text: str, format: str) -> None:
    path = tmp_path / "some.txt"
    path.write_text(text, encoding="utf-8")
    assert identify(path) == format


def test_charts_without_a_readable_chord_are_refused_in_a_line(tmp_path: Path) -> None:
    path = tmp_path / "odd.cho"
    path.write_text("{t: Odd}\n[Xyz]words [Qq]words\n", encoding="utf-8")
    (error,) = read_songs(find_songs(path).songs[0])
    assert isinstance(error, SongError)
    assert error.reason == "no_chords"
