"""The backbone stage's sampler: one jitted loop over a cache; grammar, length and locked chords as masks.

A row is `BOS KEY METER event... EOS`. What must sound at a beat (a chord of the user's, or one that the form
repeats) is a *lock*; the rest is drawn around the locks:

    an event may cover a locked beat only if it is the locked harmony, and may not end inside a run of locks
    of its own harmony

so locked chords sound at their beats, a chord may last into them or out of them, and nothing has to be
repaired afterwards. The masks look ahead by bar arithmetic alone. Musical look-ahead comes from choosing: of
the last bars before a locked run, and of the last ones before EOS, several candidates are
drawn, and one is kept with a probability in proportion to its weight, the product over its steps of the
probability mass that the masks left (for a locked chord: the model's probability of that chord there; at the
end: of EOS). This is sampling-importance-resampling (Rubin, 1987), block by block, for the model conditioned
on its locks and on ending where it must; so fills lead into what follows, and pieces into their end.
`stretches` in `chords` says where they end, and `sample_chords` runs them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hrpe_jax.codec import backbone_tokens as tokens
from hrpe_jax.codec.columns import BACKBONE_PLAN
from hrpe_jax.codec.vocabulary import CLASS_FOLLOWS
from hrpe_jax.models import backbone as models
from hrpe_jax.models import cache as caches
from hrpe_jax.models.cache import Cache
from hrpe_jax.models.config import BackboneModelConfig
from hrpe_jax.sampling.logits import Settings, log_probability, pick, restrict, uniforms
from hrpe_jax.sampling.programs import StoredJit, stored_jit

STAGE = 0  # of `row_keys`
FREE, END, UNKNOWN = -1, -2, -3  # locks that are no harmony: nothing locked, behind the end, not yet said
RECENT = 8  # chord changes that the repetition penalty looks back at


def _beats_per_bar() -> np.ndarray:
    table = np.zeros(tokens.SIZE, np.int32)
    for token in range(tokens.METER0, tokens.NO_CHORD0):
        if tokens.VALID[token]:
            table[token] = tokens.id_meter(token).beats_per_bar
    table.setflags(write=False)
    return table


BEATS_PER_BAR = _beats_per_bar()  # int32 [SIZE], 0 where no meter


class Plan(NamedTuple):
    """What is asked of the rows.

    Attributes:
        key: int32 scalar, the key token; `FREE` for any that `keys` allows.
        keys: bool `[24]`, which keys may be drawn.
        meter: int32 scalar, the meter token; `FREE` for any.
        locks: int32 `[beats]`: one-beat token that must sound, or `FREE`; beats behind it are free.
        sources: int32 `[bars]`: which bar's chords a bar repeats, -1 for none; None without a form.
        offset: int32 scalar: beats before regular bars begin (those of a prime).
        bars: int32 scalar: regular bars after them.
        first_bar: int32 scalar: number of the first of these bars in the piece.
        outline: int32 `[rows, bars + 1, columns]`: what is planned of each bar, in the order of
            `codec.columns.BACKBONE_PLAN`.
    """

    key: Any
    keys: Any
    meter: Any
    locks: Any
    sources: Any
    offset: Any
    bars: Any
    first_bar: Any
    outline: Any


class State(NamedTuple):
    """Where rows stand; `[rows]` each.

    Attributes:
        place: events so far but for the last, so that BOS alone is 0.
        event: the last one.
        key: key token, 0 before it is said.
        meter: meter token, 0 before it is said.
        beats: said so far.
        weight: float32, log weight of what was drawn (see the module).
        recent: int32 `[rows, RECENT]`: the last harmonies, one-beat tokens.
        said: int32 `[rows, beats]`: harmony of each beat, `UNKNOWN` where not yet; None without a form.
        cache: of the model.
    """

    place: Any
    event: Any
    key: Any
    meter: Any
    beats: Any
    weight: Any
    recent: Any
    said: Any
    cache: Any


class Said(NamedTuple):
    """What a run of the loop wrote: `[rows, steps]`, `PAD` and 0 where a row had stopped."""

    ids: Array
    log_probability: Array


def features(
    event: Any, place: Any, key: Any, meter: Any, phase: Any, planned: Any, xp: Any = jnp
) -> dict[str, Any]:
    """The model's inputs for events, as in the training records; all of one shape.

    Args:
        event: tokens.
        place: positions.
        key: key tokens; what it is before place 1 plays no part.
        meter: meter tokens; what it is before place 2 plays no part.
        phase: beat of the bar at which the next event begins.
        planned: what is planned of that bar, with the columns as a last axis.
        xp: numpy or jax.numpy.
    """
    index = xp.clip(key - tokens.KEY0, 0, tokens.KEYS - 1)
    columns = {
        "input_ids": event,
        "root_pc": xp.asarray(tokens.ROOT)[event],
        "quality_code": xp.asarray(tokens.QUALITY_CODE)[event],
        "function_code": xp.asarray(tokens.function_table())[index, event],
        "bar_phase": phase,
        "key": index,
        "beats_per_bar": xp.asarray(BEATS_PER_BAR)[meter],
        "positions": place,
        "segment_ids": event != tokens.PAD,
    }
    columns |= {name: planned[..., number] for number, name in enumerate(BACKBONE_PLAN)}
    return {name: column.astype(xp.int32) for name, column in columns.items()}


def locks_ahead(state: State, plan: Plan) -> Array:
    """What is locked on the next `MAX_BEATS` beats and the one after: int32 `[rows, MAX_BEATS + 1]`."""
    per_bar = jnp.maximum(jnp.asarray(BEATS_PER_BAR)[state.meter], 1)[:, None]
    beat = state.beats[:, None] + jnp.arange(tokens.MAX_BEATS + 1)
    held = len(plan.locks)
    ahead = jnp.where(beat < held, jnp.asarray(plan.locks)[jnp.minimum(beat, held - 1)], FREE)
    if plan.sources is not None:
        bar, sources = beat // per_bar, jnp.asarray(plan.sources)
        source = jnp.where(bar < len(sources), sources[jnp.minimum(bar, len(sources) - 1)], -1)
        earlier = jnp.clip(source * per_bar + beat % per_bar, 0, state.said.shape[1] - 1)
        ahead = jnp.where(source >= 0, jnp.take_along_axis(state.said, earlier, axis=1), ahead)
    return jnp.where(beat >= plan.offset + plan.bars * per_bar, END, ahead)


def allowed_tokens(state: State, plan: Plan) -> Array:
    """Which tokens may follow, bool `[rows, SIZE]`: by grammar, key and meter asked for, and locks."""
    kind, beats, harmony = (
        jnp.asarray(t).astype(jnp.int32) for t in (tokens.KIND, tokens.BEATS, tokens.HARMONY)
    )
    ids, before = jnp.arange(tokens.SIZE), state.event[:, None]
    follows = jnp.asarray(CLASS_FOLLOWS)[kind[before], kind]
    follows &= jnp.asarray(tokens.VALID) | (kind == tokens.KIND_PAD)
    asked_key = jnp.where(
        plan.key == FREE,
        jnp.asarray(plan.keys)[jnp.clip(ids - tokens.KEY0, 0, tokens.KEYS - 1)],
        ids == plan.key,
    )
    asked_meter = (plan.meter == FREE) | (ids == plan.meter)
    follows &= jnp.where(kind == tokens.KIND_KEY, asked_key, True)
    follows &= jnp.where(kind == tokens.KIND_METER, asked_meter, True)
    ahead = locks_ahead(state, plan)
    lengths = jnp.arange(1, tokens.MAX_BEATS + 1)
    locked = ahead != FREE
    first = jnp.where(locked.any(axis=1), jnp.argmax(locked, axis=1), tokens.MAX_BEATS + 1)[:, None]
    due = jnp.take_along_axis(ahead, jnp.minimum(first, tokens.MAX_BEATS), axis=1)
    foreign = jnp.cumsum(locked & (ahead != due), axis=1)  # beats so far that are locked to another harmony
    others = lengths <= first
    same = (foreign[:, :-1] == 0) & ((ahead[:, 1:] != due) | (lengths == tokens.MAX_BEATS))
    length = jnp.maximum(beats - 1, 0)
    fits = jnp.where(harmony == due, same[:, length], others[:, length])
    over = ahead[:, :1] == END
    events = jnp.where(kind == tokens.KIND_EOS, over, fits & ~over)
    says = (kind == tokens.KIND_EVENT) | (kind == tokens.KIND_EOS)
    possible = follows & jnp.where(says, events, True)
    again = (harmony[before] == harmony) & (beats[before] < tokens.MAX_BEATS) & (beats > 0)
    # A section of one chord that comes again has no other way than to say that chord again.
    stuck = ~jnp.any(possible & ~again, axis=1, keepdims=True)
    return possible & (~again | stuck)


@stored_jit(static=(0, 1), donated=(4,))
def run_backbone(
    config: BackboneModelConfig,
    steps: int,
    params: Any,
    plan: Plan,
    state: State,
    limit: Any,
    stop: Any,
    apart: Any,
    keys: Array,
    firsts: Any,
    settings: Settings,
) -> tuple[State, Said]:
    """Draws until every row has said `stop` beats (behind the end: EOS), or `limit` steps are done.

    Args:
        config: of the model, unrolled (`cache.unroll`).
        steps: room for what is written.
        params: of the model, unrolled.
        plan: what is asked.
        state: donated.
        limit: int32 scalar, at most `steps` and what the cache has room for.
        stop: int32 scalar; a row of which so many beats are said stands still. A negative one counts bars
            back from the end.
        apart: int32 scalar, a beat like `stop`; before it a row draws as `firsts` says.
        keys: random keys of the rows.
        firsts: int32 `[rows]`: the row whose key is used before `apart`, so that candidates begin alike.
        settings: of the draw.
    """
    model = models.Backbone(config)
    beats_of = jnp.asarray(tokens.BEATS).astype(jnp.int32)
    kinds = jnp.asarray(tokens.KIND)
    harmonies = jnp.asarray(tokens.HARMONY)

    def before(state: State, beat: Array) -> Array:
        per_bar = jnp.maximum(jnp.asarray(BEATS_PER_BAR)[state.meter], 1)
        return state.beats < jnp.where(beat < 0, plan.offset + (plan.bars + beat) * per_bar, beat)

    def moving(state: State) -> Array:
        ended = (kinds[state.event] == tokens.KIND_EOS) | (kinds[state.event] == tokens.KIND_PAD)
        return ~ended & ((state.place < tokens.PREFIX_LENGTH - 1) | before(state, stop))

    def step(carry: tuple[Array, State, Said]) -> tuple[Array, State, Said]:
        number, state, said = carry
        active = moving(state)
        per_bar = jnp.maximum(jnp.asarray(BEATS_PER_BAR)[state.meter], 1)
        phase = jnp.where(state.place >= 2, (state.beats - plan.offset) % per_bar, 0)
        outline = jnp.asarray(plan.outline)
        bar = plan.first_bar + jnp.maximum(state.beats - plan.offset, 0) // per_bar
        bar = jnp.clip(bar, 0, outline.shape[1] - 1)[:, None, None]
        planned = jnp.take_along_axis(outline, bar, axis=1)[:, 0]
        batch = features(state.event, state.place, state.key, state.meter, phase, planned)
        columns = {name: x[:, None] for name, x in batch.items()}
        logits, cache = model.apply({"params": params}, columns, state.cache)
        logits = logits[:, 0]
        allowed = allowed_tokens(state, plan)
        recently = None
        if settings.repetition_penalty is not None:
            recently = jnp.any(state.recent[:, :, None] == harmonies, axis=1) & (beats_of > 0)
        own = jnp.where(before(state, apart), keys[firsts], keys)
        token = pick(uniforms(own, state.place), restrict(logits, allowed, settings, recently))
        mass = jax.nn.logsumexp(jnp.where(allowed, logits, -jnp.inf), axis=-1) - jax.nn.logsumexp(
            logits, axis=-1
        )
        chance = log_probability(logits, token)
        kind, beats = kinds[token], beats_of[token]
        spoken = state.said
        if spoken is not None:
            at = jnp.arange(spoken.shape[1])
            here = (at >= state.beats[:, None]) & (at < (state.beats + beats)[:, None]) & active[:, None]
            spoken = jnp.where(here, harmonies[token][:, None], spoken)
        moved = state._replace(
            place=state.place + active,
            event=jnp.where(active, token, state.event),
            key=jnp.where(active & (kind == tokens.KIND_KEY), token, state.key),
            meter=jnp.where(active & (kind == tokens.KIND_METER), token, state.meter),
            beats=state.beats + jnp.where(active, beats, 0),
            weight=state.weight + jnp.where(active, mass, 0.0),
            recent=jnp.where(
                (active & (beats > 0))[:, None],
                jnp.concatenate([state.recent[:, 1:], harmonies[token][:, None]], axis=1),
                state.recent,
            ),
            said=spoken,
            cache=cache,
        )
        written = Said(
            said.ids.at[:, number].set(jnp.where(active, token, tokens.PAD)),
            said.log_probability.at[:, number].set(jnp.where(active, chance, 0.0)),
        )
        return number + 1, moved, written

    def unfinished(carry: tuple[Array, State, Said]) -> Array:
        return (carry[0] < limit) & jnp.any(moving(carry[1]))

    rows = state.event.shape[0]
    nothing = Said(jnp.full((rows, steps), tokens.PAD, jnp.int32), jnp.zeros((rows, steps), jnp.float32))
    _, state, said = jax.lax.while_loop(unfinished, step, (jnp.zeros((), jnp.int32), state, nothing))
    return state, said


# Compiled: no two arrays are one buffer.
empty_cache = StoredJit(models.init_cache, static=(0, 1, 2, 3))


@stored_jit(static=(0,), donated=(3,))
def read_backbone(config: BackboneModelConfig, params: Any, batch: dict[str, Array], cache: Cache) -> Cache:
    """Reads known events `[rows, length]` into a cache, in one parallel pass.

    Args:
        config: of the model.
        params: of the model.
        batch: columns ``[rows, length]``, as in training.
        cache: to be read into.
    """
    read: Any = models.Backbone(config).apply({"params": params}, batch, cache)[1]
    return read


@stored_jit(static=(1,))
def spread(state: State, count: int) -> State:
    """Each row `count` times, one behind the other: candidates that have said the same.

    Args:
        state: of the rows.
        count: candidates of a row.
    """
    rows = jax.tree.map(lambda leaf: jnp.repeat(leaf, count, axis=0), state._replace(cache=None))
    return rows._replace(cache=caches.spread(state.cache, count))
