"""What written music does not say outright: its key and meter, its form, and which voice carries the tune.

A repeated stretch is a section, and comes again with the same letter. What is not repeated in a file with
repeats are sections of their own. A file without repeats writes no form.

Voices are parts of a MusicXML file or voices of an ABC tune. Words under the notes and names say it best.
Where there are none, a single line is the tune rather than block chords, a high one rather than a low one,
and chord symbols stand above it more often than not.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from hrpe_jax.analysis.keys import score_keys
from hrpe_jax.analysis.melody.find_melody import track_scores
from hrpe_jax.analysis.melody.line import Notes
from hrpe_jax.score.form import Section
from hrpe_jax.score.score import ChordSpan, Note, Score
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


_LONGEST_ENDING = 4
"""Measures of an ending that is left out the second time; more are a part of their own."""
LONGEST = 16
"""Bars of the longest section that repeats may write."""
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWYZ"


def with_form(score: Score, parts: Sequence[tuple[int, str]]) -> Score:
    """The score with sections that begin at ticks; each with the bar that is nearest.

    Args:
        score: without a form.
        parts: (tick, letter) of each section, in order.
    """
    starts = list(score.bar_starts())
    if not starts or not parts:
        return score
    edges = [*starts, starts[-1] + score.meter.bar_ticks]
    places = [_nearest(edges, tick) for tick, _ in parts] + [len(starts)]
    sections = tuple(
        Section(letter, first, end - first)
        for (_, letter), (first, end) in zip(parts, pairwise(places), strict=True)
        if first < end
    )
    return replace(score, form=sections)


def with_repeats(score: Score, measures: Sequence[tuple[int, int]]) -> Score:
    """The score with the form that its repeats write.

    Args:
        score: without a form.
        measures: (tick, index as written) in the order of playing.

    Returns:
        The score as it is where nothing is repeated, or where a section would be longer than `LONGEST`: such
        sections have sections of their own, which analysis finds.
    """
    parts = repeated_parts([written for _, written in measures])
    formed = with_form(score, [(measures[index][0], letter) for index, letter in parts])
    longest = max((section.bars for section in formed.form), default=0)
    return formed if longest <= LONGEST else score


def repeated_parts(written: Sequence[int]) -> list[tuple[int, str]]:
    """The sections of a piece with repeats.

    Args:
        written: for each measure in the order of playing, its index as written.

    Returns:
        (index among the measures played, letter) of each section; empty where nothing is repeated.
    """
    back = [at for at in range(1, len(written)) if written[at] <= written[at - 1]]
    if not back:
        return []
    last: dict[int, int] = {}
    parts_skipped = [at for at in range(1, len(written)) if written[at] - written[at - 1] > _LONGEST_ENDING]
    borders = {0, *back, *parts_skipped}
    for at, measure in enumerate(written):
        if at in borders and measure in last:
            # Play goes back: what is repeated began where this measure was played before, and ends again
            # after as many measures, in an ending of the same length.
            begun = last[measure]
            following = bisect_left(back, at + 1)
            end = min([2 * at - begun, *back[following : following + 1]])
            borders |= {begun, end}
        last[measure] = at
    letters: dict[int, str] = {}
    parts = []
    for border in sorted(border for border in borders if border < len(written)):
        letter = letters.setdefault(written[border], _LETTERS[min(len(letters), len(_LETTERS) - 1)])
        parts.append((border, letter))
    return parts


def _nearest(places: Sequence[int], value: int) -> int:
    """Index of the nearest of increasing places."""
    index = bisect_left(places, value)
    if index == len(places) or (index and value - places[index - 1] < places[index] - value):
        return index - 1
    return index


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
