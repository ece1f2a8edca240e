"""Which part carries the tune, and its line."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hrpe_jax.formats.musicxml.read import XmlNote, XmlPart
from hrpe_jax.readers.musicxml import is_line, melody_line, melody_part, skyline
from hrpe_jax.score.score import ChordSpan
from hrpe_jax.theory.chord import Chord

TUNE = (XmlNote(0, 12, 72), XmlNote(12, 12, 74))


def part(name: str, notes: tuple[XmlNote, ...] = TUNE, lyrics: int = 0, symbols: bool = False) -> XmlPart:
    chords = (ChordSpan(0, 24, Chord(0, "maj")),) if symbols else ()
    return XmlPart(name, name, notes, chords, lyrics)


def chosen(*parts: XmlPart) -> str:
    best, _ = melody_part(parts)
    return "" if best is None else best.name


def test_words_then_names_then_symbols_then_the_top() -> None:
    assert chosen(part("Flute"), part("Oboe")) == "Flute"
    assert chosen(part("Piano"), part("Oboe")) == "Oboe"
    assert chosen(part("A"), part("B", symbols=True)) == "B"
    assert chosen(part("Piano", symbols=True), part("Voice")) == "Voice"
    assert chosen(part("Lead guitar"), part("Tenor", lyrics=9)) == "Tenor"
    assert chosen(part("A", ()), part("B")) == "B"
    assert chosen(part("A", ())) == ""


def test_a_part_that_rests_is_not_the_tune() -> None:
    assert chosen(part("A", (XmlNote(0, 1, 90),)), part("B")) == "B"


def test_a_held_note_is_not_broken_by_what_moves_below() -> None:
    line = skyline([XmlNote(0, 24, 72), XmlNote(0, 12, 60), XmlNote(12, 12, 62), XmlNote(24, 6, 64)])
    assert [(n.onset, n.duration, n.pitch) for n in line] == [(0, 24, 72), (24, 6, 64)]


def test_a_higher_note_takes_over() -> None:
    line = skyline([XmlNote(0, 24, 60), XmlNote(12, 12, 72)])
    assert [(n.onset, n.duration, n.pitch) for n in line] == [(0, 12, 60), (12, 12, 72)]


def test_the_line_is_of_the_first_staff() -> None:
    notes = (XmlNote(0, 12, 60, "1", 1), XmlNote(0, 12, 90, "5", 2))
    assert [n.pitch for n in melody_line(part("Piano", notes))] == [60]


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 20), st.integers(40, 50)), min_size=1))
def test_skyline_properties(rows: list[tuple[int, int, int]]) -> None:
    notes = [XmlNote(*row) for row in rows]
    line = skyline(notes)
    assert line
    assert is_line(line)
    for note in line:  # nothing that sounds where a note of the line begins is higher
        assert all(n.pitch <= note.pitch for n in notes if n.onset == note.onset)
