"""Projects as documents: edits, undo and redo, versions, two windows, and the text of a file."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrpe_jax.score.score import Note
from hrpe_jax.server.actions import Refused
from hrpe_jax.server.edit_music import bar_text
from hrpe_jax.server.edits import act, actions
from hrpe_jax.server.project import (
    Conflict,
    Document,
    DocumentError,
    change,
    difference,
    document_text,
    keep_version,
    read_document,
    redo,
    restore_version,
    undo,
)
from hrpe_jax.server.state import State, empty_state


def texts(state: State) -> list[str]:
    return [bar_text(state.score, start, length) for start, length in state.bars]


def do(state: State, **action: Any) -> State:
    return act(state, action)


@pytest.fixture
def tune() -> State:
    """Eight bars with chords, and a note on every beat of the first four."""
    state = do(empty_state(8), do="set_chords", bar=1, text="C | Am7 D7 | G | % | F | G7 | C | C")
    for beat in range(16):
        state = do(state, do="add_note", onset=12 * beat, duration=12, pitch=60 + beat)
    return state


def test_chords_are_text_and_text_is_chords():
    state = do(empty_state(4), do="set_chords", bar=1, text="C | ii V7/V | Dm7*3 G7 | ? F")
    assert texts(state) == ["C", "Dm D7", "Dm7*3 G7*1", "? F"]
    for number, text in enumerate(texts(state), 1):
        assert do(state, do="set_chords", bar=number, text=text).score == state.score
    state = do(state, do="set_chords", bar=2, text="%")
    assert texts(state)[1] == "C"
    assert texts(do(state, do="set_chords", bar=4, text="F | G | A"))[3:] == ["F", "G", "A"]  # bars come
    assert texts(do(state, do="set_chords", bar=1, text=""))[0] == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("C Xyz", "bar 1: .*Xyz.*did you mean"),
        ("C*9", "bar 1: its chords do not fill the 4 beats"),
        ("C D E F G", "do not fill"),
    ],
)
def test_chords_that_cannot_be_read_say_why(text: str, said: str):
    with pytest.raises(Refused, match=said):
        do(empty_state(2), do="set_chords", bar=1, text=text)


def test_notes_make_room(tune: State):
    state = do(tune, do="add_note", onset=6, duration=24, pitch=72)
    assert state.score.melody[:3] == (Note(0, 6, 60), Note(6, 24, 72), Note(30, 6, 62))
    state = do(tune, do="change_note", onset=0, to=96, duration=12, pitch=50)
    assert [n.onset for n in state.score.melody][:2] == [12, 24]
    assert Note(96, 12, 50) in state.score.melody
    state = do(tune, do="delete_notes", onsets=[0, 12])
    assert len(state.score.melody) == 14
    with pytest.raises(Refused, match="no note begins at tick 5"):
        do(tune, do="change_note", onset=5, pitch=60)


def test_what_is_locked_stays(tune: State):
    state = do(tune, do="set_locks", locked=True, bars=[2], notes=[0], chords=[96])
    for action in (
        {"do": "change_note", "onset": 60, "pitch": 70},
        {"do": "change_note", "onset": 0, "pitch": 70},
        {"do": "change_note", "onset": 12, "to": 50},
        {"do": "add_note", "onset": 0, "duration": 3, "pitch": 70},
        {"do": "add_note", "onset": 40, "duration": 12, "pitch": 70},
        {"do": "delete_notes", "onsets": [0]},
        {"do": "set_chords", "bar": 2, "text": "C"},
        {"do": "set_chords", "bar": 3, "text": "C"},
        {"do": "delete_chord", "onset": 96},
        {"do": "delete_bars", "first": 1, "last": 3},
        {"do": "clear_bars", "first": 1, "last": 3},
        {"do": "set_meter", "meter": "3/4"},
        {"do": "transpose", "semitones": 2},
    ):
        with pytest.raises(Refused, match="locked"):
            act(state, action)
    moved = do(state, do="insert_bars", at=1, count=2)
    assert moved.locks.bars == {4}
    assert moved.locks.notes == {96}
    assert moved.locks.chords == {192}
    free = do(state, do="set_locks", locked=False, bars=[2], notes=[0], chords=[96])
    assert free == tune


def test_sections_are_blocks_of_bars(tune: State):
    state = do(tune, do="add_section", letter="B", bars=4)
    assert [(s.letter, s.first_bar, s.bars) for s in state.score.form] == [("A", 0, 8), ("B", 8, 4)]
    state = do(state, do="add_section", letter="A'", bars=8, at=3, copy_of=1)
    assert texts(state)[12:] == texts(tune)
    assert [n.pitch for n in state.score.melody] == [n.pitch for n in tune.score.melody] * 2
    moved = do(state, do="move_section", section=3, to=1)
    assert [s.letter for s in moved.score.form] == ["A'", "A", "B"]
    assert texts(moved)[:8] == texts(tune)
    shorter = do(moved, do="resize_section", section=1, bars=2)
    assert texts(shorter)[:3] == ["C", "Am7 D7", "C"]
    longer = do(shorter, do="resize_section", section=1, bars=3)
    assert texts(longer)[:3] == ["C", "Am7 D7", ""]
    assert [s.letter for s in do(longer, do="delete_section", section=2).score.form] == ["A'", "B"]
    assert do(longer, do="rename_section", section=1, letter="C").score.form[0].letter == "C"
    with pytest.raises(Refused, match="one bar at least"):
        do(tune, do="delete_section", section=1)
    with pytest.raises(Refused, match="expected a letter"):
        do(tune, do="rename_section", section=1, letter="Chorus")


def test_key_meter_and_tempo(tune: State):
    state = do(tune, do="set_key", key="D major")
    assert texts(state)[:2] == ["D", "Bm7 E7"]
    assert state.score.melody[0].pitch == 62
    assert texts(do(tune, do="set_key", key="D major", transpose=False))[:2] == ["C", "Am7 D7"]
    waltz = do(tune, do="set_meter", meter="3/4")
    assert texts(waltz)[:3] == ["C", "Am7 D7", "G"]
    assert [n.onset for n in waltz.score.melody][:4] == [0, 12, 24, 36]
    assert len(waltz.bars) == 8
    assert do(tune, do="set_tempo", tempo=90).score.tempo_bpm == 90
    for action, said in (
        ({"do": "set_tempo", "tempo": 1000}, "20 to 400"),
        ({"do": "set_meter", "meter": "19/4"}, "expected"),
        ({"do": "set_key", "key": "H"}, "key 'H'"),
        ({"do": "set_settings", "range": "low"}, "range"),
        ({"do": "set_settings", "band": "polka"}, "band"),
        ({"do": "set_settings", "band": "/etc/passwd.txt"}, "not a file"),
    ):
        with pytest.raises(Refused, match=said):
            act(tune, action)


@pytest.mark.parametrize(
    "action",
    [
        {},
        {"do": "nothing"},
        {"do": ["add_note"]},
        {"do": "add_note", "onset": 0, "duration": 12},
        {"do": "add_note", "onset": 0, "duration": 12, "pitch": 60.5},
        {"do": "add_note", "onset": True, "duration": 12, "pitch": 60},
        {"do": "add_note", "onset": 2**40, "duration": 12, "pitch": 60},
        {"do": "add_note", "onset": -1, "duration": 12, "pitch": 60},
        {"do": "add_note", "onset": 0, "duration": 0, "pitch": 60},
        {"do": "add_note", "onset": 0, "duration": 12, "pitch": 128},
        {"do": "add_note", "onset": 0, "duration": 12, "pitch": 60, "path": "/etc"},
        {"do": "delete_notes", "onsets": "0"},
        {"do": "insert_bars", "at": 1, "count": 100_000},
        {"do": "set_chords", "bar": 99, "text": "C"},
        {"do": "set_chords", "bar": 1, "text": "C|" * 1000},
        {"do": "set_chords", "bar": 1, "text": "C" * 5000},
    ],
)
def test_wrong_actions_are_refused(action: dict[str, Any]):
    with pytest.raises(Refused):
        act(empty_state(8), action)


_ACTIONS = st.one_of(
    st.builds(
        lambda o, d, p: {"do": "add_note", "onset": o, "duration": d, "pitch": p},
        st.integers(0, 400),
        st.integers(1, 60),
        st.integers(40, 90),
    ),
    st.builds(
        lambda b, t: {"do": "set_chords", "bar": b, "text": t},
        st.integers(1, 10),
        st.sampled_from(["C", "Am7 D7", "", "ii V | I", "%", "N.C."]),
    ),
    st.builds(
        lambda s, n: {"do": "resize_section", "section": s, "bars": n}, st.integers(1, 2), st.integers(1, 9)
    ),
    st.builds(lambda a, c: {"do": "insert_bars", "at": a, "count": c}, st.integers(1, 8), st.integers(1, 3)),
    st.builds(lambda a: {"do": "delete_bars", "first": a, "last": a + 1}, st.integers(1, 6)),
    st.builds(lambda k: {"do": "set_key", "key": k}, st.sampled_from(["D major", "A minor", "Eb major"])),
    st.builds(lambda m: {"do": "set_meter", "meter": m}, st.sampled_from(["3/4", "6/8", "4/4"])),
    st.builds(lambda t: {"do": "set_tempo", "tempo": t}, st.integers(60, 200)),
    st.builds(lambda b: {"do": "set_locks", "locked": True, "bars": [b]}, st.integers(1, 8)),
    st.builds(lambda n: {"do": "set_title", "title": n}, st.text(max_size=8)),
)


@given(st.lists(_ACTIONS, max_size=12))
def test_undo_and_redo_go_all_the_way(wanted: list[dict[str, Any]]):
    document = Document("0" * 12, empty_state(8))
    states = [document.state]
    for number, action in enumerate(wanted):
        try:
            new = change(document, action, float(number))
        except Refused:
            continue
        assert sum(s.bars for s in new.state.score.form) == len(new.state.bars)
        if new is not document:
            states.append(new.state)
            document = new
    document = read_document(document_text(document))
    assert document.state == states[-1]
    for state in states[-2::-1]:
        document = undo(document)
        assert document.state == state
    with pytest.raises(Refused, match="nothing to undo"):
        undo(document)
    for state in states[1:]:
        document = redo(document)
        assert document.state == state


def test_a_difference_is_small():
    old = {"a": list(range(1000)), "b": {"c": 1}}
    new = {"a": [*range(500), -1, *range(501, 1000)], "b": {"c": 1, "d": 2}}
    assert difference(old, new) == {"a": {"at": 500, "out": [500], "in": [-1]}, "b.d": {"out": None, "in": 2}}


def test_two_windows_on_other_bars_are_merged(tune: State):
    first = Document("0" * 12, tune)
    second = change(first, {"do": "set_chords", "bar": 5, "text": "Bb"}, 1.0, 0)
    merged = change(second, {"do": "change_note", "onset": 0, "pitch": 72}, 2.0, 0)
    assert texts(merged.state)[4] == "Bb"
    assert merged.state.score.melody[0].pitch == 72
    merged = change(merged, {"do": "set_title", "title": "Both"}, 3.0, 0)
    assert merged.state.score.title == "Both"
    assert merged.revision == 3


def test_two_windows_on_one_bar_lose_nothing(tune: State):
    first = Document("0" * 12, tune)
    second = change(first, {"do": "set_chords", "bar": 1, "text": "F"}, 1.0, 0)
    with pytest.raises(Conflict, match="another window") as conflict:
        change(second, {"do": "set_chords", "bar": 1, "text": "G"}, 2.0, 0)
    kept = conflict.value.document
    assert texts(kept.state)[0] == "F"
    assert texts(kept.versions[0].state)[0] == "G"
    assert texts(restore_version(kept, 1, 3.0).state)[0] == "G"
    moved = change(second, {"do": "insert_bars", "at": 1, "count": 1}, 2.0)
    with pytest.raises(Conflict):  # whatever the other window edits lies elsewhere now
        change(moved, {"do": "change_note", "onset": 0, "pitch": 50}, 3.0, 1)
    with pytest.raises(Refused, match="load the project again"):
        change(second, {"do": "set_tempo", "tempo": 100}, 2.0, 99)


def test_versions(tune: State):
    document = keep_version(Document("0" * 12, tune), "  First  try ", 1.0)
    document = change(document, {"do": "clear_bars", "first": 1, "last": 8}, 2.0)
    document = restore_version(document, 1, 3.0)
    assert document.state == tune
    assert document.versions[0].name == "First try"
    assert undo(document).state != tune


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"format": 9}', "null", '{"format":1,"id":"x"}', "[" * 50_000]
)
def test_text_that_is_no_project(text: str):
    with pytest.raises(DocumentError):
        read_document(text)


def test_a_document_cut_anywhere_is_no_project(tune: State):
    text = document_text(change(Document("0" * 12, tune), {"do": "set_tempo", "tempo": 99}, 1.0))
    assert read_document(text).state.score.tempo_bpm == 99
    assert json.loads(text)["format"] == 1
    for end in range(0, len(text) - 1, 97):
        with pytest.raises(DocumentError):
            read_document(text[:end])


def test_every_action_tells_what_it_is():
    for found in actions().values():
        assert found.label
        assert found.edit.__doc__
