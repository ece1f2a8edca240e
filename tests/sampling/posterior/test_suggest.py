"""Bars written anew, chords under a melody: what must stay stays, what is given differs, errors are lines."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from hrpe_jax.composer import Composer
from hrpe_jax.errors import UserError
from hrpe_jax.sampling.options import ComposeOptions, Outputs
from hrpe_jax.sampling.posterior.spans import read_bars
from hrpe_jax.sampling.posterior.suggest import SuggestOptions
from hrpe_jax.sampling.posterior.suggested_pieces import read_suggestion
from hrpe_jax.sampling.write import page_of, write_pieces
from hrpe_jax.score.form import Section
from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter
from tests.sampling.tiny import planned_model

C, F, G, A = (
    Chord(0, "maj", 0),
    Chord(5, "maj", 5),
    Chord(7, "maj", 7),
    Chord(9, "min", 9),
)
BAR = 48
ROWS = 8  # candidates: enough for a test


def tune(bars: int = 8) -> Score:
    """An invented tune in C: four notes a bar, a chord a bar."""
    line = (60, 64, 67, 65, 62, 65, 69, 67, 64, 67, 72, 71, 69, 65, 62, 60)
    notes = [
        Note(BAR * bar + 12 * beat, 12, line[(4 * bar + beat * (1 + bar % 3)) % len(line)])
        for bar in range(bars)
        for beat in range(4)
    ]
    chords = [ChordSpan(BAR * bar, BAR, (C, A, F, G)[bar % 4]) for bar in range(bars)]
    return Score("tune", "Tune", Key(0, "major"), Meter(4, 4), 100.0, tuple(notes), tuple(chords))


@pytest.fixture(scope="module")
def composer() -> Composer:
    return Composer(planned_model())


def outside(score: Score, begin: int, end: int) -> list[Note]:
    return [note for note in score.melody if not begin <= note.onset < end]


def inside(score: Score, begin: int, end: int) -> list[Note]:
    return [note for note in score.melody if begin <= note.onset < end]


@pytest.mark.parametrize(("bars", "begin", "end"), [((3, 4), 96, 192), ((1, 2), 0, 96), ((7, 8), 288, 384)])
def test_other_notes_stay_inside_their_bars(composer, bars, begin, end):
    score = tune()
    found = composer.suggest(score, bars, count=3, candidates=ROWS)
    assert len({each.melody for each in found} | {score.melody}) == 4
    for each in found:
        assert outside(each, begin, end) == outside(score, begin, end)
        assert (each.chords, each.form) == (score.chords, score.form)
        assert max(note.end for note in inside(each, begin, end)) <= end
    assert found == composer.suggest(score, bars, count=3, candidates=ROWS)
    assert found != composer.suggest(score, bars, count=3, candidates=ROWS, seed=1)


def test_what_stays_inside_sounds(composer):
    score = tune()
    notes = [note for note in score.melody if note.onset != 96]
    held = replace(score, melody=tuple(replace(n, duration=18 if n.onset == 84 else 12) for n in notes))
    locked = Note(120, 30, 76)
    for each in composer.suggest(held, (3, 4), count=3, candidates=ROWS, keep=[locked]):
        assert locked in each.melody
        assert held.melody[7] in each.melody  # lasts into the span
        assert outside(each, 96, 192) == outside(held, 96, 192)
        assert min(note.onset for note in inside(each, 96, 192)) >= 102


def test_rhythm_or_pitches_stay(composer):
    score = tune()
    old = inside(score, 96, 192)
    for each in composer.suggest(score, (3, 4), "pitches", 2, candidates=ROWS):
        new = inside(each, 96, 192)
        assert [(n.onset, n.duration) for n in new] == [(n.onset, n.duration) for n in old]
        assert new != old
    for each in composer.suggest(score, (3, 4), "rhythm", 2, candidates=ROWS):
        assert [n.pitch for n in inside(each, 96, 192)] == [n.pitch for n in old]


def test_a_variation_keeps_its_share_and_repeats_follow(composer):
    score = replace(tune(), form=(Section("A", 0, 4), Section("A", 4, 4)))
    both = composer.suggest(score, (3, 4), "vary", 1, everywhere=True, candidates=ROWS)[0]
    same = set(inside(score, 96, 192)) & set(inside(both, 96, 192))
    assert len(same) >= 4
    moved = [replace(note, onset=note.onset + 192) for note in inside(both, 96, 192)]
    assert inside(both, 288, 384) == moved
    assert outside(both, 96, 192)[:8] == outside(score, 96, 192)[:8]


def test_other_chords_stay_inside_their_bars(composer):
    score = tune()
    keep = ChordSpan(144, 24, F)
    found = composer.suggest(score, (3, 4), "chords", 3, keep=[keep])
    assert len(found) == 3
    for each in found:
        assert each.melody == score.melody
        assert [s for s in each.chords if s.end <= 96] == [s for s in score.chords if s.end <= 96]
        assert [s for s in each.chords if s.onset >= 192] == [s for s in score.chords if s.onset >= 192]
        assert all(s.chord == F for s in each.chords if s.onset < 168 and s.end > 144)
        assert each.chords != score.chords
    assert found == composer.suggest(score, (3, 4), "chords", 3, keep=[keep])


def test_a_melody_is_harmonised(composer):
    score = tune()
    bare = replace(score, chords=())
    found = composer.harmonize(bare, 3, "| C | ? | ? | G | ? | ? | ? | ? |", chords_per_bar=1)
    assert len({each.chords for each in found}) == 3
    for each in found:
        assert each.melody == score.melody
        assert each.chords[0].chord == C
        assert any(s.chord == G and s.onset <= 144 and s.end >= 192 for s in each.chords)
        assert all(span.onset % BAR == 0 for span in each.chords)
        assert each.chords[-1].end == score.end
        assert all(not span.chord.is_none for span in each.chords)
    told = composer.harmonies(bare, SuggestOptions(count=1))[0]
    assert len(told.votes) == 32
    assert all(0 <= vote <= 1 for vote in told.votes)
    assert told.reason


def test_notes_and_chords_together(composer):
    score = tune()
    for each in composer.suggest(score, (3, 4), "both", 2, candidates=ROWS):
        assert outside(each, 96, 192) == outside(score, 96, 192)
        assert [s for s in each.chords if s.onset >= 192] == [s for s in score.chords if s.onset >= 192]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"bars": (5, 9)}, "the piece has bars 1 to 8"),
        ({"bars": (0, 2)}, "the piece has bars 1 to 8"),
        ({"bars": (4, 3)}, "must not lie behind"),
        ({"bars": "three"}, "expected bars such as 5-8"),
        ({"bars": "1-2,2-3"}, "asked for twice"),
        ({"what": "words"}, "one of melody, chords"),
        ({"count": 0}, "1 to 32"),
        ({"distance": 0.0}, "above 0"),
        ({"keep": [Note(96, 96, 60)]}, "all of the span is kept"),
        ({"keep": [Note(96, 24, 60), Note(108, 12, 62)]}, "two notes that are kept sound at once"),
        ({"keep": [Note(180, 24, 60)]}, "lasts beyond its span"),
        ({"what": "chords", "keep": [ChordSpan(96, 96, C)]}, "every chord is kept"),
        ({"what": "chords", "keep": [ChordSpan(96, 48, C), ChordSpan(96, 24, G)]}, "two chords are kept"),
        ({"what": "chords", "keep_chords": "| C | F | G | C | C | C | C | C | C |"}, "9 bars of chords"),
    ],
)
def test_what_cannot_be_is_one_line(composer, options, said):
    with pytest.raises(UserError, match=said) as error:
        composer.suggestions(tune(), SuggestOptions(**{"bars": (3, 4), **options}))
    assert "\n" not in str(error.value)


def test_long_spans_and_empty_melodies_are_refused(composer):
    with pytest.raises(UserError, match="at most 64 bars"):
        composer.suggest(tune(80), (1, 65))
    with pytest.raises(UserError, match="no melody to harmonise"):
        composer.harmonize(replace(tune(), melody=()))
    with pytest.raises(UserError, match="no melody to start from"):
        composer.suggest(replace(tune(), melody=()), (1, 2), "vary")


def test_bars_are_numbered_as_printed():
    score = tune()
    assert [(s.begin, s.end) for s in read_bars(score, "2,5-6")] == [(48, 96), (192, 288)]
    pickup = replace(score, bar_resets=(12,))
    assert [(s.begin, s.end) for s in read_bars(pickup, [(0, 0), (1, 2)])] == [(0, 12), (12, 108)]
    assert np.array_equal([read_bars(pickup, (1, 8))[0].bars], [8])


def test_pieces_say_what_was_given_and_what_is_new(composer, tmp_path):
    options = ComposeOptions(prime=tune(), rewrite="3-4", num_pieces=2, candidates=ROWS // 2)
    pieces = list(composer.pieces(options))
    assert [piece.score.melody for piece in pieces] == [
        each.melody for each in composer.suggest(tune(), (3, 4), count=2, candidates=ROWS)
    ]
    write_pieces(pieces, tmp_path, Outputs(formats=("json", "html")))
    settings = json.loads((tmp_path / "piece-01.json").read_text())["settings"]
    assert settings["suggested"] == "melody of bars 3-4"
    assert settings["given"] == "the chords, and all outside these bars"
    assert settings["bars"] == [[3, 4]]
    assert settings["reason"] in (tmp_path / "index.html").read_text()
    assert isinstance(settings["log_weight"], float)
    assert composer.notices(options) == []
    with pytest.raises(UserError, match="not bar by bar"):
        composer.stream(prime=tune(), rewrite="3-4")


def test_harmonised_pieces_have_votes_of_every_beat(composer, tmp_path):
    options = ComposeOptions(prime=tune(), prime_use="harmonize", num_pieces=1, chords="| C | ? | ? | G |")
    (piece,) = composer.pieces(options)
    write_pieces([piece], tmp_path, Outputs(formats=("json", "html")))
    votes = json.loads((tmp_path / "piece-01.json").read_text())["settings"]["votes"]
    assert len(votes) == 32
    assert votes[:4] == [None] * 4
    assert all(0 <= vote <= 1 for vote in votes[4:12])
    assert "votes" not in page_of([piece], Outputs())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rewrite": "5-8"}, "--rewrite: needs the piece"),
        ({"prime_use": "harmonize"}, "--prime_use: needs the piece"),
        ({"prime": tune(), "rewrite": "5-8", "key": "C"}, "--key: the piece of --prime has its own"),
        ({"prime": tune(), "rewrite": "5-8", "prime_use": "chords"}, "--prime_use: chords writes a whole"),
        ({"prime": tune(), "rewrite": "7-9"}, "--rewrite: bars 7-9: the piece has bars 1 to 8"),
        ({"prime": tune(), "rewrite": "5-8", "chords": "C"}, "use --rewrite_what=chords"),
        ({"prime": tune(), "prime_use": "harmonize", "num_pieces": 33}, "--num_pieces: 1 to 32"),
        ({"prime": replace(tune(), melody=()), "prime_use": "harmonize"}, "no melody to harmonise"),
        ({"prime": tune(), "prime_use": "harmonize", "chords": "C F G C C F G C"}, "every chord is kept"),
    ],
)
def test_options_that_cannot_be_met_are_said_before_a_model_is_loaded(options, said):
    with pytest.raises(UserError, match=said):
        read_suggestion(ComposeOptions(**options))
