"""How a melody sits on its chords and in its key.

Conventions: pitch classes only, octaves do not matter. A note is judged by the chord that sounds under it;
where no chord sounds it is left out. Shares are in 0..1, nan where nothing was judged. Real music is the
yardstick, not 1: on 524 Nottingham tunes in 4/4 the chord-tone ratio is 0.734.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

from hrpe_jax.score.score import Note, Score
from hrpe_jax.theory.chord import Chord

Counting = Literal["notes", "duration", "strong"]


def chord_tone_ratio(score: Score, counting: Counting = "notes") -> float:
    """Share of the melody that is made of chord tones.

    CTR = sum of w(n) over notes n whose pitch class is in the chord, over sum of w(n).

    Args:
        score: Melody and chords. counting: "notes": w = 1, the chord is that at the note's onset. "duration":
        w = ticks, and a note held over
            a change of chord is judged by each of them for as long as it sounds. "strong": as "notes", but
            only notes that begin on a strong beat (see `is_strong`).

    Returns:
        The ratio, 0..1; its value for random notes is `chord_tone_chance`.

    References:
        Yeh et al., "Automatic melody harmonization with triad chords", Journal of New Music Research 50(1),
        2021 (chord tones in CTnCTR).
    """
    return _mean(((note.pitch % 12) in chord.pitch_classes, w) for note, chord, w in _judged(score, counting))


def chord_tone_chance(score: Score, counting: Counting = "notes") -> float:
    """What `chord_tone_ratio` would be on average with the melody in a random key: |chord| / 12."""
    return _mean((len(chord.pitch_classes) / 12, weight) for _, chord, weight in _judged(score, counting))


def in_key_share(score: Score, counting: Literal["notes", "duration"] = "duration") -> float:
    """Share of the melody within the scale of the piece's key, by notes or by ticks.

    Minor is the union of natural, harmonic and melodic minor, since all three are in the key to a listener.
    One minus this is the out-of-key share, OOK, with time in ticks instead of 16ths.
    """
    scale = {(score.key.tonic + step) % 12 for step in _STEPS[score.key.mode]}
    return _mean(
        (note.pitch % 12 in scale, note.duration if counting == "duration" else 1) for note in score.melody
    )


_STEPS = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 9, 10, 11)}


def is_strong(score: Score) -> Callable[[int], bool]:
    """Whether a tick is a strong beat: the first of a bar, and its middle where it has four (or 8) beats."""
    strong = set(score.bar_starts())
    if score.meter.beats_per_bar % 4 == 0:
        strong |= {start + score.meter.bar_ticks // 2 for start in strong}
    return strong.__contains__


def _judged(score: Score, counting: Counting) -> Iterator[tuple[Note, Chord, int]]:
    strong = is_strong(score)
    chords = [span for span in score.chords if not span.chord.is_none]
    first = 0
    for note in score.melody:
        while first < len(chords) and chords[first].end <= note.onset:
            first += 1
        for span in chords[first:]:
            if span.onset >= note.end:
                break
            if counting == "duration":
                yield note, span.chord, min(span.end, note.end) - max(span.onset, note.onset)
            elif span.onset <= note.onset and (counting == "notes" or strong(note.onset)):
                yield note, span.chord, 1


def _mean(values: Iterator[tuple[float, int]]) -> float:
    total = weight = 0.0
    for value, w in values:
        total += value * w
        weight += w
    return total / weight if weight else float("nan")
