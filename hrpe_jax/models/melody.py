"""The melody: a Transformer-XL (Dai et al., 2019) over melody events, with RoPE, over given chords.

Every event sees the chord that sounds where the next event begins, the chord after it and the ticks until
then, its place in the bar, and the piece's key, meter and tempo. Pitches are scored as MIDI numbers, as
degrees over the chord and over the tonic, and as intervals from the note before, so that what is learned
over one chord in one key holds over all.

A segment attends to its own events and to the remembered inputs of each layer; the memory
(``models.cache``) goes from segment to segment as an explicit value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hrpe_jax.codec import backbone_tokens, melody_tokens
from hrpe_jax.codec.backbone import MAX_TICKS_TO_NEXT, NO_CHORD_ID
from hrpe_jax.codec.columns import ATTRIBUTES, HIGH, LOW
from hrpe_jax.codec.melody_tokens import TEMPO_BINS
from hrpe_jax.codec.plan import FORM_COLUMNS, MELODY_COLUMNS
from hrpe_jax.models import cache as caches
from hrpe_jax.models.cache import Cache
from hrpe_jax.models.chord_embedding import (
    KINDS_OF_TONES,
    QUALITIES,
    ROOTS,
    STDDEV,
    TONE_KINDS,
    TONES,
    score_rows,
    turn,
    turn_back,
)
from hrpe_jax.models.config import MelodyModelConfig
from hrpe_jax.models.harmonic_attention import LayerMemory
from hrpe_jax.models.initializers import lecun, matmul, normal
from hrpe_jax.models.plan_features import PlanFeatures, RegisterFeatures, hide
from hrpe_jax.models.pointers import (
    BarPointer,
    RepeatPointer,
    bar_distances,
    earlier_bars,
    hide_rows,
    no_bars,
    point,
)
from hrpe_jax.models.transformer import Stack
from hrpe_jax.ops import aligned, hrpe, repeats
from hrpe_jax.theory.meter import MAX_BAR_TICKS

PITCHES = melody_tokens.PITCHES
NO_PITCH = -1
MAX_METER = 32


def _event_kinds() -> np.ndarray:
    """Categories for H-RPE: 0 pitches, 1-48 durations, 49 BAR, 50 REST, 51 others, 52-63 half-beats."""
    kinds = np.full(melody_tokens.SIZE, 51, np.int32)
    kinds[:PITCHES] = 0
    kinds[melody_tokens.DUR0 : melody_tokens.POS0] = np.arange(1, melody_tokens.MAX_DURATION + 1)
    kinds[melody_tokens.BAR], kinds[melody_tokens.REST] = 49, 50
    kinds[melody_tokens.POS0 :] = 52 + np.arange(1, melody_tokens.MAX_POSITION + 1) // 6
    return kinds


EVENT_KINDS = _event_kinds()
CATEGORIES = {
    "melody": (64, ROOTS + 1),
    "chord": (backbone_tokens.NO_QUALITY_CODE, backbone_tokens.NO_FUNCTION_CODE),
    "none": (),
}


class MelodyCache(NamedTuple):
    """What a melody remembers.

    Attributes:
      events: of attention and ``ops.repeats``.
      last_pitch: the last pitch sung, ``[batch]``, -1 where there is none yet.
      bars: the state of ``ops.aligned``; None in a model without it.
    """

    events: Cache
    last_pitch: Array
    bars: Any = None


class Melody(nn.Module):
    """The melody model."""

    config: MelodyModelConfig

    @nn.compact
    def __call__(
        self, batch: Mapping[str, Array], cache: MelodyCache, train: bool = False
    ) -> tuple[Array, MelodyCache]:
        """Scores the next event at every position of a segment.

        Args:
          batch: int ``[batch, length]`` each: ``event_ids, chord_id, root_pc, quality_code, function_code,
            next_chord_id, ticks_to_next, bar_phase, positions``; and ``[batch]`` each: ``key, meter_num,
            meter_den, tempo_bin``; with ``plan`` also the columns of ``codec.plan`` and ``codec.columns``'
            ``ATTRIBUTES``.
          cache: from ``init_memory`` or ``init_cache``, or what the last call returned.
          train: whether dropout is on.

        Returns:
          Logits float32 ``[batch, length, 260]``, and the cache with these events.
        """
        config, harmony = self.config, self.config.harmony
        if config.conditioning != "chords":
            batch = without_chords(batch, only_those_to_come=config.conditioning == "present")
        if config.plan and train:
            batch = hide(batch, self.make_rng("dropout"), config.plan_dropout, tuple(ATTRIBUTES))
        ids, positions = batch["event_ids"], batch["positions"]
        segments = (ids != melody_tokens.PAD).astype(jnp.int32)
        tonic = jnp.broadcast_to((batch["key"] % 12)[:, None], ids.shape)
        pitch = last_pitches(ids, cache.last_pitch)
        root, quality = _chord(batch["chord_id"])
        degree = jnp.where((pitch >= 0) & (quality < QUALITIES), (pitch - root) % ROOTS, ROOTS)

        def table(name: str, size: int) -> Array:
            return self.param(name, normal(STDDEV, "vocab", "embed"), (size, config.width))

        events = table("events", melody_tokens.SIZE)
        over_tonic = table("over_tonic", ROOTS)

        def embed(ids: Array, tonic: Array) -> Array:
            return events[ids] + jnp.where((ids < PITCHES)[..., None], over_tonic[(ids - tonic) % ROOTS], 0.0)

        token = embed(ids, tonic)
        token = token + table("over_chord", ROOTS * QUALITIES + 1)[_joint(degree, quality)]
        before = jnp.concatenate([cache.events.previous[:, None].astype(token.dtype), token[:, :-1]], axis=1)
        before = before * (positions > 0)[..., None]
        shift = self.param("shift", lecun(config.width, "embed", None), (config.width, config.width))
        x = token + matmul(before, shift)
        next_root, next_quality = _chord(batch["next_chord_id"])
        features = (
            ("chord", _joint((root - tonic) % ROOTS, quality), ROOTS * QUALITIES + 1),
            ("next_chord", _joint((next_root - tonic) % ROOTS, next_quality), ROOTS * QUALITIES + 1),
            ("quality", batch["quality_code"], backbone_tokens.NO_QUALITY_CODE + 1),
            ("function", batch["function_code"], backbone_tokens.NO_FUNCTION_CODE + 1),
            ("ticks_to_next", jnp.minimum(batch["ticks_to_next"], MAX_TICKS_TO_NEXT), MAX_TICKS_TO_NEXT + 1),
            ("bar_phase", batch["bar_phase"], MAX_BAR_TICKS + 1),
            # The metadata prefix: added to every event instead of standing before the first one, so that it
            # never scrolls out of the memory.
            ("key", batch["key"][:, None], backbone_tokens.KEYS),
            ("meter_num", batch["meter_num"][:, None], MAX_METER + 1),
            ("meter_den", batch["meter_den"][:, None], MAX_METER + 1),
        )
        for name, values, size in features:
            x = x + table(f"{name}_in", size)[values]
        if not config.plan:  # a plan has a tempo that may be unknown
            x = x + table("tempo_in", TEMPO_BINS)[batch["tempo_bin"][:, None]]
        past_events = cache.events
        if config.repeats:
            repeat_pointer = RepeatPointer(config.width, name="copying")
            known = jnp.where(segments > 0, ids, repeats.NOTHING)
            over = root * (QUALITIES + 1) + quality
            bar = ids == melody_tokens.BAR
            song, found = repeats.follow(past_events.repeats, known, over, bar, positions == 0)
            past_events = past_events._replace(repeats=song)
            if train and config.pointer_dropout:
                found = hide_rows(found, self.make_rng("dropout"), config.pointer_dropout)
            x = x + repeat_pointer.embed(embed(jnp.maximum(found.event, 0), tonic[..., None]), found)
        past_bars = cache.bars
        if bar_distances(config):
            pointer = BarPointer(config.width, bar_distances(config), name="bar_pointer")
            past_bars, earlier, told = earlier_bars(config, past_bars, batch)
            if train and config.pointer_dropout:
                earlier = hide_rows(earlier, self.make_rng("dropout"), config.pointer_dropout)
            x = x + pointer.embed(embed(jnp.maximum(earlier.event, 0), tonic[..., None]), earlier)
        if config.plan:
            columns = {**FORM_COLUMNS, **MELODY_COLUMNS}
            x = x + PlanFeatures(config.width, columns, name="plan")(batch)
            sizes = {name: size for name, size in ATTRIBUTES.items() if name not in (LOW, HIGH)}
            about = {name: batch[name][:, None] for name in sizes}
            x = x + PlanFeatures(config.width, sizes, name="attributes")(about)
            register = RegisterFeatures(config.width, name="register")
            x = x + register.embed(pitch, batch)
        if config.chord_tones:
            # A chord as the set of its notes, and the last pitch as what it is to them.
            for name, over, kind in (("tones", root, quality), ("next_tones", next_root, next_quality)):
                kind = jnp.minimum(kind, QUALITIES)
                notes = jnp.asarray(TONES)[kind].astype(jnp.float32)
                x = x + matmul(turn_back(notes, tonic - over), table(f"{name}_in", ROOTS))
                x = x + matmul(
                    turn_back(notes, pitch - over) * (pitch >= 0)[..., None], table(f"{name}_from", ROOTS)
                )
        x = (x * config.width**0.5).astype(jnp.dtype(config.dtype))
        x = nn.Dropout(config.dropout, deterministic=not train)(x)

        codes = _codes(harmony.codes, batch, pitch, degree, segments)
        joined = caches.append(past_events, positions, segments, codes)
        context = caches.context(joined, ids.shape[1], config, harmony)
        stack = Stack(config, harmony, CATEGORIES[harmony.codes], name="stack")
        x, past = stack(x, joined.past, context, train)
        kept = _remember(joined, past, token[:, -1].astype(jnp.float32), cache.events, ids.shape[1])

        def score(rows: Array) -> Array:
            return score_rows(x, rows)

        over_chord = turn(score(table("chord_degree_out", ROOTS)), root)
        over_chord = jnp.where((quality < QUALITIES)[..., None], over_chord, 0.0)
        classes = over_chord + turn(score(table("tonic_degree_out", ROOTS)), tonic)
        pitches = jnp.tile(classes, PITCHES // ROOTS + 1)[..., :PITCHES]
        intervals = score(table("interval_out", 2 * PITCHES - 1))
        from_last = jnp.arange(PITCHES) - jnp.maximum(pitch, 0)[..., None] + PITCHES - 1
        steps = jnp.take_along_axis(intervals, from_last, axis=-1)
        if config.chord_tones:
            for name, over, kind in (("tones", root, quality), ("next_tones", next_root, next_quality)):
                kinds = jnp.asarray(KINDS_OF_TONES)[jnp.minimum(kind, QUALITIES)]
                chosen = jax.nn.one_hot(kinds, TONE_KINDS, dtype=jnp.float32)  # a gather's gradient is slow
                scored = jnp.einsum("bltk,blk->blt", chosen, score(table(f"{name}_out", TONE_KINDS)))
                classes = turn(scored, over % ROOTS)
                pitches = pitches + jnp.tile(classes, PITCHES // ROOTS + 1)[..., :PITCHES]
        pitches = pitches + jnp.where((pitch >= 0)[..., None], steps, 0.0)
        logits = score(events)
        logits = jnp.concatenate([logits[..., :PITCHES] + pitches, logits[..., PITCHES:]], axis=-1)
        if config.repeats:
            logits = point(logits, found.event, repeat_pointer.trust(x, found)[..., 0])
        if bar_distances(config):
            trust = pointer.trust(x, earlier, told)
            logits = point(logits, earlier.event, trust[..., 0])
            sung = (earlier.event >= 0) & (earlier.event < PITCHES)
            any_pitch = jnp.sum(jnp.where(sung, trust[..., 1], 0.0), axis=-1)
            logits = logits + jnp.where(jnp.arange(melody_tokens.SIZE) < PITCHES, any_pitch[..., None], 0.0)
        if config.plan:
            limits = register.score(PITCHES, batch)
            logits = logits + jnp.pad(limits, ((0, 0), (0, 0), (0, melody_tokens.SIZE - PITCHES)))
        return logits, MelodyCache(kept, pitch[:, -1], past_bars)


def init_memory(config: MelodyModelConfig, batch: int) -> MelodyCache:
    """A memory of ``config.memory`` events, all empty."""
    shape = (config.layers, batch, config.memory, config.width)
    past = LayerMemory(hidden=jnp.zeros(shape, jnp.dtype(config.dtype)))
    events = _empty(config, batch, config.memory, past)
    return MelodyCache(events, jnp.full((batch,), NO_PITCH, jnp.int32), no_bars(config, batch))


def init_cache(
    config: MelodyModelConfig, batch: int, capacity: int, remembered: int | None = None
) -> MelodyCache:
    """An empty cache for up to ``capacity`` events; ``remembered`` as for ``cache.empty_cache``.

    It sees what training sees with segments of n events if it has room for ``config.memory + n``, and after
    every n events all but the last ``config.memory`` are dropped (``cache.drop``).

    Args:
      config: of the model.
      batch: rows.
      capacity: events that it has room for.
      remembered: as for ``cache.empty_cache``.
    """
    categories = len(CATEGORIES[config.harmony.codes])
    events = caches.empty_cache(config, batch, capacity, config.harmony.reach, categories, remembered)
    return MelodyCache(events, jnp.full((batch,), NO_PITCH, jnp.int32), no_bars(config, batch))


def forget(cache: MelodyCache, reset: Array) -> MelodyCache:
    """Empties the rows where ``reset [batch]`` is true: a new song begins there."""
    last_pitch = jnp.where(reset, NO_PITCH, cache.last_pitch)
    bars = None if cache.bars is None else aligned.forget(cache.bars, reset)
    return MelodyCache(caches.forget(cache.events, reset), last_pitch, bars)


def without_chords(batch: Mapping[str, Array], only_those_to_come: bool = False) -> dict[str, Array]:
    """The batch as if no chord sounded anywhere, nor was to come; or as if none was to come."""
    silence = {"next_chord_id": NO_CHORD_ID, "ticks_to_next": MAX_TICKS_TO_NEXT}
    if not only_those_to_come:
        silence |= {
            "chord_id": NO_CHORD_ID,
            "root_pc": backbone_tokens.NO_ROOT,
            "quality_code": backbone_tokens.NO_QUALITY_CODE,
            "function_code": backbone_tokens.NO_FUNCTION_CODE,
        }
    return {n: jnp.full_like(x, silence[n]) if n in silence else x for n, x in batch.items()}


def last_pitches(ids: Array, before: Array) -> Array:
    """The last pitch at each event ``[batch, length]``, given that ``before [batch]``; -1 for none."""
    where = jnp.where(ids < PITCHES, jnp.arange(ids.shape[1]), -1)
    latest = jax.lax.cummax(where, axis=1)
    found = jnp.take_along_axis(ids, jnp.maximum(latest, 0), axis=1)
    return jnp.where(latest >= 0, found, before[:, None])


def _chord(ids: Array) -> tuple[Array, Array]:
    """Root and fine quality of chord ids."""
    root, quality = jnp.asarray(backbone_tokens.ROOT)[ids], jnp.asarray(backbone_tokens.QUALITY)[ids]
    return root.astype(jnp.int32), quality.astype(jnp.int32)


def _joint(degree: Array, quality: Array) -> Array:
    """Index of (degree, quality) in a joint table, whose last row is "none"."""
    none = (degree >= ROOTS) | (quality >= QUALITIES)
    return jnp.where(none, ROOTS * QUALITIES, degree * QUALITIES + quality)


def _codes(kind: str, batch: Mapping[str, Array], pitch: Array, degree: Array, segments: Array) -> hrpe.Codes:
    if kind == "melody":
        return hrpe.Codes(
            jnp.maximum(pitch, 0) % 12,
            (jnp.asarray(EVENT_KINDS)[batch["event_ids"]], degree),
            (pitch >= 0) & (segments > 0),
        )
    categories = (batch["quality_code"], batch["function_code"]) if kind == "chord" else ()
    sounding = batch["quality_code"] != backbone_tokens.NO_QUALITY_CODE
    return hrpe.Codes(batch["root_pc"], categories, sounding & (segments > 0))


def _empty(config: MelodyModelConfig, batch: int, capacity: int, past: LayerMemory) -> Cache:
    categories = len(CATEGORIES[config.harmony.codes])
    return caches.empty(config, batch, capacity, config.harmony.reach, categories, past)


def _remember(joined: Cache, past: LayerMemory, previous: Array, before: Cache, length: int) -> Cache:
    """The cache after a segment: grown, or as XL memory cut to its size, without gradients."""
    if joined.slot is not None:
        return joined._replace(previous=previous, past=past, slot=joined.slot + length)
    slots = before.segments.shape[1]
    memory = before.past.hidden.shape[2]
    hidden = jnp.concatenate([before.past.hidden, past.hidden], axis=2)
    hidden = hidden[:, :, hidden.shape[2] - memory :]
    sides = jax.tree.map(
        lambda x: x[:, x.shape[1] - slots :], (joined.positions, joined.segments, joined.codes)
    )
    kept = joined._replace(
        positions=sides[0],
        segments=sides[1],
        codes=sides[2],
        previous=previous,
        past=LayerMemory(hidden=hidden),
    )
    return jax.lax.stop_gradient(kept)
