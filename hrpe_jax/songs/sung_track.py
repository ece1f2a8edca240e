"""The track that is sung in a karaoke file: the one whose notes begin where the syllables do."""

from __future__ import annotations

import numpy as np

from hrpe_jax.score.midi import MidiFile, MidiTrack

_NEAR = 1 / 12
"""Quarters by which a syllable may stand beside its note."""
_ENOUGH = 0.6
"""F-measure of onsets from which a track is the sung one."""
_LIKE_BEST = 0.04
"""Tracks so near to the best one sing the same words: a second voice, or the same line doubled."""


def sung_track(midi: MidiFile) -> MidiTrack | None:
    """The track that the words belong to; None where there are no words, or none that fit a track.

    Of several that sing together, the one with the fewest notes at once is the melody, then the louder one,
    then the first.
    """
    if not midi.syllables:
        return None
    syllables = np.asarray(midi.syllables)
    near = int(midi.ticks_per_quarter * _NEAR)
    best: list[tuple[float, MidiTrack]] = []
    for track in midi.tracks:
        if not track.is_drum:
            onsets = np.unique(track.rows[:, 0])
            sung, said = _share_near(onsets, syllables, near), _share_near(syllables, onsets, near)
            best.append((2 * sung * said / max(sung + said, 1e-9), track))
    score = max((value for value, _ in best), default=0.0)
    if score < _ENOUGH:
        return None
    alike = [track for value, track in best if value >= score - _LIKE_BEST]
    return min(alike, key=lambda track: (round(_together(track), 1), -float(track.rows[:, 3].mean())))


def _share_near(places: np.ndarray, others: np.ndarray, near: int) -> float:
    """Share of places that have another within `near`; both increasing."""
    following = np.searchsorted(others, places - near)
    found = following < len(others)
    return float(
        (others[np.minimum(following, len(others) - 1)][found] <= places[found] + near).sum() / len(places)
    )


def _together(track: MidiTrack) -> float:
    """Notes at each onset, on average."""
    return len(track.rows) / len(np.unique(track.rows[:, 0]))
