"""Chords under evidence: particles that the chord stage proposes, with a look ahead that is divided out.

A row draws one chord event a step, from the chord stage's probabilities times

    exp(evidence of the beats that the event covers + look ahead behind it - look ahead before it)

and its weight is what these make up together. At the end the look ahead is zero, so the weighted rows stand
for p(chords) * exp(evidence), whatever the look ahead said: it only leads rows to where the melody will be
harmonised well. Rows may stand at different beats: the look ahead makes their weights comparable.

Each row has a cache of its own, with its own place; a row that has reached the end waits.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hrpe_jax.checkpoints.release import Model
from hrpe_jax.codec import backbone_tokens as tokens
from hrpe_jax.models import backbone as models
from hrpe_jax.models.config import BackboneModelConfig
from hrpe_jax.sampling.backbone_loop import (
    BEATS_PER_BAR,
    FREE,
    Plan,
    State,
    allowed_tokens,
    empty_cache,
    features,
    read_backbone,
)
from hrpe_jax.sampling.logits import pick
from hrpe_jax.sampling.posterior import particles
from hrpe_jax.sampling.posterior.chord_evidence import CLASS_OF, CLASSES
from hrpe_jax.sampling.programs import stored_jit
from hrpe_jax.sampling.sizes import backbone_stage, left_padded, round_up

FILTERS, PARTICLES = 8, 8
_STEP = 64  # beats and prefixes are rounded up, so that few programs are compiled


class Music(NamedTuple):
    """What the loop is told of a piece; beats are counted from its start, arrays are padded behind it.

    Attributes:
        key: int32 scalar, token.
        meter: int32 scalar, token.
        end: int32 scalar: the beat behind the last that is drawn.
        locks: int32 `[beats]`: one-beat token that must sound, `FREE` where any may.
        may_change: bool `[beats + 1]`: whether the chord may change on a beat.
        phases: int32 `[beats + 1]`: the number of each beat in its bar.
        planned: int32 `[beats + 1, columns]`: what is planned of each beat's bar.
        evidence: float32 `[beats + 1, CLASSES]`: of all beats before each one, summed.
        turned: float32 `[beats + 1, CLASSES]`: the look ahead where the chord changes on a beat.
        goes_on: likewise where it may go on.
    """

    key: Any
    meter: Any
    end: Any
    locks: Any
    may_change: Any
    phases: Any
    planned: Any
    evidence: Any
    turned: Any
    goes_on: Any


class Rows(NamedTuple):
    """Where rows stand; `[rows]` each.

    Attributes:
        place: events so far but for the last.
        event: the last one.
        beats: that are said.
        ahead: float32, the look ahead from here, which the weight holds.
        cache: of the chord stage, one for each row.
    """

    place: Any
    event: Any
    beats: Any
    ahead: Any
    cache: Any


@dataclass(frozen=True)
class Drawn:
    """What the filters drew.

    Attributes:
        begin: the beat at which the first event begins.
        tokens: int `[rows, steps]`: chord events of each row, `PAD` behind its last.
        scores: float64 `[rows, steps]`: log probability of each event by the chord stage, plus its evidence.
        filters: int `[rows]`: the filter of each row.
        share: float64 `[rows]`: its share of its filter.
        evidence: float64 `[filters]`: estimates of the log evidence.
        effective: float64: the mean effective number, as a share of the particles.
    """

    begin: int
    tokens: np.ndarray
    scores: np.ndarray
    filters: np.ndarray
    share: np.ndarray
    evidence: np.ndarray
    effective: float

    @property
    def log_weight(self) -> np.ndarray:
        """Float64 `[rows]`: log probability by the chord stage, plus the evidence."""
        total: np.ndarray = self.scores.sum(axis=1)
        return total


@stored_jit(static=(0, 1, 2, 3))
def _run(
    config: BackboneModelConfig,
    steps: int,
    filters: int,
    count: int,
    params: Any,
    music: Music,
    first: Rows,
    seed: Any,
    temperature: Any,
) -> tuple[Array, particles.Trace, Array]:
    """Runs the filters from one row, `first`, in which all begin.

    Returns:
        The rows' shares of their filters `[filters, count]`; the trace, of events and their log probabilities
        by the chord stage; and the log evidence of each filter.
    """
    model = models.Backbone(config)
    beats_of = jnp.asarray(tokens.BEATS).astype(jnp.int32)
    classes, ids = jnp.asarray(CLASS_OF), jnp.arange(tokens.SIZE)
    length = jnp.maximum(beats_of - 1, 0)
    last = music.phases.shape[0] - 1
    harmonies = jnp.asarray(tokens.HARMONY)

    def going(rows: Rows) -> Array:
        return rows.beats < music.end

    def step(rows: Rows, keys: Array, number: Array) -> tuple[Rows, Array, tuple[Array, Array]]:
        everyone = rows.event.shape[0]
        active = going(rows)
        here = jnp.minimum(rows.beats, last)
        same = functools.partial(jnp.broadcast_to, shape=(everyone,))
        key, meter = same(music.key), same(music.meter)
        batch = features(
            rows.event, rows.place, key, meter, music.phases[here], jnp.asarray(music.planned)[here]
        )
        columns = {name: x[:, None, None] for name, x in batch.items()}
        read: Any = jax.vmap(lambda one, kept: model.apply({"params": params}, one, kept))
        logits, cache = read(columns, rows.cache)
        logp = jax.nn.log_softmax(jnp.asarray(logits)[:, 0, 0].astype(jnp.float32) / temperature)
        state = State(rows.place, rows.event, key, meter, rows.beats, None, None, None, None)
        plan = Plan(
            FREE, jnp.ones(tokens.KEYS, bool), FREE, music.locks, None, music.end, 0, 0, None
        )  # fmt: skip
        allowed = allowed_tokens(state, plan) & (beats_of > 0)
        locked = jnp.asarray(music.locks)[jnp.minimum(rows.beats, music.locks.shape[0] - 1)] != FREE
        allowed &= locked[:, None] | (ids >= tokens.CHORD0)
        # Chords change where they may, but for what is locked.
        may = jnp.asarray(music.may_change)
        after = jnp.minimum(rows.beats[:, None] + jnp.arange(1, tokens.MAX_BEATS + 1), last)
        ends_well = (may[after] | (after >= music.end)).at[:, -1].set(True)[:, length]
        goes_on = may[here][:, None] | (harmonies == harmonies[rows.event][:, None])
        kept = allowed & ends_well & goes_on
        allowed = jnp.where(jnp.any(kept, axis=1, keepdims=True), kept, allowed)

        def behind(table: Any) -> Array:
            """`table` where each token ends, and at its class: `[rows, tokens]`."""
            part = jnp.asarray(table)[after]  # [rows, beats, classes]
            return part.reshape(everyone, -1)[:, length * CLASSES + classes]

        ahead = jnp.where(beats_of == tokens.MAX_BEATS, behind(music.goes_on), behind(music.turned))
        gained = behind(music.evidence) - jnp.asarray(music.evidence)[here][:, classes]
        gained += ahead - rows.ahead[:, None]
        scores = jnp.where(allowed, logp + gained, -jnp.inf)
        total = jax.nn.logsumexp(scores, axis=1)
        drawn = jax.vmap(jax.random.uniform)(keys)
        token = pick(drawn, scores - scores.max(axis=1, keepdims=True))

        def chosen(values: Array) -> Array:
            return jnp.take_along_axis(values, token[:, None], axis=1)[:, 0]

        def waits(new: Array, old: Array) -> Array:
            return jnp.where(active.reshape(-1, *[1] * (new.ndim - 1)), new, old)

        # Of a row that waits, what was written at its slot is never read.
        small = {
            name: jax.tree.map(waits, getattr(cache, name), getattr(rows.cache, name))
            for name in ("slot", "previous", "repeats", "phrases")
        }
        moved = Rows(
            rows.place + active,
            jnp.where(active, token, rows.event),
            rows.beats + jnp.where(active, beats_of[token], 0),
            jnp.where(active, chosen(ahead), rows.ahead),
            cache._replace(**small),
        )
        said = jnp.where(active, token, tokens.PAD), jnp.where(active, chosen(logp), 0.0)
        return moved, jnp.where(active, total, 0.0), said

    rows = filters * count
    everyone = jax.tree.map(lambda x: jnp.broadcast_to(x, (rows, *jnp.shape(x))), first)
    keys = particles.filter_keys(seed, jnp.arange(filters))
    cloud, trace = particles.run(
        step,
        particles.start(everyone, filters),
        keys,
        steps,
        unfinished=lambda states: jnp.any(going(states)),
    )
    return particles.weights(cloud), trace, particles.evidence(cloud)


def run_filters(
    model: Model,
    music: Music,
    prefix: list[int],
    seed: int,
    filters: int = FILTERS,
    count: int = PARTICLES,
    temperature: float = 1.0,
) -> Drawn:
    """Draws chords.

    Args:
        model: with a backbone.
        music: see there; its arrays are padded here.
        prefix: tokens that stand before: BOS KEY METER, and the events of the beats before the first that is
            drawn.
        seed: of all draws.
        filters: how many, each independent of the others.
        count: particles of each.
        temperature: the chord stage's logits are divided by it.
    """
    config, params = backbone_stage(model)
    begin = int(tokens.BEATS[np.asarray(prefix)].sum())
    drawn = int(music.end) - begin
    size = round_up(len(music.locks), _STEP)
    phases = music.phases
    prefix_length = round_up(len(prefix) - 1, _STEP)
    steps = round_up(drawn, _STEP)
    padded = Music(
        np.int32(music.key),
        np.int32(music.meter),
        np.int32(music.end),
        _padded(music.locks, size, FREE),
        _padded(music.may_change, size + 1, True),
        _padded(phases, size + 1, 0),
        _padded(music.planned, size + 1, 0),
        _padded(music.evidence, size + 1, 0.0),
        _padded(music.turned, size + 1, 0.0),
        _padded(music.goes_on, size + 1, 0.0),
    )
    slots = prefix_length + steps
    remembered = min(config.repeats, slots)
    ids = np.asarray(prefix, np.int64)
    said = np.cumsum(tokens.BEATS[ids], dtype=np.int64)
    batch = features(
        ids, np.arange(len(ids)), np.full_like(ids, music.key), np.full_like(ids, music.meter),
        np.where(np.arange(len(ids)) >= 2, padded.phases[said], 0), padded.planned[said], xp=np,
    )  # fmt: skip
    fills = {"input_ids": tokens.PAD, "quality_code": tokens.NO_QUALITY_CODE}
    columns = {
        name: left_padded([values[:-1]], prefix_length, fills.get(name, 0)) for name, values in batch.items()
    }
    cache = read_backbone(config, params, columns, empty_cache(config, 1, slots, remembered))
    first = Rows(
        np.int32(len(prefix) - 1), np.int32(prefix[-1]), np.int32(begin), np.float32(0), cache
    )  # fmt: skip
    share, trace, evidence = _run(
        config, steps, filters, count, params, padded, first, np.uint32(seed), np.float32(temperature)
    )  # fmt: skip
    effective = np.asarray(trace.effective)
    done = int(np.count_nonzero(effective.any(axis=1)))
    drawn_ids, chances = (each.T for each in particles.paths(trace, done))
    return Drawn(
        begin,
        drawn_ids,
        np.asarray(chances, np.float64) + _fit(drawn_ids, begin, padded.evidence),
        np.repeat(np.arange(filters), count),
        np.asarray(share, np.float64).reshape(-1),
        np.asarray(evidence, np.float64),
        float(effective[:done].mean() / count) if done else 1.0,
    )


def _fit(ids: np.ndarray, begin: int, evidence: np.ndarray) -> np.ndarray:
    """The evidence of each event of rows, `[rows, steps]`; 0 for `PAD`."""
    ends = begin + np.cumsum(tokens.BEATS[ids], axis=1, dtype=np.int64)
    starts = ends - tokens.BEATS[ids]
    last, own = len(evidence) - 1, CLASS_OF[ids]
    return np.asarray(evidence[np.minimum(ends, last), own] - evidence[np.minimum(starts, last), own])


def _padded(values: Any, size: int, fill: Any) -> np.ndarray:
    """An array with a longer first axis."""
    values = np.asarray(values)
    widths = [(0, size - len(values)), *[(0, 0)] * (values.ndim - 1)]
    return np.pad(values, widths, constant_values=fill)


def harmony_of(row: np.ndarray) -> np.ndarray:
    """One-beat token of every beat that a row's events cover."""
    said = np.asarray(row)[np.asarray(row) != tokens.PAD]
    return np.repeat(tokens.HARMONY[said], tokens.BEATS[said])


def beats_in_bar(meter: int) -> int:
    """Beats of a full bar of a meter token."""
    return int(BEATS_PER_BAR[meter])
