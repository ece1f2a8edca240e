"""From a trained model and controls to pieces: chords first, then a melody over them.

Shapes are rounded up to a few sizes, so that another number of pieces, bars or another key seldom compiles
anew. Piece i of a seed draws the same numbers however many are asked for with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, cast

import jax
import numpy as np
from flax.errors import FlaxError

from hrpe_jax.checkpoints.release import Model
from hrpe_jax.codec import backbone_tokens, melody_tokens
from hrpe_jax.codec import melody as melody_codec
from hrpe_jax.codec.backbone import prefix_of
from hrpe_jax.codec.melody import decode_piece
from hrpe_jax.data.outline_model import Ending, ending
from hrpe_jax.errors import UserError
from hrpe_jax.models.config import BackboneModelConfig, MelodyModelConfig
from hrpe_jax.sampling import backbone_search as chord_stage
from hrpe_jax.sampling import melody_batch as melody_stage
from hrpe_jax.sampling.backbone_loop import FREE
from hrpe_jax.sampling.chord_input import as_typed
from hrpe_jax.sampling.controls import MAX_PIECES, Controls, Drawing, chord_tokens
from hrpe_jax.sampling.form_input import Form
from hrpe_jax.sampling.logits import Settings
from hrpe_jax.sampling.planner import PiecePlan, plan_melodies, plan_pieces, plan_values, sections_of
from hrpe_jax.sampling.sizes import unroll
from hrpe_jax.score.form import Section
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


MAX_ROWS = 32  # pieces side by side
CONTRASTS = 5
"""How often chords are drawn at most, until every new letter has chords of its own."""
MELODY_CANDIDATES = 8
"""Melodies of which one is kept that ends as planned."""
MOST_BARS_OF_CANDIDATES = 64
"""Longer pieces have one candidate: their end is a small part of them."""


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


def misfit(model: Model, error: FlaxError) -> UserError:
    """What to say where parameters do not have the shapes that their config asks for."""
    detail = str(error).splitlines()[0][:160]
    return UserError(f"{model.path}: its parameters do not fit its config ({detail})")


def _batches(controls: Controls) -> Iterator[list[int]]:
    for first in range(0, controls.num_pieces, MAX_ROWS):
        yield list(range(first, min(first + MAX_ROWS, controls.num_pieces)))


def _compose_rows(model: Model, controls: Controls, numbers: Sequence[int]) -> Iterator[Piece]:
    plans = plan_pieces(model, controls, numbers)
    chords, chord_nats = _contrasting_chords(model, controls, numbers, plans)
    plans = plan_melodies(model, controls, numbers, plans, chords)
    events: list[list[int]] = [[] for _ in numbers]
    nats: list[list[float]] = [[] for _ in numbers]
    if controls.stage != "backbone":
        events, nats = _write_melodies(model, controls, numbers, chords, plans)
    for row, number in enumerate(numbers):
        costs = {"backbone": chord_nats[row]} if chord_nats else {}
        if nats[row]:
            costs["melody"] = -float(np.mean(nats[row]))
        yield finish(controls, number, chords[row], events[row], costs, plans[row] if plans else None)


def _contrasting_chords(
    model: Model, controls: Controls, numbers: Sequence[int], plans: Sequence[PiecePlan] | None
) -> tuple[list[list[int]], list[float]]:
    """As `write_chords`; where a new letter has the very chords of an earlier one, they are drawn again."""
    chords, nats = write_chords(model, controls, numbers, plans)
    for attempt in range(1, CONTRASTS):
        if plans is None or not nats:
            break
        same = [row for row, plan in enumerate(plans) if lacks_contrast(chords[row], plan.form)]
        if not same:
            break
        again = [numbers[row] + attempt * MAX_PIECES for row in same]
        drawn, costs = write_chords(model, controls, again, [plans[row] for row in same])
        for row, ids, cost in zip(same, drawn, costs, strict=True):
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


def _write_melodies(
    model: Model,
    controls: Controls,
    numbers: Sequence[int],
    chords: Sequence[Sequence[int]],
    plans: Sequence[PiecePlan] | None,
) -> tuple[list[list[int]], list[list[float]]]:
    """Each piece's melody tokens, BOS to EOS, and the log probabilities of those that were drawn.

    Where endings are planned, several melodies are drawn, and the first is kept that ends as planned.
    """
    count = 1
    if plans is not None and any(plan.ending for plan in plans) and controls.bars <= MOST_BARS_OF_CANDIDATES:
        count = MELODY_CANDIDATES
    rows = [(number + candidate * MAX_PIECES) for number in numbers for candidate in range(count)]
    events = [melody_prefix(controls) for _ in rows]
    nats: list[list[float]] = [[] for _ in rows]
    repeated = [ids for ids in chords for _ in range(count)]
    planned = None if plans is None else [plan for plan in plans for _ in range(count)]
    for ids, likelihood in melody_calls(model, controls, rows, repeated, planned):
        for row in range(len(rows)):
            said = ids[row] != melody_tokens.PAD
            events[row] += ids[row, said].tolist()
            nats[row] += likelihood[row, said].tolist()
    kept = []
    for piece, backbone_ids in enumerate(chords):
        first = piece * count
        wanted = plans[piece].ending if plans is not None else None
        fits = [_misses(backbone_ids, events[first + candidate], wanted) for candidate in range(count)]
        kept.append(first + int(np.argmin(fits)))
    return [events[row] for row in kept], [nats[row] for row in kept]


def _misses(chords: Sequence[int], events: Sequence[int], wanted: Ending | None) -> int:
    """How far a melody ends from how it should: 1 for the chord under its last note, 2 for the note, 2 for
    how long that is held."""
    key, meter = prefix_of(list(chords))
    notes = melody_codec.decode(events, meter).notes
    if wanted is None or not notes:
        return 0
    harmony = backbone_tokens.HARMONY[np.repeat(chords, backbone_tokens.BEATS[np.asarray(chords)])]
    root = int(backbone_tokens.ROOT[harmony[notes[-1].onset // meter.beat_ticks]])
    found = ending(root, notes[-1].pitch, notes[-1].duration, key.tonic, key.mode == "minor")
    worth = (1, 2, 2)
    return sum(w * (a != b) for w, a, b in zip(worth, found, wanted, strict=True))


def finish(
    controls: Controls,
    number: int,
    chords: Sequence[int],
    events: Sequence[int],
    nats: Mapping[str, float],
    plan: PiecePlan | None = None,
) -> Piece:
    """A piece of its tokens."""
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
        score = melody_stage.score_of(chords, opening, **about)
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


def write_chords(
    model: Model, controls: Controls, numbers: Sequence[int], plans: Sequence[PiecePlan] | None = None
) -> tuple[list[list[int]], list[float]]:
    """Each piece's chord tokens, and their mean negative log likelihoods; those are none for given chords."""
    key, meter, prime = controls.key, controls.meter, controls.continued
    if controls.chords_given and prime is None:
        assert controls.chords is not None
        assert key is not None  # `read_controls` sees to both
        assert meter is not None
        return [chord_tokens(controls.chords, key, meter)] * len(numbers), []
    stage = model.stage("backbone")
    config, params = unroll(cast(BackboneModelConfig, stage.config.model), stage.params)
    locks = _locks(controls)
    form = controls.form
    request = chord_stage.Request(
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
        window=stage.config.batch.length,
        first_bar=prime.bars if prime is not None else 0,
        plans=plans,
    )
    return chord_stage.sample_chords(
        config, jax.device_put(params), request, numbers, controls.seed, _settings(controls.backbone)
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
    """The events of melodies over these chords, as `melodies.melodies` gives them."""
    stage = model.stage("melody")
    config, params = unroll(cast(MelodyModelConfig, stage.config.model), stage.params)
    prime = controls.continued
    request = melody_stage.Request(
        bars=controls.bars,
        tempo=controls.tempo,
        silent_bars=controls.silent_bars,
        form=controls.form if plans is None else None,
        prefix=melody_prefix(controls),
        opening=None if prime is None else prime.score,
        segment=stage.config.batch.length,
        plans=plans,
    )
    return melody_stage.melodies(
        config,
        jax.device_put(params),
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


def plain(controls: Controls, number: int, plan: PiecePlan | None = None) -> dict[str, Any]:
    """The controls as JSON values: what asks for this piece again, and what was planned."""
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
