"""The melody loop: conditioning as in the records, memory as in training, full bars to the end."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings

from hrpe_jax.codec import backbone, melody
from hrpe_jax.codec import melody_tokens as tokens
from hrpe_jax.codec.grammar import accepts_melody
from hrpe_jax.codec.melody import Harmony
from hrpe_jax.codec.tempo import tempo_bin
from hrpe_jax.data.features import MELODY_FIELDS, MELODY_ROW_FIELDS, melody_song
from hrpe_jax.models.melody import Melody, init_memory
from hrpe_jax.sampling import melody as loop
from hrpe_jax.sampling.controls import chord_tokens, read_controls
from hrpe_jax.sampling.logits import Settings
from hrpe_jax.sampling.melody import Clock, Plan, sample_melody
from hrpe_jax.sampling.pipeline import melody_plan
from hrpe_jax.score.score import Score
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter
from tests.codec.scores import scores
from tests.sampling.tiny import MELODY, SEGMENT, tiny_model

CAPACITY = 1024
COLUMNS = [name for name in MELODY_FIELDS if name != "target_ids"]


def chords_of(text: str, meter: str = "4/4", key: str = "Eb major") -> list[int]:
    controls = read_controls(chords=text, meter=meter, key=key)
    return chord_tokens(controls.chords or (), Key.parse(key), Meter.parse(meter))


PIECES = [
    chords_of("Eb | Cm*3 Ab | Fm7 Bb7/D | %"),
    chords_of("N.C. Am Am G", "6/8", "A minor"),
    chords_of("C Db*1 Gsus4 F N.C.*3", "3/4", "C major"),
]


def plan_of(score: Score, ticks: int) -> Plan:
    """What the sampler is told of a score's chords, short bars included."""
    harmony = Harmony.of_beats(*backbone.harmony_of_beats(score))
    row: dict[str, Any] = {
        "harmony": loop.harmony_table(harmony, ticks),
        "mask": loop.mask_table(score.meter.bar_ticks),
        "key": score.key.index,
        "meter_num": score.meter.numerator,
        "meter_den": score.meter.denominator,
        "tempo_bin": tempo_bin(score.tempo_bpm),
        "bar_ticks": score.meter.bar_ticks,
        "bars": len(score.bar_starts()),
        "silent_bars": 10_000,
    }
    return Plan(**{name: jnp.asarray(value)[None] for name, value in row.items()})


@partial(jax.jit, static_argnames="rows")
def replay(ids: jax.Array, plan: Plan, rows: int = 1) -> dict[str, jax.Array]:
    """The features of given events, computed step by step as in the loop: `[rows, events]` each."""

    def step(clock: Clock, now: tuple[jax.Array, jax.Array]) -> tuple[Clock, dict[str, jax.Array]]:
        event, place = now
        clock = loop.hear(clock, event, plan.bar_ticks)
        return clock, loop.features(event, place, clock, plan)

    _, made = jax.lax.scan(step, loop.start_clock(rows), (ids.T, jnp.arange(ids.shape[1])))
    return {name: x[..., 0].T if x.ndim == 3 else x.T for name, x in made.items()}


def check_replay(score: Score, capacity: int, ticks: int) -> None:
    record = melody.encode(score)
    song = melody_song(record)
    length = song.fields.shape[1]
    assert length <= capacity
    assert score.end + 72 < ticks
    ids = np.full((1, capacity), tokens.PAD, np.int32)
    ids[0, :length] = song.fields[0]
    made = replay(ids, plan_of(score, ticks))
    for name, expected in zip(MELODY_FIELDS, song.fields, strict=True):
        if name != "target_ids":
            np.testing.assert_array_equal(made[name][0, :length], expected, err_msg=name)
    for name, value in zip(MELODY_ROW_FIELDS, song.row, strict=True):
        assert int(made[name][0, 0]) == value


@settings(max_examples=60)
@given(scores())
def test_features_are_those_of_the_records(score: Score):
    check_replay(score, 1024, 8192)


def test_features_are_those_of_the_records_of_real_songs(shared_data):
    from hrpe_jax.songs.pop909 import read_pop909

    songs = [
        read_pop909(folder) for folder in sorted((shared_data / "pop909").glob("**/[0-9][0-9][0-9]"))[:4]
    ]
    if not songs:
        pytest.skip("POP909 is not here")
    for song in songs:
        check_replay(getattr(song, "score", song), 4096, 16384)


