"""Warnings before a piece is composed: what lies outside what the model was trained on, what was guessed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from hrpe_jax.checkpoints.release import Model
from hrpe_jax.codec.backbone import harmony_of_beats, run_starts
from hrpe_jax.models.config import MelodyModelConfig
from hrpe_jax.sampling.controls import Controls
from hrpe_jax.theory.key import Key


def notices(model: Model, controls: Controls) -> list[str]:
    """Lines for people; none where all is as in training, and none on what a model does not say of itself."""
    return [*_chords_found(controls), *_unseen(model, controls), *_too_long(model, controls)]


def _chords_found(controls: Controls) -> Iterator[str]:
    if controls.prime is not None and controls.prime.chords_found:
        yield "the prime has no chords; its melody is given some that fit it"


def _unseen(model: Model, controls: Controls) -> Iterator[str]:
    seen = model.seen or {}
    meters, keys = seen.get("meters"), seen.get("keys")
    if controls.meter is not None and meters and str(controls.meter) not in meters:
        known = ", ".join(list(meters)[:6])
        yield (f"the model never saw a piece in {controls.meter} (it knows {known}); expect an unsure hand")
    if controls.key is not None and keys and not _key_seen(model, controls.key, list(keys)):
        yield f"the model never saw a piece in {controls.key.name}; expect it to be unsure there"


def _key_seen(model: Model, key: Key, names: list[str]) -> bool:
    """Where training transposes songs to all keys, as it does by default, the mode is what counts."""
    moved = all(stage.config.batch.augment for _, stage in model.stages())
    known = [Key.parse(name) for name in names]
    return any(other.mode == key.mode if moved else other == key for other in known)


def _too_long(model: Model, controls: Controls) -> Iterator[str]:
    """Said, not refused: memory carries on what lies further back, as it does in a long piece of the model's
    own, and whoever gives a whole song wants it to go on from its end.
    """
    prime = controls.continued
    if prime is None:
        return
    if model.melody is not None and controls.stage != "backbone":
        config = model.melody.config
        memory = cast(MelodyModelConfig, config.model).memory
        reach = memory + config.batch.length
        if len(prime.event_ids) > reach:
            yield (
                f"the prime has {len(prime.event_ids)} melody events; that model looks back at the last "
                f"{memory} to {reach} directly, at earlier ones through its memory"
            )
    if model.backbone is not None:
        _, harmony = harmony_of_beats(prime.score)
        changes, window = len(run_starts(harmony)), model.backbone.config.batch.length
        if changes > window:
            yield f"the prime has {changes} chords; the chord model looks back at the last {window}"
