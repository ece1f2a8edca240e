"""Measures of tunes on tunes made up for them, whose values are found by counting."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hrpe_jax.metrics import harmony, phrasing, recurrence
from hrpe_jax.metrics.arrays import Undefined, piece_of
from hrpe_jax.metrics.phrasing import excerpts
from hrpe_jax.metrics.structure import bar_chords, bar_ids
from hrpe_jax.score.form import parse_form
from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.theory.chord import parse_harte
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter

from .music import tune, tunes

BAR = 48
# A bar of each kind: (onset, duration, pitch).
UP = [(0, 12, 60), (12, 12, 62), (24, 12, 64), (36, 12, 65)]
DOWN = [(0, 12, 67), (12, 12, 65), (24, 12, 64), (36, 12, 62)]  # the rhythm of UP
SKIP = [(0, 18, 64), (18, 6, 65), (24, 12, 67), (36, 12, 64)]
HALF = [(0, 24, 60), (24, 24, 67)]
SHORT = [(0, 6, 60), (12, 6, 62), (24, 6, 64), (36, 6, 65)]  # UP, cut short
LAST = [(0, 12, 62), (12, 36, 60)]


def sheet(bars, harmony=("C",), key="C major", form="", meter=Meter(4, 4)) -> Score:  # noqa: B008
    """Bars of notes, a chord each (the last one for the bars after), in a key."""
    size = meter.bar_ticks
    notes = [Note(n * size + at, length, pitch) for n, bar in enumerate(bars) for at, length, pitch in bar]
    names = [harmony[min(n, len(harmony) - 1)] for n in range(len(bars))]
    spans = [ChordSpan(n * size, size, parse_harte(name)) for n, name in enumerate(names)]
    sections = parse_form(form) if form else ()
    return Score("sheet", "", Key.parse(key), meter, 100.0, tuple(notes), tuple(spans), form=sections)


def test_bars_are_numbered_by_what_is_in_them() -> None:
    piece = piece_of(sheet([UP, DOWN, [], SHORT, UP], ["C", "G", "G", "C", "C"]))
    assert bar_ids(piece, "notes").tolist() == [0, 1, -1, 2, 0]
    assert bar_ids(piece, "pitches").tolist() == [0, 1, -1, 0, 0]
    assert bar_ids(piece, "rhythm").tolist() == [0, 0, -1, 0, 0]
    own = bar_ids(piece, "chords")
    assert (own[0] == own[[3, 4]]).all()
    assert own[1] == own[2] != own[0]
    assert bar_chords(piece).shape == (5, 4)


def test_a_melody_begins_in_the_first_bar_or_later() -> None:
    assert phrasing.begins_at_once(sheet([UP, DOWN])) == 1
    late = sheet([[], [(24, 12, 60)], UP])
    assert phrasing.begins_at_once(late) == 0
    assert phrasing.beats_before_melody(late) == 6
    pickup = replace(sheet([UP, UP]), bar_resets=(12,), melody=(Note(0, 12, 55), Note(12, 12, 60)))
    assert phrasing.begins_at_once(pickup) == 1
    after_pickup = replace(pickup, melody=(Note(12, 12, 60),))
    assert phrasing.begins_at_once(after_pickup) == 1
    with pytest.raises(Undefined, match="no melody"):
        phrasing.begins_at_once(sheet([[], []]))


def test_the_last_note_ends_a_piece_or_not() -> None:
    closed = sheet([UP, LAST], ["G", "C"])
    everything = ("note", "triad", "chord", "held")
    assert phrasing.final_note(closed, everything) == 1
    assert phrasing.final_note(sheet([UP, UP], ["G", "C"]), ("note",)) == 0
    assert phrasing.final_note(sheet([UP, [(0, 12, 64)]], ["G", "C"]), ("triad",)) == 1
    assert phrasing.final_note(sheet([UP, LAST], ["C", "F"]), ("chord",)) == 0
    assert phrasing.final_note(sheet([UP, LAST], ["C", "F"]), ("held",)) == 1
    assert phrasing.final_note(sheet([UP, [(0, 23, 60)]]), ("held",)) == 0
    minor = sheet([UP, [(0, 36, 60)]], ["C"], "A minor")
    assert phrasing.final_note(minor, ("triad",)) == 1, "C is the third of A minor"
    elsewhere = sheet([[(0, 12, 61), (12, 12, 66), (24, 12, 68), (36, 12, 60)]])
    with pytest.raises(Undefined, match="another key"):
        phrasing.final_note(elsewhere, ("note",))
    with pytest.raises(Undefined, match="no chords"):
        phrasing.final_note(replace(closed, chords=()), ("chord",))


def test_phrases_begin_and_end_over_chords() -> None:
    # Phrases end with bars 1 and 3, whose last notes are long: over G and over C.
    score = sheet([UP, LAST, DOWN, LAST], ["C", "G", "F", "C"])
    assert phrasing.ending_notes(piece_of(score)).tolist() == [5, 11]
    assert phrasing.cadence_share(score, 7, "end") == phrasing.cadence_share(score, 0, "end") == 0.5
    assert phrasing.cadence_share(score, 0, "begin") == phrasing.cadence_share(score, 5, "begin") == 0.5


def test_bars_return_at_their_lag() -> None:
    score = sheet([UP, SKIP, UP, HALF])
    assert recurrence.bar_return(score, 2) == 0.5
    assert recurrence.bar_return(score, 1) == 0
    assert recurrence.bar_return(sheet([UP, DOWN, SKIP]), 1, "rhythm") == 0.5
    assert recurrence.bar_return(sheet([UP, SHORT]), 1) == 1
    assert recurrence.bar_return(sheet([UP, SHORT]), 1, "notes") == 0
    assert recurrence.bar_return(sheet([UP, [], [], UP]), 1) == 0, "empty bars are equal to nothing"
    with pytest.raises(Undefined):
        recurrence.bar_return(score, 4)


def test_the_best_return_is_a_stretch() -> None:
    a, b = [UP, SKIP, DOWN, HALF], [HALF, UP, UP, SKIP]
    assert recurrence.best_return(sheet(a + b + a), 4) == 1
    assert recurrence.best_return(sheet([*a, *a[:3], LAST]), 4) == 0.75
    with pytest.raises(Undefined):
        recurrence.best_return(sheet(a), 4)


def test_a_loop_is_a_bar_or_two_four_times() -> None:
    assert recurrence.is_stuck(sheet([UP] * 4)) == 1
    assert recurrence.is_stuck(sheet([UP] * 3 + [DOWN])) == 0
    assert recurrence.is_stuck(sheet([UP, DOWN] * 4)) == 1
    assert recurrence.is_stuck(sheet([UP, DOWN] * 3 + [HALF, HALF])) == 0
    assert recurrence.is_stuck(sheet([UP, UP, [], UP, UP])) == 0


def test_a_continuation_takes_up_its_prime() -> None:
    score = sheet([UP, SKIP, HALF, UP, DOWN, LAST])
    assert recurrence.prime_taken_up(score, 3) == pytest.approx(1 / 3)
    assert recurrence.prime_taken_up(score, 3, "rhythm") == pytest.approx(2 / 3)


def test_sections_return_as_they_were() -> None:
    score = sheet([UP, SKIP, HALF, HALF, UP, DOWN], ["C", "G", "F", "F", "C", "C"], form="A2B2A2")
    assert recurrence.section_return(score) == 0.5
    assert recurrence.section_return(score, "rhythm") == 0.5
    assert recurrence.section_return(score, "chords") == 0.5
    assert recurrence.has_contrast(score) == 1
    with pytest.raises(Undefined, match="not known"):
        recurrence.section_return(replace(score, form=()))
    varied = replace(score, form=parse_form("A2B2A'2"))
    with pytest.raises(Undefined, match="no section"):
        recurrence.section_return(varied)
    same = sheet([UP, SKIP] * 3, ["C", "G"] * 3, form="A2B2A2")
    assert recurrence.has_contrast(same) == 0
    other_chords = sheet([UP, SKIP] * 3, ["C", "G", "F", "G", "C", "G"], form="A2B2A2")
    assert recurrence.has_contrast(other_chords) == 1


def test_a_phrase_goes_on_until_there_is_a_place_to_breathe() -> None:
    eighth_rest = [(0, 12, 60), (12, 12, 62), (24, 12, 64), (36, 6, 65)]
    score = sheet([UP, eighth_rest, DOWN, DOWN, DOWN])
    assert phrasing.breaths(piece_of(score)).tolist() == [90, 240]
    assert phrasing.longest_phrase(score) == 3
    assert phrasing.is_breathless(sheet([UP] * 9)) == 1
    assert phrasing.is_breathless(sheet([UP] * 8)) == 0
    held = sheet([UP, LAST, DOWN])
    assert phrasing.breaths(piece_of(held)).tolist() == [60, 144], "a long note is a breath from its onset on"
    silence = sheet([UP, LAST, *[[]] * 9, UP])
    assert phrasing.is_breathless(silence) == 0, "silence is no singing"


def test_lines_end_with_phrases() -> None:
    line = [UP, DOWN, UP, LAST]
    assert phrasing.ends_at_lines(sheet(line * 3), 4) == 1
    assert phrasing.ends_at_lines(sheet([*line, *[UP] * 4, *line]), 4) == 0.5
    assert phrasing.ends_at_lines(sheet(line), 2) == 0
    with pytest.raises(Undefined):
        phrasing.ends_at_lines(sheet(line), 4)


def test_rhythms_are_counted_by_onsets() -> None:
    assert phrasing.rhythm_variety(sheet([UP, DOWN, SKIP, HALF]), 4) == 0.75
    assert phrasing.rhythm_variety(sheet([UP, DOWN, [], []]), 4) == 0.5
    with pytest.raises(Undefined):
        phrasing.rhythm_variety(sheet([UP]), 4)


def test_register() -> None:
    score = sheet([UP, [(0, 12, 84)]])
    assert phrasing.range_semitones(score) == 24
    assert phrasing.is_wide(score) == 1
    assert phrasing.is_wide(sheet([UP, [(0, 12, 83)]])) == 0
    assert phrasing.register_drift(sheet([[(0, 12, 60)], [], [(0, 12, 64)]])) == 2
    assert phrasing.median_pitch(sheet([UP])) == 63


def test_a_semitone_over_a_chord_tone_clashes() -> None:
    # F over C major is a semitone above E; B over C major seventh is a tone of it.
    score = sheet([[(0, 12, 65), (12, 36, 64)], [(0, 48, 71)]], ["C", "C:maj7"])
    assert harmony.semitone_share(score) == 12 / 96
    assert harmony.semitone_share(sheet([[(0, 48, 61)]], ["C"])) == 1
    assert harmony.semitone_share(sheet([[(0, 48, 62)]], ["C"])) == 0


def test_chords_change_on_bar_lines() -> None:
    three = Meter(3, 4)
    waltz = sheet([[(0, 36, 60)]] * 3, ["C", "G", "C"], meter=three)
    assert harmony.changes_on_bar_line(waltz) == 1
    spans = (ChordSpan(0, 36, parse_harte("C")), ChordSpan(36, 12, parse_harte("G")))
    off = replace(waltz, chords=(*spans, ChordSpan(48, 60, parse_harte("F"))))
    assert harmony.changes_on_bar_line(off) == 0.5
    assert harmony.chord_return(sheet([UP] * 4, ["C", "G", "C", "F"]), 2) == 0.5


def test_vamps() -> None:
    def chords(*names: str) -> Score:
        return sheet([UP] * len(names), list(names))

    assert recurrence.longest_vamp(chords("C", "G", "C", "G", "C", "F"), 2) == 5
    assert recurrence.longest_vamp(chords("C", "G", "F"), 1) == 0
    assert recurrence.is_vamp(chords(*["C"] * 5, "G")) == 0
    assert recurrence.is_vamp(chords(*["C"] * 6, "G")) == 1
    assert recurrence.is_vamp(chords(*["C", "G"] * 4)) == 1
    assert recurrence.is_vamp(chords(*["C", "G"] * 3, "F", "G")) == 0
    assert recurrence.is_vamp(chords(*["C", "G", "A:min", "F"] * 3)) == 1
    with pytest.raises(Undefined, match="never changes"):
        harmony.changes_on_bar_line(sheet([UP] * 2))


def test_excerpts_begin_with_phrases_and_have_full_bars() -> None:
    line = [UP, DOWN, UP, LAST]
    score = sheet([[], *line * 5])
    assert [piece.bars for piece in excerpts(score, 4)] == [4] * 5
    first = excerpts(score, 4)[0]
    assert first.onset[0] == 0
    assert len(first.onset) == 14
    assert len(excerpts(sheet([[], *line]), 4)) == 1, (
        "a piece that is hardly longer begins with its first bar"
    )
    assert excerpts(sheet([[], *line]), 4)[0].onset[0] == BAR
    assert excerpts(sheet(line), 8) == []
    formed = replace(score, form=parse_form("i1A8A8"))
    assert [len(piece.onset) for piece in excerpts(formed, 8)] == [28, 28]
    assert [section.letter for section in excerpts(formed, 8)[1].form] == ["A"]
    short_bar = replace(sheet(line * 3), bar_resets=(4 * BAR + 24,))
    assert all((piece.lengths == BAR).all() for piece in excerpts(short_bar, 4))


def test_runs_of_notes_are_told_apart_whatever_the_key() -> None:
    one, higher, other = sheet([UP, DOWN]), sheet([UP, DOWN]).transpose(5), sheet([SKIP, HALF])
    runs = recurrence.numbered([recurrence.grams(piece_of(score)) for score in (one, higher, other)])
    assert [len(own) for own in runs] == [5, 5, 3]
    assert (runs[0] == runs[1]).all()
    assert recurrence.distinct_grams(runs) == 8 / 13
    assert recurrence.shared_grams(runs) == pytest.approx(2 / 3)
    assert recurrence.shared_grams(runs[:1]) == 0
    assert recurrence.distinct_grams([]) == recurrence.shared_grams([]) == 0


PITCHLESS = (
    lambda piece: recurrence.bar_return(piece, 2),
    lambda piece: recurrence.best_return(piece, 2),
    recurrence.is_stuck,
    phrasing.longest_phrase,
    lambda piece: phrasing.rhythm_variety(piece, 4),
    phrasing.range_semitones,
    harmony.semitone_share,
    harmony.changes_on_bar_line,
    lambda piece: harmony.chord_return(piece, 2),
    recurrence.is_vamp,
    lambda piece: phrasing.cadence_share(piece, 0, "end"),
    lambda piece: phrasing.final_note(piece, ("triad", "chord", "held")),
)


@settings(max_examples=25, deadline=None)
@given(tunes, st.integers(-5, 6))
def test_no_measure_depends_on_the_key(score: Score, by: int) -> None:
    moved = score.transpose(by)
    for measure in PITCHLESS:
        try:
            expected = measure(score)
        except Undefined:
            with pytest.raises(Undefined):
                measure(moved)
        else:
            assert measure(moved) == pytest.approx(expected)


@settings(max_examples=25, deadline=None)
@given(tunes)
def test_a_piece_twice_returns_wholly(score: Score) -> None:
    piece = piece_of(score)
    length = piece.bars * score.meter.bar_ticks
    again = tuple(replace(note, onset=note.onset + length) for note in score.melody)
    spans = tuple(replace(span, onset=span.onset + length) for span in score.chords)
    twice = replace(score, melody=score.melody + again, chords=score.chords + spans)
    assert recurrence.bar_return(twice, piece.bars) == 1
    assert recurrence.prime_taken_up(twice, piece.bars) == 1
    assert recurrence.best_return(twice, piece.bars) == pytest.approx(
        np.mean(np.bincount(piece.bar, minlength=piece.bars) > 0)
    )


def test_measures_of_a_tune_with_all_kinds_of_chords() -> None:
    for seed in range(5):
        assert 0 <= harmony.semitone_share(tune(seed)) <= 1
