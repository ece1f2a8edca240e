"""Candidates of a gap that take up the rhythm of the bars behind it.

Where the bars behind a gap go on with a figure from it, few draws of the melody stage lead to them. So half
of the candidates are drawn with the rhythm of some bars given: that of the bars behind, moved back by a whole
number of bars. Pitches, and all other bars, are drawn as ever.

How unlikely the melody stage finds a given rhythm counts against its candidate in part, by `GIVEN_WEIGHT`.
Were it to count in full, candidates would stand for the posterior alone (multiple importance sampling: E.
Veach and L. Guibas, 1995), and a figure that comes back would hardly ever be among so few of them. Were it
not to count at all, every suggestion would have that rhythm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hrpe_jax.sampling.posterior.fill_loop import ANY_PITCH
from hrpe_jax.sampling.posterior.spans import Span
from hrpe_jax.score.score import Note, Score, bar_spans

LAGS = (4, 2, 8, 1)
"""Bars by which rhythms are moved."""
PROPOSALS = 1 + len(LAGS)
"""Of one gap, the free one included: room for so many tables is compiled."""
TAKEN = 2
"""Bars whose rhythm is taken up, at most."""
GIVEN_WEIGHT = 0.5
"""Share in which the log probability of a given rhythm counts; chosen on validation songs
(`experiments/posterior`)."""


@dataclass(frozen=True)
class Proposal:
    """What is given in some candidates beside the notes that stay.

    Attributes:
        notes: onset, end and `ANY_PITCH` of each.
        bars: of the gap, from 0, in which no other notes begin.
    """

    notes: tuple[tuple[int, int, int], ...] = ()
    bars: tuple[int, ...] = ()


def proposals(score: Score, span: Span, kept: Sequence[Note]) -> list[Proposal]:
    """The proposals for a gap, the free one first.

    Args:
        score: with the bars around the gap.
        span: the gap.
        kept: notes that stay; bars with any of them take up no others.
    """
    lines = bar_spans(score)
    found = [Proposal()]
    if span.last >= len(lines):  # it leads to nothing
        return found
    for lag in LAGS:
        # Bars behind the gap; where they lie too far behind, those as many bars before its end.
        by = lag
        places = [bar for bar in range(span.first, span.last) if span.last <= bar + lag < span.last + TAKEN]
        if not places:
            by = -lag
            last = range(max(span.first, span.last - TAKEN), span.last)
            places = [bar for bar in last if 0 <= bar - lag < span.first]
        places = [bar for bar in places if bar + by < len(lines) and lines[bar][1] == lines[bar + by][1]]
        if not places:
            continue
        begin, end = lines[places[0]][0], sum(lines[places[-1]])
        moved = lines[places[0] + by][0] - begin
        notes = [
            (note.onset - moved, min(note.end - moved, end), ANY_PITCH)
            for note in score.melody
            if begin <= note.onset - moved < end
        ]
        if notes and not any(note.onset < end and note.end > begin for note in kept):
            found.append(Proposal(tuple(notes), tuple(bar - span.first for bar in places)))
    return found


def proposal_of_rows(count: int, rows: int) -> np.ndarray:
    """The number of each row's proposal, int32 `[rows]`: every other row is free.

    Args:
        count: of the proposals.
        rows: candidates.
    """
    numbers = np.arange(rows)
    others = 1 + numbers // 2 % max(1, count - 1)
    return np.where((numbers % 2 == 1) & (count > 1), others, 0).astype(np.int32)


def given_weight(numbers: np.ndarray, lost: np.ndarray) -> np.ndarray:
    """What each candidate's given notes count for, log weights `[candidates]`.

    Args:
        numbers: int `[candidates]`, the proposal of each.
        lost: float `[candidates]`: log probability of all that was given in it, by the melody stage.
    """
    stay = lost[numbers == 0].mean()  # of the notes that stay, which all candidates have
    return np.where(numbers == 0, lost, stay + GIVEN_WEIGHT * (lost - stay))
