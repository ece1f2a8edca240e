"""The backbone: a causal Transformer over chord events with RoPE and H-RPE.

Inputs are the chord (root, quality, inversion, length), the chord before (a token shift, unless the config
leaves it out), the key, and at which beat of the bar the next event begins; attention knows how any two
chords relate (``ops.hrpe``). The whole song is in view. If asked, a model is also told what followed the
longest earlier agreement (``ops.repeats``) and what stood so many bars ago (``ops.phrases``), and both in any
transposition (``models.transposed_search``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from hrpe_jax.codec import backbone_tokens as tokens
from hrpe_jax.codec.columns import ATTRIBUTES, STYLE
from hrpe_jax.codec.plan import BACK, FORM_COLUMNS
from hrpe_jax.models import cache as caches
from hrpe_jax.models import transposed_search
from hrpe_jax.models.cache import Cache
from hrpe_jax.models.chord_embedding import GROUP, STDDEV, ChordEmbedding, Pointer, both
from hrpe_jax.models.config import BackboneModelConfig
from hrpe_jax.models.harmonic_attention import PERIOD, LayerMemory
from hrpe_jax.models.initializers import divide, lecun, matmul, normal
from hrpe_jax.models.plan_features import PlanFeatures, hide
from hrpe_jax.models.pointers import PhrasePointer, RepeatPointer, hide_rows
from hrpe_jax.models.transformer import Stack
from hrpe_jax.ops import hrpe, phrases, repeats

CATEGORIES = (tokens.NO_QUALITY_CODE, tokens.NO_FUNCTION_CODE)  # sizes of quality and function codes
KEYS = tokens.KEYS
PHRASE_EVENTS = 256
"""Events among which ``ops.phrases`` looks: 32 bars of 4/4 have at most 128."""


class Backbone(nn.Module):
    """The chord model."""

    config: BackboneModelConfig

    @nn.compact
    def __call__(
        self,
        batch: Mapping[str, Array],
        cache: Cache | None = None,
        train: bool = False,
        targets: Array | None = None,
    ) -> tuple[Any, Cache]:
        """Scores the next event at every position.

        Args:
          batch: int ``[batch, length]`` each: ``input_ids, root_pc, quality_code, function_code, bar_phase``
            (beat at which the next event begins), ``key`` (0-23), ``beats_per_bar``, ``positions``,
            ``segment_ids``; with ``plan`` also the columns of ``codec.columns.BACKBONE_PLAN``.
          cache: a cache from ``init_cache`` with the events before these; None where the row begins here.
          train: whether dropout is on.
          targets: the events that do follow, ``[batch, length]``, where no other scores are needed.

        Returns:
          Logits float32 ``[batch, length, 12395]``, or with targets their ``TargetScores``; and the cache
          with these events.
        """
        config = self.config
        reach = config.harmony.reach
        if config.plan and train:
            batch = hide(batch, self.make_rng("dropout"), config.plan_dropout, (STYLE,))
        ids, positions, segments = batch["input_ids"], batch["positions"], batch["segment_ids"]
        if cache is None:
            cache = _with_searches(
                caches.empty(config, ids.shape[0], 0, reach, len(CATEGORIES), LayerMemory()), config
            )
        # The key and the meter are themselves predicted: they may be seen from their own token on, not
        # before.
        key = jnp.where(positions >= 1, batch["key"], KEYS)
        beats_per_bar = jnp.where(positions >= 2, batch["beats_per_bar"], 0)
        tonic = jnp.where(key < KEYS, key, 0) % 12

        codes = hrpe.Codes(
            batch["root_pc"],
            (batch["quality_code"], batch["function_code"]),
            (batch["quality_code"] != tokens.NO_QUALITY_CODE) & (segments > 0),
        )
        cache = caches.append(cache, positions, segments, codes)
        motion = caches.motion(cache, ids.shape[1], reach)

        chord = ChordEmbedding(config.width, config.residual_rank, name="factors")
        token = chord.embed(ids, tonic)
        x = token
        if config.token_shift:
            before = jnp.concatenate([cache.previous[:, None].astype(token.dtype), token[:, :-1]], axis=1)
            before = before * (positions > 0)[..., None]
            shift = self.param("shift", lecun(config.width, "embed", None), (config.width, config.width))
            x = x + matmul(before, shift)
        if config.input_features:
            features = (
                ("quality", batch["quality_code"], CATEGORIES[0] + 1),
                ("function", batch["function_code"], CATEGORIES[1] + 1),
                ("key", key, KEYS + 1),
                ("bar_phase", batch["bar_phase"], tokens.MAX_BEATS_PER_BAR + 1),
                ("beats_per_bar", beats_per_bar, tokens.MAX_BEATS_PER_BAR + 1),
            )
            for name, values, size in features:
                table = self.param(f"{name}_in", normal(STDDEV, "vocab", "embed"), (size, config.width))
                x = x + table[values]
        if config.motion_input:
            table = self.param("motion_in", normal(STDDEV, "vocab", "embed"), (PERIOD + 1, config.width))
            x = x + table[jnp.where(motion.present, motion.cyclic, PERIOD)]
        if config.plan:
            columns = {**FORM_COLUMNS, STYLE: ATTRIBUTES[STYLE]}
            x = x + PlanFeatures(config.width, columns, name="plan")(batch)
        if config.repeats:
            repeat_pointer = RepeatPointer(config.width, levels=2, name="copying")
            known = jnp.where(segments > 0, ids, repeats.NOTHING)
            beats = jnp.asarray(tokens.BEATS)[ids]
            song, found = repeats.follow(cache.repeats, known, batch["bar_phase"], beats, positions == 0)
            cache = cache._replace(repeats=song)
            per_bar = jnp.maximum(beats_per_bar, 1)
            found = found._replace(back=found.back // per_bar[..., None], clock=found.clock // per_bar)
            if train and config.pointer_dropout:
                found = hide_rows(found, self.make_rng("dropout"), config.pointer_dropout)
            x = x + repeat_pointer.embed(chord.embed(jnp.maximum(found.event, 0), tonic[..., None]), found)
        if distances(config):
            phrase_pointer = PhrasePointer(config.width, distances(config), levels=2, name="phrasing")
            heard, old = _stood(_bars_back(config, batch), cache.phrases, batch, beats_per_bar)
            cache = cache._replace(phrases=heard)
            if train and config.pointer_dropout:
                old = hide_rows(old, self.make_rng("dropout"), config.pointer_dropout)
            x = x + phrase_pointer.embed(chord.embed(jnp.maximum(old.event, 0), tonic[..., None]), old)
        if config.transposed_repeats:
            moved_repeat_pointer = RepeatPointer(config.width, levels=2, name="transposed_copying")
            state, moved = transposed_search.follow_repeats(cache.transposed, batch, motion, beats_per_bar)
            cache = cache._replace(transposed=state)
            if train and config.pointer_dropout:
                moved = hide_rows(moved, self.make_rng("dropout"), config.pointer_dropout)
            embedded = chord.embed(jnp.maximum(moved.event, 0), tonic[..., None])
            x = x + moved_repeat_pointer.embed(embedded, moved)
        if config.transposed_phrases:
            bars = config.transposed_phrases
            moved_phrase_pointer = PhrasePointer(
                config.width, len(bars), levels=2, name="transposed_phrasing"
            )
            state, began = transposed_search.follow_phrases(
                cache.transposed, batch, motion, bars, beats_per_bar
            )
            cache = cache._replace(transposed=state)
            if train and config.pointer_dropout:
                began = hide_rows(began, self.make_rng("dropout"), config.pointer_dropout)
            embedded = chord.embed(jnp.maximum(began.event, 0), tonic[..., None])
            x = x + moved_phrase_pointer.embed(embedded, began)
        x = (x * config.width**0.5).astype(jnp.dtype(config.dtype))
        x = nn.Dropout(config.dropout, deterministic=not train)(x)

        context = caches.context(cache, ids.shape[1], config, config.harmony)
        x, past = Stack(config, config.harmony, CATEGORIES, name="stack")(x, cache.past, context, train)
        slot = None if cache.slot is None else cache.slot + ids.shape[1]
        cache = cache._replace(previous=token[:, -1].astype(jnp.float32), past=past, slot=slot)
        x = divide(x, "data", "model")
        pointer = None
        if config.repeats:
            trust, chord_trust = jnp.moveaxis(repeat_pointer.trust(x, found), -1, 0)
            pointer = Pointer(found.event, trust, chord_trust)
        if distances(config):
            trust, chord_trust = jnp.moveaxis(phrase_pointer.trust(x, old), -1, 0)
            pointer = both(pointer, Pointer(old.event, trust, chord_trust))
        if config.transposed_repeats:
            trust, chord_trust = jnp.moveaxis(moved_repeat_pointer.trust(x, moved), -1, 0)
            pointer = both(pointer, Pointer(moved.event, trust, chord_trust))
        if config.transposed_phrases:
            trust, chord_trust = jnp.moveaxis(moved_phrase_pointer.trust(x, began), -1, 0)
            pointer = both(pointer, Pointer(began.event, trust, chord_trust))
        if targets is None:
            return chord.logits(x, ids, tonic, pointer), cache
        return chord.target_scores(x, ids, tonic, targets, pointer), cache


def distances(config: BackboneModelConfig) -> int:
    """How many places ``ops.phrases`` looks at: those of ``phrases``, and the plan's."""
    return len(config.phrases) + config.plan


