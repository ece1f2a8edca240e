"""The melody stage's sampler: one jitted loop, grammar and clock as tables, conditioned on the chords.

A call of the loop writes at most one segment of training, from a state that goes in and comes out, so that a
piece may be of any length: `melodies` calls it again and again. What the chords say is a table of beats made
by the codec that also made the training records, so the two cannot differ; a call sees a window of it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hrpe_jax.codec import backbone_tokens, vocabulary
from hrpe_jax.codec import melody_tokens as tokens
from hrpe_jax.codec.backbone import MAX_TICKS_TO_NEXT
from hrpe_jax.codec.columns import ATTRIBUTES, HIGH, LOW
from hrpe_jax.codec.plan import BACK, BREATH_SILENT, COLUMNS
from hrpe_jax.models import melody as models
from hrpe_jax.models.config import MelodyModelConfig
from hrpe_jax.models.melody import MelodyCache
from hrpe_jax.sampling.chord_beats import avoided
from hrpe_jax.sampling.logits import Settings, log_probability, pick, restrict, uniforms
from hrpe_jax.sampling.programs import StoredJit, stored_jit
from hrpe_jax.theory.meter import MAX_BAR_TICKS

STAGE = 1  # of `row_keys`
RECENT = 8  # notes that the repetition penalty looks back at


class Plan(NamedTuple):
    """What is known of the pieces before their melodies; int32 `[rows]` but for the first two.

    Attributes:
        masks: bool `[meters, STATES, 73, SIZE]`: which event may follow in a state at a clock, for each meter
            that some row has.
        sections: of a form, None without one.
        meter: which of the masks.
        key: 0-23.
        meter_num: of the time signature.
        meter_den: likewise.
        tempo_bin: of the tempo.
        bar_ticks: of a full bar.
        beat_ticks: of a beat.
        bars: where the melody ends.
        silent_bars: how many whole bars in a row may be silent.
        outline: int32 `[rows, bars + 1, columns]`: the plan bar by bar (`codec.plan`), nothing known behind
            the end; all of it unknown in a model without a plan.
        attributes: int32 `[rows, attributes]`, in the order of `codec.columns.ATTRIBUTES`.
    """

    masks: Any
    sections: Any
    meter: Any
    key: Any
    meter_num: Any
    meter_den: Any
    tempo_bin: Any
    bar_ticks: Any
    beat_ticks: Any
    bars: Any
    silent_bars: Any
    outline: Any
    attributes: Any


class Sections(NamedTuple):
    """A form, bar by bar; `[bars]` each.

    Attributes:
        source: int32, the bar that this one repeats; -1 for none.
        fresh: bool, whether a section begins: no note is tied into it, and it says how loud it is.
        sounds: bool, whether it may not be silent.
    """

    source: Any
    fresh: Any
    sounds: Any


class Window(NamedTuple):
    """What the chords say on some beats.

    Attributes:
        harmony: int32 `[rows, beats, 3]`: chord, next chord (one-beat backbone ids), ticks until that from
            where the beat begins.
        avoid: float32 `[rows, beats]`: nats that a pitch a semitone over a chord tone loses.
        bar: int32 `[rows]`: number of the bar at which the window begins, from 0.
    """

    harmony: Any
    avoid: Any
    bar: Any


class Clock(NamedTuple):
    """Where a melody stands after an event; `[rows]` each, int32 but for `sounds`.

    Attributes:
        state: of the grammar.
        clock: ticks since the bar began.
        bars: bars begun.
        silent: whole silent bars just before this one.
        sounds: bool, whether a note sounds in this bar so far.
    """

    state: Any
    clock: Any
    bars: Any
    silent: Any
    sounds: Any


class Record(NamedTuple):
    """What a row has said, for sections that come again.

    Attributes:
        ids: int32 `[rows, events]`, by place.
        starts: int32 `[rows, bars]`: places of the BAR events.
    """

    ids: Any
    starts: Any


class State(NamedTuple):
    """Where the rows stand.

    Attributes:
        place: int32 scalar, events so far but for the last.
        event: int32 `[rows]`, the last one.
        clock: see there.
        recent: int32 `[rows, RECENT]`: the last pitches.
        record: see there; None without a form.
        cache: of the model.
    """

    place: Any
    event: Any
    clock: Clock
    recent: Any
    record: Any
    cache: Any


class Said(NamedTuple):
    """What a call of the loop wrote: `[rows, steps]`; `PAD` and 0 behind the end of a row."""

    ids: Array
    log_probability: Array


def mask_table(bar_ticks: int) -> np.ndarray:
    """`grammar.melody_mask` without short bars, padded to the longest bar: bool `[STATES, 73, SIZE]`."""
    mask = vocabulary.melody_mask(bar_ticks)
    return np.pad(mask, ((0, 0), (0, MAX_BAR_TICKS - bar_ticks), (0, 0)))


def max_events(bars: int, bar_ticks: int) -> int:
    """The longest a melody can be: BOS, EOS, and in each bar BAR, VEL, and two events a tick."""
    return 2 + bars * (2 + 2 * bar_ticks)


def start_clock(rows: int, xp: Any = jnp) -> Clock:
    """Before the first event."""
    zeros = xp.zeros(rows, xp.int32)
    state = xp.full(rows, vocabulary.STATE_START, xp.int32)
    # What comes before the first bar counts as sounding: it is no silent bar.
    return Clock(state, zeros, zeros, zeros, xp.ones(rows, bool))


def hear(clock: Clock, event: Any, xp: Any = jnp) -> Clock:
    """The clock after an event `[rows]`; bars that end early are followed too.

    Args:
        clock: before the event.
        event: melody id [rows].
        xp: numpy or jax.numpy.
    """
    begins = event == tokens.BAR
    state, ticks = vocabulary.advance(clock.state, clock.clock, event, xp=xp)
    sung = (event < tokens.PITCHES) | (xp.asarray(tokens.DURATION)[event] > 0)
    return Clock(
        state,
        ticks,
        clock.bars + begins,
        xp.where(begins, xp.where(clock.sounds, 0, clock.silent + 1), clock.silent),
        xp.where(begins, False, clock.sounds | sung),
    )


def beat_of(clock: Clock, plan: Plan, window: Window) -> Array:
    """The beat of the window that a clock shows, int32 `[rows]`."""
    bar = jnp.maximum(clock.bars - 1 - window.bar, 0)
    beat = bar * (plan.bar_ticks // plan.beat_ticks) + clock.clock // plan.beat_ticks
    return jnp.minimum(beat, window.harmony.shape[1] - 1)


def features(event: Array, place: Array, clock: Clock, plan: Plan, window: Window) -> dict[str, Array]:
    """The model's inputs for one event, as in the training records.

    Args:
        event: `[rows]`.
        place: int scalar: its index in the piece.
        clock: after the event.
        plan: of the pieces.
        window: of the chords; holds the beat that the clock shows.

    Returns:
        int32 `[rows, 1]` for what changes with the event, `[rows]` for key, meter and tempo.
    """
    beat = beat_of(clock, plan, window)
    now = jnp.take_along_axis(window.harmony, beat[:, None, None], axis=1)[:, 0]
    chord, following = now[:, 0], now[:, 1]
    ticks = jnp.minimum(now[:, 2] - clock.clock % plan.beat_ticks, MAX_TICKS_TO_NEXT)
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
        "positions": jnp.broadcast_to(place, event.shape),
    }
    about = {
        name: jnp.asarray(getattr(plan, name)) for name in ("key", "meter_num", "meter_den", "tempo_bin")
    }
    about |= {name: plan.attributes[:, number] for number, name in enumerate(ATTRIBUTES)}
    outline = jnp.asarray(plan.outline)
    last = outline.shape[1] - 1

    def planned(bar: Array) -> Array:
        return jnp.take_along_axis(outline, jnp.clip(bar, 0, last)[:, None, None], axis=1)[:, 0]

    own, ahead = planned(clock.bars - 1), planned(clock.bars - 1 + (clock.clock >= plan.bar_ticks))
    columns |= {name: (own if name == BACK else ahead)[:, k] for k, name in enumerate(COLUMNS)}
    return {name: column.astype(jnp.int32)[:, None] for name, column in columns.items()} | about


def allowed_events(clock: Clock, plan: Plan) -> Array:
    """Which events may follow, bool `[rows, SIZE]`.

    By the grammar; EOS exactly at the end of the last bar; and no bar ends silent when as many before it were
    as the plan allows, nor the last one, so that the melody sounds to its end. Then a rest of the bar can
    still become a rest up to a position. Pitches keep to the range of the plan, and a bar in which it has a
    melody sounds. A section of a form begins without a tie and says its loudness.
    """
    state = clock.state
    fresh = sounds = jnp.zeros(state.shape, bool)
    if plan.sections is not None:
        bar = jnp.clip(clock.bars - 1, 0, len(plan.sections.fresh) - 1)
        fresh = jnp.asarray(plan.sections.fresh)[bar] & (clock.clock == 0)
        sounds = jnp.asarray(plan.sections.sounds)[bar]
        begins = fresh & ((state == vocabulary.STATE_BAR_TIE) | (state == vocabulary.STATE_BAR))
        state = jnp.where(fresh & (state == vocabulary.STATE_VEL_TIE), vocabulary.STATE_VEL, state)
    allowed = jnp.asarray(plan.masks)[plan.meter, state, clock.clock]
    last = clock.bars >= plan.bars
    ids = jnp.arange(tokens.SIZE)
    # The range is a limit, not a hint. A bar in which the plan has a melody sounds.
    outline = jnp.asarray(plan.outline)
    bar = jnp.clip(clock.bars - 1, 0, outline.shape[1] - 1)
    planned = jnp.take_along_axis(outline[..., COLUMNS.index("breath")], bar[:, None], axis=1)[:, 0]
    sounds = sounds | (planned > BREATH_SILENT)
    low, high = (plan.attributes[:, list(ATTRIBUTES).index(name), None] for name in (LOW, HIGH))
    inside = (ids >= tokens.PITCHES) | (((low < 0) | (ids >= low)) & ((high < 0) | (ids <= high)))
    allowed = allowed & inside
    must_sound = ~clock.sounds & ((clock.silent >= plan.silent_bars) | last | sounds)
    ends = (ids == tokens.BAR) | (ids == tokens.EOS)
    wrong_end = jnp.where(last[:, None], ids == tokens.BAR, ids == tokens.EOS)
    allowed = allowed & ~wrong_end & ~(ends & must_sound[:, None])
    if plan.sections is not None:
        loudness = (ids >= tokens.VEL0) & (ids < tokens.DUR0)
        allowed = jnp.where(begins[:, None], loudness, allowed)
    return allowed


def repeated_event(state: State, plan: Plan) -> Array:
    """The event that a repeated bar says next, int32 `[rows]`; -1 where the bar repeats none."""
    bars = len(plan.sections.source)
    bar = state.clock.bars - 1
    source = jnp.where(bar >= 0, jnp.asarray(plan.sections.source)[jnp.clip(bar, 0, bars - 1)], -1)

    def start(number: Array) -> Array:
        number = jnp.clip(number, 0, bars - 1)
        return jnp.take_along_axis(state.record.starts, number[:, None], axis=1)[:, 0]

    place = start(source) + (state.place - start(bar)) + 1
    event = jnp.take_along_axis(state.record.ids, place[:, None], axis=1)[:, 0]
    over = (event == tokens.BAR) | (event == tokens.EOS)
    event = jnp.where(over, jnp.where(state.clock.bars < plan.bars, tokens.BAR, tokens.EOS), event)
    return jnp.where((source >= 0) & (state.clock.state != vocabulary.STATE_END), event, -1)


@stored_jit(static=(0, 1), donated=(5,))
def run_melody(
    config: MelodyModelConfig,
    steps: int,
    params: Any,
    plan: Plan,
    window: Window,
    state: State,
    limit: Any,
    keys: Array,
    settings: Settings,
) -> tuple[State, Said]:
    """Draws events of each row's melody, in full bars, until all rows end or `limit` steps are done.

    Args:
        config: of the model, unrolled (`cache.unroll`).
        steps: room for what is written.
        params: of the model, unrolled.
        plan: of the pieces.
        window: of their chords, from each row's present bar on, for `limit` events.
        state: donated.
        limit: int32 scalar, at most `steps` and what the cache has room for.
        keys: random keys of the rows.
        settings: of the draw.
    """
    model = models.Melody(config)
    rows = state.event.shape[0]
    numbers = state.place + jnp.arange(steps)
    places = jax.vmap(lambda number: uniforms(keys, number))(numbers)

    def step(carry: tuple[Array, State, Said]) -> tuple[Array, State, Said]:
        number, state, said = carry
        batch = features(state.event, state.place, state.clock, plan, window)
        logits, cache = model.apply({"params": params}, batch, state.cache)
        logits = logits[:, 0]
        recently = None
        if settings.repetition_penalty is not None:
            recently = jnp.any(state.recent[:, :, None] == jnp.arange(tokens.SIZE), axis=1)
        beat = beat_of(state.clock, plan, window)
        wanted = logits - avoided(window.harmony[..., 0], window.avoid, beat)
        scores = restrict(wanted, allowed_events(state.clock, plan), settings, recently)
        token = pick(places[number], scores)
        place, record = state.place + 1, state.record
        if record is not None:
            again = repeated_event(state, plan)
            token = jnp.where(again >= 0, again, token)
        ended = state.clock.state == vocabulary.STATE_END
        clock = hear(state.clock, token)
        if record is not None:
            everyone, bars = jnp.arange(rows), record.starts.shape[1]
            bar = jnp.where(token == tokens.BAR, clock.bars - 1, bars)
            record = Record(
                record.ids.at[:, place].set(token, mode="drop"),
                record.starts.at[everyone, bar].set(place, mode="drop"),
            )
        pushed = jnp.concatenate([state.recent[:, 1:], token[:, None]], axis=1)
        chance = jnp.where(ended, 0.0, log_probability(logits, token))
        moved = State(
            place,
            token,
            clock,
            jnp.where((token < tokens.PITCHES)[:, None], pushed, state.recent),
            record,
            cache,
        )
        written = Said(said.ids.at[:, number].set(token), said.log_probability.at[:, number].set(chance))
        return number + 1, moved, written

    def unfinished(carry: tuple[Array, State, Said]) -> Array:
        return (carry[0] < limit) & jnp.any(carry[1].clock.state != vocabulary.STATE_END)

    nothing = Said(jnp.full((rows, steps), tokens.PAD, jnp.int32), jnp.zeros((rows, steps), jnp.float32))
    _, state, said = jax.lax.while_loop(unfinished, step, (jnp.zeros((), jnp.int32), state, nothing))
    return state, said


# Compiled: no two arrays are one buffer.
empty_cache = StoredJit(models.init_cache, static=(0, 1, 2, 3))


@stored_jit(static=(0,), donated=(3,))
def read_melody(
    config: MelodyModelConfig, params: Any, batch: dict[str, Array], cache: MelodyCache
) -> MelodyCache:
    """Reads known events `[rows, length]` into a cache, in one parallel pass.

    Args:
        config: of the model.
        params: of the model.
        batch: columns ``[rows, length]``, as in training.
        cache: to be read into.
    """
    read: Any = models.Melody(config).apply({"params": params}, batch, cache)[1]
    return read
