"""The melody loop: conditioning as in the records, memory as in training, full bars to the end."""

from __future__ import annotations

import functools
import math
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hrpe_jax.checkpoints.release import Model
from hrpe_jax.codec import backbone_tokens, melody
from hrpe_jax.codec import melody_tokens as tokens
from hrpe_jax.codec.columns import MELODY_FIELDS, MELODY_ROW_FIELDS
from hrpe_jax.codec.plan import Attributes, attributes_of, described, melody_end, outline
from hrpe_jax.codec.vocabulary import accepts_melody
from hrpe_jax.data.batches import melody_song
from hrpe_jax.data.chord_counts import ChordCounts
from hrpe_jax.models.melody import Melody, init_memory
from hrpe_jax.sampling import chord_beats
from hrpe_jax.sampling import melody_batch as driver
from hrpe_jax.sampling import melody_loop as loop
from hrpe_jax.sampling.chord_beats import beat_table
from hrpe_jax.sampling.controls import chord_tokens
from hrpe_jax.sampling.form_input import read_form
from hrpe_jax.sampling.logits import Settings
from hrpe_jax.sampling.melody_batch import Request, melodies, melody_plan, score_of
from hrpe_jax.sampling.melody_loop import Window, run_melody
from hrpe_jax.sampling.planner import PiecePlan
from hrpe_jax.sampling.prime import Prime
from hrpe_jax.sampling.sizes import room, unroll
from hrpe_jax.score.form import Section, crop_form
from hrpe_jax.score.score import Score
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter
from hrpe_jax.theory.quality import INTERVALS
from tests.codec.scores import scores
from tests.sampling.tiny import MELODY, SEGMENT, controls_of, noisy_params, planned_model, tiny_model

EVENTS, BEATS = 200, 2048
COLUMNS = [name for name in MELODY_FIELDS if name != "target_ids"]


def chords_of(text: str, meter: str = "4/4", key: str = "Eb major") -> list[int]:
    controls = controls_of(chords=text, meter=meter, key=key)
    return chord_tokens(controls.chords or (), Key.parse(key), Meter.parse(meter))


PIECES = [
    chords_of("Eb | Cm*3 Ab | Fm7 Bb7/D | %"),
    chords_of("N.C. Am Am G", "6/8", "A minor"),
    chords_of("C Db*1 Gsus4 F N.C.*3", "3/4", "C major"),
]


def request(bars: int = 4, **asked: Any) -> Request:
    about = {"silent_bars": bars, "form": None, "prefix": [tokens.BOS], "opening": None, "segment": SEGMENT}
    return Request(**{"bars": bars, "tempo": 120.0, **about, **asked})


@jax.jit
def _replay(ids: Any, plan: Any, window: Any) -> Any:
    def step(clock: Any, now: Any) -> Any:
        event, place = now
        clock = loop.hear(clock, event[None])
        return clock, loop.features(event[None], place, clock, plan, window)

    return jax.lax.scan(step, loop.start_clock(1), (ids, jnp.arange(len(ids))))[1]


def plan_of(score: Score) -> PiecePlan:
    """All that can be said of a piece, as a plan."""
    record = melody.encode(score)
    ids, clocks = np.array(record["event_ids"]), np.array(record["bar_phase"])
    bars = outline(record["form"], len(score.bar_starts()), melody_end(ids))
    attributes = attributes_of(score, "folk")
    return PiecePlan(score.form, described(bars, ids, clocks, score.meter.bar_ticks), attributes)


def replay(score: Score, ids: np.ndarray, planned: PiecePlan | None = None) -> dict[str, np.ndarray]:
    """The features of at most `EVENTS` given events, computed one by one as in the loop: `[1, n]` each."""
    table = np.full((BEATS, 3), (backbone_tokens.NO_CHORD0, backbone_tokens.NO_CHORD0, 200), np.int32)
    beats = beat_table(score)[:BEATS]
    table[: len(beats)] = beats
    padded = np.full(EVENTS, tokens.PAD, np.int32)
    padded[: len(ids)] = ids
    plans = None if planned is None else [planned]
    plan = melody_plan([score], request(10_000, tempo=score.tempo_bpm, plans=plans))
    made = _replay(padded, plan, Window(table[None], np.zeros((1, BEATS), np.float32), np.zeros(1, np.int32)))
    return {name: np.asarray(value).reshape(1, -1)[:, : len(ids)] for name, value in made.items()}


