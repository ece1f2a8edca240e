"""How different the pieces of a set are: no figure counts that is reached by writing one tune over again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hrpe_jax.metrics.arrays import Piece

GRAM = 4


def grams(piece: Piece, length: int = GRAM) -> np.ndarray:
    """The runs of so many notes of a melody, by intervals and time between onsets, whatever the key.

    Args:
        piece: the melody.
        length: notes of a run.

    Returns:
        int64 `[runs]`, equal numbers for equal runs; notes with more than two bars between them are in none.
    """
    step, later = np.diff(piece.pitch), np.diff(piece.onset)
    count = len(step) - length + 2
    if count < 1:
        return np.zeros(0, np.int64)
    moves = (step + 128) * 512 + np.minimum(later, 511)
    key = np.zeros(count, np.int64)
    near = np.ones(count, np.bool_)
    for place in range(length - 1):
        key = key * (1 << 17) + moves[place : place + count]
        near &= later[place : place + count] <= 2 * piece.meter.bar_ticks
    return key[near]


def numbered(runs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The runs of some pieces, int64 `[runs]` each, with 0, 1, 2, ... instead of their numbers."""
    _, small = np.unique(np.concatenate([*runs, np.zeros(0, np.int64)]), return_inverse=True)
    return np.split(small, np.cumsum([len(own) for own in runs])[:-1]) if len(runs) else []


def distinct_grams(runs: Sequence[np.ndarray]) -> float:
    """How many of the runs of notes of a set of pieces are different ones.

    Formula: distinct runs of 4 notes (3 intervals, 3 distances of onsets) / runs, all pieces together
    Range: above 0, to 1; 0 without any. It falls with the number of pieces: compare equal numbers.
    Direction: closest to real music.
    Source: Li et al., "A Diversity-Promoting Objective Function", NAACL 2016 (distinct n-grams).

    Args:
        runs: of each piece its runs, `numbered`.
    """
    found = np.concatenate([*runs, np.zeros(0, np.int64)])
    return float(np.count_nonzero(np.bincount(found))) / len(found) if len(found) else 0.0


def shared_grams(runs: Sequence[np.ndarray]) -> float:
    """Self-similarity of a set: how much of each piece stands in another piece.

    Formula: the mean over pieces of (runs of 4 notes that are also in another piece / runs of the piece)
    Range: 0..1; 0 without any. It grows with the number of pieces: compare equal numbers.
    Direction: closest to real music.
    Source: this project, after self-BLEU (Zhu et al., "Texygen", SIGIR 2018).

    Args:
        runs: of each piece its runs, `numbered`.
    """
    own = [part for part in runs if len(part)]
    if not own:
        return 0.0
    found = np.concatenate(own)
    piece = np.repeat(np.arange(len(own)), [len(part) for part in own])
    width = int(found.max()) + 1
    pairs = np.unique(piece * width + found)
    holders = np.bincount(pairs % width, minlength=width)
    shared = holders[found] > 1
    return float((np.bincount(piece, shared) / np.bincount(piece)).mean())
