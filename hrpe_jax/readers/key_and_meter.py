"""The key of written music, whose signature says half of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from hrpe_jax.analysis.keys import score_keys
from hrpe_jax.score.score import ChordSpan, Note
from hrpe_jax.theory.key import Key, Mode, key_scores
from hrpe_jax.theory.meter import Meter


def regular_meter(bars: Iterable[tuple[Meter, int]]) -> Meter:
    """The meter of most of the time, as one that a Score can have.

    Bars of any other length stay whole through `Score.bar_resets`, so a 7/4 bar is 4/4 with every bar cut off
    by the next.

    Args:
        bars: (meter, ticks that the bar really lasts).

    Returns:
        A supported meter; 4/4 for no bars.
    """
    time: Counter[Meter] = Counter()
    for meter, ticks in bars:
        time[meter] += ticks
    return _supported(time.most_common(1)[0][0]) if time else Meter(4, 4)


def _supported(meter: Meter) -> Meter:
    """The meter, or one that divides its bar: 4/4 for 7/4 and 4/2, 3/4 for 9/4, 9/8 for 15/8."""
    if meter.is_supported:
        return meter
    numerator, denominator = meter.numerator, meter.denominator
    if denominator == 1:
        numerator, denominator = 2 * numerator, 2
    while denominator > 16 and numerator % 2 == 0:
        numerator, denominator = numerator // 2, denominator // 2
    if denominator > 16:
        return Meter(4, 4)
    if not _fits(numerator, denominator) and denominator == 8 and numerator % 3 == 0:
        return Meter(9, 8) if numerator % 9 == 0 or numerator == 15 else Meter(6, 8)
    while not _fits(numerator, denominator):
        numerator = numerator // 3 if numerator % 3 == 0 and numerator % 4 else (numerator + 1) // 2
    return Meter(4, 4) if (numerator, denominator) == (2, 2) else Meter(numerator, denominator)


def _fits(numerator: int, denominator: int) -> bool:
    return Meter(numerator, denominator).is_supported


# Steps from the tonic of the signature's major key, and which of our modes is nearest.
_MODES: dict[str, tuple[int, Mode]] = {
    "dorian": (2, "minor"), "phrygian": (4, "minor"), "lydian": (5, "major"), "mixolydian": (7, "major"),
    "minor": (9, "minor"), "aeolian": (9, "minor"), "ionian": (0, "major"),
}  # fmt: skip
_CHORD_WEIGHT = 0.5
"""Of a chord's note against a melody note of the same length."""
_PLAIN = 10.0
"""Nats that a distance of 1 between profiles is worth."""
_OUTSIDE = 30.0
"""Nats that a melody has against it all of whose notes are outside of the scale; chosen on openings of
Nottingham's tunes."""
# In nats, as `score_keys` counts: how much likelier a key is for what the file says.
_SAID = 3.0
_SIGNATURE = ((0, "major", 4.0), (9, "minor", 4.0), (2, "minor", 2.0), (7, "major", 1.5))


def said_key(fifths: int | None, mode: str) -> Key | None:
    """The key that a signature with its mode names.

    "major" names none: programs write it into nearly every file.

    Args:
        fifths: sharps (positive) or flats; None where there is no signature.
        mode: in lower case; may be empty.
    """
    if fifths is None or mode not in _MODES:
        return None
    step, kind = _MODES[mode]
    return Key((7 * fifths + step) % 12, kind)


def find_written_key(
    notes: Iterable[tuple[int, int]], chords: Sequence[ChordSpan], fifths: int | None, said: Key | None = None
) -> Key:
    """The key that notes, chords, signature and the close agree on best.

    Two judges share the decision: `score_keys`, which has learned from pop and folk, and pitch-class profiles
    with the tonic chord and the close, which hold for any style; jazz misleads the first alone. A signature
    leaves four likely keys (its major and minor, and the modal readings that old and folk tunes are written
    with). Music ends on its tonic more often than it begins there; a minor piece may end with a major chord.

    Args:
        notes: (pitch, ticks) of the melody, in order.
        chords: in order.
        fifths: sharps (positive) or flats of the signature; None where there is none.
        said: the key that the file names, if it does.
    """
    rows = np.array(list(notes), dtype=np.int64).reshape(-1, 2)
    ends = np.cumsum(rows[:, 1])
    scores = score_keys(ends - rows[:, 1], rows[:, 1], rows[:, 0], chords)
    scores += _PLAIN * _plain_scores(rows, chords)
    if fifths is not None:
        for step, mode, bonus in _SIGNATURE:
            scores[Key((7 * fifths + step) % 12, mode).index] += bonus  # type: ignore[arg-type]
    if said is not None:
        scores[said.index] += _SAID
    return Key.from_index(int(np.argmax(scores)))


