"""Chords of many pieces at once: stretches of candidates, of which one each is kept; see `backbone`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hrpe_jax.codec import backbone
from hrpe_jax.codec import backbone_tokens as tokens
from hrpe_jax.models.config import BackboneModelConfig
from hrpe_jax.sampling.backbone_loop import (
    BEATS_PER_BAR,
    FREE,
    RECENT,
    STAGE,
    UNKNOWN,
    Plan,
    State,
    empty_cache,
    features,
    read_backbone,
    run_backbone,
    spread,
)
from hrpe_jax.sampling.logits import Settings, row_keys
from hrpe_jax.sampling.planner import PiecePlan, backbone_columns
from hrpe_jax.sampling.programs import stored_jit
from hrpe_jax.sampling.sizes import drop, grow, left_padded, remember_all, remembered, room, round_up

STEPS = 128  # tokens written by one call of the compiled loop, at most
NO_STOP = 2**30
LEAD_BARS = 4
"""Bars before what is locked, or before the end, of which candidates are drawn: a cadence fits in."""
FEW = 64
"""So many rows say the same sooner than a loop for fewer rows is compiled."""
_SMALLEST = 64  # room of the first cache


@dataclass(frozen=True)
class Request:
    """What chords are asked for.

    Attributes:
        key: token, or `FREE`.
        keys: bool `[24]`, which may be drawn where none is asked for.
        meter: token, or `FREE`.
        locks: one-beat tokens of the beats that are locked, `FREE` elsewhere.
        sources: of bars, see `Plan`; None without a form.
        prefix: tokens that the piece begins with, BOS first.
        phases: beat of the bar at each beat of the prefix's music, where bars may be short.
        offset: beats before regular bars begin.
        bars: regular bars after them.
        candidates: of every stretch that ends before something locked, or at the end.
        window: events that the model was trained to look back at.
        first_bar: number of the first regular bar in the piece.
        plans: what is planned of each piece, or None where nothing is.
    """

    key: int
    keys: np.ndarray
    meter: int
    locks: list[int]
    sources: list[int] | None
    prefix: list[int]
    phases: list[int]
    offset: int
    bars: int
    candidates: int
    window: int
    first_bar: int = 0
    plans: Sequence[PiecePlan] | None = None


class Stretch(NamedTuple):
    """What is drawn before the next choice.

    Attributes:
        stop: beat at which it ends; a negative one counts bars back from the end.
        chosen: whether several candidates are drawn of it; else one, since nothing in it tells them apart.
    """

    stop: int
    chosen: bool


def stretches(locks: Sequence[int], repeats: Sequence[bool], begin: int, lead: int) -> list[Stretch]:
    """What is drawn one after the other: candidates up to where a run of locked beats ends that has free ones
    before it, or up to the end, but only of so many beats before what is locked, or before the end.

    Args:
        locks: of the beats, `FREE` where nothing is locked.
        repeats: for each beat, whether it repeats an earlier bar.
        begin: beats that are said already.
        lead: beats.
    """
    found: list[Stretch] = []
    free_from = due = None  # the first free beat of this stretch, and the first locked one behind it

    def end(stop: int, due: int) -> None:
        if free_from is not None and due - lead > max(free_from, begin):
            found.append(Stretch(due - lead, False))
        found.append(Stretch(stop, True))

    for beat, lock in enumerate(locks):
        if lock != FREE or repeats[beat]:
            due = beat if due is None and free_from is not None else due
            continue
        if due is not None:
            end(beat, due)
            free_from = due = None
        free_from = beat if free_from is None else free_from
    end(NO_STOP, len(locks) if due is None else due)
    return found


def sample_chords(
    config: BackboneModelConfig,
    params: Any,
    request: Request,
    numbers: Sequence[int],
    seed: int,
    settings: Settings,
) -> tuple[list[list[int]], list[float]]:
    """The chord tokens of pieces, BOS to EOS, and the mean negative log likelihood of what was drawn.

    Args:
        config: of the model, unrolled.
        params: likewise.
        request: what is asked of every piece.
        numbers: of the pieces; each draws by its own.
        seed: of all draws.
        settings: of the draws.
    """
    rows = round_up(len(numbers), 1)
    padded = [*numbers, *[numbers[0]] * (rows - len(numbers))]
    pieces = [list(request.prefix) for _ in padded]
    if request.plans is not None:  # rows that only fill the shape have that of the first
        plans = [*request.plans, *[request.plans[0]] * (rows - len(numbers))]
        request = replace(request, plans=plans)
    costs: list[list[float]] = [[] for _ in padded]
    keys, choices = _keys(np.uint32(seed), np.asarray(padded, np.int32), request.candidates)
    apart = 0
    for number, stretch in enumerate(_plan_stretches(request)):
        if not stretch.chosen and len(pieces) * request.candidates <= FEW:
            apart = stretch.stop  # candidates of the next stretch begin here, and say this all alike
            continue
        drawn, chances, weights = _draw(config, params, request, pieces, stretch, apart, keys, settings)
        apart = 0
        if stretch.chosen and stretch.stop == NO_STOP and request.plans is not None:
            weights = _ends_as_planned(weights, drawn, pieces, request.plans)
        chosen = np.asarray(choose(choices, weights, np.int32(number)))
        for piece, cost, candidates, prices, best in zip(pieces, costs, drawn, chances, chosen, strict=True):
            piece += candidates[best if stretch.chosen else 0]
            cost += prices[best if stretch.chosen else 0]
    done = [backbone.encode_ids(backbone.decode(piece)) if request.sources else piece for piece in pieces]
    nats = [-float(np.mean(cost)) if cost else 0.0 for cost in costs]
    return done[: len(numbers)], nats[: len(numbers)]


def _ends_as_planned(
    weights: np.ndarray,
    drawn: Sequence[Sequence[Sequence[int]]],
    pieces: Sequence[Sequence[int]],
    plans: Sequence[PiecePlan],
) -> np.ndarray:
    """The log weights of candidates, those left out whose last bar is not as planned, where some are.

    A piece ends on the tonic chord where that is the last one, and fills more than half of the last bar.
    """
    kept = weights.copy()
    for row, (piece, plan) in enumerate(zip(pieces, plans, strict=True)):
        if plan.ending is None:
            continue
        wrong = np.zeros(len(weights[row]), bool)
        for number, candidate in enumerate(drawn[row]):
            said = [*piece, *candidate]
            tonic, per_bar = (said[1] - tokens.KEY0) % 12, int(BEATS_PER_BAR[said[2]])
            last_bar = tokens.ROOT[_harmony(said)[-per_bar:]] == tonic
            over_tonic = bool(last_bar[-1]) and 2 * int(last_bar.sum()) > per_bar
            wrong[number] = over_tonic != bool(plan.ending.over_tonic)
        if not wrong.all():
            kept[row, wrong] = -np.inf
    return kept


def _plan_stretches(request: Request) -> list[Stretch]:
    all_free = all(lock == FREE for lock in request.locks) and not request.sources
    per_bar = int(BEATS_PER_BAR[request.meter]) if request.meter != FREE else 0
    if not per_bar:  # each row has a meter of its own; a form's bars are not yet counted in beats
        approach = [Stretch(-LEAD_BARS, False)] if all_free and request.bars > LEAD_BARS else []
        return [*approach, Stretch(NO_STOP, True)]
    beats = request.offset + request.bars * per_bar
    locks = [*request.locks, *[FREE] * (beats - len(request.locks))]
    sources = request.sources or []
    repeats = [
        beat >= request.offset
        and (bar := (beat - request.offset) // per_bar) < len(sources)
        and sources[bar] >= 0
        for beat in range(beats)
    ]
    return stretches(locks, repeats, request.offset, LEAD_BARS * per_bar)


def _draw(
    config: BackboneModelConfig,
    params: Any,
    request: Request,
    pieces: Sequence[Sequence[int]],
    stretch: Stretch,
    apart: int,
    keys: Any,
    settings: Settings,
) -> tuple[list[list[list[int]]], list[list[list[float]]], np.ndarray]:
    """Candidates of each piece's next stretch, log probabilities of their tokens, and log weights."""
    stop, count = stretch.stop, request.candidates
    if not stretch.chosen:
        keys, count = keys.reshape(len(pieces), count)[:, 0], 1
    rows = count * len(pieces)
    firsts = np.arange(rows, dtype=np.int32) // count * count
    plan = plan_of(request, rows)
    state = start(config, params, request, plan_of(request, len(pieces)), pieces)
    if count > 1:
        state = spread(state, count)
    drawn: list[list[int]] = [[] for _ in range(rows)]
    chances: list[list[float]] = [[] for _ in range(rows)]
    slot = int(state.cache.slot)
    most = max(_SMALLEST, round_up(request.window, _SMALLEST))
    while True:
        slots = int(state.cache.segments.shape[1]) - config.harmony.reach
        if slot == slots:
            if slots < most:
                more = room(slots + 1, most, _SMALLEST)
                cache = grow(state.cache, more, remembered(config, more, most))
            else:
                cache = drop(remember_all(config, state.cache), np.int32(slots // 2))
                slot -= slots // 2
            state = state._replace(cache=cache)
            continue
        limit = min(STEPS, slots - slot)
        state, said = run_backbone(
            config, STEPS, params, plan, state, np.int32(limit), np.int32(stop), np.int32(apart), keys,
            firsts, settings,
        )  # fmt: skip
        ids, likelihood = np.asarray(said.ids), np.asarray(said.log_probability)
        steps = int((ids != tokens.PAD).any(axis=0).sum())
        slot += steps
        for row in range(rows):
            here = ids[row] != tokens.PAD
            drawn[row] += ids[row, here].tolist()
            chances[row] += likelihood[row, here].tolist()
        if steps < limit or _all_stopped(drawn, state, request, stop):
            break
    weights = np.asarray(state.weight).reshape(len(pieces), count)

    def by_piece(values: list[Any]) -> list[list[Any]]:
        return [values[first : first + count] for first in range(0, len(values), count)]

    return by_piece(drawn), by_piece(chances), weights


def _all_stopped(drawn: list[list[int]], state: State, request: Request, stop: int) -> bool:
    per_bar = np.maximum(BEATS_PER_BAR[np.asarray(state.meter)], 1)
    until = request.offset + (request.bars + stop) * per_bar if stop < 0 else np.full_like(per_bar, stop)
    stopped = np.asarray(state.beats) >= until
    return all(row[-1] == tokens.EOS or stopped[number] for number, row in enumerate(drawn))


def plan_of(request: Request, rows: int) -> Plan:
    """What the compiled loop is told of a request, for so many rows; sizes are rounded up."""
    locks = np.full(round_up(max(1, len(request.locks)), 64), FREE, np.int32)
    locks[: len(request.locks)] = request.locks
    sources = None
    if request.sources is not None:
        sources = np.full(round_up(len(request.sources), 16), -1, np.int32)
        sources[: len(request.sources)] = request.sources
    bars = round_up(max(1, request.first_bar + request.bars), 16)
    outline = backbone_columns(request.plans, rows if request.plans is None else len(request.plans), bars)
    return Plan(
        np.int32(request.key),
        np.asarray(request.keys, bool),
        np.int32(request.meter),
        locks,
        sources,
        np.int32(request.offset),
        np.int32(request.bars),
        np.int32(request.first_bar),
        np.repeat(outline, rows // len(outline), axis=0),  # candidates of a piece stand together
    )


def start(
    config: BackboneModelConfig, params: Any, request: Request, plan: Plan, rows: Sequence[Sequence[int]]
) -> State:
    """Rows that have said these tokens: all but the last are in the cache."""
    columns = [_columns(request, row, outline) for row, outline in zip(rows, plan.outline, strict=True)]
    longest = min(max(len(row) - 1 for row in rows), request.window)
    most = max(_SMALLEST, round_up(request.window, _SMALLEST))
    length = room(longest, most, _SMALLEST) if longest else 0
    slots = room(length + 1, 2 * most, _SMALLEST)
    cache = empty_cache(config, len(rows), slots, remembered(config, slots, most))
    if length:
        # Rows end together, so that they share a slot; padding before them is never attended to.
        fills = {"input_ids": tokens.PAD, "quality_code": tokens.NO_QUALITY_CODE}
        batch = {
            name: left_padded([column[name][:-1][-length:] for column in columns], length, fills.get(name, 0))
            for name in columns[0]
        }
        cache = read_backbone(config, params, batch, cache)

    def column(values: Sequence[int]) -> np.ndarray:
        return np.asarray(values, np.int32)

    said = None
    harmonies = [_harmony(row) for row in rows]
    if request.sources is not None:
        most_beats = round_up(request.offset + request.bars * tokens.MAX_BEATS_PER_BAR, 64)
        said = np.full((len(rows), most_beats), UNKNOWN, np.int32)
        for row, harmony in zip(said, harmonies, strict=True):
            row[: len(harmony)] = harmony
    recent = [[int(tokens.HARMONY[token]) for token in row if tokens.BEATS[token]][-RECENT:] for row in rows]
    state = State(
        place=column([len(row) - 1 for row in rows]),
        event=column([row[-1] for row in rows]),
        key=column([row[1] if len(row) > 1 else 0 for row in rows]),
        meter=column([row[2] if len(row) > 2 else 0 for row in rows]),
        beats=column([len(harmony) for harmony in harmonies]),
        weight=np.zeros(len(rows), np.float32),
        recent=left_padded(recent, RECENT, 0),
        said=said,
        cache=cache,
    )
    return jax.tree.map(jnp.asarray, state)


def _harmony(row: Sequence[int]) -> np.ndarray:
    """One-beat token of every beat that a row has said."""
    ids = np.asarray(row)
    return np.repeat(tokens.HARMONY[ids], tokens.BEATS[ids])


def _columns(request: Request, row: Sequence[int], outline: np.ndarray) -> dict[str, np.ndarray]:
    """The model's inputs for all tokens of a row."""
    ids = np.asarray(row, np.int64)
    beats = np.cumsum(tokens.BEATS[ids], dtype=np.int64)
    key, meter = int(ids[min(1, len(ids) - 1)]), int(ids[min(2, len(ids) - 1)])
    per_bar = max(1, int(BEATS_PER_BAR[meter]))
    phases = (beats - request.offset) % per_bar
    if request.offset:
        of_prime = np.asarray(request.phases)[np.minimum(beats, len(request.phases) - 1)]
        phases = np.where(beats < request.offset, of_prime, phases)
    bar = request.first_bar + np.maximum(beats - request.offset, 0) // per_bar
    if request.offset:
        bars_of_prime = np.cumsum(np.asarray(request.phases) == 0) - 1
        inside = bars_of_prime[np.minimum(beats, len(request.phases) - 1)]
        bar = np.where(beats < request.offset, inside, bar)
    planned = outline[np.clip(bar, 0, len(outline) - 1)]
    return features(
        ids, np.arange(len(ids)), np.full_like(ids, key), np.full_like(ids, meter), phases, planned, xp=np
    )


@stored_jit(static=(2,))
def _keys(seed: Any, numbers: Any, candidates: int) -> tuple[Any, Any]:
    """Random keys: of every candidate of every piece, and of the pieces' choices."""
    pieces = row_keys(seed, STAGE, numbers)

    def of(key: Any) -> Any:
        return jax.vmap(lambda number: jax.random.fold_in(key, number))(jnp.arange(candidates))

    return jax.vmap(of)(pieces).reshape(-1), pieces


@stored_jit()
def choose(keys: Any, weights: Any, block: Any) -> Any:
    """One candidate of each piece, in proportion to exp(weights).

    Args:
        keys: random keys [pieces].
        weights: log weights [pieces, candidates].
        block: number of the draw.
    """

    def one(key: Any, row: Any) -> Any:
        key = jax.random.fold_in(jax.random.fold_in(key, 2**31 - 1), block)
        return jax.random.categorical(key, row)

    return jax.vmap(one)(keys, weights)
