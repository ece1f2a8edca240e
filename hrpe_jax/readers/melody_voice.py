"""Which voice of written music carries the tune: the parts of a MusicXML file, the voices of an ABC tune.

Words under the notes and names say it best. Where there are none, a single line is the tune rather than
block chords, a high one rather than a low one, and chord symbols stand above it more often than not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hrpe_jax.analysis.melody.find_melody import track_scores
from hrpe_jax.analysis.melody.note_features import Notes

_LEADING = re.compile(
    r"voice|vocal|\bvoc\b|\bvox\b|melod|\blead|solo|sopran|cantus|canto|sing|gesang|chant|voz|lyric|descant"
)
_FOLLOWING = re.compile(
    r"bass|baix|basso|drum|perc|guitar|piano|organ|keyb|pad|string|accomp|begleit|alto|tenor|harmony|chord"
    r"|akkord|back|choir|cello|harp|ukulele|banjo|accordion|left hand|linke|continuo|comping"
)
_SINGLE_LINE = re.compile(
    r"\b(alto|tenor|bass|baritone|bari|contralto|soprano)[ .-]*"
    r"(sax\w*|clarinet\w*|flute\w*|recorder\w*|oboe\w*|horn\w*|trumpet\w*|trombone\w*|cornet\w*)"
)
_SECONDS = 1 / 24
"""Of a tick at 120 quarters a minute, where only proportions matter."""
_LOW = 52
"""Median pitch below which a voice is a bass."""
_SURE = 1.0
"""Evidence by names, words or symbols that makes a choice sure."""


@dataclass(frozen=True)
class Voice:
    """A voice that may carry the tune.

    Attributes:
        name: as in the file; may be empty.
        notes: [n, 3] onset, duration and pitch in ticks, one row or more, sorted by onset, then pitch.
        lyrics: how many of its notes have words under them.
        symbols: whether chord symbols stand above it.
        clef: "G", "F" or "C" as far as it is known.
    """

    name: str
    notes: np.ndarray
    lyrics: int = 0
    symbols: bool = False
    clef: str = ""


def choose_melody(voices: Sequence[Voice]) -> tuple[int, bool]:
    """The voice that carries the tune.

    Args:
        voices: in the order of the page; at least one.

    Returns:
        Its place, the first of equals; and whether that is a guess, because neither words nor names nor
        chord symbols say so.
    """
    if len(voices) == 1:
        return 0, False
    most_words = max(voice.lyrics for voice in voices)
    said = np.array([_said(voice, most_words) for voice in voices])
    looks = _looks(voices)
    evidence = said + looks
    best = int(np.argmax(evidence))
    told = said[best] >= _SURE or said[best] - np.delete(said, best).max() >= _SURE
    return best, not told


def _said(voice: Voice, most_words: int) -> float:
    """What words, names and symbols say for a voice."""
    name = _SINGLE_LINE.sub(" ", re.sub(r"[_\W]+", " ", voice.name.lower()))
    score = 4.0 if voice.lyrics and voice.lyrics >= 0.3 * most_words else 0.0
    score += 2.0 if _LEADING.search(name) else -1.0 if _FOLLOWING.search(name) else 0.0
    return score + (1.0 if voice.symbols else 0.0)


def _looks(voices: Sequence[Voice]) -> np.ndarray:
    """[voices] what the notes say: a line or chords, how much of the time, how high, how like a tune."""
    covered = np.array([_covered(voice.notes) for voice in voices], dtype=np.float64)
    share = np.minimum(1.0, 2 * covered / max(covered.max(), 1.0))
    chords = np.array([_chords(voice.notes) for voice in voices])
    low = np.array([np.median(voice.notes[:, 2]) < _LOW or voice.clef == "F" for voice in voices])
    scores = track_scores([_in_seconds(voice.notes) for voice in voices], [0] * len(voices))
    tune = np.clip(scores - scores.max(), -4.0, 0.0) / 4
    return np.asarray(share - 3.0 * chords - 1.0 * low + tune)


def _covered(notes: np.ndarray) -> int:
    """Ticks in which the voice sounds."""
    end = notes[:, 0] + notes[:, 1]
    until = np.maximum.accumulate(end)
    before = np.maximum(notes[:, 0], np.concatenate([notes[:1, 0], until[:-1]]))
    return int(np.maximum(end - before, 0).sum())


def _chords(notes: np.ndarray) -> float:
    """Share of the onsets at which three notes or more begin, and half of that of two."""
    _, sizes = np.unique(notes[:, 0], return_counts=True)
    return float((sizes > 2).mean() + 0.25 * (sizes == 2).mean())


def _in_seconds(notes: np.ndarray) -> Notes:
    onset = notes[:, 0] * _SECONDS
    return Notes(onset, onset + notes[:, 1] * _SECONDS, notes[:, 2].astype(float), np.full(len(notes), 80.0))
