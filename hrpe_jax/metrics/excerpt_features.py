"""What a classifier sees of an excerpt: some 150 numbers in five families.

How an excerpt begins and ends is not among them, nor its tempo: these have measures of their own. No number
depends on the key. Where something is not defined, such as harmony without chords, the number is NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from hrpe_jax.metrics import harmony, phrasing, recurrence
from hrpe_jax.metrics.arrays import Piece, Undefined
from hrpe_jax.metrics.recurrence import grams
from hrpe_jax.metrics.structure import bar_chords, bar_ids, bar_similarity, chord_at

LENGTHS = (3, 6, 9, 12, 18, 24, 36)
"""Longest ticks of the classes of durations; one more class is longer."""
LENGTH_NAMES = (
    "16th", "eighth", "dotted eighth", "quarter", "dotted quarter", "half", "dotted half", "longer",
)  # fmt: skip
LAGS = (1, 2, 4, 8)
_LEAPS = (-12, -8, -5, -3, -2, -1, 0, 1, 2, 3, 5, 8, 12)
"""Where the classes of intervals begin, downwards for falling ones."""
DEGREES = ("I", "bII", "II", "bIII", "III", "IV", "#IV", "V", "bVI", "VI", "bVII", "VII")

Features = dict[str, float]


def rhythm(piece: Piece) -> Features:
    """When notes begin and how long they last."""
    beat, bar = piece.meter.beat_ticks, piece.meter.bar_ticks
    later = np.minimum(np.diff(piece.onset), 2 * bar)
    per_bar = np.bincount(piece.bar, minlength=piece.bars)
    heard = per_bar[per_bar > 0]
    found = {"notes a bar": _mean(heard), "notes a bar, spread": float(heard.std())}
    found["notes a bar, change to the next"] = _mean(np.abs(np.diff(heard)))
    found |= _shares("onset at 16th", piece.offset * 16 // bar, 16)
    found |= _shares("duration:", np.searchsorted(LENGTHS, piece.duration), 8, LENGTH_NAMES)
    found |= _shares("time to next onset:", np.searchsorted(LENGTHS, later), 8, LENGTH_NAMES)
    found["onsets off the 16ths"] = _mean(piece.offset % 3 != 0)
    found["onsets off the beat"] = _mean(piece.offset % beat != 0)
    end = piece.offset + piece.duration
    held = (piece.offset % beat != 0) & (end // beat > piece.offset // beat) & (end % beat != 0)
    found["syncopated notes"] = _mean(held)
    found["time sounding"] = float(piece.duration.sum()) / float(piece.lengths.sum() - piece.onset[0])
    found["time to next as before"] = _mean(later[1:] == later[:-1])
    found["legato"] = _mean(np.minimum(piece.duration[:-1] / np.maximum(later, 1), 1))
    ids = bar_ids(piece, "rhythm")
    found["distinct rhythms"] = len(np.unique(ids[ids >= 0])) / max((ids >= 0).sum(), 1)
    return found


def pitch(piece: Piece) -> Features:
    """Which notes, how high, and how they move."""
    step = np.diff(piece.pitch)
    size = np.abs(step)
    found = {
        "range": phrasing.range_semitones(piece),
        "spread of pitches": float(piece.pitch.std()),
        "drift of the register": phrasing.register_drift(piece),
        "median pitch": phrasing.median_pitch(piece),
        "mean interval": _mean(size),
    }
    classes = np.where(step >= 0, np.searchsorted(_LEAPS, step, "right") - 1, np.searchsorted(_LEAPS, step))
    found |= {f"interval {_LEAPS[k]:+d}": _mean(classes == k) for k in range(len(_LEAPS))}
    found |= _shares("degree", (piece.pitch - piece.tonic) % 12, 12, DEGREES)
    moves = np.sign(step[step != 0])
    found["turns"] = _mean(moves[1:] != moves[:-1])
    leap = size[:-1] >= 5
    found["leaps turned by a step"] = _mean(
        ((size[1:] <= 2) & (np.sign(step[1:]) != np.sign(step[:-1])))[leap]
    )
    found["highest note, share of bars"] = len(np.unique(piece.bar[piece.pitch == piece.pitch.max()])) / len(
        np.unique(piece.bar)
    )
    for bars in (1, 4):
        found[f"entropy of {bars} bars"] = _try(harmony.pitch_class_entropy, piece, bars=bars)
    found["out of key"] = _mean(~piece.scale[piece.pitch % 12])
    return found


def structure(piece: Piece) -> Features:
    """What comes back, and phrases."""
    found: Features = {}
    for of in ("pitches", "rhythm"):
        similar = bar_similarity(piece, of)
        found |= {f"bars {lag} apart alike in {of}": _mean(np.diagonal(similar, lag)) for lag in LAGS}
        found |= {
            f"bars {lag} apart equal in {of}": _try(recurrence.bar_return, piece, lag=lag, of=of)
            for lag in LAGS
        }
        found[f"any two bars alike in {of}"] = _mean(similar[np.triu_indices(piece.bars, 1)])
    for length in (2, 4, 8):
        found[f"best return of {length} bars"] = _try(recurrence.best_return, piece, length=length)
    found["later bars from the first half"] = _try(
        recurrence.prime_taken_up, piece, prime_bars=piece.bars // 2
    )
    runs = grams(piece)
    found["runs of 4 notes that come again"] = 1 - len(np.unique(runs)) / max(len(runs), 1)
    first = phrasing.first_notes(piece)
    notes = np.diff(np.append(first, len(piece.onset)))
    span = (phrasing.breaths(piece) - piece.onset[first]) / piece.meter.bar_ticks
    found |= {
        "phrases": float(len(notes)),
        "notes a phrase": float(notes.mean()),
        "notes a phrase, spread": float(notes.std()),
        "longest phrase": float(span.max()),
        "bars a phrase": float(span.mean()),
    }
    for bars in (1, 2, 4):
        found[f"phrases end at {bars}-bar lines"] = _try(phrasing.ends_at_lines, piece, bars=bars)
    later = piece.offset[first[1:]] * 8 // piece.meter.bar_ticks  # without the beginning of the piece
    found |= _shares("phrase begins at eighth", later, 8)
    return found


def chord_features(piece: Piece) -> Features:
    """Chords alone."""
    if not len(piece.changes):
        return {}
    onset, label = piece.chord_onset[piece.changes], piece.chord[piece.changes]
    later = np.diff(np.append(onset, piece.chord_end[-1]))
    degree = (piece.chord % 12 - piece.tonic) % 12
    ticks = piece.chord_end - piece.chord_onset
    relative = np.stack(
        [np.roll(row, -int(root)) for row, root in zip(piece.chord_tones, piece.chord % 12, strict=True)]
    )
    found = {"changes a bar": len(onset) / piece.bars, "beats a chord": float(later.mean()) / 12}
    found["beats a chord, spread"] = float(later.std()) / 12
    found["changes on the bar line"] = _try(harmony.changes_on_bar_line, piece)
    found |= {f"time on {DEGREES[k]}": float(ticks[degree == k].sum()) / ticks.sum() for k in range(12)}
    tones = {
        "minor third": 3,
        "major third": 4,
        "diminished fifth": 6,
        "minor seventh": 10,
        "major seventh": 11,
    }
    found |= {
        f"chords with {name}": float(np.average(relative[:, k], weights=ticks)) for name, k in tones.items()
    }
    found["tones a chord"] = float(np.average(relative.sum(axis=1), weights=ticks))
    found["chord tones out of key"] = float(
        np.average((piece.chord_tones & ~piece.scale).sum(axis=1), weights=ticks)
    )
    found |= _shares("root moves up by", np.diff(label % 12) % 12, 12, tuple(map(str, range(12))))
    found |= {f"bars {lag} apart equal in chords": _try(harmony.chord_return, piece, lag=lag) for lag in LAGS}
    found |= {
        f"longest vamp of {bars} bars": _try(recurrence.longest_vamp, piece, length=bars)
        for bars in recurrence.VAMPS
    }
    beats = bar_chords(piece)
    found |= {f"beats {lag} bars apart equal in chords": _mean(beats[lag:] == beats[:-lag]) for lag in LAGS}
    found["distinct chords"] = harmony.chord_coverage(piece)
    found["distinct progressions of 3"] = _try(harmony.chord_progression_irregularity, piece)
    found["entropy of chords"] = harmony.chord_histogram_entropy(piece)
    found["distance of neighbours"] = _try(harmony.chord_tonal_distance, piece)
    return found


def over_chords(piece: Piece) -> Features:
    """The melody against its chords."""
    label = chord_at(piece, piece.onset)
    over = label >= 0
    if not over.any():
        return {}
    above = (piece.pitch[over] - label[over]) % 12
    found = {f"over the root {k}": _mean(above == k) for k in range(12)}
    for counting in ("notes", "duration", "strong"):
        found[f"chord tones by {counting}"] = _try(harmony.chord_tone_ratio, piece, counting=counting)
    found["chord tones above chance"] = _try(harmony.chord_tone_gain, piece)
    found["a semitone over a chord tone"] = _try(harmony.semitone_share, piece)
    found["resolved"] = _try(harmony.ctnctr, piece)
    found["consonance"] = _try(harmony.pitch_consonance, piece)
    found["tonal distance"] = _try(harmony.melody_chord_tonal_distance, piece)
    note, span, _, begins = piece.overlaps
    is_tone = piece.chord_tones[span, piece.pitch[note] % 12]
    long = piece.duration[note] >= 2 * piece.meter.beat_ticks
    found["chord tones of long notes"] = _mean(is_tone[begins & long])
    found["chord tones when held over a change"] = _mean(is_tone[~begins])
    found["notes at a chord change"] = _mean(np.isin(piece.chord_onset[piece.changes], piece.onset))
    found["chord tones of phrase ends"] = _mean(is_tone[begins & np.isin(note, phrasing.ending_notes(piece))])
    return found


FAMILIES: Mapping[str, Callable[[Piece], Features]] = {
    "rhythm": rhythm,
    "pitch": pitch,
    "structure": structure,
    "harmony": chord_features,
    "melody over chords": over_chords,
}


def features_of(pieces: list[Piece]) -> tuple[np.ndarray, list[tuple[str, str]]]:
    """The features of some excerpts of equally many bars, each with a melody.

    Returns:
        float64 `[pieces, features]`, and of each feature its family and its name.
    """
    rows = [
        {(family, name): value for family, of in FAMILIES.items() for name, value in of(piece).items()}
        for piece in pieces
    ]
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = np.array([[row.get(name, np.nan) for name in names] for row in rows], np.float64)
    return table.reshape(len(rows), len(names)), names


def _shares(title: str, values: np.ndarray, kinds: int, names: tuple[str, ...] = ()) -> Features:
    """Share of each kind, 0 to kinds - 1; without names they are counted from 1."""
    shares = np.bincount(np.clip(values, 0, kinds - 1), minlength=kinds) / max(len(values), 1)
    return {f"{title} {names[kind] if names else kind + 1}": float(shares[kind]) for kind in range(kinds)}


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else float("nan")


def _try(function: Callable[..., float], piece: Piece, **options: object) -> float:
    try:
        return function(piece, **options)
    except Undefined:
        return float("nan")
