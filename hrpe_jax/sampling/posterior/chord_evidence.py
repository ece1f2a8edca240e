"""What a melody says of the chords under it: for every beat the evidence for each kind of chord.

Two experts say how well a beat's notes fit a chord: the melody stage (how likely it finds them over the
chord) and the counts of `analysis.harmony_hmm` (which pitch classes sound over which chord). Their log
likelihoods are added with the weights below. The melody stage reads the melody once for each of 24 triads,
as if that sounded all the time, so all of it is one parallel pass.

A hidden Markov model over this evidence looks ahead: how well can the rest of the melody be harmonised from
here? It guides the chord stage's draws, and is divided out again (`chord_filter`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hrpe_jax.analysis.harmony_hmm import BAR, ELSEWHERE, MIDDLE, harmonies, melody_chroma
from hrpe_jax.checkpoints.release import Model
from hrpe_jax.codec import backbone_tokens as tokens
from hrpe_jax.codec import melody_tokens
from hrpe_jax.codec.backbone import harmony_of_beats
from hrpe_jax.sampling.posterior.likelihood import log_probabilities, melody_columns_of
from hrpe_jax.score.score import BeatGrid, Score
from hrpe_jax.theory.chord import CHORD_TONES, QUALITIES, Chord
from hrpe_jax.theory.key import Key

KINDS = ("maj", "min", "7", "dim")
"""Chords that are told apart; each fine quality counts as one of them."""
NONE = 12 * len(KINDS)
CLASSES = NONE + 1
"""Root times kinds, and no chord."""
MELODY_WEIGHT, COUNTS_WEIGHT = 1.0, 1.0
"""Chosen on validation songs, see `experiments/posterior`."""
OTHER_SHARE = 0.05
"""How often a change leads to a chord that the hidden Markov model does not list."""
IMPOSSIBLE = -60.0
"""A log likelihood of what is locked out: small enough to lose, and finite."""


def _kind(quality: str) -> str:
    tones = CHORD_TONES[quality]
    if 3 in tones and 4 not in tones:
        return "dim" if 6 in tones and 7 not in tones else "min"
    return "7" if 4 in tones and 10 in tones else "maj"


def _class_of_token() -> np.ndarray:
    kind = np.array([KINDS.index(_kind(quality)) for quality in QUALITIES])
    quality = np.minimum(tokens.QUALITY, len(QUALITIES) - 1).astype(int)
    classes = tokens.ROOT.astype(int) * len(KINDS) + kind[quality]
    return np.where(np.arange(tokens.SIZE) >= tokens.CHORD0, classes, NONE).astype(np.int32)


CLASS_OF = _class_of_token()
"""The class of each token's harmony, int32 `[SIZE]`; `NONE` for what is no chord."""
THIRD = np.array([0, 1, 0, 1])
"""1 where a kind has a minor third."""


@dataclass(frozen=True)
class Evidence:
    """What a melody says, beat by beat; natural logarithms.

    Attributes:
        grid: the beats.
        places: of the beats in their bars, as `analysis.harmony_hmm` counts them, int `[beats]`.
        table: float32 `[beats, CLASSES]`: how well the notes of a beat fit each class.
        listed: class of each state of the hidden Markov model; the last state is any other chord.
        heard: float64 `[beats, states]`: the table for these states.
        moves: float64 `[3, states, states]`, by place: log probability of the next beat's state.
        turns: float64 `[states, states]`: likewise where the chord does change.
    """

    grid: BeatGrid
    places: np.ndarray
    table: np.ndarray
    listed: np.ndarray
    heard: np.ndarray
    moves: np.ndarray
    turns: np.ndarray


def find_evidence(
    model: Model | None,
    score: Score,
    style: str = "",
    begin: int = 0,
    end: int | None = None,
    melody_weight: float = MELODY_WEIGHT,
    counts_weight: float = COUNTS_WEIGHT,
) -> Evidence:
    """The evidence of a melody.

    Args:
        model: with a melody stage; None for the counts alone.
        score: whose chords stand outside the beats that are asked, and play no part on them.
        style: of the piece.
        begin: first beat that is asked.
        end: the beat behind the last that is asked; None for all.
        melody_weight: of the melody stage.
        counts_weight: of the counts.
    """
    grid, _ = harmony_of_beats(score)
    beats = len(grid.ticks) - 1
    end = beats if end is None else end
    places = _places(grid)
    table = np.zeros((beats, CLASSES))
    if score.melody:
        table[:, :NONE] = counts_weight * melody_chroma(score, grid.ticks) @ _sounds(score.key).T
        if model is not None and melody_weight:
            table[:, :NONE] += melody_weight * _melody_stage(model, score, style, grid, begin, end)
    table[:begin] = table[end:] = 0.0
    harmony = harmonies()[score.key.mode]
    listed = [
        (degree + score.key.tonic) % 12 * len(KINDS) + KINDS.index(_kind(quality))
        for degree, quality in harmony.chords
    ]
    others = np.setdiff1d(np.arange(NONE), listed)
    heard = np.concatenate(
        [table[:, listed], _log_mean(table[:, others])[:, None]], axis=1
    )  # fmt: skip
    turns = _turns(harmony.follow)
    stay = np.log1p(-np.exp(harmony.change))
    moves = harmony.change[:, None, None] + turns
    states = np.arange(len(turns))
    moves[:, states, states] = stay[:, None]
    return Evidence(grid, places, table.astype(np.float32), np.array(listed), heard, moves, turns)


