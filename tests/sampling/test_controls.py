"""What a user may ask, and the one line that a mistake gets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hrpe_jax.codec import backbone
from hrpe_jax.codec.vocabulary import accepts_backbone
from hrpe_jax.errors import UserError
from hrpe_jax.sampling.chord_input import as_typed, read_chords, reading_notes, suggest
from hrpe_jax.sampling.controls import Drawing, chord_tokens
from hrpe_jax.sampling.form_input import read_form
from hrpe_jax.sampling.prime import Prime
from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.theory.chord import Chord, to_lead_sheet
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter
from tests.sampling.tiny import controls_of


def spelled(text: str, meter: str = "4/4", key: str | None = None) -> str:
    timed, _ = read_chords(text, Meter.parse(meter), None if key is None else Key.parse(key))
    return " ".join(f"{'?' if chord is None else to_lead_sheet(chord)}*{beats}" for chord, beats in timed)


@pytest.mark.parametrize(
    ("text", "meter", "expected"),
    [
        ("C Am F G", "4/4", "C*4 Am*4 F*4 G*4"),
        ("C, Am7, F", "3/4", "C*3 Am7*3 F*3"),
        ("C*2 Am*2 F G*3 E7", "4/4", "C*2 Am*2 F*4 G*3 E7*1"),
        ("C | Am F | G7 | %", "4/4", "C*4 Am*2 F*2 G7*4 G7*4"),
        ("| C Am F | Dm*1 G7 |", "4/4", "C*2 Am*1 F*1 Dm*1 G7*3"),
        ("C | N.C. | F#m7b5/C Bb", "6/8", "C*2 N.C.*2 F#m7b5/C*1 Bb*1"),
        ("C7(b9) A7(#9)", "2/4", "C7(b9)*2 A7(#9)*2"),
        ("Cmaj7/E", "12/8", "Cmaj7/E*4"),
        ("| Am7 D7 | Gmaj7 | C:maj/3 ? | ii V I |", "4/4", "Am7*2 D7*2 Gmaj7*4 C/E*2 ?*2 Am*2 D*1 G*1"),
        ("_ | C ?*1 F | ? | %", "4/4", "?*4 C*2 ?*1 F*1 ?*4 ?*4"),
    ],
)
def test_chords(text: str, meter: str, expected: str):
    assert spelled(text, meter) == expected


def test_chords_become_tokens_that_decode_to_them():
    controls = controls_of(chords="C C | Am*1 F | G7", bars=8)
    assert controls.chords_given
    assert controls.key == Key(0, "major")
    assert controls.meter == Meter(4, 4)
    assert controls.bars == 8
    ids = chord_tokens(controls.chords or (), controls.key, controls.meter)
    assert accepts_backbone(ids, beats=32) is None
    score = backbone.decode(ids)
    names = [to_lead_sheet(span.chord) for span in score.chords]
    assert names == ["C", "Am", "F", "G7", "C", "Am", "F", "G7", "C", "Am", "F"]
    assert [span.duration // 12 for span in score.chords] == [4, 1, 3, 4, 4, 1, 3, 4, 4, 1, 3]


def test_a_foreign_bass_becomes_a_chord_note_where_there_is_such_a_chord():
    controls = controls_of(chords="Am/G")
    assert controls.chords is not None
    score = backbone.decode(chord_tokens(controls.chords, Key(9, "minor"), Meter(4, 4)))
    assert to_lead_sheet(score.chords[0].chord) == "Am7/G"


def test_numerals_need_a_key():
    assert spelled("ii65 V7 | I6 bVII V7/V", key="Eb major") == "Fm7/Ab*2 Bb7*2 Eb/G*2 Db*1 F7*1"
    assert spelled("i | bVI V7", key="A minor") == "Am*4 F*2 E7*2"
    with pytest.raises(UserError, match=r"--chords: bar 1: 'ii' needs a key: add --key"):
        controls_of(chords="ii V I")


def test_defaults():
    controls = controls_of(temperature=0.8)
    assert (controls.bars, controls.key, controls.meter, controls.chords) == (16, None, None, None)
    assert controls.tempo == 120
    assert controls_of(chords="C F").bars == 2
    assert controls_of(chords="C F", key="a minor", meter="3/4").key == Key(9, "minor")


def test_each_stage_may_draw_in_its_own_way():
    controls = controls_of(temperature=0.8, temperature_backbone=0.5, top_k_melody=9, repetition_penalty=1.5)
    assert controls.backbone == Drawing(0.5, 0, 0.98, 1.5)
    assert controls.melody == Drawing(0.8, 9, 0.95, 1.5)
    both = controls_of(top_p=0.9)
    assert (both.backbone.top_p, both.melody.top_p) == (0.9, 0.9)


def test_keys_and_modes():
    assert controls_of(mode="minor").mode == "minor"
    controls = controls_of(key="A", mode="minor")
    assert (controls.key, controls.mode) == (Key(9, "minor"), None)
    assert controls_of(chords="Am Dm E7 Am", mode="minor").key == Key(9, "minor")
    assert controls_of(chords="? ?").key is None


def test_forms():
    assert [(s.name, s.first, s.bars, s.source, s.varied) for s in read_form("AA'B4a2", 22).sections] == [
        ("A", 0, 8, None, False), ("A", 8, 8, 0, True), ("B", 16, 4, None, False), ("A", 20, 2, 0, True),
    ]  # fmt: skip
    assert read_form("AABA").bars == 32
    form = read_form("A2A'2A2")
    assert form.chord_sources() == [-1, -1, 0, 1, 0, 1]
    assert form.melody_sources() == [-1, -1, -1, -1, 0, 1]
    assert controls_of(form="AABA", bars=16).bars == 16
    controls = controls_of(form="A2A2B1A2", chords="C F | G | Am")
    names = ["?" if chord is None else to_lead_sheet(chord) for chord, _ in controls.chords or ()]
    assert names[::4] == ["C", "G", "C", "G", "Am", "C", "G"]
    assert names[2] == "F"


PRIME = Score(
    "tune", "Tune", Key(7, "major"), Meter(3, 4), 90.0, (Note(0, 12, 67), Note(36, 24, 71)),
    (ChordSpan(0, 36, Chord(7, "maj")), ChordSpan(36, 24, Chord(2, "7"))),
)  # fmt: skip
UPBEAT = Score(
    "upbeat", "", Key(7, "major"), Meter(3, 4), 90.0, (Note(0, 12, 67), Note(12, 36, 71)),
    (ChordSpan(12, 36, Chord(2, "7")),), bar_resets=(12,),
)  # fmt: skip


def test_a_prime_says_key_meter_tempo_and_length():
    controls = controls_of(prime=PRIME, bars=6)
    assert (controls.key, controls.meter, controls.tempo, controls.bars) == (PRIME.key, PRIME.meter, 90.0, 8)
    assert controls.continued is not None
    assert controls.continued.event_ids[-1] < 189  # the rest at its end is open
    assert controls.continued.harmony[-1] == -1  # and so is the last beat's chord
    assert controls_of(prime=PRIME, tempo=150).tempo == 150
    over = controls_of(prime=PRIME, prime_use="chords")
    assert over.bars == 2
    assert over.chords_given
    assert over.continued is None
    assert controls_of(prime=UPBEAT, prime_use="chords").bars == 1
    assert controls_of(prime=UPBEAT, bars=2).bars == 4


def test_a_melody_alone_gets_chords_to_go_on_from() -> None:
    notes = tuple(
        Note(12 * at, 12, 55 + pitch) for at, pitch in enumerate((0, 4, 7, 5, 9, 12, 2, 7, 11, 0, 4, 7))
    )
    bare = replace(PRIME, melody=notes, chords=(), bar_resets=())
    prime = controls_of(prime=bare, bars=2).continued
    assert prime is not None
    assert prime.chords_found
    assert prime.score.melody == bare.melody
    roots = [span.chord.root for span in prime.score.chords]
    assert roots == [7, 0, 2, 7]  # I IV V I in G
    assert -1 not in prime.harmony  # sounding to the end
    assert not accepts_backbone([*prime.backbone_ids, 2])
    assert controls_of(prime=PRIME).prime == Prime(PRIME)  # its own chords stay
    few = replace(bare, melody=notes[:4])
    assert controls_of(prime=few).prime == Prime(few)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bars": 0}, "--bars: 1 to 10000 expected, got 0"),
        ({"bars": 20000}, "--bars: 1 to 10000 expected"),
        ({"num_pieces": 0}, "--num_pieces: 1 to 10000"),
        ({"seed": -1}, "--seed: 0 to"),
        ({"tempo": 5}, "--tempo: 20 to 400"),
        ({"tempo": float("nan")}, "--tempo: 20 to 400"),
        ({"temperature": 0}, "--temperature: above 0"),
        ({"temperature": float("nan")}, "--temperature: above 0"),
        ({"temperature_backbone": -1}, "--temperature_backbone: above 0"),
        ({"top_k": -1}, "--top_k: 0"),
        ({"top_p": 0}, "--top_p: above 0"),
        ({"top_p": 1.5}, "--top_p: above 0"),
        ({"key": "H major"}, "--key: 'H major' is no key"),
        ({"meter": "4"}, "--meter: '4'"),
        ({"meter": "5/32"}, "--meter: '5/32'"),
        ({"meter": "9/4"}, "--meter: '9/4'"),
        ({"chords": ""}, "--chords: none given"),
        ({"chords": " | "}, "--chords: none given"),
        ({"chords": "C | | F"}, "--chords: bar 2: empty"),
        ({"chords": "C Xyz"}, "--chords: bar 2: chord label 'Xyz'"),
        (
            {"chords": "C | F Solm7"},  # solfège beside English names
            "expected a lead-sheet chord, such as Cmaj7, F#m7b5/C or N.C.; did you mean Gm7?",
        ),
        ({"chords": "C dm7"}, "--chords: bar 2: chord label 'dm7'"),
        ({"chords": "C dm7"}, "did you mean Dm7?"),
        ({"chords": "C:foo"}, "--chords: bar 1: chord label 'C:foo'"),
        ({"chords": "V7/X", "key": "C"}, "expected a roman numeral"),
        ({"chords": "C ? | F", "stage": "melody"}, "--stage: the melody alone needs chords for every bar"),
        ({"stage": "melody"}, "--stage: the melody alone needs chords"),
        ({"stage": "bass"}, "--stage: one of both, backbone, melody expected"),
        ({"key": "C major", "mode": "minor"}, "--mode: minor, but --key=C major is C major"),
        ({"key": "a", "mode": "major"}, "--mode: major, but --key=a is A minor"),
        ({"mode": "dorian"}, "--mode: major or minor expected"),
        ({"chords": "C F G C", "mode": "minor"}, "--mode: minor, but --chords are in C major"),
        ({"form": "AA2B", "bars": 7}, "--form: AA2B: 5 bars cannot be divided among 2 equal sections"),
        ({"form": "A4A4B4", "bars": 32}, "--form: A4A4B4 has 12 bars, --bars=32 asks for more"),
        ({"form": "A4A8"}, "section A comes again with 8 bars, but has only 4"),
        ({"form": "A?"}, "--form: 'A?': expected letters"),
        ({"form": "A'B"}, "A' varies A, which has not been there before"),
        (
            {"form": "AB", "bars": 4, "chords": "C F"},
            "--chords: 2 bars, but the different sections of --form=AB have 4",
        ),
        ({"prime": PRIME, "key": "C"}, "--key: the prime is in G major; leave --key (or --prime) out"),
        ({"prime": PRIME, "meter": "4/4"}, "--meter: the prime is in 3/4"),
        ({"prime": PRIME, "form": "AABA"}, "--form: a prime has its own form"),
        (
            {"prime": PRIME, "prime_use": "chords", "bars": 9},
            "--bars: the prime has 2 bars of chords, --bars=9",
        ),
        ({"prime": PRIME, "prime_use": "melody"}, "--prime_use: 'melody': one of continue, chords"),
        (
            {"prime": replace(PRIME, melody=())},
            "--prime: tune has no melody to go on from; --prime_use=chords writes",
        ),
        ({"prime": replace(PRIME, chords=()), "prime_use": "chords"}, "has no chords to write a melody over"),
        ({"repetition_penalty": 0.5}, "--repetition_penalty: 1 (none) or more expected"),
        ({"top_p_melody": 0}, "--top_p_melody: above 0"),
        ({"candidates": 0}, "--candidates: 1 to 64 expected"),
        ({"chords": "% | C"}, '--chords: bar 1: "%" needs'),
        ({"chords": "C*5"}, "--chords: bar 1 (C*5): its chords do not fill the 4 beats"),
        ({"chords": "C*3"}, "--chords: bar 1 (C*3): its chords do not fill the 4 beats"),
        ({"chords": "C*0 F"}, '--chords: bar 1 (C*0): beats after "*" must be a whole number'),
        ({"chords": "C*x"}, "must be a whole number, got 'x'"),
        ({"chords": "C D E F G |"}, "do not fill the 4 beats of a 4/4 bar"),
        ({"chords": "C F G", "bars": 2}, "--chords: 3 bars of chords do not fit --bars=2"),
        ({"chords": "C " * 10001}, "--chords: at most 10000 bars"),
        ({"chords": "C |" * 10001}, "--chords: at most 10000 bars expected, got 10001"),
        ({"chords": "C*" + "9" * 5000}, "beats after"),
        ({"chords": "C" + "#" * 100_000}, "(100001 characters)' is no chord; names have at most 100"),
        ({"chords": "V" + "7" * 100_000}, "(100001 characters)' is no chord; names have at most 100"),
        ({"chords": "| " + "C " * 50_000 + "|"}, "... (99999 characters)): its chords do not fill"),
        ({"form": "A999999999"}, "--form: 'A999999999': at most 10000 bars expected, got 999999999"),
        ({"form": "A" + "9" * 5000}, "at most 10000 bars expected"),
        ({"form": "A" * 10_001}, "at most 10000 bars expected, got 10001"),
        ({"form": "A" * 9_000}, "at most 10000 bars expected, got 72000"),
        ({"form": "A" * 100, "bars": 10_100}, "--bars: 1 to 10000 expected"),
        ({"prime": PRIME, "bars": 9_999}, "--prime: at most 10000 bars in all expected, got 10001"),
        ({"key": "C" * 100_000}, "... (100000 characters)' is no key"),
        ({"meter": "4/" + "4" * 100_000}, "... (100002 characters)': expected such as 4/4"),
        ({"meter": "9" * 5000 + "/4"}, "... (5002 characters)': expected such as 4/4"),
    ],
)
def test_mistakes_are_one_line_that_names_the_option(options: dict[str, Any], message: str):
    with pytest.raises(UserError) as caught:
        controls_of(**options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("text", "key", "shown", "note"),
    [
        ("C♯m F♯ C/F#", "C", "C#m F# C/F#", ""),
        ("G7alt Abmaj7#11 C07", None, "G7alt Abmaj7#11 C07", "G7alt as G7(#9), Abmaj7#11 as Abmaj7"),
        ("Do Lam Fa Sol7", None, "C Am F G7", "solfège"),
        ("Do Fa Do Fa", None, "C F C F", "solfège"),
        ("Em H7*2 B*2 Fis", None, "Em B7 Bb F#", "German"),
        ("1 6- 4 57 1/3 b7 2m7", "G", "G Em C D7 G/B F Am7", ""),
        ("1 6 4 5", "C", "C A F G", "a number alone is a major chord"),
        ("C F 5 1", None, "C F G C", ""),
        ("1- 4- 5", "A minor", "Am Dm E", ""),
    ],
)
def test_chords_are_read_as_people_type_them_and_shown_so(text: str, key: str | None, shown: str, note: str):
    timed, found = read_chords(text, Meter(4, 4), None if key is None else Key.parse(key))
    chords = [chord for chord, _ in timed]
    assert " ".join(to_lead_sheet(chord, found) for chord in chords if chord is not None) == shown
    notes = reading_notes(text, chords)
    assert len(notes) == bool(note)
    assert note in "".join(notes)


def test_chords_of_a_piece_are_shown_as_they_were_typed():
    timed, _ = read_chords("Abmaj7 | Abmaj7#11 | C♯m | C/D ?", Meter(4, 4))
    typed, tick = [], 0
    for chord, beats in timed:
        if chord is not None:
            typed.append(ChordSpan(tick, 12 * beats, chord))
        tick += 12 * beats
    plain = (
        ChordSpan(0, 96, Chord(8, "maj7")), ChordSpan(96, 48, Chord(1, "min")),
        ChordSpan(144, 24, Chord(0, "add9", 2)), ChordSpan(168, 24, Chord(7, "7")),
    )  # fmt: skip
    shown = [(span.onset, span.duration, to_lead_sheet(span.chord)) for span in as_typed(plain, typed)]
    assert shown == [
        (0, 48, "Abmaj7"), (48, 48, "Abmaj7#11"), (96, 48, "C#m"), (144, 24, "C/D"), (168, 24, "G7")
    ]  # fmt: skip
    assert as_typed(plain, [ChordSpan(0, 192, Chord(2, "min"))]) == plain


@pytest.mark.parametrize(
    ("label", "meant"),
    [
        ("Hm7", "Bm7"),
        ("cmaj7", "Cmaj7"),
        ("Am7b", "Am7"),
        ("G7xyz", "G7"),
        ("V77", "V7"),
        ("[C]", "C"),
        ("???", None),
    ],
)
def test_what_an_unreadable_chord_could_have_been(label: str, meant: str | None):
    assert suggest(label) == meant
