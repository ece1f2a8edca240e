"""The chord loop: it computes what training computed, obeys the grammar, and honours what is given."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from hypothesis import given as hypothesis_given
from hypothesis import settings as hypothesis_settings

from hrpe_jax.codec import backbone
from hrpe_jax.codec import backbone_tokens as tokens
from hrpe_jax.codec.grammar import accepts_backbone
from hrpe_jax.data.features import BACKBONE_FIELDS, backbone_song
from hrpe_jax.models.backbone import Backbone
from hrpe_jax.sampling.backbone import FREE, features, sample_backbone
from hrpe_jax.sampling.logits import Settings
from hrpe_jax.score.score import Score
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter
from tests.codec.scores import scores
from tests.sampling.tiny import BACKBONE, tiny_model

CAPACITY = 96
COLUMNS = [name for name in BACKBONE_FIELDS if name != "target_ids"]
PREFIX = (tokens.BOS, tokens.key_id(Key(3, "minor")), tokens.meter_id(Meter(3, 4)))


def ask(rows: int = 3, **fixed: int) -> np.ndarray:
    """A free table; `p2=5` gives token 5 at place 2 to all rows."""
    table = np.full((rows, CAPACITY), FREE, np.int32)
    table[:, 0] = tokens.BOS
    for place, token in fixed.items():
        table[:, int(place[1:])] = token
    return table


def run(
    given: np.ndarray,
    bars: int = 4,
    seed: int = 0,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
) -> tuple[list[list[int]], np.ndarray]:
    """Sequences up to their EOS, and the log probabilities."""
    sampled = sample_backbone(
        BACKBONE.model,
        tiny_model().stage("backbone").params,
        given,
        np.int32(bars),
        np.uint32(seed),
        np.arange(len(given), dtype=np.int32),
        Settings(np.float32(temperature), np.int32(top_k), np.float32(top_p)),
    )
    rows = [row[: row.index(tokens.EOS) + 1] for row in np.asarray(sampled.ids).tolist()]
    for row, whole in zip(rows, np.asarray(sampled.ids), strict=True):
        assert (whole[len(row) :] == tokens.PAD).all()
    return rows, np.asarray(sampled.log_probability)


def check(ids: list[int], bars: int) -> None:
    _, meter = backbone.prefix_of(ids)
    assert accepts_backbone(ids, beats=bars * meter.beats_per_bar) is None
    assert backbone.decode(ids).end == bars * meter.bar_ticks


def test_cached_sampling_is_teacher_forcing_on_the_training_record():
    ids, chances = run(ask(), bars=3)
    batch = {name: np.zeros((len(ids), CAPACITY), np.int32) for name in (*BACKBONE_FIELDS, "segment_ids")}
    for number, row in enumerate(ids):
        record = backbone.encode(backbone.decode(row))
        assert [*record["input_ids"], record["target_id"]] == row
        fields = dict(zip(BACKBONE_FIELDS, backbone_song(record).fields, strict=True))
        for name, values in {**fields, "segment_ids": np.ones(len(row) - 1)}.items():
            batch[name][number, : len(values)] = values
    logits, _ = jax.jit(Backbone(BACKBONE.model).apply)(
        {"params": tiny_model().stage("backbone").params}, batch
    )
    steps = np.asarray(jax.nn.log_softmax(logits))
    for number, row in enumerate(ids):
        expected = steps[number, np.arange(len(row) - 1), np.array(row[1:])]
        np.testing.assert_allclose(chances[number, 1 : len(row)], expected, atol=2e-4)
        assert not chances[number, len(row) :].any()


@hypothesis_settings(max_examples=25)
@hypothesis_given(scores())
def test_features_are_those_of_the_records(score: Score):
    regular = Score(score.id, "", score.key, score.meter, score.tempo_bpm, score.melody, score.chords)
    song = backbone_song(backbone.encode(regular)).fields
    ids = song[0]
    table = np.zeros((1, 512), np.int32)
    table[0, : len(ids)] = ids
    beats = np.cumsum(tokens.BEATS[ids], dtype=np.int32)
    for place in np.unique(np.linspace(0, len(ids) - 1, 12).astype(int)).tolist():
        made = jax.jit(features)(table, np.int32(place), beats[place : place + 1])
        expected = dict(zip(BACKBONE_FIELDS, song[:, place].tolist(), strict=True))
        if place < 2:  # the model masks what it may not know yet
            expected |= {"beats_per_bar": int(made["beats_per_bar"][0, 0])}
        if place < 1:
            expected |= {"key": int(made["key"][0, 0])}
        assert {name: int(made[name][0, 0]) for name in COLUMNS} == {name: expected[name] for name in COLUMNS}
        assert made["segment_ids"].tolist() == [[1]]


@pytest.mark.parametrize("temperature", [1e-4, 1.0, 1e4])
@pytest.mark.parametrize("bars", [1, 4])
def test_every_sequence_is_accepted_and_full(temperature: float, bars: int):
    for seed in range(3):
        ids, _ = run(ask(), bars=bars, seed=seed, temperature=temperature)
        for row in ids:
            check(row, bars)


def test_given_tokens_are_kept_and_the_rest_is_drawn():
    chord = tokens.chord_id(Chord(7, "7"), 2)
    given = ask(p1=PREFIX[1], p2=PREFIX[2], p4=chord)
    given[2, 3:7] = [
        tokens.chord_id(Chord(0, "maj"), 6),
        chord,
        tokens.chord_id(Chord(5, "maj"), 4),
        tokens.EOS,
    ]
    ids, _ = run(given)
    for row in ids:
        assert tuple(row[:3]) == PREFIX
        assert row[4] == chord
        check(row, 4)
    assert ids[2][3:] == given[2, 3:7].tolist()
    assert len({tuple(row) for row in ids}) == 3


def test_seeds():
    free, again, other = run(ask())[0], run(ask())[0], run(ask(), seed=1)[0]
    assert free == again
    assert free != other
    assert len({tuple(row) for row in free}) == 3
    greedy = run(ask(), top_k=1)[0]
    assert greedy[0] == greedy[1] == greedy[2] == run(ask(), seed=9, top_p=1e-6)[0][0]


def test_rows_that_are_not_wanted_end_before_they_begin():
    given = ask()
    given[1, 0] = tokens.EOS
    ids, chances = run(given)
    assert ids[1] == [tokens.EOS]
    assert not chances[1].any()
    assert ids[0] == run(ask())[0][0]


def test_calls_with_other_wishes_do_not_compile_anew():
    run(ask())
    before = sample_backbone._cache_size()
    run(ask(p1=PREFIX[1]), bars=2, seed=3, temperature=0.7, top_k=4, top_p=0.8)
    assert sample_backbone._cache_size() == before
