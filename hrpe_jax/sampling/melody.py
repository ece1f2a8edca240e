"""The melody stage's sampler: one jitted loop, grammar and clock as tables, conditioned on the chords.

The cache holds the memory and one segment, as in training: an inner loop fills a segment, then its end
becomes the memory of the next one. What the chords say at each tick is a table made by the codec that also
made the training records, so the two cannot differ.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hrpe_jax.codec import backbone_tokens, grammar
from hrpe_jax.codec import melody_tokens as tokens
from hrpe_jax.codec.melody import Harmony
from hrpe_jax.model_config import MelodyModelConfig
from hrpe_jax.models import melody as models
from hrpe_jax.sampling.backbone import FREE, Sampled
from hrpe_jax.sampling.logits import Settings, draw, log_probability, restrict, row_keys
from hrpe_jax.theory.meter import MAX_BAR_TICKS

STAGE = 1  # of `row_keys`


class Plan(NamedTuple):
    """What is known of the pieces before their melodies.

    Attributes:
        harmony: int32 `[rows, ticks, 3]`: chord, next chord (one-beat backbone ids), ticks until it.
        mask: bool `[rows, STATES, 73, SIZE]`: which event may follow in a state at a clock.
        key: int32 `[rows]`, 0-23.
        meter_num: int32 `[rows]`.
        meter_den: int32 `[rows]`.
        tempo_bin: int32 `[rows]`.
        bar_ticks: int32 `[rows]`.
        bars: int32 `[rows]`: where the melody ends.
        silent_bars: int32 `[rows]`: how many whole bars in a row may be silent.
    """

    harmony: Array
    mask: Array
    key: Array
    meter_num: Array
    meter_den: Array
    tempo_bin: Array
    bar_ticks: Array
    bars: Array
    silent_bars: Array


class Clock(NamedTuple):
    """Where a melody stands after an event; `[rows]` each, int32 but for `sounds`.

    Attributes:
        state: of the grammar.
        clock: ticks since the bar began.
        bar_start: ticks from the piece's start to the bar's.
        bars: bars begun.
        silent: whole silent bars just before this one.
        sounds: bool, whether a note sounds in this bar so far.
    """

    state: Array
    clock: Array
    bar_start: Array
    bars: Array
    silent: Array
    sounds: Array


class _State(NamedTuple):
    place: Array
    ids: Array
    clock: Clock
    history: Any
    log_probability: Array


def harmony_table(harmony: Harmony, ticks: int) -> np.ndarray:
    """What sounds, what comes next and in how many ticks, for every tick: int32 `[ticks, 3]`."""
    return np.stack(harmony.at(np.arange(ticks)), axis=-1).astype(np.int32)


def mask_table(bar_ticks: int) -> np.ndarray:
    """`grammar.melody_mask` without short bars, padded to the longest bar: bool `[STATES, 73, SIZE]`."""
    mask = grammar.melody_mask(bar_ticks)
    return np.pad(mask, ((0, 0), (0, MAX_BAR_TICKS - bar_ticks), (0, 0)))


def max_events(bars: int, bar_ticks: int) -> int:
    """The longest a melody can be: BOS, EOS, and in each bar BAR, VEL, and two events a tick."""
    return 2 + bars * (2 + 2 * bar_ticks)


def start_clock(rows: int) -> Clock:
    """Before the first event."""
    zeros = jnp.zeros(rows, jnp.int32)
    state = jnp.full(rows, grammar.STATE_START, jnp.int32)
    # What comes before the first bar counts as sounding: it is no silent bar.
    return Clock(state, zeros, zeros, zeros, zeros, jnp.ones(rows, bool))


def hear(clock: Clock, event: Array, bar_ticks: Array) -> Clock:
    """The clock after an event `[rows]`; bars that end early are followed too."""
    begins = event == tokens.BAR
    length = grammar.bar_length(clock.state, clock.clock, bar_ticks, xp=jnp)
    state, ticks = grammar.advance(clock.state, clock.clock, event, xp=jnp)
    sung = (event < tokens.PITCHES) | (jnp.asarray(tokens.DURATION)[event] > 0)
    return Clock(
        state,
        ticks,
        clock.bar_start + jnp.where(begins, length, 0),
        clock.bars + begins,
        jnp.where(begins, jnp.where(clock.sounds, 0, clock.silent + 1), clock.silent),
        jnp.where(begins, False, clock.sounds | sung),
    )


def features(event: Array, place: Array, clock: Clock, plan: Plan) -> dict[str, Array]:
    """The model's inputs for one event, as in the training records.

    Args:
        event: `[rows]`.
        place: int scalar: its index in the piece.
        clock: after the event.
        plan: of the pieces.

    Returns:
        int32 `[rows, 1]` for what changes with the event, `[rows]` for key, meter and tempo.
    """
    tick = jnp.minimum(clock.bar_start + clock.clock, plan.harmony.shape[1] - 1)
    chord, following, ticks = (
        jnp.take_along_axis(plan.harmony, tick[:, None, None], axis=1)[:, 0, part] for part in range(3)
    )
    columns = {
        "event_ids": event,
        "chord_id": chord,
        "root_pc": jnp.asarray(backbone_tokens.ROOT)[chord],
        "quality_code": jnp.asarray(backbone_tokens.QUALITY_CODE)[chord],
        "function_code": jnp.asarray(backbone_tokens.function_table())[plan.key, chord],
        "next_chord_id": following,
        "next_root_pc": jnp.asarray(backbone_tokens.ROOT)[following],
        "next_quality_code": jnp.asarray(backbone_tokens.QUALITY_CODE)[following],
        "ticks_to_next": ticks,
        "bar_phase": clock.clock,
        "positions": jnp.full_like(event, place),
    }
    about = {name: getattr(plan, name) for name in ("key", "meter_num", "meter_den", "tempo_bin")}
    return {name: column.astype(jnp.int32)[:, None] for name, column in columns.items()} | about


def allowed_events(clock: Clock, plan: Plan) -> Array:
    """Which events may follow, bool `[rows, SIZE]`.

    By the grammar; EOS exactly at the end of the last bar; and no bar ends silent when as many before it were
    as the plan allows. In that state a rest of the bar can still become a rest up to a position.
    """
    allowed = plan.mask[jnp.arange(len(clock.state)), clock.state, clock.clock]
    more = (clock.bars < plan.bars)[:, None]
    ids = jnp.arange(tokens.SIZE)
    must_sound = (~clock.sounds & (clock.silent >= plan.silent_bars))[:, None]
    ends = (ids == tokens.BAR) | (ids == tokens.EOS)
    return allowed & ((ids != tokens.BAR) | more) & ((ids != tokens.EOS) | ~more) & ~(ends & must_sound)


@functools.partial(jax.jit, static_argnames=("config", "segment"))
def sample_melody(
    config: MelodyModelConfig,
    segment: int,
    params: Any,
    plan: Plan,
    given: Array,
    seed: Array,
    rows: Array,
    settings: Settings,
) -> Sampled:
    """Draws a melody over each row's chords, in full bars.

    Args:
        config: of the model.
        segment: events of a segment in training.
        params: of the model.
        plan: of the pieces.
        given: int32 `[rows, capacity]`: events that stand fixed, `FREE` elsewhere. The first is BOS, or EOS
            for a row that is not wanted. The capacity must hold `max_events`.
        seed: uint32 scalar.
        rows: int `[rows]`, numbers of the pieces.
        settings: of the draw.
    """
    model = models.Melody(config)
    count, capacity = given.shape
    keys = row_keys(seed, STAGE, rows)

    def unfinished(state: _State) -> Array:
        return (state.place < capacity - 1) & jnp.any(state.clock.state != grammar.STATE_END)

    def in_segment(state: _State) -> Array:
        return unfinished(state) & (state.history.events.slot < config.memory + segment)

    def step(state: _State) -> _State:
        event = jax.lax.dynamic_index_in_dim(state.ids, state.place, axis=1, keepdims=False)
        batch = features(event, state.place, state.clock, plan)
        logits, history = model.apply({"params": params}, batch, state.history)
        logits = logits[:, 0]
        drawn = draw(keys, state.place, restrict(logits, allowed_events(state.clock, plan), settings))
        place = state.place + 1
        fixed = jax.lax.dynamic_index_in_dim(given, place, axis=1, keepdims=False)
        ended = state.clock.state == grammar.STATE_END
        token = jnp.where((fixed == FREE) | ended, drawn, fixed)
        likelihood = jnp.where(ended, 0.0, log_probability(logits, token))
        return _State(
            place,
            state.ids.at[:, place].set(token),
            hear(state.clock, token, plan.bar_ticks),
            history,
            state.log_probability.at[:, place].set(likelihood),
        )

    def fill(state: _State) -> _State:
        state = state._replace(history=models.advance(config, state.history))
        return jax.lax.while_loop(in_segment, step, state)

    start = _State(
        jnp.zeros((), jnp.int32),
        jnp.full((count, capacity), tokens.PAD, jnp.int32).at[:, 0].set(given[:, 0]),
        hear(start_clock(count), given[:, 0], plan.bar_ticks),
        models.init_cache(config, count, segment),
        jnp.zeros((count, capacity), jnp.float32),
    )
    end = jax.lax.while_loop(unfinished, fill, start)
    return Sampled(end.ids, end.log_probability)