def _bars_back(config: BackboneModelConfig, batch: Mapping[str, Array]) -> Array:
    """How many bars back ``ops.phrases`` looks after every event: int ``[batch, length, distances]``."""
    shape = (*batch["positions"].shape, len(config.phrases))
    bars = jnp.broadcast_to(jnp.asarray(config.phrases, jnp.int32), shape)
    return jnp.concatenate([bars, batch[BACK][..., None]], axis=-1) if config.plan else bars


def _stood(
    bars: Array, state: phrases.Phrases, batch: Mapping[str, Array], beats_per_bar: Array
) -> tuple[phrases.Phrases, phrases.Expectation]:
    """What stood so many bars ago, as the token of what was left of it there."""
    ids = jnp.where(batch["segment_ids"] > 0, batch["input_ids"], tokens.PAD)
    harmony, beats = jnp.asarray(tokens.HARMONY)[ids], jnp.asarray(tokens.BEATS)[ids].astype(jnp.int32)
    state, old = phrases.follow(
        state,
        harmony,
        jnp.asarray(GROUP)[ids],
        beats,
        batch["positions"] == 0,
        beats_per_bar[..., None] * bars,
    )
    # An event of less than the longest duration is not followed by more of its own harmony.
    sounds_on = (old.event == harmony[..., None]) & (beats < tokens.MAX_BEATS)[..., None]
    token = old.event + jnp.clip(old.left, 1, tokens.MAX_BEATS) - 1
    return state, old._replace(event=jnp.where((old.event > 0) & ~sounds_on, token, phrases.NOTHING))


def _with_searches(cache: Cache, config: BackboneModelConfig) -> Cache:
    """An empty cache with what the searches of the backbone know of the song so far: nothing."""
    batch = cache.segments.shape[0]
    heard = phrases.empty(batch, PHRASE_EVENTS, distances(config)) if distances(config) else None
    return cache._replace(phrases=heard, transposed=transposed_search.empty(config, batch))


def init_cache(
    config: BackboneModelConfig, batch: int, capacity: int, remembered: int | None = None
) -> Cache:
    """An empty cache for up to ``capacity`` events; ``remembered`` as for ``cache.empty_cache``.

    Args:
      config: of the model.
      batch: rows.
      capacity: events that it has room for.
      remembered: as for ``cache.empty_cache``.
    """
    cache = caches.empty_cache(config, batch, capacity, config.harmony.reach, len(CATEGORIES), remembered)
    return _with_searches(cache, config)
