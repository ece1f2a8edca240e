"""From a trained model and controls to pieces: chords first, then a melody over them.

Shapes are rounded up to a few sizes, so that another number of pieces, bars or another key seldom compiles
anew. Piece i of a seed draws the same numbers however many are asked for with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from flax.errors import FlaxError

from hrpe_jax.checkpoints.release import Model
from hrpe_jax.codec.backbone import prefix_of
from hrpe_jax.codec.melody import decode_piece
from hrpe_jax.sampling import melody_batch
from hrpe_jax.sampling.candidates import write_candidates
from hrpe_jax.sampling.chord_input import as_typed
from hrpe_jax.sampling.controls import Controls
from hrpe_jax.sampling.planner import PiecePlan, plan_values, sections_of
from hrpe_jax.sampling.stage_calls import misfit
from hrpe_jax.score.score import ChordSpan, Score, bar_spans
from hrpe_jax.theory.chord import Chord, to_lead_sheet


@dataclass(frozen=True)
class Piece:
    """A piece that the stages wrote.

    Attributes:
        score: its music.
        backbone_ids: its chords as tokens, BOS to EOS.
        event_ids: its melody as tokens, BOS to EOS; empty where only chords were asked for.
        nats: by stage, the mean negative log likelihood of its events under the model itself; without
            "backbone" where the chords were given, without "melody" where none was asked for.
        settings: what was asked for, plain values.
        plan: with which it was drawn; None for models without.
    """

    score: Score
    backbone_ids: tuple[int, ...]
    event_ids: tuple[int, ...]
    nats: Mapping[str, float] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    plan: PiecePlan | None = None


MAX_ROWS = 16  # pieces side by side, each with its candidates


def compose_pieces(model: Model, controls: Controls) -> Iterator[Piece]:
    """Composes pieces, and yields each as soon as those beside it are done.

    Args:
        model: from `load_model`.
        controls: from `read_controls`.

    Raises:
        UserError: a stage that the model lacks.
    """
    for numbers in _batches(controls):
        try:
            yield from _compose_rows(model, controls, numbers)
        except FlaxError as error:
            raise misfit(model, error) from None


def _batches(controls: Controls) -> Iterator[list[int]]:
    for first in range(0, controls.num_pieces, MAX_ROWS):
        yield list(range(first, min(first + MAX_ROWS, controls.num_pieces)))


def _compose_rows(model: Model, controls: Controls, numbers: Sequence[int]) -> Iterator[Piece]:
    for number, tokens in zip(numbers, write_candidates(model, controls, numbers), strict=True):
        costs = {} if tokens.chord_cost is None else {"backbone": tokens.chord_cost}
        if tokens.nats:
            costs["melody"] = -float(np.mean(tokens.nats))
        yield finish(controls, number, tokens.chords, tokens.events, costs, tokens.plan)


def finish(
    controls: Controls,
    number: int,
    chords: Sequence[int],
    events: Sequence[int],
    nats: Mapping[str, float],
    plan: PiecePlan | None = None,
) -> Piece:
    """A piece of its tokens.

    Args:
        controls: what was asked for.
        number: of the piece, from 0.
        chords: tokens, BOS to EOS.
        events: tokens of the melody, or none.
        nats: mean negative log likelihood by stage.
        plan: with which it was drawn.
    """
    digits = max(2, len(str(controls.num_pieces)))
    key, _ = prefix_of(chords)
    prime = controls.continued
    about: dict[str, Any] = {
        "tempo_bpm": (plan and plan.attributes.tempo) or controls.tempo,
        "form": plan.form
        if plan is not None
        else ()
        if controls.form is None
        else sections_of(controls.form),
        "id": f"piece-{number + 1:0{digits}}",
        "title": f"Piece {number + 1} in {key.name}"
        if prime is None
        else f"{prime.score.title or 'A piece'} and on",
    }
    if events:
        score = decode_piece(chords, events, **about)
    else:
        opening = prime.score if prime is not None else None
        score = melody_batch.score_of(chords, opening, **about)
    score = replace(score, chords=shown_as_typed(score.chords, controls))
    return Piece(score, tuple(chords), tuple(events), dict(nats), plain(controls, number, plan), plan)


def shown_as_typed(chords: Sequence[ChordSpan], controls: Controls) -> tuple[ChordSpan, ...]:
    """The chords of a piece as the user, or the prime, wrote them."""
    prime = controls.continued
    typed = list(prime.score.chords) if prime is not None else []
    meter = controls.meter
    if controls.chords is not None and meter is not None:
        tick = bar_spans(prime.score)[-1][0] + meter.bar_ticks if prime is not None else 0
        typed = [span for span in typed if span.end <= tick]
        for chord, beats in controls.chords:
            if chord is not None:
                typed.append(ChordSpan(tick, beats * meter.beat_ticks, chord))
            tick += beats * meter.beat_ticks
    return as_typed(chords, typed) if any(span.chord.written for span in typed) else tuple(chords)


def plain(controls: Controls, number: int, plan: PiecePlan | None = None) -> dict[str, Any]:
    """The controls as JSON values: what asks for this piece again, and what was planned.

    Args:
        controls: what was asked for.
        number: of the piece, from 0.
        plan: with which it was drawn.
    """
    prime, form = controls.prime, controls.form
    return {
        "number": number,
        "seed": controls.seed,
        "num_pieces": controls.num_pieces,
        "stage": controls.stage,
        "bars": controls.bars,
        "key": controls.key and controls.key.name,
        "mode": controls.mode,
        "meter": controls.meter and str(controls.meter),
        "tempo": controls.tempo,
        "chords": None if controls.chords is None else _chart(controls.chords),
        "form": form and form.text,
        "prime": prime
        and {"id": prime.score.id, "title": prime.score.title, "use": prime.use, "bars": prime.bars},
        "backbone": asdict(controls.backbone),
        "melody": asdict(controls.melody),
        "silent_bars": controls.silent_bars,
        "candidates": controls.candidates,
        **({} if plan is None else {"intro": controls.intro, "plan": plan_values(plan)}),
    }


def _chart(chords: Iterable[tuple[Any, int]]) -> str:
    """Chords as `--chords` reads them again."""
    return " ".join(f"{'?' if chord is None else _label(chord)}*{beats}" for chord, beats in chords)


def _label(chord: Chord) -> str:
    """A chord in Harte's syntax, or as it was written where the vocabulary cannot hold that."""
    return str(chord) if chord.is_exact else to_lead_sheet(chord).replace(" ", "")
