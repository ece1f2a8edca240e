"""Melody events of a gap: many candidates at once behind a known past, with notes that must stay.

The past is read once, into the cache of one row; candidates are rows that all begin with it. The grammar is
that of `codec.grammar`, bars may be short, and tables say for every tick of the gap what must come there: a
kept note, only its length, or nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hrpe_jax.codec import backbone_tokens
from hrpe_jax.codec import melody_tokens as tokens
from hrpe_jax.codec import vocabulary as grammar
from hrpe_jax.codec.columns import ATTRIBUTES, HIGH, LOW
from hrpe_jax.codec.plan import BACK, BREATH_SILENT, COLUMNS
from hrpe_jax.models import cache as caches
from hrpe_jax.models import melody as models
from hrpe_jax.models.config import MelodyModelConfig
from hrpe_jax.models.melody import MelodyCache
from hrpe_jax.sampling.logits import Settings, pick, restrict, uniforms
from hrpe_jax.sampling.posterior.likelihood import target_scores
from hrpe_jax.sampling.programs import stored_jit
from hrpe_jax.theory.meter import MAX_BAR_TICKS

TICKS = MAX_BAR_TICKS + 1
ANY_PITCH = tokens.PITCHES
"""In `Gap.onset`: a note of any pitch begins."""
_UNIT = 3
"""Ticks that every pitch still to come must have left, where pitches are kept in order: a sixteenth."""


class Gap(NamedTuple):
    """What is known of the gap; bars are counted from its first.

    Attributes:
        mask: bool `[STATES, TICKS, SIZE]`: the grammar of full bars that may be cut short.
        bars: int32 scalar.
        bar_ticks: int32 scalar, of a full bar.
        lengths: int32 `[bars]`, ticks of each.
        harmony: int32 `[bars, TICKS, 3]`: chord, next chord, ticks until it, at each tick of a bar.
        outline: int32 `[rows, bars + 1, columns]`: the plan, and that of the bar behind the gap.
        proposal: int32 `[rows]`: which of the proposals' tables a row keeps to.
        onset: int32 `[proposals, bars, TICKS]`: the pitch that must begin there, `ANY_PITCH`, or -1.
        hold: likewise, ticks of this bar that a note still has, which must begin or go on there.
        room: likewise, ticks until the next note that must begin, or the bar's end.
        left: likewise, ticks until the gap ends.
        no_tie: bool `[proposals, bars]`: whether the note before a bar line may not be tied over it.
        closed: bool `[proposals, bars]`: whether no other notes may begin than those of `onset`.
        pitches: int32 `[notes]`: pitches that come in this order, -1 behind the last; none for free ones.
        about: int32 by name: key, meter, tempo and attributes.
    """

    mask: Any
    bars: Any
    bar_ticks: Any
    lengths: Any
    harmony: Any
    outline: Any
    proposal: Any
    onset: Any
    hold: Any
    room: Any
    left: Any
    no_tie: Any
    closed: Any
    pitches: Any
    about: Any


class Row(NamedTuple):
    """Where rows stand; `[rows]` each.

    Attributes:
        event: the last one.
        state: of the grammar.
        clock: ticks since the bar began.
        bar: of the gap; `bars` where the gap is full.
        sounds: bool, whether a note sounds in this bar.
        sung: notes so far.
        weight: float32, log of the share of likely events that what is kept left.
        cache: of the model.
    """

    event: Any
    state: Any
    clock: Any
    bar: Any
    sounds: Any
    sung: Any
    weight: Any
    cache: Any


def spread(cache: MelodyCache, rows: int) -> MelodyCache:
    """The cache of one row as that of many; inside a compiled function."""
    last, bars = jax.tree.map(lambda x: jnp.repeat(x, rows, axis=0), (cache.last_pitch, cache.bars))
    return MelodyCache(caches.spread(cache.events, rows), last, bars)


def _features(row: Row, place: Array, gap: Gap) -> dict[str, Array]:
    """The model's inputs for the last event of each row, as in the training records."""
    rows = row.event.shape[0]
    bar = jnp.clip(row.bar, 0, gap.lengths.shape[0] - 1)
    now = jnp.asarray(gap.harmony)[bar, row.clock]
    chord, following = now[:, 0], now[:, 1]
    columns = {
        "event_ids": row.event,
        "chord_id": chord,
        "root_pc": jnp.asarray(backbone_tokens.ROOT)[chord],
        "quality_code": jnp.asarray(backbone_tokens.QUALITY_CODE)[chord],
        "function_code": jnp.asarray(backbone_tokens.function_table())[gap.about["key"], chord],
        "next_chord_id": following,
        "ticks_to_next": now[:, 2],
        "bar_phase": row.clock,
        "positions": jnp.broadcast_to(place, (rows,)),
    }
    outline = jnp.asarray(gap.outline)

    def planned(bar: Array) -> Array:
        bar = jnp.clip(bar, 0, outline.shape[1] - 1)
        return jnp.take_along_axis(outline, bar[:, None, None], axis=1)[:, 0]

    full = row.clock >= gap.bar_ticks
    own, ahead = planned(row.bar), planned(row.bar + full)
    columns |= {name: (own if name == BACK else ahead)[:, k] for k, name in enumerate(COLUMNS)}
    about = {name: jnp.broadcast_to(value, (rows,)) for name, value in gap.about.items()}
    return {name: column.astype(jnp.int32)[:, None] for name, column in columns.items()} | about


