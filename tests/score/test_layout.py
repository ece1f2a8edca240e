from __future__ import annotations

from dataclasses import replace

from hrpe_jax.score.form import parse_form
from hrpe_jax.score.notation import write_bars
from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.score.written import Measure, lay_out
from hrpe_jax.theory.chord import parse_lead_sheet
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter


def song(pitches: str, form: str, chords: str = "") -> Score:
    """A bar of one whole note for each letter, and of one chord for each letter of `chords`."""
    chords = chords or "C" * len(pitches)
    return Score(
        "song",
        "",
        Key.parse("C major"),
        Meter(4, 4),
        120,
        tuple(Note(48 * bar, 48, 60 + ord(letter) % 12) for bar, letter in enumerate(pitches)),
        tuple(ChordSpan(48 * bar, 48, parse_lead_sheet(letter)) for bar, letter in enumerate(chords)),
        form=parse_form(form),
    )


def played(measures: list[Measure]) -> list[tuple[int, ...]]:
    return [measure.played for measure in measures]


def test_a_section_that_comes_again_note_for_note_is_repeated():
    measures = lay_out(song("abcd" * 2 + "efgh" + "abcd", "A4A4B4A4", "CFGC" * 4))
    assert played(measures) == [(0, 4), (1, 5), (2, 6), (3, 7), *((bar,) for bar in range(8, 16))]
    assert [measure.section for measure in measures if measure.section] == ["A", "B", "A"]
    assert [i for i, measure in enumerate(measures) if measure.repeat_start] == [0]
    assert [i for i, measure in enumerate(measures) if measure.repeat_end] == [3]
    assert [i for i, measure in enumerate(measures) if measure.double_bar] == [7, 11]
    assert [measure.bar.number for measure in measures] == list(range(1, 13))


def test_endings_where_the_last_bars_differ():
    measures = lay_out(song("abcdefgh" + "abcdefij", "A8A8"))
    assert len(measures) == 10
    assert [(m.ending, m.ending_start, m.ending_stop, m.repeat_end) for m in measures[6:]] == [
        (1, True, False, False),
        (1, False, True, True),
        (2, True, False, False),
        (2, False, True, False),
    ]


def test_a_verse_and_a_chorus_come_again_together():
    measures = lay_out(song("abcdefgh" * 2, "A4B4A4B4"))
    assert played(measures) == [(bar, bar + 8) for bar in range(8)]


def test_what_differs_or_is_tied_over_is_written_out():
    assert len(lay_out(song("abcd" + "axcd", "A4A4"))) == 8
    tied = song("abcd" * 2, "A4A4")
    melody = [*tied.melody[:3], Note(144, 96, 60), *tied.melody[5:]]
    assert len(lay_out(replace(tied, melody=tuple(melody)))) == 8


def test_the_chord_is_printed_again_where_a_repeat_is_entered():
    held = song("abcd" * 2 + "ef", "A4A4B2", "CCCCCCCCCC")
    held = replace(held, chords=(ChordSpan(0, 480, parse_lead_sheet("C")),))
    measures = lay_out(held)
    assert [i for i, measure in enumerate(measures) if measure.chord is not None] == [4]
    assert str(measures[4].chord) == "C:maj"


def test_lines_have_four_bars_and_begin_with_sections():
    measures = lay_out(song("abcdef" + "ghijklm", "A6B7"))
    assert [i for i, measure in enumerate(measures) if measure.new_system] == [4, 6, 10]


def test_a_crowded_line_has_two_bars():
    notes = tuple(Note(3 * place, 3, 60 + place % 3) for place in range(16 * 4))
    measures = lay_out(replace(song("abcd", "A4"), melody=notes))
    assert [i for i, measure in enumerate(measures) if measure.new_system] == [2]


def test_every_bar_is_played_once():
    score = song("abcd" * 4 + "efgh", "A4A4A4A4B4")
    bars = sorted(bar for measure in lay_out(score) for bar in measure.played)
    assert bars == list(range(len(write_bars(score))))
