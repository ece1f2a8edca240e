from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrpe_jax.theory.chord import (
    QUALITIES,
    Chord,
    ChordError,
    coarse_quality,
    parse_harte,
    parse_lead_sheet,
    to_harte,
    to_lead_sheet,
)
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.quality import CHORD_TONES

chords = st.builds(Chord, st.integers(0, 11), st.sampled_from(QUALITIES), st.none() | st.integers(0, 11))
keys = st.integers(0, 23).map(Key.from_index)


@pytest.mark.parametrize("quality", QUALITIES)
def test_every_chord_of_the_vocabulary_reads_back(quality: str) -> None:
    for root in range(12):
        for bass in range(12):
            chord = Chord(root, quality, bass)
            assert parse_harte(to_harte(chord)) == chord
            assert parse_lead_sheet(to_lead_sheet(chord)) == chord


@given(chords, keys)
def test_spelling_in_a_key_reads_back(chord: Chord, key: Key) -> None:
    assert parse_harte(to_harte(chord, key)) == chord
    assert parse_lead_sheet(to_lead_sheet(chord, key)) == chord


@given(chords, st.integers(-24, 24))
def test_transposition(chord: Chord, shift: int) -> None:
    moved = chord.transpose(shift)
    assert moved.pitch_classes == {(pc + shift) % 12 for pc in chord.pitch_classes}
    assert moved.inversion == chord.inversion
    assert moved.quality_code == chord.quality_code == coarse_quality(chord.quality)
    assert moved.transpose(-shift) == chord


@given(chords)
def test_absorbing_the_bass_keeps_the_notes(chord: Chord) -> None:
    absorbed = chord.absorb_bass()
    assert absorbed.pitch_classes == chord.pitch_classes
    assert (absorbed.root, absorbed.bass) == (chord.root, chord.bass)


def test_absorbing_common_slash_chords() -> None:
    assert parse_harte("A:min/b7").absorb_bass() == parse_harte("A:min7/b7")
    assert parse_harte("C:maj/9").absorb_bass() == parse_harte("C:maj(9)/9")
    assert parse_harte("C:maj/9").absorb_bass().inversion == 3
    assert parse_harte("C:maj/11").absorb_bass() == parse_harte("C:maj/11")


def test_value() -> None:
    assert Chord(2, "min7") == Chord(2, "min7", 2)
    assert Chord(2, "min7").pitch_classes == {2, 5, 9, 0}
    assert [Chord(0, "7", (0 + t) % 12).inversion for t in CHORD_TONES["7"]] == [0, 1, 2, 3]
    assert Chord(0, "maj", 2).inversion == 0
    assert Chord(5, "N", 3) == Chord.NONE == Chord.NONE.transpose(3)
    assert Chord.NONE.is_none
    assert Chord.NONE.pitch_classes == frozenset()
    assert str(Chord(1, "min7", 4)) == "Db:min7/b3"
    for bad in ((12, "maj", None), (0, "mojo", None), (0, "maj", 12)):
        with pytest.raises(ChordError):
            Chord(*bad)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("label", "chord"),
    [
        ("C#:min7/b3", Chord(1, "min7", 4)),
        ("G", Chord(7, "maj")),
        ("G/3", Chord(7, "maj", 11)),
        ("C:maj(9)", Chord(0, "add9")),
        ("C:(1,5)", Chord(0, "5")),
        ("Bb:sus4(b7)", Chord(10, "7sus4")),
        ("A:sus4(b7,9)", Chord(9, "9sus4")),
        ("D:7(#9)", Chord(2, "7#9")),
        ("E:aug(b7)", Chord(4, "7#5")),
        ("E:7(#5)", Chord(4, "7#5")),
        ("C:maj(*3)", Chord(0, "5")),
        ("C:(1,b3,b5,b7)", Chord(0, "hdim7")),
        ("F:maj/bb13", Chord(5, "maj", 0)),
        ("C:5", Chord(0, "5")),
        ("C:1", Chord(0, "5")),
        ("C:min13", Chord(0, "min11")),
        ("Cb:maj6(9)", Chord(11, "6/9")),
        ("N", Chord.NONE),
        ("X", Chord.NONE),
    ],
)
def test_harte(label: str, chord: Chord) -> None:
    assert parse_harte(label) == chord


