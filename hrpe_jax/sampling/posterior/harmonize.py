"""Chords for a melody that is given: whole pieces, or some of their beats, around chords that are kept.

Several independent particle filters (`chord_filter`) draw chords from the chord stage under the evidence of
the melody (`chord_evidence`). What they agree on, beat by beat, are the *votes*. The first answer is the safe
one: of all that can be put together from the draws, the one that is likely and near to the votes. The others
come from one filter each, by weight, and differ.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from hrpe_jax.analysis.find_form import find_form
from hrpe_jax.checkpoints.release import Model
from hrpe_jax.codec import backbone_tokens as tokens
from hrpe_jax.codec.backbone import harmony_of_beats, run_starts
from hrpe_jax.codec.columns import style_value
from hrpe_jax.codec.plan import BACK, COLUMNS, FORM_COLUMNS, outline
from hrpe_jax.sampling.posterior.chord_evidence import (
    CLASS_OF,
    CLASSES,
    COUNTS_WEIGHT,
    KINDS,
    MELODY_WEIGHT,
    NONE,
    THIRD,
    find_evidence,
    look_ahead,
    restricted,
    smoothed,
)
from hrpe_jax.sampling.posterior.chord_filter import FILTERS, PARTICLES, Drawn, Music, harmony_of, run_filters
from hrpe_jax.score.form import form_values
from hrpe_jax.score.score import BeatGrid, ChordSpan, Score

LABELS = 25
"""Root and third, 2 * root + (1 for a minor third), and no chord: what votes are counted for."""
MODEL_VOTES = 0.0
"""Share of the hidden Markov model in the votes; chosen on validation songs."""
LIKELIER = 8.0
"""So many nats make up for the votes of one beat."""
LABEL_OF = np.where(
    np.arange(CLASSES) == NONE,
    LABELS - 1,
    np.minimum(np.arange(CLASSES) // len(KINDS), 11) * 2 + THIRD[np.arange(CLASSES) % len(KINDS)],
)
"""The label of each class, int `[CLASSES]`."""


@dataclass(frozen=True, kw_only=True)
class ChordRequest:
    """What chords are asked for.

    Attributes:
        score: with the melody; its chords stand on the beats that are not asked for.
        locks: int `[beats]`: one-beat token that must sound, -1 where any may.
        begin: first beat that is asked for.
        end: the beat behind the last.
        stop: beats up to which locked chords behind the end are weighed too.
        chords_per_bar: 1 or 2 for changes on bar lines, and in the middle; None as the chord stage has it.
        style: of the piece; "" for unknown.
        seed: of all draws.
        listens: whether the melody counts.
    """

    score: Score
    locks: np.ndarray
    begin: int
    end: int
    stop: int
    chords_per_bar: int | None = None
    style: str = ""
    seed: int = 0
    listens: bool = True


@dataclass(frozen=True)
class Settings:
    """How chords are found; the defaults were chosen on validation songs (`experiments/posterior`).

    Attributes:
        filters: independent ones.
        particles: of each.
        melody_weight: of the melody stage's evidence.
        counts_weight: of the evidence of counts.
        model_votes: share of the hidden Markov model in the votes.
        looks_ahead: whether draws are guided.
    """

    filters: int = FILTERS
    particles: int = PARTICLES
    melody_weight: float = MELODY_WEIGHT
    counts_weight: float = COUNTS_WEIGHT
    model_votes: float = MODEL_VOTES
    looks_ahead: bool = True


DEFAULTS = Settings()


@dataclass(frozen=True)
class ChordAnswer:
    """One answer.

    Attributes:
        harmony: int `[beats]`: one-beat token of every beat of the score.
        log_weight: log probability by the chord stage and the evidence together, in nats.
        agreement: mean share of the votes for its root and third, over the beats that were asked for.
    """

    harmony: np.ndarray
    log_weight: float
    agreement: float


@dataclass(frozen=True)
class ChordAnswers:
    """All answers.

    Attributes:
        answers: the safe one first, then others by weight, all different.
        votes: float64 `[beats, LABELS]`; each beat sums to 1.
        grid: the beats.
        evidence: mean estimate of the log evidence.
        effective: mean effective number, as a share of the particles.
    """

    answers: list[ChordAnswer]
    votes: np.ndarray
    grid: BeatGrid
    evidence: float
    effective: float


def find_chords(model: Model, request: ChordRequest, settings: Settings = DEFAULTS) -> ChordAnswers:
    """Draws chords for the beats that are asked for.

    Args:
        model: with a backbone; with a melody stage too if that is to count.
        request: what is asked.
        settings: how.
    """
    score = request.score
    grid, _ = harmony_of_beats(score)
    if not score.form:  # by the melody, and chords that are not asked for
        first, last = int(grid.ticks[request.begin]), int(grid.ticks[request.end])
        stay = tuple(span for span in score.chords if span.end <= first or span.onset >= last)
        score = replace(score, form=find_form(replace(score, chords=stay)))
    beats = len(grid.ticks) - 1
    may_change = _may_change(grid, request.chords_per_bar)
    weight = settings.melody_weight if request.listens and model.melody is not None else 0.0
    evidence = find_evidence(
        model,
        score,
        request.style,
        request.begin,
        request.end,
        weight,
        settings.counts_weight if request.listens else 0.0,
    )
    known = restricted(evidence, request.locks, may_change[:-1])
    turned, goes_on = look_ahead(known)
    cumulative = np.concatenate([np.zeros((1, CLASSES)), np.cumsum(known.table, axis=0)])
    if not settings.looks_ahead:
        turned, goes_on = np.zeros_like(turned), np.zeros_like(goes_on)
    # What lies behind `stop` is not drawn, so nothing is seen of it: there the look ahead is zero.
    turned, goes_on = turned - turned[request.stop].mean(), goes_on - goes_on[request.stop].mean()
    turned[request.stop :] = goes_on[request.stop :] = 0.0
    first, prefix = _prefix(score, request)
    locks = request.locks.copy()
    music = Music(
        key=tokens.key_id(score.key),
        meter=tokens.meter_id(score.meter),
        end=request.stop,
        locks=locks.astype(np.int32),
        may_change=may_change,
        phases=np.asarray(grid.phases, np.int32),
        planned=_planned(score, grid, request.style),
        evidence=cumulative.astype(np.float32),
        turned=turned,
        goes_on=goes_on,
    )
    drawn = run_filters(model, music, prefix, request.seed, settings.filters, settings.particles)
    harmonies = np.stack([_whole(row, first, request, beats) for row in drawn.tokens])
    votes = _votes(harmonies, drawn)
    share = settings.model_votes
    if share:
        counted = np.zeros_like(votes)
        for number, each in enumerate(smoothed(known).T):
            counted[:, LABEL_OF[number]] += each
        votes = (1 - share) * votes + share * counted
    safe, weight = _put_together(drawn, votes)
    answers = _choose(_whole(safe, first, request, beats), weight, harmonies, drawn, votes, request)
    return ChordAnswers(answers, votes, grid, float(np.mean(drawn.evidence)), drawn.effective)


def _may_change(grid: BeatGrid, chords_per_bar: int | None) -> np.ndarray:
    """Whether the chord may change on each beat, and behind the last: bool `[beats + 1]`."""
    phases = np.asarray(grid.phases)
    allowed = np.ones(len(phases), bool)
    if chords_per_bar is None:
        return allowed
    starts = np.flatnonzero(phases[:-1] == 0)
    lengths = np.diff([*starts, len(phases) - 1])
    count = np.append(np.repeat(lengths, lengths), 1)
    allowed = phases == 0
    if chords_per_bar == 2:  # in the middle, or on the last beat of three
        allowed |= phases == np.where(count == 3, 2, (count + 1) // 2)
    return allowed


def _planned(score: Score, grid: BeatGrid, style: str) -> np.ndarray:
    """What the chord stage knows of each beat's bar, and behind the last: int32 `[beats + 1, columns]`."""
    bar = np.cumsum(np.asarray(grid.phases[:-1]) == 0) - 1
    plan = outline(form_values(score.form), int(bar[-1]) + 1)
    kept = [COLUMNS.index(name) for name in (*FORM_COLUMNS, BACK)]
    rows = plan[np.append(bar, bar[-1])][:, kept]
    return np.concatenate([rows, np.full((len(rows), 1), style_value(style))], axis=1).astype(np.int32)