def _allowed(row: Row, gap: Gap) -> tuple[Array, Array]:
    """Which events may follow, bool `[rows, SIZE]`: by the grammar alone, and with all that is kept."""
    ids = jnp.arange(tokens.SIZE)
    duration, position = jnp.asarray(tokens.DURATION), jnp.asarray(tokens.POSITION)
    bar, clock = jnp.clip(row.bar, 0, gap.lengths.shape[0] - 1), row.clock

    def here(table: Any) -> Array:
        return jnp.asarray(table)[gap.proposal, bar, clock][:, None]

    def in_bar(table: Any) -> Array:
        return jnp.asarray(table)[gap.proposal, bar][:, None]

    length = jnp.asarray(gap.lengths)[bar][:, None]
    rests = (row.state == grammar.STATE_REST)[:, None]
    at = clock[:, None]
    pitch, line = ids < tokens.PITCHES, ids == tokens.BAR
    loud = (ids >= tokens.VEL0) & (ids < tokens.DUR0)
    fits = jnp.asarray(gap.mask)[row.state, clock]
    fits = fits & ~loud & (ids != tokens.EOS)
    full = gap.bar_ticks
    fits = fits & jnp.where(line, jnp.where(rests, length == full, at == length), True)
    fits = fits & (at + duration <= length) & (position < jnp.where(length == full, full, length + 1))
    # What is kept.
    onset, hold, room = here(gap.onset), here(gap.hold), here(gap.room)
    said = (row.state == grammar.STATE_PITCH)[:, None]
    longest = jnp.minimum(hold, tokens.MAX_DURATION)
    kept = jnp.where(duration > 0, duration <= room, True) & (position - at <= room)
    kept = kept & jnp.where(line & rests, at + room >= length, True)
    begins = (onset >= 0) & ~said
    kept = kept & jnp.where(begins, pitch & ((onset == ANY_PITCH) | (ids == onset)), True)
    goes_on = (hold > 0) & ~begins
    kept = jnp.where(goes_on, duration == longest, kept)
    tie = ((row.state == grammar.STATE_BAR_TIE) | (row.state == grammar.STATE_VEL_TIE))[:, None]
    may_not = in_bar(gap.no_tie) & tie & (hold == 0)
    kept = kept & ~(may_not & (duration > 0))
    closed = in_bar(gap.closed)
    kept = kept & jnp.where(closed & ~begins, ~pitch, True)
    kept = kept & jnp.where(closed & rests & (position > 0), position == at + room, True)
    low, high = gap.about[LOW], gap.about[HIGH]
    inside = ((low < 0) | (ids >= low)) & ((high < 0) | (ids <= high))
    kept = kept & jnp.where(pitch & ~begins, inside, True)
    if gap.pitches.shape[0]:
        number = jnp.minimum(row.sung, gap.pitches.shape[0] - 1)
        wanted = jnp.where(row.sung < gap.pitches.shape[0], jnp.asarray(gap.pitches)[number], -1)
        kept = kept & jnp.where(pitch, ids == wanted[:, None], True)
        to_come = jnp.sum(
            jnp.arange(gap.pitches.shape[0]) >= row.sung[:, None], axis=1, where=gap.pitches >= 0
        )
        need = jnp.minimum(_UNIT * to_come, jnp.maximum(here(gap.left)[:, 0] - 1, 0))[:, None]
        passes = jnp.where(duration > 0, duration, jnp.where(position > 0, position - at, 0))
        passes = jnp.where(line & rests, length - at, passes)
        kept = kept & ((passes == 0) | (here(gap.left) - passes >= need))
    # A bar in which the plan has a melody sounds.
    outline = jnp.asarray(gap.outline)[..., COLUMNS.index("breath")]
    planned = jnp.take_along_axis(outline, bar[:, None], axis=1)
    must_sound = (planned > BREATH_SILENT) & ~row.sounds[:, None] & ~closed & (gap.pitches.shape[0] == 0)
    wanted_too = kept & ~(line & must_sound)
    both = fits & kept
    best = fits & wanted_too
    allowed = jnp.where(jnp.any(best, axis=1, keepdims=True), best, both)
    return fits, jnp.where(jnp.any(allowed, axis=1, keepdims=True), allowed, fits)


