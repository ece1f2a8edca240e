"""Which track of a file is sung: features of whole tracks, and a linear score.

A melody is one note at a time, moves by small steps within the range of a voice, is often the highest thing
that sounds, comes in after an introduction, and says phrases again. The weights were fitted by
`tools/fit_melody_track.py` on songs as they are and with the piano parted into bass, chords and top, and on
karaoke files, whose words tell which track is sung. How even the rhythm of a track is tells more about how a
data set was made than about melodies, so it is left out.
"""

from __future__ import annotations

import numpy as np

from hrpe_jax.analysis.melody_features import TOGETHER, Notes

_STEPS = 20_000
"""Most places at which tracks are compared, `_STEP` seconds apart or more."""
_STEP = 0.25
_WINDOW = 2.0
"""Seconds that count as covered where a note begins within them."""

TRACK_WEIGHTS = {
    "chords": -3.09, "overlap": -2.44, "coverage": -0.25, "too_low": -1.97, "highest": 0.89,
    "highest_of_all": 1.73, "lowest": -0.3, "leap": -3.0, "wide_leaps": -0.29, "repeats": -2.24,
    "range": -0.88, "legato": 1.36, "variety": -3.9, "loudness": 1.36, "notes": 0.34, "entry": 4.42,
    "sparse": -3.53, "held": -1.24,
}  # fmt: skip
"""Score of a track: the sum of these times `track_features`."""

_OUT = -10.0
"""Score of programs that never sing: basses, timpani, percussion, effects."""
_NEVER = frozenset({*range(32, 40), 47, *range(112, 128)})


def track_scores(tracks: list[Notes], programs: list[int]) -> np.ndarray:
    """[tracks] how much each track looks like a sung melody; differences of 2 are nearly certain.

    Args:
        tracks: one or more, each with one or more notes sorted by onset, then pitch; without percussion.
        programs: General MIDI programs of the tracks.
    """
    never = np.array([never_sings(program) for program in programs])
    return np.asarray(track_features(tracks) @ np.array(list(TRACK_WEIGHTS.values())) + _OUT * never)


def never_sings(program: int) -> bool:
    """Whether a General MIDI program is a bass, percussion or an effect."""
    return program in _NEVER


def track_features(tracks: list[Notes]) -> np.ndarray:
    """What each track looks like beside the others.

    Args:
        tracks: as for `track_scores`.

    Returns:
        [tracks, columns] in the order of `TRACK_WEIGHTS`: shares, octaves, logarithms of counts.
    """
    begin = min(float(track.onset[0]) for track in tracks)
    length = max(float(track.end.max()) for track in tracks) - begin
    steps = max(1, min(int(length / _STEP) + 1, _STEPS))
    step = max(length / steps, 1e-3)
    heard = np.zeros((len(tracks), steps))
    for row, track in zip(heard, tracks, strict=True):
        first = np.minimum(((track.onset - begin) / step).astype(np.int64), steps - 1)
        last = np.minimum(((track.end - begin) / step).astype(np.int64), steps - 1)
        np.maximum.at(row, first, track.pitch)
        # A long note counts in its middle too; that is enough to compare tracks.
        np.maximum.at(row, (first + last) // 2, track.pitch)
    sounds = heard > 0
    top = heard.max(axis=0)
    bottom = np.where(sounds, heard, 200.0).min(axis=0)
    together = sounds.sum(axis=0) > 1
    loudness = np.array([track.velocity.mean() for track in tracks])
    rows = []
    for index, track in enumerate(tracks):
        onset, pitch = track.onset, track.pitch
        wait = np.diff(onset)
        apart = wait > TOGETHER
        line = np.flatnonzero(np.append(apart, True))  # the highest of each chord
        sung = pitch[line]
        moves = np.abs(np.diff(sung))
        windows = ((onset - begin) / _WINDOW).astype(np.int64)
        sorted_pitch = np.sort(pitch)
        low, middle, high = sorted_pitch[[len(pitch) // 20, len(pitch) // 2, -1 - len(pitch) // 20]]
        held = np.minimum(track.end[line] - onset[line], 3.0)[:-1] / np.maximum(np.diff(onset[line]), 0.02)
        shared = together & sounds[index]
        triples = sung[:-2] * 16384 + sung[1:-1] * 128 + sung[2:]
        covered = (1 + np.count_nonzero(np.diff(windows))) / (int(length / _WINDOW) + 1)
        rows.append(
            (
                1 - len(line) / len(pitch),
                float((track.end[:-1] > onset[1:] + 0.1).mean()) if len(wait) else 0.0,
                covered,
                max(0.0, 57 - middle) / 6,
                float((heard[index] == top)[shared].mean()) if shared.any() else 1.0,
                float((heard[index] == top)[top > 0].mean()) if top.any() else 0.0,
                float((heard[index] == bottom)[shared].mean()) if shared.any() else 0.0,
                float(np.minimum(moves, 12).mean()) / 4 if len(moves) else 2.0,
                float((moves > 9).mean()) if len(moves) else 1.0,
                float((moves == 0).mean()) if len(moves) else 1.0,
                (high - low) / 12,
                np.log(np.median(held) + 0.05) if len(held) else 0.0,
                len(np.unique(triples)) / max(len(triples), 8),
                (loudness[index] - loudness.mean()) / 20,
                np.log(len(pitch)),
                min(float(onset[0]) - begin, 6.0) / 10,
                max(0.0, 0.45 - covered) * 4,
                max(0.0, float(np.median(np.log(np.maximum(track.end - onset, 0.05)))) + 0.3),
            )
        )
    return np.array(rows, dtype=np.float64)
