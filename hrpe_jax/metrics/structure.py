"""How the bars of a piece relate: self-similarity matrices, and what is read off them.

A number from here says nothing alone: `hrpe_jax.metrics.compare` prints it beside the same number for other
real music, varied, shuffled, random and looped bars, and silence.

`bar_ids` and the like give the content of each bar as one number, so that bars can be compared at once.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import Literal

import numpy as np

from hrpe_jax.metrics.arrays import Music, Piece, Undefined, piece_of, ragged_arange

Content = Literal["notes", "pitches", "rhythm", "chords"]
EMPTY = -1
PITCHES = 128
MAX_TICKS = 4096
"""Longer notes and later onsets in a bar are taken for this."""


@lru_cache(maxsize=64)
def bar_ids(piece: Piece, of: Content) -> np.ndarray:
    """A number for the content of each bar, equal for bars with equal content.

    Args:
        piece: melody and chords.
        of: "notes": onset, duration and pitch of the notes that begin in the bar. "pitches": onset and pitch.
            "rhythm": onsets alone. "chords": the chord on each beat.

    Returns:
        int64 `[bars]`, read-only, 0 and up; `EMPTY` for bars in which no note begins, or no chord sounds on a
        beat.
    """
    if of == "chords":
        chords = bar_chords(piece)
        return _numbered(chords, chords.max(axis=1, initial=-1) < 0)
    columns = {
        "notes": (piece.offset, piece.duration, piece.pitch),
        "pitches": (piece.offset, piece.pitch),
        "rhythm": (piece.offset,),
    }[of]
    events = np.stack(columns, axis=1)
    first = np.searchsorted(piece.bar, np.arange(piece.bars + 1))
    known: dict[bytes, int] = {}
    ids = np.full(piece.bars, EMPTY, np.int64)
    for bar, (begin, end) in enumerate(pairwise(first.tolist())):
        if end > begin:
            ids[bar] = known.setdefault(events[begin:end].tobytes(), len(known))
    ids.setflags(write=False)
    return ids


def run_of_equals(ids: np.ndarray, lag: int) -> int:
    """How many bars in a row, at most, equal the bar `lag` before; empty bars break it. `ids`: `bar_ids`."""
    best = current = 0
    for index in range(lag, len(ids)):
        current = current + 1 if ids[index] >= 0 and ids[index] == ids[index - lag] else 0
        best = max(best, current)
    return best


def bar_chords(piece: Piece) -> np.ndarray:
    """The chord that sounds on each beat of each bar, int64 `[bars, beats]`; `EMPTY` where none does."""
    beats = np.arange(piece.meter.beats_per_bar) * piece.meter.beat_ticks
    return chord_at(piece, piece.starts[:, None] + beats)


def chord_at(piece: Piece, ticks: np.ndarray) -> np.ndarray:
    """The label of the chord that sounds at each tick, of the shape of `ticks`; `EMPTY` where none does."""
    if not len(piece.chord):
        return np.full(ticks.shape, EMPTY, np.int64)
    span = np.searchsorted(piece.chord_end, ticks, side="right")
    inside = np.minimum(span, len(piece.chord) - 1)
    sounds = (span < len(piece.chord)) & (piece.chord_onset[inside] <= ticks)
    return np.where(sounds, piece.chord[inside], EMPTY)


def _numbered(rows: np.ndarray, empty: np.ndarray) -> np.ndarray:
    ids = np.full(len(rows), EMPTY, np.int64)
    if len(rows):
        _, ids = np.unique(rows, axis=0, return_inverse=True)
    found = np.where(empty, EMPTY, ids.reshape(-1))
    found.setflags(write=False)
    return found


def bar_similarity(piece: Piece, of: Literal["notes", "pitches", "rhythm"], empty: float = 0) -> np.ndarray:
    """Jaccard similarity of all pairs of bars.

    Formula: S[a, b] = |N_a and N_b| / |N_a or N_b|, N_a = the set of events that begin in bar a

    Args:
        piece: the melody.
        of: what an event is, see `bar_ids`.
        empty: the similarity of two empty bars.

    Returns:
        float32 `[bars, bars]`.
    """
    key = np.minimum(piece.offset, MAX_TICKS - 1)
    if of == "notes":
        key = key * MAX_TICKS + np.minimum(piece.duration, MAX_TICKS - 1)
    if of != "rhythm":
        key = key * PITCHES + piece.pitch
    _, kind = np.unique(key, return_inverse=True)
    return jaccard(piece.bar, kind, piece.bars, empty)


def jaccard(group: np.ndarray, kind: np.ndarray, groups: int, empty: float = 0) -> np.ndarray:
    """Jaccard similarity of all pairs of sets.

    Args:
        group: int64 `[events]`, the set that each event is in.
        kind: int64 `[events]`, 0 and up, what it is.
        groups: how many sets there are.
        empty: the similarity of two empty sets.

    Returns:
        float32 `[groups, groups]`.
    """
    has = np.zeros((groups, int(kind.max(initial=-1)) + 1), np.float32)
    has[group, kind] = 1
    common = has @ has.T
    size = has.sum(axis=1)
    union = size[:, None] + size - common
    return np.divide(common, union, out=np.full((groups, groups), empty, np.float32), where=union > 0)


def bar_ssm(music: Music, silence: bool = False) -> np.ndarray:
    """Self-similarity of the bars of a piece: how many of their notes are the same.

    Formula: S[a, b] = |N_a and N_b| / |N_a or N_b|, N_a = the set of (onset in the bar, pitch, duration) of
        the melody notes that begin in bar a; two empty bars = 1.
    Range: 0..1.
    Direction: none.
    Source: Yu et al., "Museformer", NeurIPS 2022 (similarity of bars).

    Args:
        music: the melody.
        silence: append an empty bar, so that the last row says which bars are empty. Without it a piece of
            silence and one bar repeated for ever are the same.

    Returns:
        float32 `[bars, bars]`, or one more of each.
    """
    ssm = bar_similarity(piece_of(music), "notes", empty=1)
    if not silence:
        return ssm
    is_empty = np.append(np.bincount(piece_of(music).bar, minlength=len(ssm)) == 0, True)
    whole = np.zeros((len(ssm) + 1, len(ssm) + 1), np.float32)
    whole[:-1, :-1] = ssm
    whole[-1], whole[:, -1] = is_empty, is_empty
    return whole


def lag_curve(ssm: np.ndarray, silence: bool = False) -> np.ndarray:
    """L_t: mean similarity of bars t apart, t = 1 to bars - 1: the diagonals of bar SSMs.

    Args:
        ssm: `[..., rows, rows]`.
        silence: whether the last row is the empty bar; the mean similarity to it is then appended.

    Returns:
        `[..., rows - 1]`.
    """
    bars = ssm.shape[-1] - silence
    means = [
        np.diagonal(ssm[..., :bars, :bars], lag, axis1=-2, axis2=-1).mean(axis=-1) for lag in range(1, bars)
    ]
    return np.stack([*means, ssm[..., -1, :bars].mean(axis=-1)] if silence else means, axis=-1)


def statistical_ssmd(generated: np.ndarray, reference: np.ndarray) -> float:
    """SSMD, statistical: how far the mean bar SSM of some pieces is from that of others.

    Formula: 100 mean over i, j of |E_generated[S_ij] - E_reference[S_ij]|, S = bar SSM by Jaccard similarity
    Range: 0..100. It is above 0 for two sets of the same kind: compare with the floor at the same number of
        pieces.
    Direction: closest to real music, that is to the floor.
    Source: this project, after Agarwal, Wang and Richard, ICASSP 2024, and Yu et al., "Museformer", NeurIPS
        2022.

    Args:
        generated: bar SSMs `[pieces, bars, bars]`.
        reference: bar SSMs of the other set, of as many bars.
    """
    return 100 * float(np.abs(generated.mean(axis=0) - reference.mean(axis=0)).mean())


def similarity_error(generated: np.ndarray, reference: np.ndarray, silence: bool = False) -> float:
    """SE: how far the mean similarity of bars at each distance is from that of real music.

    Formula: mean over lags t of |L_t(generated) - L_t(reference)|, L_t = mean bar similarity at lag t
    Range: 0..1. It is above 0 for two sets of the same kind: compare with the floor at the same number of
        pieces.
    Direction: closest to real music, that is to the floor.
    Source: Yu et al., "Museformer", NeurIPS 2022.

    Args:
        generated: bar SSMs `[pieces, bars, bars]`.
        reference: bar SSMs of the other set, of as many bars.
        silence: whether the last row of the SSMs is the empty bar, which then counts as one more lag.
    """
    away = lag_curve(generated.mean(axis=0), silence) - lag_curve(reference.mean(axis=0), silence)
    return float(np.abs(away).mean())


def energy_distance(generated: np.ndarray, reference: np.ndarray) -> float:
    """Energy distance: how far the SSMs of some pieces are from those of others, as distributions.

    Formula: 2 E|X - Y| - E|X - X'| - E|Y - Y'|, |X - Y| = 100 mean over i, j of |X_ij - Y_ij|; the means are
        over all pairs, those of a piece with itself among them
    Range: 0..200. It is above 0 for two sets of the same kind: compare with the floor at the same number of
        pieces.
    Direction: closest to real music, that is to the floor.
    Source: Szekely and Rizzo, "Energy statistics", Journal of Statistical Planning and Inference 143, 2013;
        on SSMs: this project.

    Args:
        generated: bar SSMs `[pieces, bars, bars]`.
        reference: bar SSMs of the other set, of as many bars.
    """
    x, y = (s.reshape(len(s), -1) for s in (generated, reference))
    within = mean_distances(x, x).mean() + mean_distances(y, y).mean()
    return max(0.0, 100 * float(2 * mean_distances(x, y).mean() - within))


def mean_distances(x: np.ndarray, y: np.ndarray, block: int = 32) -> np.ndarray:
    """mean_i |x_i - y_i| of all pairs of rows, float32 `[len(x), len(y)]`, in memory of a block of rows.

    Args:
        x: `[pieces, features]`.
        y: `[other pieces, features]`.
        block: rows at a time.
    """
    x, y = np.ascontiguousarray(x.T, np.float32), np.ascontiguousarray(y.T, np.float32)
    total = np.zeros((x.shape[1], y.shape[1]), np.float32)
    away = np.empty((block, y.shape[1]), np.float32)
    for first in range(0, x.shape[1], block):
        rows = total[first : first + block]
        part = away[: len(rows)]
        for a, b in zip(x[:, first : first + block], y, strict=True):
            np.subtract(a[:, None], b, out=part)
            np.abs(part, out=part)
            rows += part
    return total / max(len(x), 1)


def chroma(music: Music, frame: int) -> np.ndarray:
    """How many ticks of each frame every pitch class of the melody sounds.

    Args:
        music: the melody.
        frame: length of a frame in ticks.

    Returns:
        float32 `[frames, 12]`, up to the end of the last bar, the last frame perhaps shorter.
    """
    piece = piece_of(music)
    length = int(piece.lengths.sum())
    end = np.minimum(piece.onset + piece.duration, length)
    first = piece.onset // frame
    count = -(-end // frame) - first
    note, at = np.repeat(np.arange(len(first)), count), ragged_arange(first, count)
    ticks = np.minimum(end[note], (at + 1) * frame) - np.maximum(piece.onset[note], at * frame)
    cells = np.bincount(at * 12 + piece.pitch[note] % 12, ticks, minlength=12 * -(-length // frame))
    return cells.reshape(-1, 12).astype(np.float32)


def cosine_ssm(features: np.ndarray) -> np.ndarray:
    """Cosine similarity of all pairs of rows, `[frames, frames]`; rows of zeros have 0 with everything."""
    norm = np.linalg.norm(features, axis=-1, keepdims=True)
    unit = features / np.maximum(norm, 1e-12)
    # Not a matrix product: for so few columns BLAS spends its time on waking threads.
    return np.einsum("ik,jk->ij", unit, unit)


def paired_ssmd(music: Music, target: Music, norm: str = "l1") -> float:
    """SSMD, paired: how far the SSM of a piece is from that of the piece that it should have been.

    Formula: 100 mean over i, j of |S_ij - S'_ij| (l1) or of its square (l2), S = cosine similarity of the
        chroma counts of half beats i and j, 0 where either is silent
    Range: 0..100. Silence is closer to a tune than another real tune is.
    Direction: none that can be trusted.
    Source: Agarwal, Wang and Richard, "Structure-Informed Positional Encoding for Music Generation", ICASSP
        2024 (the paper says l1, its companion page l2).

    Args:
        music: the piece that is measured.
        target: the piece that it should have been. The longer one is cut to the length of the shorter.
        norm: "l1" or "l2".
    """
    return paired_ssmds(music, target)[("l1", "l2").index(norm)]


def paired_ssmds(music: Music, target: Music) -> tuple[float, float]:
    """`paired_ssmd` with both norms at once: l1, l2."""
    pieces = piece_of(music), piece_of(target)
    features = [chroma(piece, max(1, piece.meter.beat_ticks // 2)) for piece in pieces]
    frames = min(map(len, features))
    if not frames:
        raise Undefined("it, or its target, is empty")
    found, wanted = (cosine_ssm(feature[:frames]) for feature in features)
    away = np.abs(found - wanted).ravel()
    return 100 * float(away.mean()), 100 * float(np.einsum("i,i->", away, away)) / len(away)