@stored_jit(static=(0, 1, 2))
def draw_gap(
    config: MelodyModelConfig,
    rows: int,
    steps: int,
    params: Any,
    gap: Gap,
    past: MelodyCache,
    place: Any,
    start: tuple[Any, Any],
    keys: Array,
    settings: Settings,
) -> tuple[Array, Array, Array]:
    """Draws the events of a gap.

    Args:
        config: of the model, unrolled.
        rows: candidates.
        steps: events of each at most.
        params: of the model, unrolled.
        gap: what is known.
        past: the cache of one row, with all events before the BAR that begins the gap.
        place: index of that BAR in the piece.
        start: state of the grammar after that BAR, and whether a note is held into the gap.
        keys: random keys of the rows.
        settings: of the draws.

    Returns:
        Events int32 `[rows, steps]`, behind that BAR, `PAD` behind the last; the log share of likely events
        that what is kept left, `[rows]`; and whether each row filled the gap.
    """
    model = models.Melody(config)

    def same(value: Any, kind: Any = jnp.int32) -> Array:
        return jnp.full((rows,), value, kind)

    first = Row(
        same(tokens.BAR), same(start[0]), same(0), same(0), same(start[1], bool), same(0),
        same(0.0, jnp.float32), spread(past, rows),
    )  # fmt: skip

    def step(carry: tuple[Array, Row, Array]) -> tuple[Array, Row, Array]:
        number, row, said = carry
        logits, cache = model.apply({"params": params}, _features(row, place + number, gap), row.cache)
        logits = jnp.asarray(logits)[:, 0]
        fits, allowed = _allowed(row, gap)
        scores = restrict(logits, allowed, settings)
        token = pick(uniforms(keys, place + number), scores)
        mass = jax.nn.logsumexp(jnp.where(allowed, logits, -jnp.inf), axis=1)
        mass -= jax.nn.logsumexp(jnp.where(fits, logits, -jnp.inf), axis=1)
        over = row.bar >= gap.bars
        line = token == tokens.BAR
        last = line & (row.bar + 1 >= gap.bars)
        state, clock = grammar.advance(row.state, row.clock, token, xp=jnp)
        sung = (token < tokens.PITCHES) | (jnp.asarray(tokens.DURATION)[token] > 0)
        written = jnp.where(over | last, tokens.PAD, token)
        moved = Row(
            event=written,
            state=jnp.where(over, row.state, state),
            clock=jnp.where(over, row.clock, jnp.minimum(clock, TICKS - 1)),
            bar=row.bar + jnp.where(over, 0, line),
            sounds=jnp.where(line, False, row.sounds | sung),
            sung=row.sung + jnp.where(over, 0, token < tokens.PITCHES),
            weight=row.weight + jnp.where(over, 0.0, mass),
            cache=cache,
        )
        return number + 1, moved, said.at[:, number].set(written)

    def unfinished(carry: tuple[Array, Row, Array]) -> Array:
        return (carry[0] < steps) & jnp.any(carry[1].bar < gap.bars)

    nothing = jnp.full((rows, steps), tokens.PAD, jnp.int32)
    _, row, said = jax.lax.while_loop(unfinished, step, (jnp.zeros((), jnp.int32), first, nothing))
    return said, row.weight, row.bar >= gap.bars


