"""The music of a tune: one small document for each feature of the notation."""

from __future__ import annotations

import pytest

from hrpe_jax.formats.abc import read as abc
from hrpe_jax.formats.abc.book import AbcError, split_tunes, tokens
from hrpe_jax.formats.abc.read import AbcTune, read_abc_tune

NAMES = ("C", "^C", "D", "^D", "E", "F", "^F", "G", "^G", "A", "^A", "B")


def read(body: str, key: str = "C", head: str = "M:4/4\nL:1/4\n") -> AbcTune:
    (text,) = split_tunes(f"X:1\n{head}K:{key}\n{body}\n")
    return read_abc_tune(text, "test")


def names(tune: AbcTune, voice: int = 0) -> str:
    """Notes by name, with octave marks only where they differ from that of middle C."""
    result = []
    for note in tune.voices[voice].notes:
        octave = note.pitch // 12 - 5
        result.append(NAMES[note.pitch % 12] + ("'" * octave if octave > 0 else "," * -octave))
    return " ".join(result)


def lengths(tune: AbcTune) -> list[int]:
    return [note.duration for note in tune.voices[0].notes]


def chords(tune: AbcTune) -> list[tuple[int, str]]:
    return [(span.onset, str(span.chord)) for span in tune.voices[0].chords]


def test_pitches_and_octaves() -> None:
    assert names(read("C,, C, C c c' c,|C'")) == "C,, C, C C' C'' C C'"
    assert names(read("^c _d =c ^^f __b|")) == "^C' ^C' C' G' A'"
    assert names(read("c", head="V:1 clef=treble-8\n")) == "C"


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("D", "^F ^C' G"),
        ("Ddor", "F C' G"),
        ("Gm", "F C' G"),
        ("Bb", "F C' G"),
        ("E", "^F ^C' ^G"),
        ("none", "F C' G"),
    ],
)
def test_signatures(key: str, expected: str) -> None:
    assert names(read("F c G|", key)) == expected


def test_accidentals_last_to_the_bar_line() -> None:
    assert names(read("^F G F f|F _B B=B B|B")) == "^F G ^F ^F' F ^A ^A B B B"
    assert names(read("I:propagate-accidentals octave\n^F f|")) == "^F F'"
    assert names(read("I:propagate-accidentals not\n^F F|")) == "^F F"


def test_a_tie_carries_the_accidental_over_the_bar_line() -> None:
    tune = read("^F2 ^f2-|f2 f F|")
    assert names(tune) == "^F ^F' F' F"
    assert lengths(tune) == [24, 48, 12, 12]


def test_lengths() -> None:
    assert lengths(read("A2 A/ A// A/2 A3/2 A3// A1 A/4 A6/4")) == [24, 6, 3, 6, 18, 9, 12, 3, 18]
    assert lengths(read("AB", head="M:2/4\n")) == [3, 3]
    assert lengths(read("AB", head="M:6/8\n")) == [6, 6]
    assert lengths(read("A [L:1/8] B\nL:1/16\nc")) == [12, 6, 3]


def test_broken_rhythm() -> None:
    assert lengths(read("A>B c<d e>>f g<<a | b >\n c'")) == [18, 6, 6, 18, 21, 3, 3, 21, 18, 6]
    assert lengths(read("A>[CE] z<A")) == [18, 6, 6, 18]


def test_tuplets() -> None:
    assert lengths(read("(3ABc (3:2:2AB (5:4:5A/A/A/A/A/ d")) == [8, 8, 8, 8, 8, 5, 5, 4, 5, 5, 12]
    assert lengths(read("(2AB (4ABcd", head="M:6/8\nL:1/8\n")) == [9, 9, 5, 4, 5, 4]
    assert lengths(read("(3A{g}zc B")) == [8, 8, 12]
    assert lengths(read("(3::AAA (0A A")) == [8, 8, 8, 12, 12]


