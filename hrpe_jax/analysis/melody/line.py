"""The melody among the notes of one track: how probably each note belongs to it, then one note at a time.

A small network gives every note a first probability from what surrounds it. A second one looks at the notes
that may belong to a line again, beside the line that the first probabilities draw: its register, loudness,
leaps and rests. It looks twice, the second time at its own result. So a note is kept where it goes on with
the line, and a passage without melody stays empty even though something is always on top.

Both networks have one hidden layer of tanh units. Their weights (`fitted/melody_notes.json`) were
fitted by `tools/fit_melody.py`, on songs as they are and with dynamics flattened, times put on a grid, other
instruments left out, and transposed.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from hrpe_jax.analysis.fitted import read_fitted
from hrpe_jax.analysis.melody.note_features import TOGETHER, LineFeatures, Notes, note_features
from hrpe_jax.formats.midi.read import MidiFile

_FEWEST = 8
"""Notes of a track below which it is not the upper hand, where another has them."""
_OVERLAP = 0.1
"""Quarters by which a note may go on under the next and still be over."""


def skyline(midi: MidiFile) -> np.ndarray:
    """The highest line of the highest track: a pianist's right hand, or the top of a score.

    A note that begins under a higher one that still sounds is not heard as the tune.

    Args:
        midi: any file.

    Returns:
        [n, 4] onset, duration, pitch and velocity in file ticks, one note at a time; empty where there is
        nothing but percussion.
    """
    tracks = [track for track in midi.tracks if not track.is_drum]
    full = [track for track in tracks if len(track.rows) >= _FEWEST] or tracks
    if not full:
        return np.zeros((0, 4), dtype=np.int64)
    highest = max(full, key=lambda track: float(np.median(track.rows[:, 2])))
    rows = highest.rows
    kept = _upper(rows, round(_OVERLAP * midi.ticks_per_quarter))
    line = rows[kept].copy()
    line[:-1, 1] = np.minimum(line[:-1, 1], np.diff(line[:, 0]))
    return line


def _upper(rows: np.ndarray, overlap: int) -> list[int]:
    """Places of the notes that are highest where they begin, of rows sorted by onset and pitch."""
    kept: list[int] = []
    until = pitch_now = started = -1
    for place, (onset, duration, pitch, _) in enumerate(rows.tolist()):
        if kept and onset == started:
            kept[-1] = place  # sorted by pitch, so this one is higher
        elif pitch < pitch_now and onset < until - overlap:
            continue
        else:
            kept.append(place)
        started, pitch_now, until = onset, pitch, onset + duration
    return kept


CANDIDATE = 0.04
"""Notes less probable than this at first sight are not looked at again."""
KEEP = 0.4
"""Least probability of a note of the melody; set on validation songs, where precision and recall meet."""


LOOKS = 2
"""How often the second network is asked."""
_PART = 16384
"""Notes that are looked at together."""


class Network(NamedTuple):
    """One hidden layer: sigmoid(tanh(x @ hidden + bias) @ out + out_bias).

    Attributes:
        hidden: [features, units] float32.
        bias: [units] float32.
        out: [units] float32.
        out_bias: a number.
    """

    hidden: np.ndarray
    bias: np.ndarray
    out: np.ndarray
    out_bias: float

    def probability(self, features: np.ndarray) -> np.ndarray:
        """[n] probabilities of [n, features]."""
        odds = np.tanh(features @ self.hidden + self.bias) @ self.out + self.out_bias
        return np.asarray(0.5 + 0.5 * np.tanh(odds / 2))


@cache
def fitted_networks() -> tuple[Network, Network]:
    """The first and the second network that `tools/fit_melody.py` fitted."""
    tables = read_fitted("melody_notes")
    return _network(tables["first"]), _network(tables["second"])


def _network(tables: Mapping[str, Any]) -> Network:
    hidden, bias, out = (np.array(tables[part], np.float32) for part in ("hidden", "bias", "out"))
    return Network(hidden, bias, out, tables["out_bias"])


def candidates(probability: np.ndarray) -> np.ndarray:
    """[m] places of the notes that are looked at again."""
    return np.flatnonzero(probability > CANDIDATE)


def struck_once(notes: Notes) -> np.ndarray:
    """[m] places of the notes that do not double an earlier one: same pitch, struck together."""
    order = np.lexsort((notes.onset, notes.pitch))
    pitch, onset = notes.pitch[order], notes.onset[order]
    double = (np.diff(pitch) == 0) & (np.diff(onset) <= TOGETHER)
    return np.sort(order[np.concatenate([[True], ~double])]) if len(order) else order


def line_probability(notes: Notes, first: Network, second: Network) -> np.ndarray:
    """[n] how probably each note belongs to the melody.

    Very long pieces are looked at in parts, so that memory stays bounded.
    """
    parts = [
        _probability(Notes(*(column[begin : begin + _PART] for column in notes)), first, second)
        for begin in range(0, len(notes.onset), _PART)
    ]
    return np.concatenate(parts) if parts else np.zeros(0)


def _probability(notes: Notes, first: Network, second: Network) -> np.ndarray:
    own = note_features(notes)
    probability = first.probability(own)
    chosen = candidates(probability)
    if len(chosen):
        own = own[chosen]
        features = LineFeatures(Notes(*(column[chosen] for column in notes)))
        for _ in range(LOOKS):
            seen = np.concatenate([own, features(probability[chosen])], axis=1)
            probability[chosen] = second.probability(seen)
    return probability


def one_at_a_time(onset: np.ndarray, probability: np.ndarray, keep: float = KEEP) -> np.ndarray:
    """[m] places of the melody's notes: the most probable of those struck together, if probable enough."""
    chosen: list[int] = []
    for place in np.flatnonzero(probability > keep).tolist():
        if chosen and onset[place] - onset[chosen[-1]] <= TOGETHER:
            if probability[place] > probability[chosen[-1]]:
                chosen[-1] = place
        else:
            chosen.append(place)
    return np.array(chosen, dtype=np.int64)
