from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hrpe_jax.metrics.arrays import Piece, Undefined, piece_of, window
from hrpe_jax.metrics.degraded import CONTROLS, Bars, make_control
from hrpe_jax.metrics.structure import bar_ssm
from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter
from tests.metrics.music import tune

PIECES = [window(tune(seed), 8) for seed in range(6)]


def made(name: str, seed: int = 0) -> list[Piece]:
    return make_control(name, PIECES, np.random.default_rng(seed))


def test_every_control_has_the_pieces_and_bars_of_its_source() -> None:
    for name in CONTROLS:
        for piece, source in zip(made(name), PIECES, strict=True):
            assert (piece.id, piece.bars, piece.meter) == (source.id, source.bars, source.meter)
            assert (np.diff(piece.onset) >= 0).all()
        assert make_control(name, [], np.random.default_rng(0)) == []
    with pytest.raises(ValueError, match="control 'backwards': expected one of real, varied"):
        made("backwards")


def bar_notes(piece: Piece) -> list[list[tuple[int, int, int]]]:
    rows = list(zip(piece.offset.tolist(), piece.duration.tolist(), piece.pitch.tolist(), strict=True))
    return [[row for row, of in zip(rows, piece.bar, strict=True) if of == bar] for bar in range(piece.bars)]


def bar_chords(piece: Piece) -> list[list[tuple[int, int]]]:
    """By bar the (tick of the bar, label) at which a chord sounds."""
    sounding: list[list[tuple[int, int]]] = [[] for _ in range(piece.bars)]
    for begin, end, label in zip(piece.chord_onset, piece.chord_end, piece.chord, strict=True):
        for tick in range(begin, end):
            bar = int(np.searchsorted(piece.starts, tick, side="right")) - 1
            sounding[bar].append((int(tick - piece.starts[bar]), int(label)))
    return sounding


def test_shuffled_bars_are_the_same_bars() -> None:
    moved = 0
    for piece, source in zip(made("shuffled"), PIECES, strict=True):
        pairs = list(zip(bar_notes(piece), bar_chords(piece), strict=True))
        originals = list(zip(bar_notes(source), bar_chords(source), strict=True))
        assert sorted(pairs) == sorted(originals)
        moved += pairs != originals
    assert moved == len(PIECES)


def test_a_loop_is_one_bar_with_notes() -> None:
    for piece, source in zip(made("loop"), PIECES, strict=True):
        notes = bar_notes(piece)
        assert all(bar == notes[0] for bar in notes)
        assert notes[0]
        assert notes[0] in bar_notes(source)
        assert (bar_ssm(piece) == 1).all()


def test_random_bars_come_from_all_pieces() -> None:
    every = [bar for piece in PIECES for bar in bar_notes(piece)]
    for piece, source in zip(made("random"), PIECES, strict=True):
        assert all(bar in every for bar in bar_notes(piece))
        assert not all(bar in bar_notes(source) for bar in bar_notes(piece))


@settings(max_examples=20)
@given(st.integers(0, 999))
def test_varied_moves_one_note_of_each_bar_within_the_key(seed: int) -> None:
    for piece, source in zip(made("varied", seed), PIECES, strict=True):
        steps = np.abs(piece.pitch - source.pitch)
        changed = np.bincount(source.bar, steps > 0, minlength=source.bars)
        np.testing.assert_array_equal(changed, np.bincount(source.bar, minlength=source.bars) > 0)
        assert steps.max() <= 2
        assert piece.scale[piece.pitch[steps > 0] % 12].all()


def test_silence_has_bars_and_nothing_in_them() -> None:
    for piece in made("silence"):
        assert piece.bars == 8
        assert len(piece.onset) == len(piece.chord) == 0


def test_transposed_is_the_score_transposed() -> None:
    score = tune(1)
    for piece, source in zip(made("transposed"), PIECES, strict=True):
        by = int(piece.pitch[0] - source.pitch[0])
        assert by
        assert (piece.pitch - source.pitch == by).all()
    moved = piece_of(score.transpose(4))
    controlled = make_control("transposed", [piece_of(score)] * 40, np.random.default_rng(0))
    same = next(piece for piece in controlled if piece.pitch[0] == moved.pitch[0])
    for field in ("pitch", "chord", "chord_tones", "scale"):
        np.testing.assert_array_equal(getattr(same, field), getattr(moved, field))


def test_arranging_bars_as_they_were_changes_nothing() -> None:
    bars = Bars.of(PIECES)
    for index, source in enumerate(PIECES):
        piece = bars.arrange(source, np.arange(bars.first[index], bars.first[index + 1]))
        for field in ("onset", "duration", "pitch", "starts", "lengths"):
            np.testing.assert_array_equal(getattr(piece, field), getattr(source, field))
        assert bar_chords(piece) == bar_chords(source)


def test_a_window_begins_where_the_melody_does() -> None:
    # A pickup of one beat, an empty bar, then four bars of a note; a chord over all of it.
    notes = (Note(0, 12, 60), *(Note(60 + 48 * i, 60 if i == 3 else 12, 62 + i) for i in range(4)))
    chords = (ChordSpan(12, 240, Chord(0, "maj")),)
    score = Score("t", "", Key(0, "major"), Meter(4, 4), 120.0, notes, chords, bar_resets=(12,))
    piece = window(score, 4)
    assert piece.onset.tolist() == [0, 48, 96, 144]
    assert piece.duration.tolist()[-1] == 60  # keeps its length
    assert (piece.chord_onset.tolist(), piece.chord_end.tolist()) == ([0], [192])
    assert piece.starts.tolist() == [0, 48, 96, 144]
    with pytest.raises(Undefined, match="it is shorter than 6 bars"):
        window(score, 6)
    assert window(replace(score, melody=()), 5).bars == 5
    with pytest.raises(Undefined, match="it is empty"):
        window(replace(score, melody=(), chords=()), 2)