def _prefix(score: Score, request: ChordRequest) -> tuple[int, list[int]]:
    """The beat at which the draws begin, and the tokens before: the chord before the gap may last into it."""
    start = [tokens.BOS, tokens.key_id(score.key), tokens.meter_id(score.meter)]
    before = request.locks[: request.begin]
    runs = run_starts(before).tolist() if len(before) else []
    if len(runs) <= 1:
        return 0, start
    events = []
    for first, last in pairwise(runs):
        length = last - first
        while length > 0:
            part = min(length, tokens.MAX_BEATS)
            events.append(int(before[first]) + part - 1)
            length -= part
    return runs[-1], [*start, *events]


def _whole(row: np.ndarray, first: int, request: ChordRequest, beats: int) -> np.ndarray:
    """The harmony of all beats: what was drawn where it was asked for, and what is locked elsewhere."""
    said = harmony_of(row)
    whole = np.where(request.locks >= 0, request.locks, tokens.NO_CHORD0)
    upto = min(first + len(said), request.end, beats)
    own = said[request.begin - first : upto - first]
    whole[request.begin : request.begin + len(own)] = own
    return whole


def labels_of(harmony: np.ndarray) -> np.ndarray:
    """The label of each harmony; see `LABELS`."""
    return LABEL_OF[CLASS_OF[harmony]]