def _places(grid: BeatGrid) -> np.ndarray:
    """The place of every beat: first of its bar, in its middle, or elsewhere."""
    phases = np.asarray(grid.phases[:-1])
    starts = np.flatnonzero(phases == 0)
    lengths = np.diff([*starts, len(phases)])
    count = np.repeat(lengths, lengths)
    middle = (count % 2 == 0) & (2 * phases == count)
    return np.where(phases == 0, BAR, np.where(middle, MIDDLE, ELSEWHERE))


def _sounds(key: Key) -> np.ndarray:
    """Log probability of each pitch class above the tonic over each class: `[NONE, 12]`.

    A chord that was not counted sounds as its tones and the scale do.
    """
    harmony = harmonies()[key.mode]
    scale = np.exp(harmony.sound).mean(axis=0)
    scale /= scale.sum()
    table = np.empty((NONE, 12))
    for degree in range(12):
        for number, kind in enumerate(KINDS):
            tones = np.zeros(12)
            tones[[(degree + tone) % 12 for tone in CHORD_TONES[kind]]] = 1
            mixed = np.log(0.6 * tones / tones.sum() + 0.4 * scale)
            table[(degree + key.tonic) % 12 * len(KINDS) + number] = mixed
    for (degree, quality), sound in zip(harmony.chords, harmony.sound, strict=True):
        table[(degree + key.tonic) % 12 * len(KINDS) + KINDS.index(_kind(quality))] = sound
    return table


def _turns(follow: np.ndarray) -> np.ndarray:
    """Log probability of the next chord where it changes, with any other chord as a last state."""
    count = len(follow)
    chances = np.exp(follow)
    np.fill_diagonal(chances, 0.0)
    chances /= chances.sum(axis=1, keepdims=True)
    usual = np.full(count, 1 / count)
    for _ in range(64):
        usual = 0.5 * usual + 0.5 * usual @ chances
    whole = np.zeros((count + 1, count + 1))
    whole[:count, :count] = (1 - OTHER_SHARE) * chances
    whole[:count, count] = OTHER_SHARE
    whole[count, :count] = usual / usual.sum()
    with np.errstate(divide="ignore"):
        return np.maximum(np.log(whole), IMPOSSIBLE)


