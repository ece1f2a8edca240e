"""Notes of training melodies over each chord, counted by style.

The melody stage is trained on the chords of songs. Over other chords it writes notes that fit the key and
clash with the chord. These counts show which chords are rare.

`chords.json` beside the weights of a model holds the counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hrpe_jax.codec import backbone_tokens as tokens
from hrpe_jax.codec import melody_tokens
from hrpe_jax.errors import UserError
from hrpe_jax.theory.key import Key

FILE = "chords.json"
FORMAT = 1
ENOUGH = 300
"""Notes over a chord at which its strangeness is one half."""
_SHAPE = (2, 12, len(tokens.QUALITIES))


class ChordCounts:
    """Counts of notes over chords, by style.

    Args:
        counts: by style, int `[2, 12, qualities]`: notes over chords of a quality on a degree, so many
            semitones over the tonic, in major and in minor.
    """

    def __init__(self, counts: Mapping[str, np.ndarray]) -> None:
        self.counts = dict(counts)
        self._all = sum(self.counts.values(), np.zeros(_SHAPE, np.int64))

    def strangeness(self, style: str, key: Key, chords: np.ndarray) -> np.ndarray:
        """How rare chords are in training melodies: `ENOUGH / (ENOUGH + notes over such a chord)`.

        Args:
            style: "" or an unknown one for all styles together.
            key: of the piece.
            chords: backbone ids of chords.

        Returns:
            float32 of the shape of `chords`, from 0 to 1; 0 where there is no chord.
        """
        counts = self.counts.get(style, self._all)[int(key.mode == "minor")]
        is_chord = chords >= tokens.CHORD0
        degree = (tokens.ROOT[chords].astype(np.int64) - key.tonic) % 12
        heard = counts[degree, np.where(is_chord, tokens.QUALITY[chords], 0)]
        return np.where(is_chord, ENOUGH / (ENOUGH + heard), 0).astype(np.float32)

    def to_json(self) -> str:
        """The counts as text: of each style rows of mode, degree, quality and count."""
        values = {
            style: [[*place, int(counts[tuple(place)])] for place in np.argwhere(counts).tolist()]
            for style, counts in sorted(self.counts.items())
        }
        return json.dumps({"format": FORMAT, "counts": values}, separators=(",", ":")) + "\n"


def fit_chord_counts(records: Iterable[Mapping[str, Any]]) -> ChordCounts:
    """Counts the notes of melody records."""
    counts: dict[str, np.ndarray] = {}
    for record in records:
        about = record["metadata"]
        chords = np.asarray(record["conditioning_chord_ids"])
        chords = chords[(np.asarray(record["event_ids"]) < melody_tokens.PITCHES) & (chords >= tokens.CHORD0)]
        degrees = (tokens.ROOT[chords].astype(np.int64) - int(about["key_signature_root"])) % 12
        own = counts.setdefault(str(record.get("style", "")), np.zeros(_SHAPE, np.int64))
        is_minor = int(about["key_signature_mode"] in ("minor", 1))
        np.add.at(own[is_minor], (degrees, tokens.QUALITY[chords]), 1)
    return ChordCounts(counts)


def read_chord_counts(path: Path) -> ChordCounts:
    """Reads a file of counts.

    Raises:
        UserError: it cannot be read, or is no such file.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["format"] != FORMAT:
            raise ValueError(f"format {values['format']}, this program reads {FORMAT}")
        counts = {}
        for style, rows in values["counts"].items():
            counts[str(style)] = own = np.zeros(_SHAPE, np.int64)
            for *place, count in rows:
                if len(place) != len(_SHAPE) or min(*place, count) < 0:
                    raise ValueError(f"no counted chord: {[*place, count]}")
                own[tuple(place)] = count
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        problem = f"no counts of chords ({error}); take the file of a released model"
        raise UserError(f"{path}: {problem}") from None
    return ChordCounts(counts)