def find_melody_key(notes: Sequence[Note]) -> Key:
    """The key of a short melody alone: what `score_keys` says, less for every note outside of a key's scale.

    Args:
        notes: at least one.
    """
    onset, duration, pitch = np.array([(note.onset, note.duration, note.pitch) for note in notes]).T
    scores = score_keys(onset, duration, pitch, ())
    sounding = np.bincount(pitch % 12, weights=duration, minlength=12)
    for index in range(24):
        key = Key.from_index(index)
        raised = {(key.tonic + step) % 12 for step in (9, 11)} if key.mode == "minor" else set()
        outside = [pitch_class for pitch_class in range(12) if pitch_class not in raised.union(key.scale)]
        scores[index] -= _OUTSIDE * sounding[outside].sum() / sounding.sum()
    return Key.from_index(int(np.argmax(scores)))


def _plain_scores(rows: np.ndarray, chords: Sequence[ChordSpan]) -> np.ndarray:
    """[24] what profiles, the share of the tonic chord and the close say."""
    sounding = np.bincount(rows[:, 0] % 12, weights=rows[:, 1], minlength=12)
    roots = np.zeros((2, 12))  # major and minor chords by root
    for span in chords:
        for pitch_class in span.chord.pitch_classes:
            sounding[pitch_class] += _CHORD_WEIGHT * span.duration
        if not span.chord.is_none:
            third = (span.chord.root + 3) % 12 in span.chord.pitch_classes
            roots[int(third), span.chord.root] += span.duration
    scores = key_scores(sounding) + _close(rows.tolist(), chords)
    return scores + 0.1 * (roots / roots.sum()).ravel() if roots.any() else scores


def find_mode(chords: Sequence[ChordSpan], tonic: int) -> Mode:
    """Whether music on a given tonic is major or minor: its tonic chords say, where there are enough of them.

    Args:
        chords: in any order.
        tonic: pitch class.
    """
    sounding = np.zeros(12)
    major = minor = total = 0
    for span in chords:
        total += span.duration
        notes = span.chord.pitch_classes
        for pitch_class in notes:
            sounding[pitch_class] += span.duration
        if span.chord.root == tonic and not span.chord.is_none:
            major += span.duration * ((tonic + 4) % 12 in notes)
            minor += span.duration * ((tonic + 3) % 12 in notes and (tonic + 4) % 12 not in notes)
    if abs(major - minor) >= 0.05 * total and major != minor:
        return "major" if major > minor else "minor"
    scores = key_scores(sounding)
    return "major" if scores[Key(tonic, "major").index] >= scores[Key(tonic, "minor").index] else "minor"


def _close(notes: Sequence[Sequence[int]], chords: Sequence[ChordSpan]) -> np.ndarray:
    """[24] what the last note and the last chord say for each key."""
    scores = np.zeros((2, 12))
    if notes:
        scores[:, notes[-1][0] % 12] += 0.06
    last = next((span.chord for span in reversed(chords) if not span.chord.is_none), None)
    if last is not None:
        has_minor_third, has_seventh = ((last.root + step) % 12 in last.pitch_classes for step in (3, 10))
        if has_minor_third:
            scores[1, last.root] += 0.08
        elif has_seventh:  # a turnaround to the beginning, or a blues
            scores[:, (last.root + 5) % 12] += 0.05
            scores[0, last.root] += 0.03
        else:
            scores[:, last.root] += 0.08
    return scores.ravel()