def _melody_stage(model: Model, score: Score, style: str, grid: BeatGrid, begin: int, end: int) -> np.ndarray:
    """Log likelihood of each beat's events over each class, `[beats, NONE]`: of 24 triads, one a row."""
    columns = melody_columns_of(score, style)
    triads = [(root, quality) for quality in ("maj", "min") for root in range(12)]
    ids = np.array([tokens.chord_id(Chord(root, quality, root)) for root, quality in triads])
    ticks = grid.ticks
    asked = (columns.ticks >= ticks[begin]) & (columns.ticks < ticks[end])
    changed = {
        "chord_id": ids,
        "root_pc": tokens.ROOT[ids],
        "quality_code": tokens.QUALITY_CODE[ids],
        "function_code": tokens.function_table()[score.key.index, ids],
    }
    fields = dict(columns.fields)
    for name, values in changed.items():
        fields[name] = np.where(asked, values[:, None].astype(np.int64), fields[name])
    # What comes next is not known yet: as if nothing did.
    fields["next_chord_id"] = np.where(asked, tokens.NO_CHORD0, fields["next_chord_id"])
    fields["ticks_to_next"] = np.where(asked, fields["ticks_to_next"].max(), fields["ticks_to_next"])
    each = log_probabilities(model, fields, columns.row, columns.targets)
    beat = np.clip(np.searchsorted(ticks, columns.ticks, side="right") - 1, 0, len(ticks) - 2)
    told = asked & (columns.targets != melody_tokens.EOS)
    found = np.zeros((len(ids), len(ticks) - 1))
    for row, scores in zip(found, each, strict=True):
        np.add.at(row, beat[told], scores[told])
    found -= found.mean(axis=0, keepdims=True)  # only differences between chords count
    minor = np.array([THIRD[KINDS.index(kind)] for kind in KINDS])
    return np.stack([found[12 * minor[n % len(KINDS)] + n // len(KINDS)] for n in range(NONE)], axis=1)


def _log_mean(values: np.ndarray) -> np.ndarray:
    top = values.max(axis=1, keepdims=True)
    return (np.log(np.exp(values - top).mean(axis=1, keepdims=True)) + top)[:, 0]


def _log_sum(values: np.ndarray, axis: int) -> np.ndarray:
    top = values.max(axis=axis, keepdims=True)
    return np.log(np.exp(values - top).sum(axis=axis)) + np.squeeze(top, axis)


def restricted(evidence: Evidence, locks: np.ndarray, may_change: np.ndarray) -> Evidence:
    """The evidence with what is known of the chords.

    Args:
        evidence: of the melody.
        locks: int `[beats]`: one-beat token that must sound, negative where any may.
        may_change: bool `[beats]`: whether the chord may change on a beat.

    Returns:
        Locked beats fit their own chord alone; where no chord may change, `heard` stays the same and
        `look_ahead` keeps to it.
    """
    states = len(evidence.listed) + 1
    heard, table = evidence.heard.copy(), evidence.table.copy()
    for beat in np.flatnonzero(locks >= 0):
        own = CLASS_OF[locks[beat]]
        where = np.flatnonzero(evidence.listed == own)
        heard[beat] = IMPOSSIBLE if own != NONE else 0.0
        heard[beat, where[0] if len(where) else states - 1] = 0.0
        table[beat] = 0.0
    places = np.where(may_change, evidence.places, -1)
    return replace(evidence, heard=heard, table=table, places=places)


def _moves_at(evidence: Evidence, beat: int) -> np.ndarray:
    """The moves to a beat; where the chord may not change, it stays."""
    place = evidence.places[beat]
    if place >= 0:
        moves: np.ndarray = evidence.moves[place]
        return moves
    return np.where(np.eye(len(evidence.turns), dtype=bool), 0.0, IMPOSSIBLE)


def look_ahead(evidence: Evidence) -> tuple[np.ndarray, np.ndarray]:
    """How well what follows can be harmonised, given the chord before.

    Returns:
        float32 `[beats + 1, CLASSES]` twice: the log likelihood of all beats from each one on, given the
        class that sounded just before it, where the chord changes on that beat, and where it may go on.
    """
    beats, states = evidence.heard.shape
    goes_on, turned = np.zeros((beats + 1, states)), np.zeros((beats + 1, states))
    for beat in range(beats - 1, -1, -1):
        ahead = evidence.heard[beat] + goes_on[beat + 1]
        goes_on[beat] = _log_sum(_moves_at(evidence, beat) + ahead, 1)
        turned[beat] = _log_sum(evidence.turns + ahead, 1)
    of_class = np.full(CLASSES, states - 1)
    of_class[evidence.listed] = np.arange(states - 1)
    return turned[:, of_class].astype(np.float32), goes_on[:, of_class].astype(np.float32)


def smoothed(evidence: Evidence) -> np.ndarray:
    """The probability of every class on every beat given the whole melody: float64 `[beats, CLASSES]`.

    What the hidden Markov model alone says; the share of its last state is spread evenly.
    """
    beats, states = evidence.heard.shape
    forward = np.zeros((beats, states))
    first = np.log(np.full(states, (1 - OTHER_SHARE) / (states - 1)))
    first[-1] = np.log(OTHER_SHARE)
    forward[0] = first + evidence.heard[0]
    for beat in range(1, beats):
        forward[beat] = (
            _log_sum(forward[beat - 1][:, None] + _moves_at(evidence, beat), 0) + evidence.heard[beat]
        )
    backward = np.zeros((beats, states))
    for beat in range(beats - 2, -1, -1):
        ahead = evidence.heard[beat + 1] + backward[beat + 1]
        backward[beat] = _log_sum(_moves_at(evidence, beat + 1) + ahead, 1)
    log_share = forward + backward
    share = np.exp(log_share - log_share.max(axis=1, keepdims=True))
    share /= share.sum(axis=1, keepdims=True)
    found = np.zeros((beats, CLASSES))
    found[:, evidence.listed] = share[:, :-1]
    others = np.setdiff1d(np.arange(NONE), evidence.listed)
    found[:, others] = share[:, -1:] / len(others)
    return found
