"""The chord loop: it computes what training computed, obeys the grammar, and honours what is asked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import numpy as np
import pytest
from hypothesis import given as hypothesis_given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from hrpe_jax.checkpoints.release import Model
from hrpe_jax.codec import backbone
from hrpe_jax.codec import backbone_tokens as tokens
from hrpe_jax.codec.columns import BACKBONE_FIELDS
from hrpe_jax.codec.plan import Attributes, outline
from hrpe_jax.codec.vocabulary import accepts_backbone
from hrpe_jax.data.batches import backbone_song
from hrpe_jax.models.backbone import Backbone
from hrpe_jax.sampling import backbone_search
from hrpe_jax.sampling.backbone_loop import FREE, features, run_backbone
from hrpe_jax.sampling.backbone_search import NO_STOP, Request, choose, sample_chords, stretches
from hrpe_jax.sampling.chord_input import read_chords
from hrpe_jax.sampling.form_input import read_form
from hrpe_jax.sampling.logits import Settings, row_keys
from hrpe_jax.sampling.planner import PiecePlan, backbone_columns
from hrpe_jax.sampling.sizes import unroll
from hrpe_jax.score.form import Section, crop_form, form_values
from hrpe_jax.score.score import Score
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter
from tests.codec.scores import scores
from tests.sampling.tiny import BACKBONE, noisy_params, planned_model, tiny_model

COLUMNS = [name for name in BACKBONE_FIELDS if name != "target_ids"]
KEY, METER = tokens.key_id(Key(3, "minor")), tokens.meter_id(Meter(3, 4))
ROWS, CANDIDATES = 4, 2


def run(
    seed: int = 0,
    numbers: tuple[int, ...] = tuple(range(ROWS)),
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    penalty: float | None = None,
    model: Model | None = None,
    **asked: Any,
) -> tuple[list[list[int]], list[float]]:
    """Sequences, and their mean negative log likelihoods."""
    stage: Any = (model or tiny_model()).stage("backbone")
    config, params = unroll(stage.config.model, stage.params)
    request = Request(
        **{
            "key": FREE,
            "keys": np.ones(24, bool),
            "meter": FREE,
            "locks": [],
            "sources": None,
            "prefix": [tokens.BOS],
            "phases": [],
            "offset": 0,
            "bars": 4,
            "candidates": CANDIDATES,
            "window": 64,
            **asked,
        }
    )
    settings = Settings(np.float32(temperature), np.int32(top_k), np.float32(top_p), penalty)
    return sample_chords(config, params, request, numbers, seed, settings)


def check(ids: list[int], bars: int) -> None:
    _, meter = backbone.prefix_of(ids)
    assert accepts_backbone(ids, beats=bars * meter.beats_per_bar) is None
    assert backbone.decode(ids).end == bars * meter.bar_ticks


def harmonies(ids: list[int]) -> list[int]:
    """One-beat token of every beat."""
    return np.repeat(tokens.HARMONY[ids], tokens.BEATS[ids]).tolist()


def locks_of(text: str, meter: str = "4/4") -> list[int]:
    timed, _ = read_chords(text, Meter.parse(meter), Key(0, "major"))
    return [FREE if chord is None else tokens.chord_id(chord) for chord, beats in timed for _ in range(beats)]


@pytest.mark.parametrize(("prefix", "planned"), [(1, False), (9, False), (9, True)])
def test_cached_sampling_is_teacher_forcing_on_the_training_record(prefix: int, planned: bool):
    """Also where the cache has grown, where it has read a beginning in parallel, and by a plan."""
    model = planned_model() if planned else tiny_model()
    asked: dict[str, Any] = {"bars": 100, "meter": METER, "candidates": 1, "window": 128, "model": model}
    form: tuple[Section, ...] = ()
    if planned:
        form = (Section("A", 0, 20), Section("B", 20, 10), Section("A", 30, 20), Section("B", 50, 50))
        bars = outline([[s.letter, s.first_bar, s.bars] for s in form], 100)
        asked["plans"] = [PiecePlan(form, bars, Attributes("folk"))] * ROWS
    given = run(**asked)[0][0][:prefix]
    ids, nats = run(**asked, prefix=given)
    assert 64 < max(map(len, ids)) <= 128
    batch = {name: np.zeros((len(ids), 128), np.int32) for name in (*BACKBONE_FIELDS, "segment_ids")}
    for number, row in enumerate(ids):
        record = backbone.encode(backbone.decode(row))
        assert [*record["input_ids"], record["target_id"]] == row
        record |= {"form": form_values(form), "style": "folk" if planned else ""}
        fields = dict(zip(BACKBONE_FIELDS, backbone_song(record).fields, strict=True))
        for name, values in {**fields, "segment_ids": np.ones(len(row) - 1)}.items():
            batch[name][number, : len(values)] = values
    stage: Any = model.stage("backbone")
    logits, _ = jax.jit(Backbone(stage.config.model).apply)({"params": stage.params}, batch)
    steps = np.asarray(jax.nn.log_softmax(logits))
    for number, row in enumerate(ids):
        assert row[:prefix] == given
        expected = steps[number, np.arange(len(row) - 1), np.array(row[1:])][prefix - 1 :]
        np.testing.assert_allclose(nats[number], -expected.mean(), rtol=1e-4)


@hypothesis_settings(max_examples=25)
@hypothesis_given(scores(), st.integers(1, 4), st.text("ABa", min_size=1, max_size=4))
def test_features_are_those_of_the_records(score: Score, bars: int, letters: str):
    regular = Score(score.id, "", score.key, score.meter, score.tempo_bpm, score.melody, score.chords)
    sections = tuple(Section(letter, number * bars, bars) for number, letter in enumerate(letters))
    regular = replace(regular, form=crop_form(sections, 0, len(regular.bar_starts())))
    record = backbone.encode(regular)
    song = backbone_song({**record, "style": "folk"}).fields
    ids = song[0]
    phases = np.cumsum(tokens.BEATS[ids], dtype=np.int64) % score.meter.beats_per_bar
    bars = np.cumsum(tokens.BEATS[ids], dtype=np.int64) // score.meter.beats_per_bar
    plan = PiecePlan(regular.form, outline(record["form"], len(regular.bar_starts())), Attributes("folk"))
    planned = backbone_columns([plan], 1, len(regular.bar_starts()))[0, bars]
    made = features(
        ids, np.arange(len(ids)), np.full_like(ids, ids[1]), np.full_like(ids, ids[2]), phases, planned, xp=np
    )
    for name, expected in zip(BACKBONE_FIELDS, song, strict=True):
        if name != "target_ids":
            assert made[name].tolist() == expected.tolist(), name
    assert made["segment_ids"].all()


@pytest.mark.parametrize("temperature", [1e-4, 1.0, 1e4])
def test_every_sequence_is_accepted_and_full(temperature: float):
    for seed, bars in ((0, 1), (1, 4), (2, 4)):
        for row in run(seed, bars=bars, temperature=temperature)[0]:
            check(row, bars)


@pytest.mark.parametrize("temperature", [1.0, 1e4])
@pytest.mark.parametrize(
    "text",
    ["C | ? | F ? | G7", "? | C | ? ? F C | ?", "C*2 ?*1 C*1 | ?*1 Am*3", "C | C | C | ?", "? ? ? Dm7"],
)
def test_locked_chords_sound_at_their_beats_and_the_rest_is_drawn(text: str, temperature: float):
    locks = locks_of(text if "|" in text else f"{text} |")
    bars = len(locks) // 4
    for seed in range(2):
        ids, _ = run(
            seed, bars=bars, locks=locks, key=KEY, meter=tokens.meter_id(Meter(4, 4)), temperature=temperature
        )
        for row in ids:
            check(row, bars)
            assert row[1] == KEY
            assert all(lock in (FREE, said) for lock, said in zip(locks, harmonies(row), strict=True))
        assert len({tuple(row) for row in ids}) > 1


def test_every_length_of_lock_and_gap_at_random():
    """What is locked is kept whatever stands beside what: no mask runs into a dead end."""
    generator = np.random.default_rng(0)
    chords = [tokens.chord_id(Chord(root, "maj")) for root in (0, 5, 7)] + [FREE, FREE]
    for seed in range(4):
        locks: list[int] = []
        while len(locks) < 32:
            locks += [int(generator.choice(chords))] * int(generator.integers(1, 12))
        locks = locks[:32]
        for row in run(seed, bars=8, locks=locks, meter=tokens.meter_id(Meter(4, 4)), temperature=50.0)[0]:
            check(row, 8)
            assert all(lock in (FREE, said) for lock, said in zip(locks, harmonies(row), strict=True))


@pytest.mark.parametrize("text", ["AABA", "A1A1A1A1", "A1B1A1B1", "A2A'2"])
def test_sections_that_come_again_have_the_same_chords(text: str):
    form = read_form(text, None if any(map(str.isdigit, text)) else 4)
    for temperature in (1.0, 50.0):
        for row in run(bars=4, sources=form.chord_sources(), meter=METER, temperature=temperature)[0]:
            check(row, 4)
            beats = harmonies(row)
            for bar, source in enumerate(form.chord_sources()):
                if source >= 0:
                    assert beats[3 * bar : 3 * bar + 3] == beats[3 * source : 3 * source + 3]


def test_candidates_are_chosen_in_proportion_to_their_weights():
    keys, weights = row_keys(0, 0, np.arange(2000)), np.log(np.tile([0.7, 0.2, 0.1], (2000, 1)))
    chosen = np.asarray(choose(keys, weights, 3))
    np.testing.assert_allclose(np.bincount(chosen) / 2000, [0.7, 0.2, 0.1], atol=0.04)
    assert (chosen == np.asarray(choose(keys, weights + 5, 3))).all()
    assert (chosen != np.asarray(choose(keys, weights, 4))).any()


def test_blocks_end_where_locked_chords_do():
    c = tokens.chord_id(Chord(0, "maj"))
    locks = [c, c, FREE, FREE, c, c, FREE, c, FREE]
    assert stretches(locks, [False] * 9, 0, 9) == [(6, True), (8, True), (NO_STOP, True)]
    assert stretches([FREE] * 4, [False, False, True, False], 0, 9) == [(3, True), (NO_STOP, True)]
    assert stretches([c] * 4, [False] * 4, 0, 1) == [(NO_STOP, True)]


def test_only_the_bars_before_what_is_locked_have_candidates():
    c = tokens.chord_id(Chord(0, "maj"))
    locks = [c, *[FREE] * 9, c, c, *[FREE] * 9]
    assert stretches(locks, [False] * 21, 0, 4) == [(6, False), (12, True), (17, False), (NO_STOP, True)]
    assert stretches(locks, [False] * 21, 6, 4) == [(12, True), (17, False), (NO_STOP, True)]
    assert stretches(locks, [False] * 21, 0, 9) == [(12, True), (NO_STOP, True)]
    assert stretches([*[FREE] * 9, c, c], [False] * 11, 0, 4) == [(5, False), (NO_STOP, True)]


@pytest.mark.parametrize("few", [0, 100])
@pytest.mark.parametrize("meter", [FREE, METER])
def test_candidates_differ_in_their_last_bars_alone(meter: int, few: int, monkeypatch: pytest.MonkeyPatch):
    """Also where each row has a meter of its own; and however many rows are drawn, the same is."""
    monkeypatch.setattr(backbone_search, "FEW", few)
    one, many = (run(bars=8, meter=meter, candidates=count)[0] for count in (1, 5))
    for first, second in zip(one, many, strict=True):
        check(second, 8)
        until = (8 - backbone_search.LEAD_BARS) * backbone.prefix_of(first)[1].beats_per_bar
        same = int((np.cumsum(tokens.BEATS[first], dtype=int) < until).sum())
        assert first[: same + 1] == second[: same + 1]
    assert one != many
    monkeypatch.setattr(backbone_search, "FEW", 20)
    assert run(bars=8, meter=meter, candidates=5)[0] == many


def test_keys_and_modes():
    minor = np.arange(24) >= 12
    assert all(backbone.prefix_of(row)[0].mode == "minor" for row in run(keys=minor)[0])
    assert all(row[1:3] == [KEY, METER] for row in run(key=KEY, meter=METER)[0])


def test_a_penalty_makes_chords_come_back_less_often():
    def returning(penalty: float) -> float:
        rows = run(bars=8, meter=METER, penalty=np.float32(penalty), temperature=0.02)[0]
        said = [[tokens.HARMONY[token] for token in row[3:-1]] for row in rows]
        return float(np.mean([len(set(row)) / len(row) for row in said]))

    assert returning(1e6) > returning(1.0)


def test_seeds():
    free, again, other = run()[0], run()[0], run(1)[0]
    assert free == again
    assert free != other
    assert len({tuple(row) for row in free}) == ROWS
    assert run(numbers=(2, 0, 1, 3))[0][0] == free[2]
    greedy = run(top_k=1)[0]
    assert greedy[0] == greedy[1] == greedy[2] == run(9, top_p=1e-6)[0][0]


def test_calls_with_other_options_do_not_compile_anew():
    run()
    before = run_backbone._cache_size()
    run(3, key=KEY, bars=2, temperature=0.7, top_k=4, top_p=0.8)
    assert run_backbone._cache_size() == before


def test_a_piece_longer_than_what_the_model_looks_back_at():
    """The cache moves on, and every bar is full all the same."""
    (row,), _ = run(bars=300, meter=METER, numbers=(0,), temperature=20.0)
    assert len(row) > 2 * 64
    check(row, 300)


def test_room_for_what_may_be_repeated_grows_without_a_difference(monkeypatch: pytest.MonkeyPatch):
    config = replace(BACKBONE, model=replace(BACKBONE.model, repeats=30, phrases=(1, 2)))
    model, params = unroll(config.model, noisy_params("backbone", config))
    written = []
    for smallest in (32, 64):
        monkeypatch.setattr(backbone_search, "_SMALLEST", smallest)
        asked = Request(FREE, np.ones(24, bool), FREE, [], None, [tokens.BOS], [], 0, 40, CANDIDATES, 64)
        written.append(sample_chords(model, params, asked, range(ROWS), 0, Settings())[0])
    assert max(map(len, written[0])) > 30
    assert written[0] == written[1]
