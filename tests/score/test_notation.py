from __future__ import annotations

import pytest
from hypothesis import given, settings

from hrpe_jax.formats.musicxml.write import beams
from hrpe_jax.score.notation import SHAPES, Bar, write_bars
from hrpe_jax.score.score import Note, Score
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter
from tests.score.made import scores


def bars_of(meter: str, *lengths: int, resets: tuple[int, ...] = ()) -> list[Bar]:
    """Bars of notes that follow each other; negative lengths are rests."""
    notes, now = [], 0
    for length in lengths:
        if length > 0:
            notes.append(Note(now, length, 60))
        now += abs(length)
    return write_bars(
        Score("", "", Key(0, "major"), Meter.parse(meter), 120.0, tuple(notes), (), bar_resets=resets)
    )


def values(meter: str, *lengths: int) -> str:
    """A bar as text: denominators with dots, "r" for rests, "~" for ties, brackets for tuplets."""
    words = []
    for symbol in bars_of(meter, *lengths)[0].symbols:
        denominator, dots = symbol.shape
        first, last = symbol.tuplet or (False, False)
        text = f"{'r' * (symbol.note is None)}{denominator}{'.' * dots}{'~' * symbol.tie_to}"
        words.append(f"{'[' * first}{text}{']' * last}")
    return " ".join(words)


@pytest.mark.parametrize(
    ("meter", "lengths", "expected"),
    [
        ("4/4", (48,), "1"),
        ("4/4", (6, 12, 6, 24), "8 4 8 2"),  # syncopation over a beat
        ("4/4", (18, 12, 18), "4. 8~ 8 4."),  # but not over the half of the bar
        ("4/4", (12, 24, 12), "4 2 4"),
        ("4/4", (12, 36), "4 4~ 2"),
        ("4/4", (-6, 42), "r8 4.~ 2"),
        ("4/4", (3, 6, 3, 9, 3, 24), "16 8 16 8. 16 2"),
        ("4/4", (4, 4, 4, 8, 4, 24), "[8 8 8] [4 8] 2"),
        ("4/4", (8, 8, 8, 24), "[4 4 4] 2"),
        ("4/4", (2, 2, 2, 6, 36), "[16 16 16] 8 4~ 2"),
        ("4/4", (1, 2, 9, 36), "[32 16] 8. 4~ 2"),
        ("4/4", (16, 8, -24), "[2 4] r2"),
        ("3/4", (36,), "2."),
        ("3/4", (12, 24), "4 2"),
        ("6/8", (6, 12, 18), "8 4 4."),
        ("6/8", (12, 12, 12), "4 8~ 8 4"),
        ("6/8", (-18, 18), "r4. 4."),
        ("6/8", (24, 12), "4.~ 8 4"),
        ("6/8", (-24, 12), "r4. r8 4"),
        ("12/8", (36, 36), "2. 2."),
        ("4/4", (12, -36), "4 r4 r2"),
        ("7/8", (42,), "2.~ 8"),
    ],
)
def test_values(meter: str, lengths: tuple[int, ...], expected: str) -> None:
    assert values(meter, *lengths) == expected


def test_short_bars() -> None:
    pickup = bars_of("3/4", 12, 36, 36, 24, resets=(12,))
    assert [(bar.number, bar.length, bar.irregular) for bar in pickup] == [
        (0, 12, True),
        (1, 36, False),
        (2, 36, False),
        (3, 24, True),  # completes the pickup
    ]
    inside = bars_of("4/4", 48, 24, 48, resets=(72,))
    assert [(str(bar.meter), bar.length, bar.irregular) for bar in inside] == [
        ("4/4", 48, False),
        ("2/4", 24, False),
        ("4/4", 48, False),
    ]


@settings(max_examples=60)
@given(scores())
def test_symbols_fill_bars_and_have_values(score: Score) -> None:
    bars = write_bars(score)
    assert [bar.start for bar in bars] == list(score.bar_starts())
    written: dict[int, int] = {}
    for bar in bars:
        now = bar.start
        for symbol in bar.symbols:
            assert symbol.onset == now
            now += symbol.duration
            if not symbol.whole_bar:
                denominator, dots = symbol.shape
                assert dots <= 1
                assert denominator in SHAPES.values()
                assert symbol.value == symbol.duration * (3 if symbol.tuplet else 2)
            if symbol.note is not None:
                written[symbol.note] = written.get(symbol.note, 0) + symbol.duration
                note = score.melody[symbol.note]
                assert note.onset <= symbol.onset < note.end
                assert symbol.tie_from == (symbol.onset > note.onset)
                assert symbol.tie_to == (now < note.end)
        assert now == bar.end
    assert [written[index] for index in range(len(score.melody))] == [n.duration for n in score.melody]


def test_beams() -> None:
    (bar,) = bars_of("4/4", 6, 6, 6, 6, 9, 3, 3, 6, 3)
    assert beams(bar) == {
        0: ("begin",),
        6: ("continue",),
        12: ("continue",),
        18: ("end",),
        24: ("begin",),
        33: ("end", "backward hook"),
        36: ("begin", "forward hook"),
        39: ("continue",),
        45: ("end", "backward hook"),
    }
    assert beams(bars_of("4/4", 6, -6, 6, -30)[0]) == {}