@settings(max_examples=40)
@given(scores(), st.integers(1, 4), st.text("ABa", min_size=1, max_size=4))
def test_features_are_those_of_the_records(score: Score, bars: int, letters: str):
    regular = Score(score.id, "", score.key, score.meter, score.tempo_bpm, score.melody, score.chords)
    sections = tuple(Section(letter, number * bars, bars) for number, letter in enumerate(letters))
    regular = replace(regular, form=crop_form(sections, 0, len(regular.bar_starts())))
    record = melody.encode(regular)
    song = melody_song({**record, "attributes": attributes_of(regular, "folk").values()})
    made = replay(regular, song.fields[0][:EVENTS], plan_of(regular))
    for name, expected in zip(MELODY_FIELDS, song.fields[:, :EVENTS], strict=True):
        if name != "target_ids":
            np.testing.assert_array_equal(made[name][0], expected, err_msg=name)
    for name, value in zip(MELODY_ROW_FIELDS, song.row, strict=True):
        assert int(made[name][0, 0]) == value


def run(
    seed: int = 0,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    penalty: float | None = None,
    pieces: list[list[int]] = PIECES,
    steps: int | None = None,
    model: Model | None = None,
    **asked: Any,
) -> tuple[list[list[int]], list[list[float]]]:
    """Events from BOS to EOS, and the log probabilities of those after the prefix."""
    stage: Any = (model or tiny_model()).stage("melody")
    config, params = unroll(stage.config.model, stage.params)
    wanted = request(**asked)
    draws = Settings(np.float32(temperature), np.int32(top_k), np.float32(top_p), penalty)
    rows = [list(wanted.prefix) for _ in pieces]
    chances: list[list[float]] = [[] for _ in pieces]
    for ids, likelihood in melodies(config, params, wanted, pieces, range(len(pieces)), seed, draws, steps):
        for row, events in enumerate(ids):
            said = events != tokens.PAD
            assert not said[np.argmin(said) :].any() or said.all()
            rows[row] += events[said].tolist()
            chances[row] += likelihood[row, said].tolist()
    return rows, chances


def check_rows(rows: list[list[int]], bars: int = 4, pieces: list[list[int]] = PIECES) -> None:
    for row, chords in zip(rows, pieces, strict=True):
        score = score_of(chords)
        assert accepts_melody(row, score.meter, short_bars=False) is None
        assert row.count(tokens.BAR) == bars
        line = melody.decode(row, score.meter)
        assert line.end == bars * score.meter.bar_ticks == score.end
        assert line.bar_resets == ()
        assert line.notes[-1].end > line.end - score.meter.bar_ticks  # it sounds into the last bar


