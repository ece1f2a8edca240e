"""How full the bars of a melody are, and how alike their rhythms.

None of these is better when higher: compare with the same number on real music.
"""

from __future__ import annotations

import numpy as np

from hrpe_jax.metrics.arrays import TICKS_PER_16TH, Music, Piece, Undefined, piece_of


def full_bar_share(music: Music) -> float:
    """Share of bars that are as long as the meter says; a bar is shorter where a reset cuts it.

    Formula: full bars / bars; the last bar counts as full.
    Range: 0..1; not defined for an empty piece.
    Direction: closest to real music.
    Source: this project.
    """
    piece = piece_of(music)
    if not piece.bars:
        raise Undefined("it is empty")
    return float((piece.lengths == piece.meter.bar_ticks).mean())


def onset_matrix(music: Music, positions: int | None = None) -> np.ndarray:
    """Which grid positions of each bar a melody note begins at, bool `[bars, positions]`.

    Args:
        music: the melody.
        positions: grid positions to a bar; None takes one for every tick. Onsets between them go to the one
            before.
    """
    piece = piece_of(music)
    ticks = piece.meter.bar_ticks
    positions = positions or ticks
    matrix = np.zeros((piece.bars, positions), np.bool_)
    matrix[piece.bar, piece.offset * positions // ticks] = True
    return matrix


def grooving_similarity(music: Music, positions: int | None = 16) -> float:
    """GS: how alike the onset patterns of all pairs of bars are.

    Formula: the mean over all pairs of bars a < b of 1 - (1/Q) sum_q XOR(O[a, q], O[b, q]), O[a, q] =
        whether a note begins at position q of bar a. It grows with the grid Q: the same piece has 0.833 at Q
        = 16 and 0.958 at Q = 64.
    Range: 0..1; not defined with fewer than two bars. Silence and one bar looped both have 1.
    Direction: closest to real music.
    Source: Wu and Yang, "The Jazz Transformer on the Front Line", ISMIR 2020 (Q = 64, at most 1,000 random
        pairs).

    Args:
        music: the melody.
        positions: grid positions to a bar, Q; None: one for every tick (48 in 4/4).
    """
    onsets = onset_matrix(music, positions)
    bars, grid = onsets.shape
    if bars < 2:
        raise Undefined("it has fewer than two bars")
    # Summed per position: k onsets among B bars differ in k (B - k) of the pairs.
    count = onsets.sum(axis=0, dtype=np.int64)
    return 1 - float((count * (bars - count)).sum()) / (grid * bars * (bars - 1) / 2)


def groove_consistency(music: Music, positions: int | None = 16) -> float:
    """GC: how alike the onset patterns of adjacent bars are. Not GS, which takes all pairs.

    Formula: 1 - (1/(B-1)) sum_a (1/Q) sum_q XOR(O[a, q], O[a+1, q])
    Range: 0..1; not defined with fewer than two bars. Silence and one bar looped both have 1.
    Direction: closest to real music.
    Source: Dong et al., "MusPy", ISMIR 2020, after Wu and Yang, ISMIR 2020.

    Args:
        music: the melody.
        positions: grid positions to a bar, Q; None: one for every tick, as MusPy has it.
    """
    onsets = onset_matrix(music, positions)
    if len(onsets) < 2:
        raise Undefined("it has fewer than two bars")
    return 1 - float((onsets[1:] ^ onsets[:-1]).mean())


def gs_histogram(music: Music, target: Music) -> float:
    """GS as used with paired SSMD: the overlap of two pieces' histograms of onset densities.

    Formula: g = onsets in each 16th, divided by its L2 norm (zeros stay zeros); histograms of the values of
        both pieces in 20 equal bins over their common range, each summing to 1; the sum of the smaller of
        each bin.
    Range: 0..1, 1 for a piece with itself. It says how many onsets there are, not where, and depends on the
        length.
    Direction: closest to real music beside another real piece.
    Source: Agarwal, Wang and Richard, "Structure-Informed Positional Encoding for Music Generation", ICASSP
        2024.

    Args:
        music: the piece that is measured.
        target: the piece that it should have been. The longer one is cut to the length of the shorter.
    """
    pieces = piece_of(music), piece_of(target)
    steps = min(_steps(piece) for piece in pieces)
    if not steps:
        raise Undefined("it, or its target, is empty")
    found = [
        np.bincount(piece.onset[piece.onset < steps * TICKS_PER_16TH] // TICKS_PER_16TH, minlength=steps)
        for piece in pieces
    ]
    density = [counts / max(float(np.linalg.norm(counts)), 1e-12) for counts in found]
    low, high = min(d.min() for d in density), max(d.max() for d in density)
    edges = np.linspace(low, high, 21) if high > low else np.linspace(low, low + 1, 21)
    first, second = (np.histogram(d, edges)[0] / steps for d in density)
    return float(np.minimum(first, second).sum())


def _steps(piece: Piece) -> int:
    return int(piece.lengths.sum()) // TICKS_PER_16TH
