"""Several candidates of each piece, of which one is kept: by contrast, by its ending, by how real it looks.

1. Chords are drawn again where a new letter of the form has the very chords of an earlier one.
2. A piece has several takes: other chords where they are free, another plan of what the melody does with its
   bars, and another range, density and tempo where they are free. Over each several melodies are drawn.
3. One of all is kept, drawn by p(song) / p(model) as the model's critic sees it (`metrics.critic`), less
   where its ending is not the planned one.

A piece draws the same whatever is composed beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace

import numpy as np

from hrpe_jax.checkpoints.release import Model
from hrpe_jax.codec import backbone_tokens, melody_tokens
from hrpe_jax.codec import melody as melody_codec
from hrpe_jax.codec.backbone import prefix_of
from hrpe_jax.codec.melody import decode_piece
from hrpe_jax.data.outline_model import Ending, ending
from hrpe_jax.sampling.controls import MAX_PIECES, Controls, chord_tokens
from hrpe_jax.sampling.planner import PiecePlan, plan_melodies, plan_pieces
from hrpe_jax.sampling.programs import beside
from hrpe_jax.sampling.stage_calls import melody_calls, melody_prefix, write_chords
from hrpe_jax.score.form import Section
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter

CONTRASTS = 5
"""How often chords are drawn at most, until every new letter has chords of its own."""
TAKES = 8
"""Progressions of a piece, each with a plan of its own for its melody; the form is that of the piece."""
CANDIDATES = 16
"""Melodies of a piece, over all takes."""
LEADS = 4
"""A take has so many times fewer candidates of its last chords, since melodies choose endings too."""
FEW = 16
"""So few progressions are all drawn again where one has to be: one of another shape would be compiled."""
MOST_BARS = 64
"""Longer pieces have one candidate: their end is a small part of them."""
SHARPNESS = 4.0
"""Power of the critic's weight: so few candidates spread too little for the plain weight to reach songs."""
MISS = 4.0
"""Nats that a candidate loses for each step by which its ending misses the plan (`misses`)."""
_CHOICE = 9  # of the random numbers of a piece


@dataclass
class Tokens:
    """One candidate of a piece.

    Attributes:
        chords: backbone tokens, BOS to EOS.
        chord_cost: mean negative log likelihood of the chords; None where they were given.
        plan: with which it is drawn.
        events: melody tokens, BOS to EOS; empty without a melody.
        nats: log probabilities of those that were drawn.
    """

    chords: list[int]
    chord_cost: float | None
    plan: PiecePlan | None = None
    events: list[int] = field(default_factory=list)
    nats: list[float] = field(default_factory=list)


def write_candidates(model: Model, controls: Controls, numbers: Sequence[int]) -> list[Tokens]:
    """Draws the candidates of pieces and keeps one of each; arguments as for `draw_candidates`.

    Args:
        model: from `load_model`.
        controls: from `read_controls`.
        numbers: of the pieces, from 0.
    """
    drawn = draw_candidates(model, controls, numbers)
    return [_keep(model, controls, number, rows) for number, rows in zip(numbers, drawn, strict=True)]