@pytest.mark.parametrize(("opening", "planned"), [(False, False), (True, False), (True, True)])
def test_cached_sampling_is_training_with_memory_over_many_segments(opening: bool, planned: bool):
    """Also behind an opening of several segments that is read in parallel, and by a plan."""
    used: Any = planned_model() if planned else tiny_model()
    stage = used.stage("melody")
    asked: dict[str, Any] = {}
    skip = 1
    if opening:
        notes = [note for note in melody.decode(run(3)[0][0], Meter(4, 4)).notes if note.onset < 3 * 48]
        prime = Prime(Score("", "", Key(3, "major"), Meter(4, 4), 120.0, tuple(notes), ()))
        asked = {"prefix": prime.event_ids, "opening": prime.score}
        skip = len(prime.event_ids)
        assert skip > 2 * SEGMENT
    pieces = PIECES[:1] * 3 if opening else PIECES
    plans = None
    if planned:
        form = (Section("A", 0, 2), Section("A", 2, 1), Section("B", 3, 1))
        bars = outline([[s.letter, s.first_bar, s.bars] for s in form], 4)
        bars[:, -4:-1] = [[1, 1, 3], [1, 2, 2], [3, 1, 2], [1, 7, 3]]
        plans = [PiecePlan(form, bars, Attributes("folk", 90.0, 50, 70, 4.0, 0.0))] * 3
        asked["plans"] = plans
    rows, chances = run(pieces=pieces, model=used, **asked)
    longest = max(map(len, rows))
    assert longest > 3 * SEGMENT  # so that the cache has moved on several times
    model, params = Melody(stage.config.model), stage.params
    apply = jax.jit(lambda params, segment, memory: model.apply({"params": params}, segment, memory))
    # A row that was read in parallel has its segments end where the reading ended.
    lead = -(skip - 1) % SEGMENT if opening else 0
    for number, row in enumerate(rows):
        made = replay(score_of(pieces[number]), np.array(row), plans and plans[number])
        memory, logits = init_memory(stage.config.model, 1), []
        size = -(-(len(row) + lead) // SEGMENT) * SEGMENT
        for start in range(0, size, SEGMENT):
            part = {
                name: np.pad(made[name], ((0, 0), (lead, size - lead - len(row))), constant_values=fill)
                for name, fill in {**dict.fromkeys(COLUMNS, 0), "event_ids": tokens.PAD}.items()
            }
            segment = {name: value[:, start : start + SEGMENT] for name, value in part.items()}
            segment |= {name: made[name][:, 0] for name in MELODY_ROW_FIELDS}
            scored, memory = apply(params, segment, memory)
            logits.append(scored)
        steps = np.asarray(jax.nn.log_softmax(jnp.concatenate(logits, axis=1)))[0, lead:]
        expected = steps[np.arange(skip - 1, len(row) - 1), np.array(row[skip:])]
        np.testing.assert_allclose(chances[number], expected, atol=2e-4)


@pytest.mark.parametrize("temperature", [1e-4, 1.0, 1e4])
def test_every_melody_is_accepted_and_as_long_as_its_chords(temperature: float):
    for seed in range(4):
        check_rows(run(seed, temperature)[0])


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
    silence = [tokens.BOS, *(tokens.BAR, tokens.REST) * limit]
    opening = Score("", "", Key(3, "major"), Meter(4, 4), 120.0, (), ())
    pieces = PIECES[:1] * 3
    for seed in range(3):
        rows, _ = run(seed, pieces=pieces, prefix=silence, opening=opening, silent_bars=limit)
        check_rows(rows, pieces=pieces)
        for row in rows:
            bars = " ".join(map(str, row)).split(str(tokens.BAR))[1:]
            sounding = [any(int(event) < tokens.PITCHES for event in bar.split()) for bar in bars]
            tied = [bool(set(map(int, bar.split())) & set(range(tokens.DUR0, tokens.POS0))) for bar in bars]
            silent = "".join(".s"[a or b] for a, b in zip(sounding, tied, strict=True))
            assert "." * (limit + 1) not in silent


@pytest.mark.parametrize("text", ["A2A2", "A1B1A1B1", "A1A1A'1A1"])
def test_sections_that_come_again_are_the_same_notes(text: str):
    form = read_form(text)
    chords = chords_of("Eb | Cm7 | Eb | Cm7", "4/4") if "B" in text else chords_of("Eb | Eb | Eb | Eb", "4/4")
    pieces = [chords] * 3
    rows, _ = run(pieces=pieces, form=form)
    check_rows(rows, pieces=pieces)
    varied = []
    for row in rows:
        bars = [bar.split() for bar in " ".join(map(str, row[1:-1])).split(str(tokens.BAR))[1:]]
        line = melody.decode(row, Meter(4, 4)).notes
        for bar, source in enumerate(form.melody_sources()):
            if source >= 0:
                assert bars[bar] == bars[source]
                notes = [
                    [
                        (note.onset - 48 * at, note.pitch, note.velocity)
                        for note in line
                        if note.onset // 48 == at
                    ]
                    for at in (bar, source)
                ]
                assert notes[0] == notes[1]
        varied.append(bars[2] != bars[0])
    assert any(varied) == ("'" in text)


def test_calls_of_any_size_write_the_same():
    whole, by_five = run()[0], run(steps=5)[0]
    assert whole == by_five


def test_parts_of_a_batch_on_cores_of_their_own_write_the_same(monkeypatch: pytest.MonkeyPatch):
    """Also a part that only fills the shape, and one that ends before the others."""
    written = []
    for parts in (1, 4):
        monkeypatch.setattr(driver, "shares", lambda rows, parts=parts: math.gcd(rows, parts))
        written.append(run(pieces=PIECES * 2, steps=5)[0][:5])
        check_rows(written[-1], pieces=(PIECES * 2)[:5])
    assert written[0] == written[1]


def test_a_core_gets_rows_of_its_own(monkeypatch: pytest.MonkeyPatch):
    for cores, rows, parts in ((1, 8, 1), (2, 1, 1), (2, 32, 2), (3, 32, 2), (16, 4, 4)):
        monkeypatch.setattr(driver, "cores", lambda cores=cores: cores)
        assert driver.shares(rows) == parts
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert driver.shares(32) == 1


def test_a_penalty_makes_pitches_come_back_less_often():
    def returning(penalty: float) -> float:
        pitches = [
            [event for event in row if event < tokens.PITCHES] for row in run(penalty=np.float32(penalty))[0]
        ]
        return float(np.mean([len(set(row)) / len(row) for row in pitches]))

    assert returning(1e6) > returning(1.0)


def test_over_strange_chords_no_note_clashes(monkeypatch: pytest.MonkeyPatch):
    """All chords are strange where nothing was counted, and a great loss is a ban."""

    def clashes(rows: list[list[int]]) -> int:
        count = 0
        for row, chords in zip(rows, PIECES, strict=True):
            score = score_of(chords)
            for note in melody.decode(row, score.meter).notes:
                span = next(span for span in score.chords if span.onset <= note.onset < span.end)
                tones = {(span.chord.root + step) % 12 for step in INTERVALS[span.chord.quality or "maj"]}
                avoid = {(tone + 1) % 12 for tone in tones} - tones
                count += not span.chord.is_none and note.pitch % 12 in avoid
        return count

    assert clashes(run(seed=5)[0]) > 0
    monkeypatch.setattr(chord_beats, "AVOID", 1e6)
    rows = run(seed=5, heard=ChordCounts({}))[0]
    assert clashes(rows) == 0
    check_rows(rows)


def test_seeds_and_shapes():
    free, again, other = run()[0], run()[0], run(1)[0]
    assert free == again
    assert free != other
    before = run_melody._cache_size()
    run(5, 0.5, top_k=3, top_p=0.5)
    assert run_melody._cache_size() == before
    assert driver.room(1, 20) == 20


def test_room_for_what_may_be_repeated_grows_without_a_difference(monkeypatch: pytest.MonkeyPatch):
    config = replace(MELODY, model=replace(MELODY.model, repeats=30))
    model, params = unroll(config.model, noisy_params("melody", config))
    written = []
    for smallest in (32, 128):
        monkeypatch.setattr(driver, "room", functools.partial(room, smallest=smallest))
        monkeypatch.setattr(driver, "ROOM", 1)
        calls = melodies(model, params, request(), PIECES, range(len(PIECES)), 0, Settings())
        written.append(np.concatenate([ids for ids, _ in calls], axis=1))
    assert written[0].shape[1] > 30
    said = [ids[:, (ids != tokens.PAD).any(axis=0)] for ids in written]
    np.testing.assert_array_equal(*said)
