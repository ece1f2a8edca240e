"""What a set of pieces is made of: pitch classes, durations and chord changes, all relative to the key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from hrpe_jax.score.score import Score

DEGREES = ("1", "b2", "2", "b3", "3", "4", "#4", "5", "b6", "6", "b7", "7")
"""Names of semitones above the tonic."""
ROOTS = ("I", "bII", "II", "bIII", "III", "IV", "#IV", "V", "bVI", "VI", "bVII", "VII")
"""Names of chord roots by semitones above the tonic, whatever the quality."""
TICKS_PER_QUARTER = 12


def pitch_classes(pieces: Iterable[Score]) -> np.ndarray:
    """Share of the melody's notes on each semitone above the tonic, float64 `[12]`; zeros without notes."""
    counts = np.zeros(12)
    for score in pieces:
        for note in score.melody:
            counts[(note.pitch - score.key.tonic) % 12] += 1
    return counts / max(counts.sum(), 1)


def durations(pieces: Iterable[Score]) -> Counter[int]:
    """How many melody notes last so many ticks (12 to a quarter note)."""
    return Counter(note.duration for score in pieces for note in score.melody)


def duration_shares(*counters: Counter[int], most: int = 12) -> tuple[list[str], list[np.ndarray]]:
    """The commonest durations of several sets, shortest first, and their shares in each.

    Returns:
        Names in quarter notes, the last one "other"; shares `[names]` of each set.
    """
    total = Counter[int]()
    for counter in counters:
        for ticks, count in counter.items():
            total[ticks] += count / max(counter.total(), 1)  # type: ignore[assignment]
    common = sorted(ticks for ticks, _ in total.most_common(most))
    shares = []
    for counter in counters:
        found = [counter[ticks] for ticks in common]
        shares.append(np.asarray([*found, counter.total() - sum(found)]) / max(counter.total(), 1))
    return [*(quarters(ticks) for ticks in common), "other"], shares


def quarters(ticks: int) -> str:
    """Ticks as quarter notes, as a fraction: "1/4" is a sixteenth, "1/3" a triplet eighth, "1" a quarter."""
    whole, rest = divmod(ticks, TICKS_PER_QUARTER)
    if not rest:
        return str(whole)
    divisor = np.gcd(rest, TICKS_PER_QUARTER)
    fraction = f"{rest // divisor}/{TICKS_PER_QUARTER // divisor}"
    return f"{whole} {fraction}" if whole else fraction


def transitions(pieces: Iterable[Score]) -> tuple[np.ndarray, int]:
    """Where chords go: share of each root's changes that lead to each root, by semitones above the tonic.

    Only changes of root count; no-chord is passed over.

    Returns:
        float64 `[12, 12]`, rows sum to one, or zero where a root never comes; and how many changes.
    """
    counts = np.zeros((12, 12))
    for score in pieces:
        roots = [(span.chord.root - score.key.tonic) % 12 for span in score.chords if not span.chord.is_none]
        for before, after in pairwise(roots):
            if before != after:
                counts[before, after] += 1
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), int(counts.sum())


def typical_order(values: dict[str, np.ndarray], reference: dict[str, np.ndarray]) -> list[int]:
    """Pieces from the most to the least like the reference.

    The distance of a piece is the mean over metrics of |value - median| / spread, where median and spread
    (half the distance of the 10th and 90th percentile) are those of the reference, each term at most 5.

    Args:
        values: of each metric, `[pieces]`, nan where it has none.
        reference: likewise for the reference.

    Returns:
        Indices of pieces; those without any value are left out.
    """
    terms: list[np.ndarray] = []
    for name, own in values.items():
        real = reference.get(name, np.zeros(0))
        real = real[np.isfinite(real)]
        if len(real) < 3:
            continue
        low, middle, high = np.quantile(real, [0.1, 0.5, 0.9])
        if high > low:
            terms.append(np.minimum(np.abs(own - middle) / ((high - low) / 2), 5))
    if not terms:
        return []
    stacked = np.stack(terms)
    known = np.isfinite(stacked)
    distance = np.where(known, stacked, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return [int(i) for i in np.argsort(distance, kind="stable") if known[:, i].any()]


def places(order: Sequence[int]) -> list[tuple[str, int]]:
    """The first, the middle and the last of an order with their names; each piece once."""
    if not order:
        return []
    names = {len(order) // 2: "in the middle"}
    names[len(order) - 1] = "furthest"
    names[0] = "nearest to real music"
    return [(name, order[place]) for place, name in sorted(names.items())]
