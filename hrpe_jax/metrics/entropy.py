"""How many different pitch classes and chords a piece uses, as entropies in bits.

None of these is better when higher: compare with the same number on real music.
"""

from __future__ import annotations

import numpy as np

from hrpe_jax.metrics.arrays import Music, Undefined, piece_of


def entropy(counts: np.ndarray) -> np.ndarray:
    """- sum p log2 p of histograms along the last axis, in bits; 0 for a histogram of nothing."""
    counts = np.asarray(counts, np.float64)
    share = counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1e-12)
    return -(share * np.log2(share, out=np.zeros_like(share), where=share > 0)).sum(axis=-1) + 0.0


def pitch_class_entropy(music: Music, bars: int = 1) -> float:
    """H1, H4: entropy of the pitch classes that begin in windows of so many bars.

    Formula: - sum_c h_c log2 h_c, h = share of the window's notes with pitch class c, by onset; the mean
        over windows that begin at every bar; windows without notes are skipped.
    Range: 0..log2 12 = 3.585 bits; not defined without notes or with fewer bars. The entropy of the whole
        piece is another metric.
    Direction: closest to real music.
    Source: Wu and Yang, "The Jazz Transformer on the Front Line", ISMIR 2020 (H1 and H4).

    Args:
        music: the melody.
        bars: of each window.
    """
    piece = piece_of(music)
    if piece.bars < bars:
        raise Undefined(f"it has fewer than {bars} bars")
    histogram = np.bincount(piece.bar * 12 + piece.pitch % 12, minlength=12 * piece.bars).reshape(-1, 12)
    total = np.concatenate([np.zeros((1, 12), np.int64), np.cumsum(histogram, axis=0)])
    counts = total[bars:] - total[:-bars]
    counts = counts[counts.any(axis=1)]
    if not len(counts):
        raise Undefined("it has no melody")
    return float(entropy(counts).mean())


def chord_histogram_entropy(music: Music) -> float:
    """CHE: entropy of the chords of a piece.

    Formula: - sum_c p_c log2 p_c, p = share of the chord changes that lead to chord c, counted once each
        however long they sound. Labels: root and fine quality (32 of them), no bass; repeats are one change.
    Range: 0 bits and up; not defined without chords.
    Direction: closest to real music.
    Source: Yeh et al., "Automatic Melody Harmonization with Triad Chords", Journal of New Music Research
        50(1), 2021 (there over 48 triads, natural logarithm).
    """
    piece = piece_of(music)
    if not len(piece.changes):
        raise Undefined(piece.no_chords)
    _, counts = np.unique(piece.chord[piece.changes], return_counts=True)
    return float(entropy(counts))
