"""Major and minor keys, and finding the key of a piece from how long each pitch class sounds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np

from hrpe_jax.theory.pitch import NOTE_PATTERN, fifths_name, parse_pitch_class, pitch_class_name

Mode = Literal["major", "minor"]

MAJOR_SCALE = (0, 2, 4, 5, 7, 9, 11)
MINOR_SCALE = (0, 2, 3, 5, 7, 8, 10)
"""Natural minor; functions add the raised leading tone where harmony needs it."""

# J. Albrecht and D. Shanahan, "The Use of Large Corpora to Train a New Type of Key-Finding Algorithm",
# Music Perception 31(1), 2013, table 2. Keys are compared by Euclidean distance, as there.
MAJOR_PROFILE = (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081)
MINOR_PROFILE = (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052)

_MODES: dict[str, Mode] = {
    "": "major", "maj": "major", "major": "major", "M": "major", "ionian": "major",
    "m": "minor", "min": "minor", "minor": "minor", "-": "minor", "aeolian": "minor",
}  # fmt: skip


@dataclass(frozen=True)
class Key:
    """A key.

    Attributes:
        tonic: pitch class 0-11.
        mode: "major" or "minor".

    Raises:
        ValueError: if either is outside its range.
    """

    tonic: int
    mode: Mode

    def __post_init__(self) -> None:
        if not 0 <= self.tonic <= 11:
            raise ValueError(f"key tonic {self.tonic}: expected a pitch class 0 to 11")
        if self.mode not in ("major", "minor"):
            raise ValueError(f"key mode {self.mode!r}: expected 'major' or 'minor'")

    @classmethod
    def from_index(cls, index: int) -> Key:
        """The key with this `index` (0-11 major by tonic, 12-23 minor)."""
        if not 0 <= index < 24:
            raise ValueError(f"key index {index}: expected 0 to 23")
        return cls(index % 12, "minor" if index >= 12 else "major")

    @classmethod
    def parse(cls, text: str) -> Key:
        """Read "Eb major", "C#m", "Gb:maj", "a minor" or "F".

        A lower-case letter alone ("a") is a minor key.

        Raises:
            ValueError: if the text names no key.

        Example:
            >>> Key.parse("F# minor").name
            'F# minor'
            >>> Key.parse("Eb").scale
            (3, 5, 7, 8, 10, 0, 2)
        """
        match = re.fullmatch(rf"\s*({NOTE_PATTERN})\s*[: _]?\s*([A-Za-z-]*)\s*", text)
        if match is None:
            raise ValueError(f"key {text!r}: expected a tonic and a mode, such as 'Eb major' or 'C#m'")
        name, mode_text = match[1], match[2]
        if not mode_text and name[0].islower():
            return cls(parse_pitch_class(name), "minor")
        mode = _MODES.get(mode_text, _MODES.get(mode_text.lower()))
        if mode is None:
            raise ValueError(f"key {text!r}: the mode must be major or minor")
        return cls(parse_pitch_class(name), mode)

    @property
    def index(self) -> int:
        """Tonic, plus 12 where the mode is minor: 0..23."""
        return self.tonic + 12 * (self.mode == "minor")

    @property
    def fifths(self) -> int:
        """Sharps (positive) or flats (negative) of the signature, -6 (Gb major) to 5 (B major)."""
        major_tonic = self.tonic + (3 if self.mode == "minor" else 0)
        return (major_tonic * 7 + 6) % 12 - 6

    @property
    def name(self) -> str:
        """For people: "Eb major", "G# minor"."""
        return f"{fifths_name(self.fifths + (3 if self.mode == 'minor' else 0))} {self.mode}"

    @property
    def scale(self) -> tuple[int, ...]:
        """The seven pitch classes from the tonic up; natural minor in minor."""
        steps = MAJOR_SCALE if self.mode == "major" else MINOR_SCALE
        return tuple((self.tonic + step) % 12 for step in steps)

    @property
    def parallel(self) -> Key:
        """The key of the other mode on the same tonic."""
        return Key(self.tonic, "major" if self.mode == "minor" else "minor")

    def transpose(self, semitones: int) -> Key:
        """The key so many semitones higher."""
        return Key((self.tonic + semitones) % 12, self.mode)

    def spell(self, pitch_class: int) -> str:
        """Name of a pitch class as a chord root in this key: Ab in C major, G# in A minor."""
        return pitch_class_name(pitch_class, self.fifths, flat_reach=5 if self.mode == "major" else 3)

    def __str__(self) -> str:
        return self.name


def key_scores(weights: Sequence[float] | np.ndarray) -> np.ndarray:
    """How well each key explains a distribution of pitch classes.

    Args:
        weights: [12] sounding time (any unit, not negative) of each pitch class.

    Returns:
        [24] minus the Euclidean distance to each key's profile, by `Key.index`; higher is better. All equal
        where nothing sounds.

    Raises:
        ValueError: on another shape, or on negative or non-finite weights.
    """
    chroma = np.asarray(weights, dtype=np.float64)
    if chroma.shape != (12,) or not np.isfinite(chroma).all() or (chroma < 0).any():
        raise ValueError(f"key_scores: expected 12 finite weights >= 0, got {np.asarray(weights).tolist()}")
    total = chroma.sum()
    if total <= 0:
        return np.zeros(24)
    profiles = np.stack([np.roll(p, k) for p in (MAJOR_PROFILE, MINOR_PROFILE) for k in range(12)])
    return cast(np.ndarray, -np.linalg.norm(profiles - chroma / total, axis=1))


def find_key(weights: Sequence[float] | np.ndarray) -> Key:
    """The key that best explains how long each pitch class sounds (see `key_scores`); C major for silence.

    Example:
        >>> find_key([4, 0, 2, 0, 3, 1, 0, 3, 0, 2, 0, 1]).name  # how long C, C#, D ... sound
        'C major'
    """
    return Key.from_index(int(np.argmax(key_scores(weights))))
