"""Melodies of many pieces at once, a call of the compiled loop at a time; see `melody`."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hrpe_jax.codec import backbone, vocabulary
from hrpe_jax.codec import backbone_tokens as chord_ids
from hrpe_jax.codec import melody as codec
from hrpe_jax.codec import melody_tokens as tokens
from hrpe_jax.codec.backbone import MAX_TICKS_TO_NEXT
from hrpe_jax.codec.columns import ATTRIBUTES, MELODY_FIELDS, MELODY_PADDING
from hrpe_jax.codec.melody_tokens import tempo_bin
from hrpe_jax.codec.plan import COLUMNS, by_event
from hrpe_jax.data.batches import melody_song
from hrpe_jax.data.chord_counts import ChordCounts
from hrpe_jax.models.cache import capacity
from hrpe_jax.models.config import MelodyModelConfig
from hrpe_jax.sampling.chord_beats import avoid_table, beat_table
from hrpe_jax.sampling.form_input import Form
from hrpe_jax.sampling.logits import Settings, row_keys
from hrpe_jax.sampling.melody_loop import (
    RECENT,
    STAGE,
    Clock,
    Plan,
    Record,
    Said,
    Sections,
    State,
    Window,
    empty_cache,
    hear,
    mask_table,
    max_events,
    read_melody,
    run_melody,
    start_clock,
)
from hrpe_jax.sampling.planner import PiecePlan, melody_columns
from hrpe_jax.sampling.sizes import drop, grow, left_padded, remember_all, remembered, room, round_up
from hrpe_jax.score.form import Section
from hrpe_jax.score.score import Score

_BEATS = chord_ids.MAX_BEATS_PER_BAR
FEW, ROOM = 16, 256
"""For so few rows a small cache saves less time than it takes to load the program for the next larger one."""


@dataclass(frozen=True)
class Request:
    """What melodies are asked for.

    Attributes:
        bars: of every piece.
        tempo: quarter notes a minute.
        silent_bars: how many whole bars in a row may be silent.
        form: sections that come again, or None.
        prefix: events that every piece begins with; BOS alone for none.
        opening: the music of the prefix, whose bars may be short; None for none.
        segment: events of a segment in training.
        plans: what is planned of each piece, or None where nothing is.
        heard: notes of training melodies over each chord; None for a model without counts.
    """

    bars: int
    tempo: float
    silent_bars: int
    form: Form | None
    prefix: Sequence[int]
    opening: Score | None
    segment: int
    plans: Sequence[PiecePlan] | None = None
    heard: ChordCounts | None = None


def melodies(
    config: MelodyModelConfig,
    params: Any,
    request: Request,
    chords: Sequence[Sequence[int]],
    numbers: Sequence[int],
    seed: int,
    settings: Settings,
    steps: int | None = None,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Draws a melody over each piece's chords.

    Args:
        config: of the model, unrolled.
        params: likewise.
        request: what is asked of every piece.
        chords: backbone tokens of each piece, BOS to EOS.
        numbers: of the pieces; each draws by its own.
        seed: of all draws.
        settings: of the draws.
        steps: events of a call, at most; None for a segment.

    Yields:
        Events `[pieces, n]` and their log probabilities, call by call; what follows the prefix, `PAD` behind
        EOS.
    """
    count, rows = len(numbers), round_up(len(numbers), 1)
    chords = [tuple(ids) for ids in (*chords, *[chords[0]] * (rows - count))]
    score_by_chords = {ids: score_of(ids, request.opening) for ids in set(chords)}
    table_by_chords = {ids: beat_table(score) for ids, score in score_by_chords.items()}
    scores, tables = [score_by_chords[ids] for ids in chords], [table_by_chords[ids] for ids in chords]
    if request.plans is not None:  # rows that only fill the shape have that of the first
        request = replace(request, plans=[*request.plans, *[request.plans[0]] * (rows - count)])
    styles = [""] * rows if request.plans is None else [plan.attributes.style for plan in request.plans]
    avoid = [
        avoid_table(table, score.key, style, request.heard)
        for table, score, style in zip(tables, scores, styles, strict=True)
    ]
    plan = melody_plan(scores, request)
    keys = row_keys(np.uint32(seed), STAGE, np.pad(np.asarray(numbers, np.int32), (0, rows - count)))
    size = rows // shares(rows)
    running = []
    for first in range(0, count, size):
        part = slice(first, first + size)
        running.append(
            _calls(
                config, params, request, plan_of_rows(plan, part), scores[part], tables[part],
                avoid[part], min(count - first, size), keys[part], settings, steps,
            )
        )  # fmt: skip
    with ExitStack() as stack:
        # What one thread asks of a CPU is done in turns, so each part has a thread that asks for it.
        threads = [stack.enter_context(ThreadPoolExecutor(1)) for _ in running]
        asking = Lock()  # what is compiled for one part serves the others

        def ask(calls: Iterator[tuple[Said, int]]) -> tuple[Said, int] | None:
            with asking:
                return next(calls, None)

        while True:
            asked = [thread.submit(ask, calls) for thread, calls in zip(threads, running, strict=True)]
            under_way = [future.result() for future in asked]
            length = max((limit for _, limit in filter(None, under_way)), default=0)
            if not length:
                return
            ids = np.full((len(running) * size, length), tokens.PAD, np.int32)
            chances = np.zeros(ids.shape, np.float32)
            for number, call in enumerate(under_way):
                if call is not None:
                    part = slice(number * size, (number + 1) * size)
                    ids[part] = np.asarray(call[0].ids)[:, :length]
                    chances[part] = np.asarray(call[0].log_probability)[:, :length]
            yield ids[:count], chances[:count]