def test_ties_join() -> None:
    assert lengths(read("A-A A -A|A- B A-|A [CE]-[CE] [C-E]C")) == [24, 24, 12, 12, 24, 24, 24, 24, 12]
    assert lengths(read("(A B) .-c d")) == [12, 12, 12, 12]


def test_chords_rests_and_what_is_not_heard() -> None:
    tune = read('[CEG]2 [C2E]/ z x2 {gfg}A !trill!B +fermata+c ~d .e "^slow"f "_x"g y4 a')
    assert names(tune) == "C E G C E A B C' D' E' F' G' A'"
    assert [note.onset for note in tune.voices[0].notes][3:7] == [24, 24, 72, 84]
    assert tune.voices[0].notes[3].duration == 12
    assert tune.voices[0].chords == ()
    assert [m.start for m in read("Z2|A4|X|B4").measures] == [0, 48, 96, 144, 192]


def test_chord_symbols() -> None:
    tune = read('"Am7"A2 "G/B"B2|"(D7)"d4|"N.C."e2 "Dm;Dm7"f2|"Fine"A2 "E""^up""(E7)"E2|" ""C"C4|')
    assert chords(tune) == [
        (0, "A:min7"),
        (24, "G:maj/3"),
        (48, "D:7"),
        (96, "N"),
        (120, "D:min"),
        (168, "E:maj"),
    ]
    assert tune.warnings == ("chord_symbol_unread",)
    assert chords(read('"C"C2 z2|"C"C "G"|G4')) == [(0, "C:maj"), (60, "G:maj")]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("|:A4:|B4|", "A A B"),
        ("A4:|B4:|", "A A B B"),
        ("|:A4::B4:|", "A A B B"),
        ("|:A4:||:B4:|", "A A B B"),
        ("|::A4::|", "A A A"),
        ("|:A4|1 B4:|2 C4||D4|", "A B A C D"),
        ("|:A4|[1 B4:|[2 C4|D4|]", "A B A C D"),
        ("|:A4|[1,3 B4:|[2 C4:|[4 D4||", "A B A C A B A D"),
        ("|:A4|[1-3 B4:|[4 C4|]", "A B A B A B A C"),
        ("|:A2 [1 B2:|[2 C2|]", "A B A C"),
        ("A4||B4:|", "A B B"),
        ("|:A4||B4:|", "A B A B"),
        ("A4|B4!D.C.!|", "A B A B"),
        ("A4!fine!|B4!D.C.!|", "A B A"),
        ("A4|!segno!B4!dacoda!|C4!D.S.!|!coda!D4|", "A B C B D"),
    ],
)
def test_repeats(body: str, expected: str) -> None:
    assert names(read(body)) == expected


def test_parts() -> None:
    body = "P:A\nA4|\nP:B\n|:B4:|\nP:C\nC4|"
    assert names(read(body)) == "A B B C"
    assert names(read(body, head="P:AAB2\nM:4/4\nL:1/4\n")) == "A A B B B B"
    assert names(read(body, head="Y:CA\nM:4/4\nL:1/4\n")) == "C A"
    missing = read(body, head="P:AD\nM:4/4\nL:1/4\n")
    assert (names(missing), missing.warnings) == ("A B B C", ("part_order_ignored",))
    assert names(read("D4|\n" + body, head="P:BA\nM:4/4\nL:1/4\n")) == "D B B A"


def test_key_and_meter_may_change() -> None:
    tune = read("F4|[K:D]F4|\nM:3/4\nK:Am\nF3|[M:2/4]F2 [K:G]F2")
    assert names(tune) == "F ^F F F ^F"
    assert [str(measure.meter) for measure in tune.measures] == ["4/4", "4/4", "3/4", "2/4", "2/4"]
    assert [str(measure.key.key) for measure in tune.measures][1:3] == ["D major", "A minor"]


def test_pickups_and_bars_cut_by_repeats() -> None:
    tune = read("|:G|A4|B3:|G|c4|")
    assert tune.bar_starts() == (0, 12, 60, 108, 156, 204)
    assert [m.length for m in tune.measures][:3] == [12, 48, 36]


