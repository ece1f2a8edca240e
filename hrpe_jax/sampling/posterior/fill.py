"""Other bars for a melody: candidates of a gap, chosen by how likely they make what follows.

Inside a gap nothing can be weighed, so many candidates are drawn from the melody stage behind what stands
before, and each is weighed by how likely the stage then finds the two bars behind: sampling-importance-
resampling (Rubin, 1987). They are drawn by weight and not the best are taken, since the best are literal
copies of other bars. At the end of a piece there is nothing behind; the ending itself is weighed, by how
often pieces end so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from hrpe_jax.analysis.find_form import find_form
from hrpe_jax.checkpoints.release import Model
from hrpe_jax.codec import melody as codec
from hrpe_jax.codec import melody_tokens as tokens
from hrpe_jax.codec.backbone import Harmony, harmony_of_beats
from hrpe_jax.codec.columns import HIGH, LOW, MELODY_PADDING
from hrpe_jax.codec.plan import (
    BACK,
    BREATH_NONE,
    BREATH_SILENT,
    COLUMNS,
    MELODY_COLUMNS,
    RETURN_FREE,
    RETURN_RHYTHM,
    described,
    melody_end,
    outline,
)
from hrpe_jax.codec.vocabulary import STATE_BAR, STATE_BAR_TIE
from hrpe_jax.sampling.controls import MELODY_TOP_P
from hrpe_jax.sampling.logits import Settings, row_keys
from hrpe_jax.sampling.melody_loop import empty_cache, read_melody
from hrpe_jax.sampling.posterior.echoes import PROPOSALS, Proposal, given_weight, proposal_of_rows, proposals
from hrpe_jax.sampling.posterior.fill_loop import ANY_PITCH, TICKS, Gap, draw_gap, gap_mask, gap_tables, weigh
from hrpe_jax.sampling.posterior.fill_weights import ending_weight, unlike
from hrpe_jax.sampling.posterior.likelihood import MelodyColumns, melody_columns_of
from hrpe_jax.sampling.posterior.spans import Span
from hrpe_jax.sampling.sizes import left_padded, melody_stage, room, round_up
from hrpe_jax.score.form import form_values
from hrpe_jax.score.score import Note, Score, bar_spans

STAGE = 2  # of `row_keys`
BARS_BEHIND = 2
"""Bars behind a gap whose likelihood weighs its candidates."""
PAST = 384
"""Events before a gap that are read, at most: what training sees, and a little less."""
EVENTS_A_BAR = 32
"""Room for so many events in every bar of a gap."""
MISSING = 5.0
"""Nats for each pitch that is not sung again, where pitches stay."""
WIDER = 1
"""Semitones by which notes may leave the range of the rest."""


@dataclass(frozen=True, kw_only=True)
class FillRequest:
    """What is asked of a gap.

    Attributes:
        score: the whole piece, with what stands in the gap now.
        span: the gap.
        kept: notes that stay inside it; one that is held into it stays anyway.
        what: "melody", "rhythm" (pitches stay, in order) or "pitches" (the rhythm stays).
        candidates: that are drawn.
        temperature: of the draws.
        like: bars that the gap should be like; None for none.
        style: of the piece; "" for unknown.
        seed: of all draws.
    """

    score: Score
    span: Span
    kept: Sequence[Note] = ()
    what: str = "melody"
    candidates: int = 32
    temperature: float = 1.0
    like: Span | None = None
    style: str = ""
    seed: int = 0


@dataclass(frozen=True)
class Candidate:
    """One candidate.

    Attributes:
        score: the piece with it.
        notes: of the gap, kept ones included.
        log_weight: by which it is drawn: log likelihood in nats of what follows (see the module), and of what
            the kept notes left, less what is unlike the piece.
        log_likelihood: of what follows alone.
        number: of the draw.
        echoes: whether a rhythm from behind the gap was given (`echoes`).
    """

    score: Score
    notes: tuple[Note, ...]
    log_weight: float
    log_likelihood: float
    number: int
    echoes: bool = False


def fill(model: Model, request: FillRequest) -> list[Candidate]:
    """Candidates of a gap, in the order in which they are drawn by weight: the first ones are to be taken.

    All differ from each other and from what stands there now.

    Args:
        model: with a melody stage.
        request: what is asked.
    """
    score = request.score if request.score.form else replace(request.score, form=find_form(request.score))
    crossing = [note for note in score.melody if note.onset < request.span.begin < note.end]
    held = [note for note in crossing if note not in request.kept]
    request = replace(request, score=score, kept=[*held, *request.kept])
    config, params = melody_stage(model)
    columns = melody_columns_of(score, request.style)
    ids = codec.encode_ids(score)
    lines = np.flatnonzero(np.asarray(ids) == tokens.BAR)
    first = int(lines[request.span.first])
    bars = request.span.bars
    # One size serves both the draws and the weighing.
    steps = round_up((bars + BARS_BEHIND) * EVENTS_A_BAR, 64)
    past = _past(config, params, columns, first, steps)
    rows = round_up(request.candidates, 8)
    proposed = [Proposal()]
    if request.what == "melody" and request.like is None:
        proposed = proposals(score, request.span, request.kept)
    numbers = proposal_of_rows(len(proposed), rows)
    gap = _gap(model, request, columns, proposed, numbers)
    keys = row_keys(np.uint32(request.seed), STAGE, np.arange(rows, dtype=np.int32))
    tied = any(note.end == request.span.begin for note in score.melody)
    state = STATE_BAR_TIE if crossing or tied else STATE_BAR
    settings = Settings(np.float32(request.temperature), np.int32(0), np.float32(MELODY_TOP_P), None)
    said, lost, full = draw_gap(
        config, rows, steps, params, gap, past, np.int32(first),
        (np.int32(state), np.bool_(bool(crossing))), keys, settings,
    )  # fmt: skip
    found = _different(request, np.asarray(said)[: request.candidates], np.asarray(full))
    if request.what == "rhythm":  # all pitches are to be sung again, where that can be
        wanted = len(notes_in(score, request.span))
        found = [each for each in found if len(each[1]) == wanted] or found
    if not found:
        return []
    scores = [with_notes(score, request.span, notes) for _, notes in found]
    behind = _likelihoods(model, request, scores, past, first, rows, steps)
    given = given_weight(numbers[: request.candidates], np.asarray(lost, np.float64)[: request.candidates])
    weights = behind + given[[number for number, _ in found]]
    weights -= [unlike(score, notes) for _, notes in found]
    if request.what == "rhythm":
        weights -= MISSING * np.array([abs(wanted - len(notes)) for _, notes in found])
    candidates = [
        Candidate(each, notes, float(weight), float(likely), number, bool(numbers[number]))
        for each, (number, notes), weight, likely in zip(scores, found, weights, behind, strict=True)
    ]
    return [candidates[place] for place in by_weight(weights, [number for number, _ in found], request.seed)]


def weight_of_own(model: Model, request: FillRequest) -> float:
    """The log likelihood in nats of what follows the gap behind what stands in it now, as for candidates."""
    score = request.score if request.score.form else replace(request.score, form=find_form(request.score))
    request = replace(request, score=score)
    config, params = melody_stage(model)
    columns = melody_columns_of(score, request.style)
    lines = np.flatnonzero(columns.fields["event_ids"] == tokens.BAR)
    first = int(lines[request.span.first])
    steps = round_up((request.span.bars + BARS_BEHIND) * EVENTS_A_BAR, 64)
    past = _past(config, params, columns, first, steps)
    rows = round_up(request.candidates, 8)
    return float(_likelihoods(model, request, [score], past, first, rows, steps)[0])


def by_weight(log_weights: np.ndarray, numbers: Sequence[int], seed: int) -> list[int]:
    """Places of all candidates, drawn one after the other by weight, without repetition (Gumbel's trick)."""
    noise = np.random.default_rng([seed, 11]).gumbel(size=max(numbers, default=0) + 1)
    return [int(place) for place in np.argsort(-(log_weights + noise[list(numbers)]), kind="stable")]


def _past(config: Any, params: Any, columns: MelodyColumns, first: int, steps: int) -> Any:
    """The cache of one row with the events before the gap, and with room for those of the gap."""
    begin = max(0, first - PAST)
    length = room(first - begin, PAST, 128)
    slots = length + steps
    batch = {
        name: left_padded([values[begin:first]], length, MELODY_PADDING.get(name, 0))
        for name, values in columns.fields.items()
    }
    batch |= {name: np.full(1, value, np.int32) for name, value in columns.row.items()}
    cache = empty_cache(config, 1, slots, min(config.repeats, slots))
    return read_melody(config, params, batch, cache)


def _gap(
    model: Model,
    request: FillRequest,
    columns: MelodyColumns,
    proposed: Sequence[Proposal],
    numbers: np.ndarray,
) -> Gap:
    """What the loop knows of the gap; `numbers` are those of the rows' proposals."""
    score, span = request.score, request.span
    lines = np.array(bar_spans(score)[span.first : span.last])
    begins, lengths = lines[:, 0], lines[:, 1]
    size = round_up(span.bars, 4)
    harmony = Harmony.of_beats(*harmony_of_beats(score))
    ticks = begins[:, None] + np.minimum(np.arange(TICKS), lengths[:, None])
    table = np.stack(harmony.at(ticks), axis=-1)
    inside = [note for note in score.melody if span.begin <= note.onset < span.end]
    kept = [(note.onset, note.end, note.pitch) for note in request.kept]
    keeps_rhythm = request.what == "pitches"
    if keeps_rhythm:
        fixed = {note.onset for note in request.kept}
        kept += [(n.onset, min(n.end, span.end), ANY_PITCH) for n in inside if n.onset not in fixed]
    each = [
        gap_tables(lengths, begins, [*kept, *own.notes], range(span.bars) if keeps_rhythm else own.bars)
        for own in proposed
    ]
    each += [each[0]] * (PROPOSALS - len(each))
    pitches = np.zeros(0, np.int32)
    if request.what == "rhythm":
        pitches = np.full(round_up(max(1, len(inside)), 16), -1, np.int32)
        pitches[: len(inside)] = [note.pitch for note in inside]

    def padded(values: np.ndarray, axis: int = 0) -> np.ndarray:
        widths = [(0, size - values.shape[axis] if place == axis else 0) for place in range(values.ndim)]
        return np.pad(values, widths, mode="edge")

    about = {name: np.int32(value) for name, value in columns.row.items()}
    for name, by in ((LOW, -WIDER), (HIGH, WIDER)):
        if about[name] >= 0:
            about[name] = np.int32(about[name] + by)
    return Gap(
        mask=gap_mask(score.meter.bar_ticks),
        bars=np.int32(span.bars),
        bar_ticks=np.int32(score.meter.bar_ticks),
        lengths=padded(lengths).astype(np.int32),
        harmony=padded(table).astype(np.int32),
        outline=_outlines(model, request, size),
        proposal=numbers,
        **{name: padded(np.stack([own[name] for own in each]), axis=1) for name in each[0]},
        pitches=pitches,
        about=about,
    )


def _outlines(model: Model, request: FillRequest, size: int) -> np.ndarray:
    """The plan of the gap, and of the bar behind it, for each candidate: `[rows, size + 1, columns]`.

    What the bars do is drawn for each, as for pieces that are composed; but they sound, and do not come back
    unchanged.
    """
    score, span = request.score, request.span
    ids = np.asarray(codec.encode_ids(score))
    clocks = np.asarray(codec.encode(score)["bar_phase"])
    bars = len(bar_spans(score))
    plan = outline(form_values(score.form), bars, max(melody_end(ids), span.last))
    plan = described(plan, ids, clocks, score.meter.bar_ticks)
    returns, reuse, breath = (COLUMNS.index(name) for name in MELODY_COLUMNS)
    back = COLUMNS.index(BACK)
    rows = round_up(request.candidates, 8)
    found = np.zeros((rows, size + 1, len(COLUMNS)), np.int32)
    begin, behind = max(0, span.first - 8), min(span.last + 1, bars)
    tables = model.tables.outlines
    for row in range(rows):
        own = plan[begin:behind].copy()
        gap = own[span.first - begin : span.last - begin]
        if request.like is not None:
            for place in range(span.bars):
                source = request.like.first + place % request.like.bars
                gap[place, back] = max(0, span.first + place - source)
        if tables is not None and request.what not in ("pitches", "rhythm"):
            rng = np.random.default_rng([request.seed, row, 5])
            own = tables.draw(own, request.style, rng)
            gap = own[span.first - begin : span.last - begin]
            gap[gap[:, breath] == BREATH_SILENT, breath] = BREATH_NONE
        else:
            gap[:, [reuse, breath]] = 0
        last = np.arange(span.bars) >= span.bars - max(1, span.bars // 2)
        alike = RETURN_RHYTHM if request.like is not None else RETURN_FREE
        gap[:, returns] = np.where(gap[:, back] > 0, np.where(last, RETURN_FREE, alike), gap[:, returns])
        if behind > span.last:
            own[-1] = plan[span.last]
        found[row, : len(own) - (span.first - begin)] = own[span.first - begin :]
    return found


def _different(
    request: FillRequest, said: np.ndarray, full: np.ndarray
) -> list[tuple[int, tuple[Note, ...]]]:
    """Number and notes of the candidates that are whole, each once, without what stands there now."""
    score, span = request.score, request.span
    seen = {_shape(notes_in(score, span))}
    before = [note for note in score.melody if note.onset < span.begin]
    velocity = (before[-1] if before else score.melody[0]).velocity if score.melody else 80
    kept = {(note.onset, note.pitch): note for note in request.kept}
    old = [note for note in score.melody if span.begin <= note.onset < span.end]
    found = []
    for number, row in enumerate(said):
        if not full[number]:
            continue
        events = row[row != tokens.PAD].tolist()
        line = codec.decode([tokens.BOS, tokens.BAR, *events, tokens.EOS], score.meter)
        notes = []
        for place, note in enumerate(line.notes):
            loud = velocity
            if request.what in ("pitches", "rhythm") and place < len(old):
                loud = old[place].velocity
            moved = replace(note, onset=note.onset + span.begin, velocity=loud)
            moved = replace(moved, duration=min(moved.end, span.end) - moved.onset)
            notes.append(kept.get((moved.onset, moved.pitch), moved))
        own = tuple(notes)
        if _shape(own) not in seen and own and _keeps(request, own):
            seen.add(_shape(own))
            found.append((number, own))
    return found


def _keeps(request: FillRequest, notes: Sequence[Note]) -> bool:
    """Whether notes of the gap are with all that stays, and none sounds with another."""
    begin, end = request.span.begin, request.span.end
    held = [note.end for note in request.kept if note.onset < begin]
    lines = [(0, max(held, default=begin)), *((note.onset, note.end) for note in notes)]
    apart = all(one[1] <= other[0] for one, other in pairwise(lines))
    inside = [note for note in request.kept if begin <= note.onset < end]
    return apart and all(note in notes for note in inside)


def _shape(notes: Sequence[Note]) -> tuple[tuple[int, int, int], ...]:
    return tuple((note.onset, note.duration, note.pitch) for note in notes)


def notes_in(score: Score, span: Span) -> tuple[Note, ...]:
    """The notes that begin in a span."""
    return tuple(note for note in score.melody if span.begin <= note.onset < span.end)


def with_notes(score: Score, span: Span, notes: Sequence[Note]) -> Score:
    """The score with other notes in a span; a note that is held into it stays."""
    before = [note for note in score.melody if note.onset < span.begin]
    behind = [note for note in score.melody if note.onset >= span.end]
    return replace(score, melody=(*before, *notes, *behind))


def _likelihoods(
    model: Model,
    request: FillRequest,
    scores: Sequence[Score],
    past: Any,
    first: int,
    rows: int,
    steps: int,
) -> np.ndarray:
    """The log likelihood of what follows the gap in each score, float64 `[scores]`."""
    config, params = melody_stage(model)
    span = request.span
    if span.last >= len(bar_spans(request.score)):
        return np.array([ending_weight(model, request.style, score) for score in scores])
    inputs: list[dict[str, np.ndarray]] = []
    targets, counted = [], []
    about = melody_columns_of(request.score, request.style).row
    for score in scores:
        columns = melody_columns_of(score, request.style)
        ids = np.append(columns.fields["event_ids"], tokens.EOS)
        lines = np.append(np.flatnonzero(ids == tokens.BAR), len(ids) - 1)
        begin, end = int(lines[span.last]), int(lines[min(span.last + BARS_BEHIND, len(lines) - 1)])
        part = {name: values[first : end - 1].copy() for name, values in columns.fields.items()}
        for name in MELODY_COLUMNS:  # what these bars do depends on the candidate: not told
            part[name][begin - first :] = 0
        inputs.append(part)
        own = columns.targets[first : end - 1]
        targets.append(own)
        loud = (own >= tokens.VEL0) & (own < tokens.DUR0)
        counted.append((np.arange(first, end - 1) >= begin) & ~loud)
    size = room(max(map(len, targets)), steps, 64)

    def stacked(values: Sequence[np.ndarray], fill: int) -> np.ndarray:
        table = np.full((rows, size), fill, np.int32)
        for row, own in zip(table, values, strict=False):
            row[: min(size, len(own))] = own[:size]
        return table

    batch = {name: stacked([one[name] for one in inputs], MELODY_PADDING.get(name, 0)) for name in inputs[0]}
    batch |= {name: np.full(rows, value, np.int32) for name, value in about.items()}
    each = np.asarray(weigh(config, rows, params, past, batch, stacked(targets, tokens.PAD)), np.float64)
    return np.array(
        [each[row, : len(own)][own[:size]].sum() for row, own in enumerate(mask[:size] for mask in counted)]
    )
