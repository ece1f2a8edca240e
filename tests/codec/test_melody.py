"""The melody codec: examples by hand, and properties over random scores and random ids."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrpe_jax.codec import backbone, melody
from hrpe_jax.codec import backbone_tokens as bt
from hrpe_jax.codec.melody import decode_piece
from hrpe_jax.codec.melody_tokens import CLOCK_ADD, CLOCK_SET, token_name
from hrpe_jax.codec.vocabulary import accepts_melody
from hrpe_jax.score.form import Section, form_from_values, form_values
from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter
from tests.codec.scores import METERS, scores

C, F = Chord(0, "maj"), Chord(5, "maj")


def _score(
    *notes: tuple[int, int, int], meter: str = "4/4", resets: tuple[int, ...] = (), chords=()
) -> Score:
    line = tuple(Note(*note) for note in notes)
    spans = tuple(ChordSpan(*span) for span in chords)
    return Score("x", "", Key(0, "major"), Meter.parse(meter), 90.0, line, spans, bar_resets=resets)


def _say(score: Score) -> str:
    return ", ".join(token_name(token) for token in melody.encode_ids(score))


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (
            _score((0, 12, 60), (12, 36, 62)),
            "BOS, BAR, VEL 5, PITCH 60, DUR 12, PITCH 62, DUR 36, EOS",
        ),
        (
            _score((12, 12, 60), (36, 60, 62)),
            "BOS, BAR, VEL 5, REST, POS 12, PITCH 60, DUR 12, REST, POS 36, PITCH 62, DUR 12, "
            "BAR, DUR 48, EOS",
        ),
        (
            _score((48, 12, 60)),
            "BOS, BAR, REST, BAR, VEL 5, PITCH 60, DUR 12, REST, EOS",
        ),
        (
            _score((0, 144, 60), meter="6/4"),
            "BOS, BAR, VEL 5, PITCH 60, DUR 48, DUR 24, BAR, DUR 48, DUR 24, EOS",
        ),
        (
            _score((0, 12, 60), (12, 48, 62), resets=(12,)),
            "BOS, BAR, VEL 5, PITCH 60, DUR 12, BAR, PITCH 62, DUR 48, EOS",
        ),
        (
            _score((12, 48, 62), resets=(12,)),
            "BOS, BAR, REST, POS 12, BAR, VEL 5, PITCH 62, DUR 48, EOS",
        ),
        (
            _score((0, 12, 62), resets=(24,)),
            "BOS, BAR, VEL 5, PITCH 62, DUR 12, REST, POS 24, EOS",
        ),
        (_score(chords=[(0, 50, C)]), "BOS, BAR, REST, BAR, REST, EOS"),
        (_score(), "BOS, EOS"),
    ],
    ids=["notes", "tie", "rest", "long", "pickup", "silent_pickup", "short_end", "chords_only", "empty"],
)
def test_streams_by_hand(score: Score, expected: str):
    assert _say(score) == expected
    line = melody.decode(melody.encode_ids(score), score.meter)
    centred = tuple(replace(note, velocity=88) for note in score.melody)
    assert line.notes == centred
    assert line.bar_resets == score.bar_resets


def test_velocity_is_said_where_its_bin_changes():
    score = _score((0, 48, 60, 80), (48, 24, 60, 90), (72, 24, 60, 94), (96, 48, 60, 30))
    assert [name for name in _say(score).split(", ") if "VEL" in name] == ["VEL 5", "VEL 1"]


def test_conditioning_is_what_sounds_after_each_event():
    score = _score((0, 24, 60), (24, 24, 65), chords=[(0, 24, C), (24, 24, F)])
    record = melody.encode(score)
    names = [str(bt.id_chord(token)) for token in record["conditioning_chord_ids"]]
    #        BOS      BAR      VEL      60       DUR 24   65       DUR 24 EOS
    assert names == ["C:maj", "C:maj", "C:maj", "C:maj", "F:maj", "F:maj", "N", "N"]
    assert record["conditioning_root_pc"] == [0, 0, 0, 0, 5, 5, 0, 0]
    assert record["conditioning_quality_code"] == [0, 0, 0, 0, 0, 0, 9, 9]
    assert record["conditioning_function_code"] == [0, 0, 0, 0, 3, 3, 10, 10]
    assert [str(bt.id_chord(token)) for token in record["next_chord_ids"]] == ["F:maj"] * 4 + ["N"] * 4
    assert record["ticks_to_next"] == [24, 24, 24, 24, 95, 95, 95, 95]
    assert record["bar_phase"] == [0, 0, 0, 0, 24, 24, 48, 48]
    assert record["metadata"] == {
        "key_signature_root": 0,
        "key_signature_mode": "major",
        "time_signature_num": 4,
        "time_signature_den": 4,
        "tempo_bpm": 90.0,
    }


@given(scores())
def test_encode_decode_encode_is_the_identity(score: Score):
    chords, line = backbone.encode_ids(score), melody.encode(score)
    again = decode_piece(chords, line["event_ids"], tempo_bpm=score.tempo_bpm, id=score.id)
    assert melody.encode(again) == line
    assert backbone.encode(again) == backbone.encode(score)


@given(scores(), st.data())
def test_the_form_goes_through_records(score: Score, data: st.DataObject):
    bars = len(score.bar_starts())
    edges = sorted(data.draw(st.sets(st.integers(0, bars), min_size=2, max_size=6))) if bars else []
    form = tuple(Section("ABixo"[n], a, b - a) for n, (a, b) in enumerate(pairwise(edges)))
    score = replace(score, form=form)
    chords, line = backbone.encode(score), melody.encode(score)
    assert chords["form"] == line["form"] == form_values(form)
    said = form_from_values(line["form"])
    again = decode_piece(backbone.encode_ids(score), line["event_ids"], form=said)
    assert again.form == form
    longer = (*form, Section("Z", bars, 10_000))
    assert decode_piece((), line["event_ids"], form=longer).form is not None  # never raises


@given(scores())
def test_decoding_gives_the_notes_back(score: Score):
    line = melody.decode(melody.encode_ids(score), score.meter)
    assert [(n.onset, n.duration, n.pitch) for n in line.notes] == [
        (n.onset, n.duration, n.pitch) for n in score.melody
    ]
    assert line.end >= score.end


@given(scores())
def test_encoded_scores_are_accepted(score: Score):
    ids = melody.encode_ids(score)
    if score.end:
        assert accepts_melody(ids, score.meter) is None


@given(scores())
def test_bar_phase_is_the_clock_of_the_tables(score: Score):
    record, clock = melody.encode(score), 0
    for token, phase in zip(record["event_ids"], record["bar_phase"], strict=True):
        clock = CLOCK_SET[token] if CLOCK_SET[token] >= 0 else clock + CLOCK_ADD[token]
        assert clock == phase


@given(scores(), st.integers(-5, 6))
def test_transposing_the_record_is_encoding_the_transposed_score(score: Score, semitones: int):
    expected = melody.encode(score.transpose(semitones))
    assert melody.transpose_record(melody.encode(score), semitones) == expected


_anything = (
    st.integers(0, 259) | st.sampled_from((131, 132, 188, 141, 60, 200, 130)) | st.integers(-(2**70), 2**70)
)


@given(st.lists(_anything, max_size=60), st.sampled_from(METERS))
def test_any_ids_decode(ids: list[int], meter: Meter):
    chords = [bt.BOS, bt.KEY0, bt.meter_id(meter), bt.NO_CHORD0]
    score = decode_piece(chords, ids)
    again = melody.encode_ids(score)
    assert melody.encode_ids(decode_piece(backbone.encode_ids(score), again)) == again


def test_numpy_ids_decode():
    ids = np.array([129, 131, 60, 188, 130], np.int32)
    assert melody.decode(ids, Meter(4, 4)) == melody.decode(ids.tolist(), Meter(4, 4))