def shares(rows: int) -> int:
    """Into how many equal parts a batch is cut, each with a loop of its own.

    On a CPU a step keeps one core busy, whatever the number of rows: its operations are too small to be
    divided. So each core gets rows of its own; other devices take all rows at once.
    """
    if jax.default_backend() != "cpu":
        return 1
    return math.gcd(rows, 1 << (cores().bit_length() - 1))


def cores() -> int:
    """That this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _calls(
    config: MelodyModelConfig,
    params: Any,
    request: Request,
    plan: Plan,
    scores: Sequence[Score],
    tables: Sequence[np.ndarray],
    avoid: Sequence[np.ndarray],
    wanted: int,
    keys: jax.Array,
    settings: Settings,
    steps: int | None,
) -> Iterator[tuple[Said, int]]:
    """Calls the loop until all rows have ended; gives what a call writes, and how much, without waiting."""
    state = start(config, params, request, plan, scores, wanted)
    most, segment = config.memory + request.segment, request.segment
    slot = int(state.cache.events.slot)
    in_segment = segment if slot else 0  # what was read ended with a segment
    while True:
        events = state.cache.events
        slots = capacity(state.cache.events)
        if in_segment == segment and slot > config.memory:
            events = drop(remember_all(config, events), np.int32(slot - config.memory))
            state = _with_cache(state, events)
            slot = config.memory
        in_segment %= segment
        if slot == slots:
            more = room(slots + 1, most)
            events = grow(state.cache.events, more, remembered(config, more, most))
            state = _with_cache(state, events)
            slots = capacity(state.cache.events)
        limit = min(slots - slot, segment - in_segment, steps or segment)
        window = window_of(state, tables, avoid, scores, request)
        state, said = run_melody(
            config, segment, params, plan, window, state, np.int32(limit), keys, settings
        )
        yield said, limit
        slot, in_segment = slot + limit, in_segment + limit
        if (np.asarray(state.clock.state) == vocabulary.STATE_END).all():
            return


def score_of(
    ids: Sequence[int],
    opening: Score | None = None,
    *,
    id: str = "",
    title: str = "",
    tempo_bpm: float = 120.0,
    form: Iterable[Section] = (),
) -> Score:
    """The chords of a piece as music.

    Args:
        ids: backbone tokens.
        opening: a prime that is continued, whose bars may be short.
        id: of the score.
        title: of the score.
        form: its sections.
        tempo_bpm: quarter notes a minute.

    Returns:
        A score without melody.
    """
    resets = None if opening is None else opening.bar_resets
    return backbone.decode(ids, bar_resets=resets, id=id, title=title, tempo_bpm=tempo_bpm, form=form)


def melody_plan(scores: Sequence[Score], request: Request) -> Plan:
    """What the sampler is told of pieces with these chords."""
    meters = sorted({score.meter.bar_ticks for score in scores})
    masks: Any = np.stack([mask_table(ticks) for ticks in meters])
    # Takes of a piece may have two meters; one of them alone is no reason to compile another program.
    masks = np.pad(masks, ((0, round_up(len(meters), 2) - len(meters)), (0, 0), (0, 0), (0, 0)))

    def column(values: Any) -> np.ndarray:
        return np.fromiter(values, np.int32, len(scores))

    tempos = [request.tempo] * len(scores)
    if request.plans is not None:
        tempos = [plan.attributes.tempo or request.tempo for plan in request.plans]
    outline, attributes = melody_columns(request.plans, len(scores), round_up(request.bars, 16))
    return Plan(
        masks=masks,
        sections=None if request.form is None else _sections(request.form),
        meter=column(meters.index(score.meter.bar_ticks) for score in scores),
        key=column(score.key.index for score in scores),
        meter_num=column(score.meter.numerator for score in scores),
        meter_den=column(score.meter.denominator for score in scores),
        tempo_bin=column(map(tempo_bin, tempos)),
        bar_ticks=column(score.meter.bar_ticks for score in scores),
        beat_ticks=column(score.meter.beat_ticks for score in scores),
        bars=column(request.bars for _ in scores),
        silent_bars=column(request.silent_bars for _ in scores),
        outline=outline,
        attributes=attributes,
    )


def plan_of_rows(plan: Plan, part: slice) -> Plan:
    """The plan of some of its rows."""
    return Plan(plan.masks, plan.sections, *(column[part] for column in plan[2:]))


def _sections(form: Form) -> Sections:
    size = round_up(form.bars, 16)
    source, fresh, sounds = np.full(size, -1, np.int32), np.zeros(size, bool), np.zeros(size, bool)
    source[: form.bars] = form.melody_sources()
    fresh[[section.first for section in form.sections]] = True
    # The last bar must sound, and so must the bar that it repeats.
    sounds[max(source[form.bars - 1], 0) if source[form.bars - 1] >= 0 else form.bars - 1] = True
    return Sections(source, fresh, sounds)


def window_of(
    state: State,
    tables: Sequence[np.ndarray],
    avoid: Sequence[np.ndarray],
    scores: Sequence[Score],
    request: Request,
) -> Window:
    """The beats that a call may reach: no event begins more than one bar, and a silent bar takes two.

    Args:
        state: where the rows are.
        tables: of the beats of each.
        avoid: what avoid notes lose on them.
        scores: with the chords.
        request: what is asked of the pieces.
    """
    size = (request.segment // 2 + 2) * _BEATS
    harmony = np.empty((len(tables), size, 3), np.int32)
    harmony[:] = chord_ids.NO_CHORD0, chord_ids.NO_CHORD0, MAX_TICKS_TO_NEXT + 72
    nats = np.zeros((len(tables), size), np.float32)
    now = np.maximum(np.asarray(state.clock.bars) - 1, 0)
    for row, (table, score) in enumerate(zip(tables, scores, strict=True)):
        # Bars are regular from the prefix's last one on: counted from the end, short ones do not matter.
        per_bar = score.meter.beats_per_bar
        begin = max(len(table) - (request.bars - int(now[row])) * per_bar, 0)
        part = table[begin : begin + size]
        harmony[row, : len(part)] = part
        nats[row, : len(part)] = avoid[row][begin : begin + size]
    return Window(harmony, nats, now.astype(np.int32))


def _with_cache(state: State, events: Any) -> State:
    return state._replace(cache=state.cache._replace(events=events))


def start(
    config: MelodyModelConfig,
    params: Any,
    request: Request,
    plan: Plan,
    scores: Sequence[Score],
    wanted: int,
) -> State:
    """All but the last event of the prefix are in the cache; rows that only fill the shape have ended."""
    prefix = [int(event) for event in request.prefix]
    clock = Clock(*(part[0] for part in start_clock(1, xp=np)))
    for event in prefix:
        clock = hear(clock, event, xp=np)
    rows, known = len(scores), len(prefix) - 1
    chunks = -(-known // request.segment)
    most = config.memory + request.segment
    slots = most if chunks else room(ROOM if rows <= FEW else 1, most)
    cache = empty_cache(config, rows, slots, remembered(config, slots, most))
    for number in range(chunks):
        slot = int(cache.events.slot)
        if slot > config.memory:
            cache = cache._replace(events=drop(cache.events, np.int32(slot - config.memory)))
        first = known - (chunks - number) * request.segment
        cache = read_melody(config, params, _columns(request, plan, scores, first), cache)
    ended = np.arange(rows) >= wanted
    said: Any = None
    if request.form is not None:
        longest = max_events(request.form.bars, max(score.meter.bar_ticks for score in scores))
        said = Record(
            np.full((rows, round_up(longest, 64)), tokens.PAD, np.int32),
            np.zeros((rows, round_up(request.form.bars, 16)), np.int32),
        )
    pitches = [event for event in prefix if event < tokens.PITCHES][-RECENT:]
    state = State(
        place=np.int32(known),
        event=np.where(ended, tokens.EOS, prefix[-1]).astype(np.int32),
        clock=Clock(*(np.full(rows, part) for part in clock))._replace(
            state=np.where(ended, vocabulary.STATE_END, clock.state).astype(np.int32)
        ),
        recent=left_padded([pitches] * rows, RECENT, tokens.PAD),
        record=said,
        cache=cache,
    )
    return jax.tree.map(jnp.asarray, state)


def _columns(request: Request, plan: Plan, scores: Sequence[Score], first: int) -> dict[str, Any]:
    """A segment of the prefix, over each row's own chords and plan: what follows next may differ."""
    assert request.opening is not None
    batch: dict[str, list[Any]] = {name: [] for name in MELODY_FIELDS}
    for score, outline in zip(scores, np.asarray(plan.outline), strict=True):
        whole = Score(
            "", "", score.key, score.meter, request.tempo, request.opening.melody, score.chords,
            bar_resets=score.bar_resets,
        )  # fmt: skip
        fields = melody_song(codec.encode(whole)).fields.copy()
        bar = np.cumsum(fields[0] == tokens.BAR) - 1
        line = bar + (fields[MELODY_FIELDS.index("bar_phase")] >= score.meter.bar_ticks)
        fields[-len(COLUMNS) :] = by_event(outline[:-1], bar, line)
        for name, values in zip(MELODY_FIELDS, fields, strict=True):
            batch[name].append(values[max(first, 0) : first + request.segment])
    fills = MELODY_PADDING
    columns: dict[str, Any] = {
        name: left_padded(values, request.segment, fills.get(name, 0))
        for name, values in batch.items()
        if name not in ("target_ids", "next_root_pc", "next_quality_code")
    }
    columns |= {name: getattr(plan, name) for name in ("key", "meter_num", "meter_den", "tempo_bin")}
    return columns | {name: plan.attributes[:, number] for number, name in enumerate(ATTRIBUTES)}