@pytest.mark.parametrize(
    "body",
    [
        "V:S1\n^F4|G4|\nV:B2\nF,4|G,4|",
        "[V:S1] ^F4|G4|\n[V:B2] F,4|G,4|",
        "[V: S1]^F4|\n[V: B2]F,4|\n[V: S1]G4|\nw:words to sing\n[V: B2]G,4|",
        "[V:S1] ^F4| [V:B2] F,4 |[V:S1] G4|[V:B2]G,4|",
    ],
)
def test_voices(body: str) -> None:
    tune = read(body, head="V:S1 name=Soprano\nV:B2 clef=bass\nM:4/4\nL:1/4\n")
    assert [voice.name for voice in tune.voices] == ["S1", "B2"]
    assert (names(tune), names(tune, 1)) == ("^F G", "F, G,")
    assert [note.onset for note in tune.voices[1].notes] == [0, 48]


def test_repeats_hold_for_all_voices_and_slips_stay_in_their_bar() -> None:
    tune = read("[V:1]|:A4:|B4|\n[V:2]C4|D2 D4|\n")
    assert names(tune, 1) == "C C D D"
    assert [note.onset for note in tune.voices[0].notes] == [0, 48, 96]
    uneven = read("[V:1]A4|B4|c4|\n[V:2]C4 D4|E4|\n")
    assert uneven.warnings == ("voices_uneven",)
    assert [note.onset for note in uneven.voices[1].notes] == [0, 48, 96]


def test_overlays_words_and_remarks_are_left_out() -> None:
    tune = read(
        "A2 B2 & C4|c4|\nThis is how the chorus of the thing was sung\nd4 % ABC\nw:A B C\nW:ABC\nU:T=!x!\n"
    )
    assert names(tune) == "A B C' D'"
    assert tune.warnings == ("overlay_skipped", "text_skipped")


def test_long_lines_go_on() -> None:
    assert names(read("A2\\\nB2|\\\nc4|")) == "A B C'"


def test_title_tempo_and_number() -> None:
    tune = read("A", head="T:A \\'Etude\nC:Anon\nM:2/4\nQ:3/8=60\n")
    assert (tune.number, tune.title, tune.composer, tune.tempo_bpm) == ("1", "A Étude", "Anon", 90.0)
    assert read("[Q:1/4=70]A").tempo_bpm == 70.0
    assert read("A").tempo_bpm is None


@pytest.mark.parametrize("body", ["", "z4|", '"C"z4|', "|:|:|", "[V:1]|[V:2]|"])
def test_no_notes(body: str) -> None:
    with pytest.raises(AbcError) as error:
        read(body)
    assert error.value.reason == "abc_no_notes"


@pytest.mark.parametrize(
    ("body", "head"),
    [
        ("A|" * 50, ""),
        ("|:" + "A8|" * 29 + "A8" + "::" * 20 + "|", ""),
        ("P:A\nABcd|efga|\n", "P:(A30)9\n"),
        ("".join(f"[V:{i}]A" for i in range(70)), ""),
    ],
)
def test_limits(body: str, head: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abc, "MAX_EVENTS", 40)
    monkeypatch.setattr(abc, "MAX_NOTES", 60)
    with pytest.raises(AbcError) as error:
        read(body, head=head)
    assert error.value.reason == "abc_too_long"


def test_every_kind_of_sign_has_its_parts() -> None:
    found = dict(tokens('^c,3/2"G":|[1[K:D](3:2:3z2>A-&[CE]2!fine!::[2 ]'))
    assert found["note"] == ("", "E", "", "", "", "")
    assert found["bar"] == (":", "|", "", "1")
    assert found["field"] == ("K", "D")
    assert found["tuplet"] == ("3", "2", "3")
    assert found["rest"] == ("z", "2", "", "")
    assert found["decoration"] == ("fine", "")
    assert {"text", "broken", "tie", "overlay", "open", "close", "double", "ending"} <= set(found)
