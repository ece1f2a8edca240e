"""How near chords under a melody come to the song's own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from hrpe_jax.analysis.harmony_hmm import find_melody_chords
from hrpe_jax.codec.backbone import harmony_of_beats
from hrpe_jax.metrics.arrays import Undefined
from hrpe_jax.metrics.harmony import (
    chord_tonal_distance,
    ctnctr,
    melody_chord_tonal_distance,
    pitch_consonance,
)
from hrpe_jax.sampling.posterior.chord_evidence import CLASS_OF, find_evidence, smoothed
from hrpe_jax.sampling.posterior.harmonize import (
    LABEL_OF,
    LABELS,
    ChordAnswers,
    ChordRequest,
    Settings,
    find_chords,
    with_harmony,
)
from hrpe_jax.score.score import ChordSpan, Score
from hrpe_jax.theory.chord import Chord

METRICS: dict[str, Callable[[Score], float]] = {
    "CTnCTR": ctnctr,
    "PCS": pitch_consonance,
    "MCTD": melody_chord_tonal_distance,
    "CTD": chord_tonal_distance,
}
ROWS = {
    "tonic": "tonic throughout",
    "counts": "counts: hidden Markov model",
    "smoothed": "the same with both experts, each beat",
    "prior": "filters without the melody, one draw",
    "no_look": "filters without looking ahead, one draw",
    "draw": "one draw",
    "votes": "votes",
    "safe": "safe answer",
    "other chording": "another chording of the songs",
}
"""What rows of the table are, in its order."""
_FEW = 2
"""Filters of the rows that are means over single draws: more of them change the mean little."""
_DRAWS = 8


def harmonized(
    composer: Any, song: Score, style: str, seed: int, answers_only: bool = False
) -> dict[str, Any]:
    """Accuracies of every row on one song, `[root, root and third]`, and differences of the metrics.

    Args:
        composer: with both stages.
        song: with a melody, and the chords to which all rows are compared.
        style: that is given.
        seed: of all draws.
        answers_only: leaves out what only shows why the answers are as they are: `smoothed`, `prior` and
            `no_look`, two thirds of the time.
    """
    grid, own = harmony_of_beats(song)
    wanted = LABEL_OF[CLASS_OF[own]]
    beats = len(own)
    tonic = Chord(song.key.tonic, "min" if song.key.mode == "minor" else "maj", song.key.tonic)
    # A melody that ends early has fewer bars: chords keep them.
    bare = replace(song, chords=(ChordSpan(0, int(grid.ticks[-1]), tonic),), form=())
    locks = np.full(beats, -1)
    model = composer.model
    mine = metrics_of(song)

    def accuracy(labels: np.ndarray) -> list[float]:
        known = wanted < LABELS - 1
        labels = np.pad(labels[:beats], (0, max(0, beats - len(labels))), constant_values=LABELS - 1)
        root = (labels // 2 == wanted // 2)[known].mean()
        return [float(root), float((labels == wanted)[known].mean())]

    def found(settings: Settings, listens: bool = True) -> ChordAnswers:
        request = ChordRequest(
            score=bare, locks=locks, begin=0, end=beats, stop=beats, style=style, seed=seed, listens=listens
        )
        return find_chords(model, request, settings)

    def row(scores: Iterable[Score]) -> tuple[list[float], dict[str, float | None]]:
        """Means over chordings of the song."""
        scores = list(scores)
        each = [accuracy(LABEL_OF[CLASS_OF[harmony_of_beats(score)[1]]]) for score in scores]
        return np.mean(each, axis=0).tolist(), differences(mine, [metrics_of(score) for score in scores])

    def played(answers: ChordAnswers, first: int, last: int) -> list[Score]:
        some = answers.answers[first:last] or answers.answers[:1]
        return [with_harmony(bare, grid, answer.harmony, 0, beats) for answer in some]

    rows = {
        "tonic": row([bare]),
        "counts": row([replace(bare, chords=find_melody_chords(replace(bare, chords=())))]),
    }
    labels = {}
    if not answers_only:
        labels["smoothed"] = likeliest(_marginal(smoothed(find_evidence(model, bare, style))))
        few = Settings(filters=_FEW)
        rows["prior"] = row(played(found(few, listens=False), 1, _DRAWS + 1))
        rows["no_look"] = row(played(found(replace(few, looks_ahead=False)), 1, _DRAWS + 1))
    began = time.process_time()
    answers = found(Settings())
    seconds = time.process_time() - began
    rows["draw"] = row(played(answers, 1, _DRAWS + 1))
    labels["votes"] = likeliest(answers.votes)
    rows["safe"] = row(played(answers, 0, 1))
    return {
        "accuracy": {name: both for name, (both, _) in rows.items()}
        | {name: accuracy(each) for name, each in labels.items()},
        "differences": {name: away for name, (_, away) in rows.items()},
        "effective": answers.effective,
        "cpu_seconds": seconds,
    }


def metrics_of(score: Score) -> dict[str, float | None]:
    """The metrics of melody and chords; None where one is not defined."""
    found: dict[str, float | None] = {}
    for name, metric in METRICS.items():
        try:
            found[name] = metric(score)
        except Undefined:
            found[name] = None
    return found


def differences(own: dict[str, float | None], others: list[dict[str, float | None]]) -> dict[str, Any]:
    """The mean absolute difference of each metric from a song's own; None where none is defined."""
    found: dict[str, Any] = {}
    for name, value in own.items():
        away = [
            abs(other - value) for each in others if (other := each[name]) is not None and value is not None
        ]
        found[name] = float(np.mean(away)) if away else None
    return found


def compared(own: Score, other: Score) -> dict[str, Any]:
    """How near one chording of a song is to another, as for harmonised songs."""
    ours, theirs = (LABEL_OF[CLASS_OF[harmony_of_beats(score)[1]]] for score in (own, other))
    count = min(len(ours), len(theirs))
    ours, theirs = ours[:count], theirs[:count]
    known = ours < LABELS - 1
    both = [
        float((ours // 2 == theirs // 2)[known].mean()),
        float((ours == theirs)[known].mean()),
    ]
    away = differences(metrics_of(own), [metrics_of(other)])
    return {"accuracy": {"other chording": both}, "differences": {"other chording": away}}


def _marginal(classes: np.ndarray) -> np.ndarray:
    """Probabilities of labels from those of classes."""
    found = np.zeros((len(classes), LABELS))
    for number, each in enumerate(classes.T):
        found[:, LABEL_OF[number]] += each
    return found


def likeliest(votes: np.ndarray) -> np.ndarray:
    """The likeliest root of each beat, and the likelier third over it: labels."""
    roots = votes[:, :-1].reshape(len(votes), 12, 2)
    root = roots.sum(axis=2).argmax(axis=1)
    third = roots[np.arange(len(votes)), root].argmax(axis=1)
    return np.asarray(2 * root + third)
