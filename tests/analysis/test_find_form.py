"""Made-up songs of sections that are told apart by their melodies."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from hrpe_jax.analysis.find_form import MAX_BARS, bar_places, best_borders, find_form, similarities
from hrpe_jax.readers.pop909 import read_pop909_song
from hrpe_jax.score.form import check_form, form_text, parse_form
from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter

SCALE = (0, 2, 4, 5, 7, 9, 11, 12, 14, 16)


def song(text: str, meter: str = "4/4", seed: int = 0, higher: int = 0) -> Score:
    """A song of that form: each letter has its phrases of four bars, each ending with a long note and a rest.

    Args:
        text: of the form; lower-case sections have chords alone.
        meter: of the bars.
        seed: of the melodies.
        higher: semitones by which the last section is.
    """
    bar = Meter.parse(meter).bar_ticks
    notes, chords = [], []
    form = parse_form(text)
    for section in form:
        rng = np.random.default_rng([seed, ord(section.letter)])
        up = higher if section is form[-1] else 0
        for number in range(section.bars):
            begin = bar * (section.first_bar + number)
            chords.append(ChordSpan(begin, bar, Chord((int(rng.choice([0, 5, 7, 9])) + up) % 12, "maj")))
            line = rng.choice([6, 12], size=12)
            pitches = 60 + rng.choice(SCALE, size=12) + up
            if not section.has_melody:
                continue
            last = number % 4 == 3
            now = 0
            for length, pitch in zip(line.tolist(), pitches.tolist(), strict=True):
                if last and now >= bar // 3:
                    notes.append(Note(begin + now, bar // 3, pitch))
                    break
                if now + length > bar:
                    break
                notes.append(Note(begin + now, length, pitch))
                now += length
    return Score("made", "", Key(0, "major"), Meter.parse(meter), 100.0, tuple(notes), tuple(chords))


@pytest.mark.parametrize("text", ["A8A8B8A8", "A8B8B8A8", "A8A8B8C8A8", "A4A4B4A4"])
@pytest.mark.parametrize("meter", ["4/4", "3/4"])
def test_sections_that_come_again_are_found(text: str, meter: str) -> None:
    assert form_text(find_form(song(text, meter))) == text


def test_introduction_interlude_and_ending() -> None:
    text = "i4A8A8x4B8A8o4"
    assert form_text(find_form(song(text))) == text


def test_a_return_in_another_key_keeps_its_letter() -> None:
    found = find_form(song("A8B8A8B8", higher=2))
    assert [section.letter for section in found] == list("ABAB")


def test_chords_alone() -> None:
    score = replace(song("A8B8A8B8C8"), melody=())
    found = find_form(score)
    check_form(found, 40)
    assert found[-1].end_bar == 40
    assert len({section.letter for section in found}) > 1


def test_a_form_fills_any_score() -> None:
    empty = Score("", "", Key(0, "major"), Meter(4, 4), 100.0, (), ())
    assert find_form(empty) == ()
    one = replace(empty, melody=(Note(5, 3, 60),))
    assert form_text(find_form(one)) in ("A1", "X1")
    cut = replace(song("A8B8A8"), bar_resets=(20, 300, 1000))
    found = find_form(cut)
    check_form(found, len(cut.bar_starts()))
    assert sum(section.bars for section in found) == len(cut.bar_starts())
    long = replace(empty, melody=(Note(0, 12, 60), Note(48 * MAX_BARS, 12, 62)))
    assert form_text(find_form(long)) == f"A{MAX_BARS + 1}"


def test_similarities_are_shares() -> None:
    score = song("A8B8A8")
    alike = similarities(bar_places(score))
    assert alike.shape == (3, 24, 24)
    assert alike.min() >= 0
    assert alike.max() <= 1 + 1e-6
    assert np.allclose(alike, alike.transpose(0, 2, 1))
    assert np.allclose(alike[:, range(8), range(16, 24)], 1)  # the second A is the first
    assert np.allclose(alike[0].diagonal(), 1)


def test_borders_follow_the_odds_and_the_lengths() -> None:
    lengths = np.full((2, 21), -5.0)
    lengths[:, 4] = 0.0
    none = np.zeros(17)
    assert best_borders(none, np.ones(16, bool), lengths) == [0, 4, 8, 12, 16]
    strong = none.copy()
    strong[[5, 11]] = 30.0
    borders = best_borders(strong, np.ones(16, bool), lengths)
    assert {5, 11} <= set(borders)
    assert all(end - first <= 20 for first, end in pairwise(borders))


def test_real_songs(shared_data) -> None:
    names = json.loads((shared_data / "splits" / "pop909.json").read_text())["valid"][:6]
    root, labels = shared_data / "pop909" / "POP909", shared_data / "pop909_form"
    for name in names:
        read = read_pop909_song(root / name, labels / name)
        found = find_form(read.score)
        check_form(found, len(read.score.bar_starts()))
        borders = {section.first_bar for section in found}
        people = {section.first_bar for form in read.forms for section in form}
        assert len(borders & people) > 0.4 * len(borders)
