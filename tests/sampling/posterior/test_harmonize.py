"""The safe answer: of all that draws can be put together to, the likeliest that is near to the votes."""

from __future__ import annotations

import numpy as np
import pytest

from hrpe_jax.codec import backbone_tokens as tokens
from hrpe_jax.sampling.posterior.chord_filter import Drawn
from hrpe_jax.sampling.posterior.harmonize import LABELS, LIKELIER, _put_together, labels_of
from hrpe_jax.theory.chord import Chord

CHORDS = [tokens.chord_id(Chord(root, "maj", root)) for root in (0, 5, 7)]


def event(chord: int, beats: int) -> int:
    return CHORDS[chord] + beats - 1


def drawn(rows: list[list[int]], scores: list[list[float]], begin: int = 0) -> Drawn:
    """Rows of one filter; shorter ones are padded."""
    longest = max(map(len, rows))
    ids = np.array([row + [tokens.PAD] * (longest - len(row)) for row in rows])
    values = np.array([row + [0.0] * (longest - len(row)) for row in scores])
    count = len(rows)
    return Drawn(
        begin, ids, values, np.zeros(count, int), np.full(count, 1 / count), np.zeros(1), 1.0
    )  # fmt: skip


def value(found: Drawn, votes: np.ndarray, row: list[int], scores: list[float]) -> float:
    """What is to be the largest: votes of the beats, and the scores of the events."""
    harmony = np.repeat(tokens.HARMONY[row], tokens.BEATS[row])
    beats = np.arange(found.begin, found.begin + len(harmony))
    return float(votes[beats, labels_of(harmony)].sum() + sum(scores) / LIKELIER)


@pytest.mark.parametrize("seed", range(5))
def test_no_way_through_the_draws_is_better(seed):
    """Against all ways: rows may be left for each other behind the same chord, on the same beat."""
    rng = np.random.default_rng(seed)
    rows: list[list[int]] = []
    for _ in range(12):
        row, beats = [], 0
        while beats < 8:
            length = int(rng.integers(1, min(3, 8 - beats) + 1))
            row.append(event(int(rng.integers(3)), length))
            beats += length
        rows.append(row)
    scores = [[float(x) for x in rng.normal(-2, 2, len(row))] for row in rows]
    found = drawn(rows, scores, begin=2)
    votes = rng.dirichlet(np.ones(LABELS), 10)

    steps: dict[tuple[int, int], dict[int, float]] = {}
    for row, own in zip(rows, scores, strict=True):
        beat, before = 2, -1
        for token, score in zip(row, own, strict=True):
            there = steps.setdefault((beat, before), {})
            there[token] = max(score, there.get(token, -np.inf))
            beat, before = beat + int(tokens.BEATS[token]), int(tokens.HARMONY[token])

    def ways(beat: int, before: int) -> list[tuple[list[int], list[float]]]:
        if beat == 10:
            return [([], [])]
        return [
            ([token, *rest], [score, *more])
            for token, score in steps[beat, before].items()
            for rest, more in ways(beat + int(tokens.BEATS[token]), int(tokens.HARMONY[token]))
        ]

    everything = ways(2, -1)
    assert len(everything) > len(rows)
    best = max(value(found, votes, *way) for way in everything)
    said, weight = _put_together(found, votes)
    again = next(own for way, own in everything if way == said.tolist())
    assert value(found, votes, said.tolist(), again) == pytest.approx(best)
    assert weight == pytest.approx(sum(again))


def test_chords_of_most_beats_are_not_shorter_ones():
    """Only behind eight beats of a chord the same one may be said again."""
    rows = [[event(0, 8), event(0, 4)], [event(1, 4), event(0, 4), event(2, 4)]]
    votes = np.zeros((12, LABELS))
    votes[:, int(labels_of(np.array(CHORDS[0])))] = 1
    said, weight = _put_together(drawn(rows, [[-9.0, -9.0], [-1.0, -1.0, -1.0]]), votes)
    assert said.tolist() == rows[0]
    assert weight == -18
