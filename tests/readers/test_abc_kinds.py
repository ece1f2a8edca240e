"""ABC as other programs and people write it: transposing instruments, alternatives, names of notes."""

from __future__ import annotations

from pathlib import Path

import pytest

from hrpe_jax.readers.abc import read_abc
from hrpe_jax.readers.song import Song
from hrpe_jax.theory.chord import to_lead_sheet
from hrpe_jax.theory.pitch import midi_name


def read(tmp_path: Path, body: str, head: str = "K:C") -> Song:
    path = tmp_path / "tune.abc"
    path.write_text(f"X:1\nT:A tune\nM:4/4\nL:1/4\n{head}\n{body}\n", encoding="utf-8")
    (song,) = read_abc(path)
    assert isinstance(song, Song), song
    return song


def chords(song: Song) -> str:
    key = song.score.key
    return " ".join(f"{to_lead_sheet(span.chord, key)}@{span.onset}" for span in song.score.chords)


def pitches(song: Song) -> str:
    return " ".join(midi_name(note.pitch) for note in song.score.melody)


@pytest.mark.parametrize(
    ("head", "body", "notes", "names", "key"),
    [
        # a clarinet in Bb, an alto saxophone and a horn, each written for its player
        (
            'V:1 name="Clarinet" transpose=-2\nK:D',
            '"D"DF "A7/C#"EG|',
            "C4 E4 D4 F4",
            "C@0 G7/B@24",
            "C major",
        ),
        ("V:1 instrument=_E\nK:A", '"A"AA "E7"BB|', "C4 C4 D4 D4", "C@0 G7@24", "C major"),
        ("V:1\nK:G sound=cF", '"G"GG "Em"BB|', "C4 C4 E4 E4", "C@0 Am@24", "C major"),
        ("%%MIDI transpose -3\nK:Em", '"Em"EG "B7"BA|', "C#4 E4 G#4 F#4", "C#m@0 G#7@24", "C# minor"),
        ("K:C transpose=12", '"C"CC "F"FF|', "C5 C5 F5 F5", "C@0 F@24", "C major"),
        ("K:C octave=1", '"C"CC "F"FF|', "C5 C5 F5 F5", "C@0 F@24", "C major"),
        # back to concert pitch in the middle
        ("K:D transpose=-2", '"D"D4|[K:C transpose=0]"C"C4|', "C4 C4", "C@0", "C major"),
    ],
)
def test_transposing_instruments_move_notes_chords_and_key(
    tmp_path: Path, head: str, body: str, notes: str, names: str, key: str
) -> None:
    song = read(tmp_path, body, head)
    assert (pitches(song), chords(song), song.score.key.name) == (notes, names, key)


def test_voices_of_two_instruments_meet_at_concert_pitch(tmp_path: Path) -> None:
    head = 'V:T name="Trumpet" transpose=-2\nV:P name="Piano"\nK:D'
    song = read(tmp_path, '[V:T]"D"d2 f2|\n[V:P][K:C][CEG]4|', head)
    assert (pitches(song), chords(song), song.score.key.name) == ("C5 E5", "C@0", "C major")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("F(Dm)", "F"), ("F (Dm7)", "F"), ("Am[C]", "Am"), ("(Em)", "Em"), ("C7(b9)", "C7(b9)"),
        ("G7(Dm7/G)", "G7"), ("Bb/D(Gm)", "Bb/D"), ("C(add9)", "C(add9)"), ("C;Am", "C"),
    ],
)  # fmt: skip
def test_of_two_chords_the_first_counts(tmp_path: Path, text: str, name: str) -> None:
    song = read(tmp_path, f'"{text}"c4|c4|')
    assert chords(song) == f"{name}@0"
    assert "chord_symbol_unread" not in song.warnings


def test_overlays_of_rests_carry_their_chords(tmp_path: Path) -> None:
    song = read(tmp_path, '"C"c4 & "Am"x2 "F"x "G"x|"C"c4 & z2 "Dm"z2|c4 & "F"e2 "G"d2|')
    assert chords(song) == "C@0 F@24 G@36 C@48 Dm@72 F@96 G@120"
    assert pitches(song) == "C5 C5 C5"
    assert song.warnings == ("overlay_skipped", "tempo_assumed")  # the last one has notes


def test_symbol_lines(tmp_path: Path) -> None:
    song = read(
        tmp_path, 'CDEF|z2 GA|\ns: "C" * !f! "F" | "G" "^slowly" |\nw: words un-der it all\nc4|\ns: "C"'
    )
    assert chords(song) == "C@0 F@36 G@72 C@96"
    assert pitches(song) == "C4 D4 E4 F4 G4 A4 C5"