def run(
    bars: int = 4, seed: int = 0, temperature: float = 1.0, first: np.ndarray | None = None, **chosen: Any
) -> tuple[np.ndarray, np.ndarray, Plan]:
    """Event ids, log probabilities, and the plan of `PIECES`."""
    plan = melody_plan(PIECES, bars, 120.0, chosen.get("silent_bars", bars))
    table = np.full((len(PIECES), CAPACITY), loop.FREE, np.int32)
    table[:, 0] = tokens.BOS
    if first is not None:
        table[:, : first.shape[1]] = first
    sampled = sample_melody(
        MELODY.model,
        SEGMENT,
        tiny_model().stage("melody").params,
        plan,
        table,
        np.uint32(seed),
        np.arange(len(PIECES), dtype=np.int32),
        Settings(
            np.float32(temperature), np.int32(chosen.get("top_k", 0)), np.float32(chosen.get("top_p", 1))
        ),
    )
    return np.asarray(sampled.ids), np.asarray(sampled.log_probability), plan


def rows_of(ids: np.ndarray) -> list[list[int]]:
    rows = [row[: row.index(tokens.EOS) + 1] for row in ids.tolist()]
    for row, whole in zip(rows, ids, strict=True):
        assert (whole[len(row) :] == tokens.PAD).all()
    return rows


def check_rows(rows: list[list[int]], bars: int) -> None:
    for row, chords in zip(rows, PIECES, strict=True):
        score = backbone.decode(chords)
        assert accepts_melody(row, score.meter, short_bars=False) is None
        assert row.count(tokens.BAR) == bars
        line = melody.decode(row, score.meter)
        assert line.end == bars * score.meter.bar_ticks == score.end
        assert line.bar_resets == ()


def test_cached_sampling_is_training_with_memory_over_many_segments():
    ids, chances, plan = run()
    rows = rows_of(ids)
    longest = max(map(len, rows))
    assert longest > 3 * SEGMENT  # so that the cache has moved on several times
    batch = replay(ids, plan, rows=len(rows))
    model, params = Melody(MELODY.model), tiny_model().stage("melody").params
    apply = jax.jit(lambda params, segment, memory: model.apply({"params": params}, segment, memory))
    memory, logits = init_memory(MELODY.model, len(rows)), []
    for start in range(0, longest, SEGMENT):
        segment = {name: batch[name][:, start : start + SEGMENT] for name in COLUMNS}
        segment |= {name: getattr(plan, name) for name in MELODY_ROW_FIELDS}
        scored, memory = apply(params, segment, memory)
        logits.append(scored)
    steps = jax.nn.log_softmax(jnp.concatenate(logits, axis=1))
    for number, row in enumerate(rows):
        expected = steps[number, np.arange(len(row) - 1), np.array(row[1:])]
        np.testing.assert_allclose(chances[number, 1 : len(row)], expected, atol=2e-4)
        assert not chances[number, len(row) :].any()


@pytest.mark.parametrize("temperature", [1e-4, 1.0, 1e4])
def test_every_melody_is_accepted_and_as_long_as_its_chords(temperature: float):
    for seed in range(4):
        check_rows(rows_of(run(seed=seed, temperature=temperature)[0]), 4)


def test_a_melody_never_outgrows_its_bound():
    """All that can be said at every tick: two events, beside BAR and VEL."""
    shortest = np.array([60, tokens.DUR0])
    bar = np.concatenate([[tokens.BAR, tokens.VEL0], np.tile(shortest, 36)])
    said = np.concatenate([[tokens.BOS], np.tile(bar, 4), [tokens.EOS]])
    assert len(said) == loop.max_events(4, 36)
    assert accepts_melody(said, Meter(3, 4), short_bars=False) is None


@pytest.mark.parametrize("limit", [0, 1, 2])
def test_silence_is_no_longer_than_allowed(limit: int):
    """Also where the piece begins with as much silence as is allowed."""
    silence = np.array([[tokens.BOS, *(tokens.BAR, tokens.REST) * limit]] * len(PIECES))
    for seed in range(3):
        rows = rows_of(run(seed=seed, first=silence, silent_bars=limit)[0])
        check_rows(rows, 4)
        for row in rows:
            bars = " ".join(map(str, row)).split(str(tokens.BAR))[1:]
            sounding = [any(int(event) < tokens.PITCHES for event in bar.split()) for bar in bars]
            tied = [bool(set(map(int, bar.split())) & set(range(tokens.DUR0, tokens.POS0))) for bar in bars]
            silent = "".join(".s"[a or b] for a, b in zip(sounding, tied, strict=True))
            assert "." * (limit + 1) not in silent


def test_given_events_are_kept_and_the_melody_goes_on():
    first = np.array(
        [tokens.BOS, tokens.BAR, 60, tokens.duration_id(6), tokens.REST, tokens.position_id(12), 64]
    )
    ids, _, _ = run(first=np.tile(first, (3, 1)))
    rows = rows_of(ids)
    check_rows(rows, 4)
    assert all(row[: len(first)] == first.tolist() for row in rows)


def test_seeds_and_shapes():
    free, again, other = rows_of(run()[0]), rows_of(run()[0]), rows_of(run(seed=1)[0])
    assert free == again
    assert free != other
    before = sample_melody._cache_size()
    run(seed=5, temperature=0.5, top_k=3, top_p=0.5)
    assert sample_melody._cache_size() == before
