"""What controls ask of each stage, as calls of its sampler: chords, then melodies over them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from flax.errors import FlaxError

from hrpe_jax.checkpoints.release import Model
from hrpe_jax.codec import backbone_tokens, melody_tokens
from hrpe_jax.errors import UserError
from hrpe_jax.sampling import backbone_search, melody_batch
from hrpe_jax.sampling.backbone_loop import FREE
from hrpe_jax.sampling.controls import Controls, Drawing, chord_tokens
from hrpe_jax.sampling.form_input import Form
from hrpe_jax.sampling.logits import Settings
from hrpe_jax.sampling.planner import PiecePlan
from hrpe_jax.sampling.sizes import backbone_stage, melody_stage


def misfit(model: Model, error: FlaxError) -> UserError:
    """What to say where parameters do not have the shapes that their config asks for."""
    detail = str(error).splitlines()[0][:160]
    return UserError(f"{model.path}: its parameters do not fit its config ({detail})")


def write_chords(
    model: Model, controls: Controls, numbers: Sequence[int], plans: Sequence[PiecePlan] | None = None
) -> tuple[list[list[int]], list[float]]:
    """Each piece's chord tokens, and their mean negative log likelihoods; those are none for given chords.

    Args:
        model: from `load_model`.
        controls: from `read_controls`.
        numbers: of the pieces, from 0.
        plans: of the pieces; None for a model without.
    """
    key, meter, prime = controls.key, controls.meter, controls.continued
    if controls.chords_given and prime is None:
        assert controls.chords is not None
        assert key is not None  # `read_controls` sees to both
        assert meter is not None
        return [chord_tokens(controls.chords, key, meter)] * len(numbers), []
    config, params = backbone_stage(model)
    locks = _locks(controls)
    form = controls.form
    request = backbone_search.Request(
        key=FREE if key is None else backbone_tokens.key_id(key),
        keys=np.array([controls.mode in (None, "major")] * 12 + [controls.mode in (None, "minor")] * 12),
        meter=FREE if meter is None else backbone_tokens.meter_id(meter),
        locks=locks,
        sources=_chord_sources(form, plans) if form is not None and controls.chords is None else None,
        prefix=prime.backbone_ids if prime is not None else [backbone_tokens.BOS],
        phases=prime.phases if prime is not None else [],
        offset=len(prime.harmony) if prime is not None else 0,
        bars=controls.bars - (prime.bars if prime is not None else 0),
        candidates=controls.candidates,
        window=model.stage("backbone").config.batch.length,
        first_bar=prime.bars if prime is not None else 0,
        plans=plans,
    )
    return backbone_search.sample_chords(
        config, params, request, numbers, controls.seed, _settings(controls.backbone)
    )


def _chord_sources(form: Form, plans: Sequence[PiecePlan] | None) -> list[int]:
    """For every bar, the bar whose chords it repeats. By a plan the last two bars are free: they end."""
    sources = form.chord_sources()
    return sources if plans is None else [*sources[:-2], *[-1] * len(sources[-2:])]


def _locks(controls: Controls) -> list[int]:
    """What must sound at each beat, as far as it is known."""
    locks = list(controls.continued.harmony) if controls.continued is not None else []
    for chord, beats in controls.chords or ():
        token = FREE if chord is None else backbone_tokens.chord_id(chord.absorb_bass())
        locks += [token] * beats
    return locks


def melody_prefix(controls: Controls) -> list[int]:
    """The events that every melody begins with."""
    prime = controls.continued
    return [melody_tokens.BOS] if prime is None else list(prime.event_ids)


def melody_calls(
    model: Model,
    controls: Controls,
    numbers: Sequence[int],
    chords: Sequence[Sequence[int]],
    plans: Sequence[PiecePlan] | None = None,
    steps: int | None = None,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The events of melodies over these chords, as `melodies.melodies` gives them.

    Args:
        model: from `load_model`.
        controls: from `read_controls`.
        numbers: of the pieces, from 0.
        chords: tokens of each piece.
        plans: of the pieces; None for a model without.
        steps: events of a call; None for the default.
    """
    config, params = melody_stage(model)
    prime = controls.continued
    request = melody_batch.Request(
        bars=controls.bars,
        tempo=controls.tempo,
        silent_bars=controls.silent_bars,
        form=controls.form if plans is None else None,
        prefix=melody_prefix(controls),
        opening=None if prime is None else prime.score,
        segment=model.stage("melody").config.batch.length,
        plans=plans,
        heard=None
        if controls.chords is None
        else model.tables.chords,  # the model draws chords that it knows
    )
    return melody_batch.melodies(
        config,
        params,
        request,
        chords,
        numbers,
        controls.seed,
        _settings(controls.melody),
        steps,
    )


def _settings(drawing: Drawing) -> Settings:
    penalty = drawing.repetition_penalty
    return Settings(
        np.float32(drawing.temperature),
        np.int32(drawing.top_k),
        np.float32(drawing.top_p),
        None if penalty == 1 else np.float32(penalty),
    )
