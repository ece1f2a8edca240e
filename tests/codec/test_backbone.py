"""The backbone codec: examples by hand, and properties over random scores and random ids."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hrpe_jax.codec import backbone
from hrpe_jax.codec import backbone_tokens as bt
from hrpe_jax.codec.vocabulary import accepts_backbone
from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter
from tests.codec.scores import scores

C, G7, AM = Chord(0, "maj"), Chord(7, "7"), Chord(9, "min")
C_MAJOR = Key(0, "major")


def _score(
    *spans: tuple[int, int, Chord],
    meter: str = "4/4",
    resets: tuple[int, ...] = (),
    melody: tuple[Note, ...] = (),
):
    chords = tuple(ChordSpan(*span) for span in spans)
    return Score("x", "", C_MAJOR, Meter.parse(meter), 100.0, melody, chords, bar_resets=resets)


def _events(score: Score) -> list[tuple[str, int]]:
    ids = backbone.encode_ids(score)
    assert ids[:3] == [bt.BOS, bt.key_id(score.key), bt.meter_id(score.meter)]
    assert ids[-1] == bt.EOS
    return [(str(bt.id_chord(token)), int(bt.BEATS[token])) for token in ids[3:-1]]


def test_events_are_changes_with_beats():
    score = _score((0, 24, C), (24, 24, G7), (48, 48, C))
    assert _events(score) == [("C:maj", 2), ("G:7", 2), ("C:maj", 4)]


def test_gaps_and_the_rest_of_the_last_bar_are_no_chord():
    assert _events(_score((12, 12, C))) == [("N", 1), ("C:maj", 1), ("N", 2)]


def test_equal_neighbours_become_one_and_long_chords_are_split():
    assert _events(_score((0, 48, C), (48, 96, C), (144, 96, C))) == [
        ("C:maj", 8),
        ("C:maj", 8),
        ("C:maj", 4),
    ]


def test_onsets_go_to_the_nearest_beat_and_half_way_to_the_later():
    assert _events(_score((0, 17, C), (17, 13, G7), (30, 18, AM))) == [("C:maj", 1), ("G:7", 2), ("A:min", 1)]


def test_a_chord_of_less_than_half_a_beat_may_vanish():
    assert _events(_score((0, 13, C), (13, 4, G7), (17, 31, AM))) == [("C:maj", 1), ("A:min", 3)]


def test_beats_are_dotted_in_compound_meter():
    assert _events(_score((0, 18, C), (18, 18, G7), meter="6/8")) == [("C:maj", 1), ("G:7", 1)]


def test_beats_begin_again_at_a_bar_reset():
    """A pickup of an eighth has one (short) beat, and the bar behind it four of its own."""
    score = _score((0, 6, G7), (6, 48, C), resets=(6,))
    assert _events(score) == [("G:7", 1), ("C:maj", 4)]
    assert backbone.encode(score)["bar_phase"] == [0, 0, 0, 0, 0]
    again = backbone.decode(backbone.encode_ids(score), bar_resets=(6,))
    assert again.chords == score.chords


def test_bar_phase_is_where_the_next_event_begins():
    record = backbone.encode(_score((0, 12, C), (12, 24, G7), (36, 60, C), meter="3/4"))
    assert [int(bt.BEATS[token]) for token in record["input_ids"][3:]] == [1, 2, 5, 1]
    assert record["bar_phase"] == [0, 0, 0, 1, 0, 2, 0]


def test_inversions_are_kept_and_foreign_basses_become_root_position():
    score = _score((0, 24, Chord(0, "maj", 4)), (24, 24, Chord(0, "maj", 2)))
    again = backbone.decode(backbone.encode_ids(score))
    assert [span.chord for span in again.chords] == [Chord(0, "maj", 4), Chord(0, "maj")]


def test_record_codes():
    record = backbone.encode(_score((0, 24, C), (24, 12, G7)))
    assert record["id"] == "x"
    assert record["target_id"] == bt.EOS
    assert record["root_pc"] == [0, 0, 0, 0, 7, 0]
    assert record["quality_code"] == [9, 9, 9, 0, 4, 9]
    assert record["function_code"] == [10, 10, 10, 0, 4, 10]


def test_an_empty_score_has_no_events():
    assert backbone.encode_ids(_score()) == [bt.BOS, 3, bt.meter_id(Meter(4, 4)), bt.EOS]
    assert backbone.decode([]).chords == ()


@given(scores())
def test_encode_decode_encode_is_the_identity(score: Score):
    record = backbone.encode(score)
    ids = [*record["input_ids"], record["target_id"]]
    assert ids == backbone.encode_ids(score)
    assert backbone.encode_ids(backbone.decode(ids)) == ids
    exact = backbone.decode(ids, bar_resets=score.bar_resets, id=score.id)
    assert backbone.encode(exact) == record


@given(scores())
def test_encoded_scores_are_accepted(score: Score):
    if score.end:
        assert accepts_backbone(backbone.encode_ids(score)) is None


@given(scores(), st.integers(-5, 6))
def test_transposing_the_record_is_encoding_the_transposed_score(score: Score, semitones: int):
    expected = backbone.encode(score.transpose(semitones))
    assert backbone.transpose_record(backbone.encode(score), semitones) == expected


_anything = st.integers(0, bt.SIZE - 1) | st.integers(-5, 120) | st.integers(-(2**70), 2**70)


@given(st.lists(_anything, max_size=60))
def test_any_ids_decode(ids: list[int]):
    score = backbone.decode(ids)
    again = backbone.encode_ids(score)
    assert backbone.encode_ids(backbone.decode(again)) == again


def test_numpy_ids_decode():
    ids = np.array([1, 3, 40, 107, 2], np.int32)
    assert backbone.decode(ids) == backbone.decode(ids.tolist())