@pytest.mark.parametrize(
    ("symbols", "names", "warning"),
    [
        ("Do Lam Fa Sol7", "C@0 Am@48 F@96 G7@144", "chord_names_latin"),
        ("Do Fa Do Fa", "C@0 F@48 C@96 F@144", "chord_names_latin"),
        ("Re La7/Do# Sim Solm", "D@0 A7/C#@48 Bm@96 Gm@144", "chord_names_latin"),
        ("Em H7 B Hm", "Em@0 B7@48 Bb@96 Bm@144", "chord_names_german"),
        ("Es As7 Fm B7", "Eb@0 Ab7@48 Fm@96 Bb7@144", "chord_names_german"),
        ("a d E7 Fis°", "Am@0 Dm@48 E7@96 F#°@144", "chord_names_german"),
        ("Bes F B Fis", "Bb@0 F@48 B@96 F#@144", "chord_names_dutch"),
        ("C Do G7 B", "C@0 Do@48 G7@96 B@144", ""),
        ("Fa7 D Do G", "Faug7@0 D@48 Do@96 G@144", ""),
        ("Asus Esus4 Bm C#m", "Asus@0 Esus4@48 Bm@96 C#m@144", ""),
    ],
)
def test_note_names_of_other_languages(tmp_path: Path, symbols: str, names: str, warning: str) -> None:
    song = read(tmp_path, "|".join(f'"{symbol}"c4' for symbol in symbols.split()))
    assert chords(song) == names
    assert [code for code in song.warnings if code.startswith("chord_names")] == (
        [warning] if warning else []
    )


def test_where_languages_are_mixed_nothing_is_guessed(tmp_path: Path) -> None:
    song = read(tmp_path, '"C"c4|"Sol"d4|"F"f4|')
    assert chords(song) == "C@0 F@96"
    assert "chord_symbol_unread" in song.warnings


TUNE, LOW, BLOCKS = "c e g e|f a f c|g b d' b|c'4|", "C,2G,2|F,2C2|G,2D2|C,4|", "[CEG]4|[CFA]4|[DGB]4|[CEG]4|"


@pytest.mark.parametrize(
    ("first", "second", "melody", "guess"),
    [
        (('V:1 name="Bass" clef=bass', LOW), ('V:2 name="Melody"', TUNE), TUNE, False),
        (("V:B clef=bass", LOW), ("V:T", TUNE), TUNE, True),
        (("V:P name=Piano", BLOCKS), ("V:F name=Flute", TUNE), TUNE, False),
        (("V:1", BLOCKS), ("V:2", TUNE), TUNE, True),
        (("V:1", TUNE), ("V:2", BLOCKS), TUNE, True),
        (('V:1 name="Bass Clarinet"', TUNE), ('V:2 name="Guitar"', BLOCKS), TUNE, False),
        (("V:1", TUNE), ("V:2", f"{LOW}\nw: these words are sung be-low all of the chords"), LOW, False),
    ],
)
def test_the_melody_is_found_by_words_names_clef_and_notes(
    tmp_path: Path, first: tuple[str, str], second: tuple[str, str], melody: str, guess: bool
) -> None:
    voices = [f"{field.replace('V:', '[V:', 1).split()[0]}]{music}" for field, music in (first, second)]
    song = read(tmp_path, "\n".join(voices), f"{first[0]}\n{second[0]}\nK:C")
    assert pitches(song) == pitches(read(tmp_path, melody.split("\n")[0]))
    assert ("melody_scored" in song.warnings) == guess


@pytest.mark.parametrize(
    ("body", "tempo", "assumed"),
    [
        ("CDEF|GABc|[Q:1/4=50]c4|", 120.0, True),  # a ritardando
        ("CDEF|[Q:1/4=90]GABc|c4|c4|c4|", 90.0, False),
        ("G|[Q:1/4=90]GABc|c4|c4|", 90.0, False),  # behind a pickup
        ("[Q:1/4=90]CDEF|[Q:1/4=50]c4|c4|c4|", 90.0, False),
    ],
)
def test_late_tempo_marks(tmp_path: Path, body: str, tempo: float, assumed: bool) -> None:
    song = read(tmp_path, body)
    assert (song.score.tempo_bpm, "tempo_assumed" in song.warnings) == (tempo, assumed)


def test_endings_for_several_passes(tmp_path: Path) -> None:
    song = read(tmp_path, "|:C4|[1,3 D4:|[2,4 E4:|F4|")
    assert pitches(song) == "C4 D4 C4 E4 C4 D4 C4 E4 F4"


def test_symbols_are_shown_as_they_were_typed(tmp_path: Path) -> None:
    song = read(tmp_path, '"Abmaj7#11"c4|"G7alt"d4|"C#m"e4|"C^7"c4|"Co7"c4|"C07"c4|', "K:F")
    assert chords(song) == "Abmaj7#11@0 G7alt@48 C#m@96 C^7@144 Co7@192"
    assert [span.chord.is_exact for span in song.score.chords] == [False, False, True, True, True]