@pytest.mark.parametrize(
    ("quality", "spellings"),
    [
        ("maj", "C CM Cmaj C-5 Cadd#11 (C)"),
        ("min", "Cm C- Cmin Cmi"),
        ("dim", "Cdim C° Co Cd"),
        ("aug", "C+ Caug Ca"),
        ("maj6", "C6 CM6 Cmaj6"),
        ("min6", "Cm6 C-6 Cm69 Cmi6"),
        ("7", "C7 C7(b13)"),
        ("maj7", "CΔ CΔ7 C△7 C^ C^7 Cmaj7 CMaj7 CM7 Cma7 C7M Cmaj7#11 Cj7"),
        ("min7", "Cm7 C-7 Cmin7 Cmi7"),
        ("minmaj7", "CmM7 Cm(maj7) CmMaj7 C-Δ7 Cm^7 C-maj7"),
        ("dim7", "Cdim7 Co7 C°7"),
        ("hdim7", "Cø Cø7 Cm7b5 C-7b5 Cm7(b5) Cmi7-5 Chdim7"),
        ("sus2", "Csus2"),
        ("sus4", "Csus Csus4 C4 Csus24"),
        ("7sus4", "C7sus C7sus4 Csus7 C7(sus4) C7sus4(b9)"),
        ("5", "C5 C(no3) Cno3"),
        ("add9", "Cadd9 C2 Cadd2 C(add9)"),
        ("minadd9", "Cmadd9 Cm(add9) C-add9"),
        ("9", "C9"),
        ("maj9", "Cmaj9 CM9 CΔ9"),
        ("min9", "Cm9 C-9 Cmi9"),
        ("11", "C11"),
        ("13", "C13 C13#11"),
        ("min11", "Cm11 Cm7add11"),
        ("maj13", "Cmaj13"),
        ("7b9", "C7b9 C7(b9) C7-9 C13b9 C7(b9,#11)"),
        ("7#9", "C7#9 C7+9 C7alt C7#5#9"),
        ("7#11", "C7#11 C7b5 C7-5 C9#11 C9b5"),
        ("7#5", "C7#5 C7+ C+7 Caug7 C9+ C9#5 C7+5 C7#5b9"),
        ("6/9", "C6/9 C69 C6add9"),
        ("maj7#5", "Cmaj7#5 C+maj7 Caugmaj7 Cmaj7(#5)"),
        ("9sus4", "C9sus C9sus4 C13sus4 Csus9"),
    ],
)
def test_lead_sheet_spellings(quality: str, spellings: str) -> None:
    for label in spellings.split():
        assert parse_lead_sheet(label) == Chord(0, quality), label


def test_lead_sheet_basses() -> None:
    assert parse_lead_sheet("F#m7b5/C") == Chord(6, "hdim7", 0)
    assert parse_lead_sheet("B♭m7/E♭") == Chord(10, "min7", 3)
    assert parse_lead_sheet("C6/9/E") == Chord(0, "6/9", 4)
    assert parse_lead_sheet("D/f+") == Chord(2, "maj", 6)  # as the Nottingham collection writes F#
    assert parse_lead_sheet("N.C.") == parse_lead_sheet("NC") == Chord.NONE


def test_lead_sheet_names_follow_the_key() -> None:
    assert to_lead_sheet(Chord(2, "maj", 6), Key(7, "major")) == "D/F#"
    assert to_lead_sheet(Chord(6, "hdim7", 0), Key(4, "minor")) == "F#m7b5/C"
    assert to_lead_sheet(Chord(8, "maj", 0), Key(0, "minor")) == "Ab/C"
    assert to_lead_sheet(Chord(8, "dim7"), Key(9, "minor")) == "G#dim7"
    assert to_lead_sheet(Chord.NONE) == "N.C."


@pytest.mark.parametrize("label", ["", "H", "c", "Cfoo", "C/", "C/H", "%", "C7/4x", "||"])
def test_bad_lead_sheet_labels_are_named(label: str) -> None:
    with pytest.raises(ChordError) as caught:
        parse_lead_sheet(label)
    assert repr(label) in str(caught.value)


@pytest.mark.parametrize("label", ["", "H:maj", "C:foo", "c:maj", "C:(1,14)", "C:maj/0", "C(9)", "C:maj(x)"])
def test_bad_harte_labels_are_named(label: str) -> None:
    with pytest.raises(ChordError) as caught:
        parse_harte(label)
    assert repr(label) in str(caught.value)


@given(st.text(alphabet="ABCDFGNmajinMdsugo#b♭/()+-Δø°2345679113,: .x", max_size=12))
def test_any_text_parses_or_raises_chord_error(text: str) -> None:
    for parse in (parse_harte, parse_lead_sheet):
        try:
            chord = parse(text)
        except ChordError:
            continue
        assert parse_harte(to_harte(chord)) == chord


def test_every_label_of_pop909(shared_data: Path) -> None:
    files = sorted((shared_data / "pop909" / "POP909").glob("*/chord_midi.txt"))
    labels = {line.split()[2] for file in files for line in file.read_text().splitlines() if line.strip()}
    assert len(labels) > 200
    for label in labels:
        parse_harte(label)


def test_every_label_of_billboard(shared_data: Path) -> None:
    labels = set()
    for file in (shared_data / "billboard").glob("**/salami_chords.txt"):
        for line in file.read_text().splitlines():
            if not line.startswith("#"):
                labels.update(token for bar in line.split("|")[1:-1] for token in bar.split() if ":" in token)
    assert len(labels) > 900
    for label in labels:
        parse_harte(label)