@stored_jit(static=(0, 1))
def weigh(
    config: MelodyModelConfig,
    rows: int,
    params: Any,
    past: MelodyCache,
    batch: dict[str, Array],
    targets: Array,
) -> Array:
    """Log probabilities of what follows a known past, float32 `[rows, events]`.

    Args:
        config: of the model, unrolled.
        rows: of the batch.
        params: of the model, unrolled.
        past: the cache of one row, which all rows share.
        batch: the model's inputs, `[rows, events]`; padding stands behind the last event.
        targets: the events that come, `[rows, events]`.
    """
    logits, _ = models.Melody(config).apply({"params": params}, batch, spread(past, rows))
    return target_scores(logits, targets)


def gap_tables(
    lengths: np.ndarray, begins: np.ndarray, kept: list[tuple[int, int, int]], closed: Sequence[int] = ()
) -> dict[str, np.ndarray]:
    """The tables of `Gap` that say what is kept, for one proposal.

    Args:
        lengths: ticks of the gap's bars.
        begins: tick at which each of them begins.
        kept: onset, end and pitch of the notes that stay, `ANY_PITCH` where only the rhythm does; one may
            begin before the gap.
        closed: bars of the gap in which no other notes begin.
    """
    bars = len(lengths)
    total = int(lengths.sum())
    start = int(begins[0])
    onset = np.full((bars, TICKS), -1, np.int32)
    hold = np.zeros((bars, TICKS), np.int32)
    room = np.zeros((bars, TICKS), np.int32)
    left = np.zeros((bars, TICKS), np.int32)
    no_tie = np.zeros(bars, bool)
    no_tie[0] = True
    starts = sorted(first for first, _, _ in kept if first >= start)
    for bar, (begin, length) in enumerate(zip(begins.tolist(), lengths.tolist(), strict=True)):
        ticks = begin + np.arange(TICKS)
        left[bar] = np.maximum(start + total - ticks, 0)
        following = np.searchsorted(starts, ticks, side="right")
        ahead = np.array([*starts, 1 << 30])[following] - ticks
        room[bar] = np.maximum(np.minimum(ahead, length - np.arange(TICKS)), 0)
        for first, end, pitch in kept:
            if begin <= first < begin + length:
                onset[bar, first - begin] = pitch
            inside = (ticks >= first) & (ticks < end) & (np.arange(TICKS) < length)
            hold[bar, inside] = np.minimum(end, begin + length) - ticks[inside]
            if end == begin:
                no_tie[bar] = True
    shut = np.isin(np.arange(bars), closed)
    return {
        "onset": onset, "hold": hold, "room": room, "left": left, "no_tie": no_tie | shut, "closed": shut,
    }  # fmt: skip


def gap_mask(bar_ticks: int) -> np.ndarray:
    """The grammar of bars that may be cut short, padded to the longest bar: bool `[STATES, TICKS, SIZE]`."""
    mask = grammar.melody_mask(bar_ticks, short_bars=True)
    return np.pad(mask, ((0, 0), (0, MAX_BAR_TICKS - bar_ticks), (0, 0)))


__all__ = ["ANY_PITCH", "ATTRIBUTES", "Gap", "draw_gap", "gap_mask", "gap_tables", "spread", "weigh"]