def draw_candidates(model: Model, controls: Controls, numbers: Sequence[int]) -> list[list[Tokens]]:
    """The candidates of each piece.

    Args:
        model: from `load_model`.
        controls: from `read_controls`.
        numbers: of the pieces.
    """
    plans = plan_pieces(model, controls, numbers)
    sung = controls.stage != "backbone"
    several = plans is not None and sung and controls.bars <= MOST_BARS
    takes, count = (TAKES, CANDIDATES) if several else (1, 1)
    if several and controls.chords is None:
        controls = replace(controls, candidates=max(1, controls.candidates // LEADS))
    own = [number + take * CONTRASTS * MAX_PIECES for number in numbers for take in range(takes)]
    shared = None if plans is None else [plan for plan in plans for _ in range(takes)]
    draws = [number + take * MAX_PIECES for number in numbers for take in range(count)]
    with beside(lambda: _prepare_melodies(model, controls, draws, shared)) if sung else nullcontext():
        chords, costs = contrasting_chords(model, controls, own, shared)
    planned = plan_melodies(model, controls, own, shared, chords)
    rows = [
        Tokens(ids, costs[row] if costs else None, planned[row] if planned else None)
        for row, ids in enumerate(chords)
        for _ in range(count // takes)
    ]
    if sung:
        _sing(model, controls, draws, rows)
    return [rows[place * count : (place + 1) * count] for place in range(len(numbers))]


def _prepare_melodies(
    model: Model, controls: Controls, draws: Sequence[int], plans: Sequence[PiecePlan] | None
) -> None:
    """Loads or compiles the program of the melodies: one event of each, over chords that are none."""
    if controls.chords_given or controls.continued is not None:
        return
    meter = controls.meter or Meter(4, 4)
    silence = chord_tokens(
        [(None, meter.beats_per_bar)] * controls.bars, controls.key or Key(0, "major"), meter
    )
    of_rows = None if plans is None else [plan for plan in plans for _ in range(len(draws) // len(plans))]
    next(melody_calls(model, controls, draws, [silence] * len(draws), of_rows, steps=1))


def _sing(model: Model, controls: Controls, draws: Sequence[int], rows: Sequence[Tokens]) -> None:
    """Writes each row's melody."""
    plans = [row.plan for row in rows if row.plan is not None]
    for row in rows:
        row.events = melody_prefix(controls)
    calls = melody_calls(model, controls, draws, [row.chords for row in rows], plans or None)
    for ids, likelihood in calls:
        for number, row in enumerate(rows):
            said = ids[number] != melody_tokens.PAD
            row.events += ids[number, said].tolist()
            row.nats += likelihood[number, said].tolist()


def _keep(model: Model, controls: Controls, number: int, rows: Sequence[Tokens]) -> Tokens:
    """One of the candidates of a piece."""
    plan = rows[0].plan
    if len(rows) == 1 or plan is None:
        return rows[0]
    weights = -MISS * np.array([misses(row.chords, row.events, plan.ending) for row in rows], np.float64)
    critic = model.tables.critics.get(plan.attributes.style)
    if critic is None:
        return rows[int(np.argmax(weights))]
    weights += SHARPNESS * critic.log_odds(
        [decode_piece(row.chords, row.events, form=plan.form) for row in rows]
    )
    chances = np.exp(weights - weights.max())
    rng = np.random.default_rng([controls.seed, number, _CHOICE])
    return rows[int(rng.choice(len(rows), p=chances / chances.sum()))]


def contrasting_chords(
    model: Model, controls: Controls, numbers: Sequence[int], plans: Sequence[PiecePlan] | None
) -> tuple[list[list[int]], list[float]]:
    """As `write_chords`; where a new letter has the very chords of an earlier one, they are drawn again.

    Args:
        model: from `load_model`.
        controls: from `read_controls`.
        numbers: of the pieces, from 0.
        plans: of the pieces; None for a model without.
    """
    chords, nats = write_chords(model, controls, numbers, plans)
    for attempt in range(1, CONTRASTS):
        if plans is None or not nats:
            break
        same = [row for row, plan in enumerate(plans) if lacks_contrast(chords[row], plan.form)]
        if not same:
            break
        rows = range(len(plans)) if len(plans) <= FEW else same
        again = [numbers[row] + attempt * MAX_PIECES for row in rows]
        drawn, costs = write_chords(model, controls, again, [plans[row] for row in rows])
        for row, ids, cost in zip(rows, drawn, costs, strict=True):
            if row in same:
                chords[row], nats[row] = ids, cost
    return chords, nats


def lacks_contrast(chords: Sequence[int], form: Sequence[Section]) -> bool:
    """Whether a section of a new letter has the chords of an earlier one of another letter, beat by beat."""
    ids = np.asarray(chords)
    harmony = np.repeat(backbone_tokens.HARMONY[ids], backbone_tokens.BEATS[ids])
    _, meter = prefix_of(list(chords))
    per_bar = meter.beats_per_bar
    new: dict[str, np.ndarray] = {}
    for section in form:
        if section.has_melody and section.name not in new:
            own = harmony[section.first_bar * per_bar : section.end_bar * per_bar]
            shared = [(own[: len(old)], old[: len(own)]) for old in new.values()]
            if any(len(one) and np.array_equal(one, other) for one, other in shared):
                return True
            new[section.name] = own
    return False


def misses(chords: Sequence[int], events: Sequence[int], wanted: Ending | None) -> int:
    """How far a melody ends from how it should: 1 for the chord under its last note, 2 for the note, 2 for
    how long that is held.

    Args:
        chords: tokens of the piece.
        events: tokens of its melody.
        wanted: how it should end; None for any.
    """
    key, meter = prefix_of(list(chords))
    notes = melody_codec.decode(events, meter).notes
    if wanted is None or not notes:
        return 0
    harmony = backbone_tokens.HARMONY[np.repeat(chords, backbone_tokens.BEATS[np.asarray(chords)])]
    root = int(backbone_tokens.ROOT[harmony[notes[-1].onset // meter.beat_ticks]])
    found = ending(root, notes[-1].pitch, notes[-1].duration, key.tonic, key.mode == "minor")
    worth = (1, 2, 2)
    return sum(w * (a != b) for w, a, b in zip(worth, found, wanted, strict=True))