def _votes(harmonies: np.ndarray, drawn: Drawn) -> np.ndarray:
    """The share of each label on each beat, all filters alike."""
    filters = int(drawn.filters.max()) + 1
    votes = np.zeros((harmonies.shape[1], LABELS))
    beats = np.arange(harmonies.shape[1])
    for harmony, share in zip(harmonies, drawn.share, strict=True):
        votes[beats, labels_of(harmony)] += share / filters
    return votes


def _chord_of(token: int) -> int:
    """What may follow an event depends on this: its chord; one of the most beats may be said again."""
    return token if tokens.BEATS[token] == tokens.MAX_BEATS else int(tokens.HARMONY[token])


def _put_together(drawn: Drawn, votes: np.ndarray) -> tuple[np.ndarray, float]:
    """The events that are likeliest and nearest to the votes, out of all rows, and their log weight.

    A row may go on as another one does that stands at the same beat behind the same chord: the score of the
    other's event is taken for its own. Dynamic programming (Viterbi) finds the best way through.
    """
    # By beat: the chord before, the event, and the best score that it has in any row.
    ways: dict[int, dict[tuple[int, int], float]] = {}
    for row, scores in zip(drawn.tokens, drawn.scores, strict=True):
        beat, before = drawn.begin, -1
        for token, score in zip(row.tolist(), scores.tolist(), strict=True):
            if token == tokens.PAD:
                break
            own = ways.setdefault(beat, {})
            own[before, token] = max(score, own.get((before, token), -np.inf))
            beat += int(tokens.BEATS[token])
            before = _chord_of(token)
    agreed = np.concatenate([np.zeros((1, LABELS)), np.cumsum(votes, axis=0)])
    last = len(agreed) - 1
    # By beat and chord before it: value, log weight, and the events that lead there.
    best: dict[int, dict[int, tuple[float, float, tuple[int, ...]]]] = {drawn.begin: {-1: (0.0, 0.0, ())}}
    for beat in sorted(ways):
        for (before, token), score in ways[beat].items():
            value, weight, said = best[beat][before]
            end = beat + int(tokens.BEATS[token])
            label = LABEL_OF[CLASS_OF[token]]
            value += agreed[min(end, last), label] - agreed[min(beat, last), label] + score / LIKELIER
            after = _chord_of(token)
            there = best.setdefault(end, {})
            if after not in there or value > there[after][0]:
                there[after] = (value, weight + score, (*said, token))
    _, weight, said = max(best[max(best)].values(), key=lambda each: each[0])
    return np.array(said, np.int64), weight


def _choose(
    safe: np.ndarray,
    weight: float,
    harmonies: np.ndarray,
    drawn: Drawn,
    votes: np.ndarray,
    request: ChordRequest,
) -> list[ChordAnswer]:
    """The safe answer, and one of each filter that differs from all before it."""
    asked = np.arange(request.begin, request.end)
    asked = asked[request.locks[asked] < 0]

    def answer(harmony: np.ndarray, weight: float) -> ChordAnswer:
        agreement = votes[asked, labels_of(harmony[asked])].mean()
        return ChordAnswer(harmony, float(weight), float(agreement))

    order: list[int] = []
    rng = np.random.default_rng([request.seed, 7])
    picks = []
    for number in range(int(drawn.filters.max()) + 1):
        rows = np.flatnonzero(drawn.filters == number)
        share = drawn.share[rows] / drawn.share[rows].sum()
        picks.append(rng.choice(rows, size=len(rows), replace=False, p=None if (share == 0).any() else share))
    # One of each filter first, by weight; then the next of each.
    for turn in zip(*picks, strict=True):
        order += sorted(map(int, turn), key=lambda row: -drawn.log_weight[row])
    kept = [answer(safe, weight)]
    seen = {labels_of(safe).tobytes()}
    for row in order:
        said = labels_of(harmonies[row]).tobytes()
        if said not in seen:
            seen.add(said)
            kept.append(answer(harmonies[row], drawn.log_weight[row]))
    return kept


def with_harmony(score: Score, grid: BeatGrid, harmony: np.ndarray, begin: int, end: int) -> Score:
    """A score with other chords on some beats; those that begin before or behind are what they were.

    Args:
        score: any.
        grid: its beats.
        harmony: one-beat token of every beat.
        begin: first beat with other chords.
        end: the beat behind the last.
    """
    first, last = int(grid.ticks[begin]), int(grid.ticks[end])
    before = [
        replace(span, duration=min(span.end, first) - span.onset)
        for span in score.chords
        if span.onset < first
    ]
    behind = [
        replace(span, onset=max(span.onset, last), duration=span.end - max(span.onset, last))
        for span in score.chords
        if span.end > last
    ]
    own = harmony[begin:end]
    made = []
    for start, stop in pairwise([*run_starts(own).tolist(), len(own)]):
        tick, until = int(grid.ticks[begin + start]), int(grid.ticks[begin + stop])
        made.append(ChordSpan(tick, until - tick, tokens.id_chord(int(own[start]))))
    return replace(score, chords=(*before, *made, *behind))
