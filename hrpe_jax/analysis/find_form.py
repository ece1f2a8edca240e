"""The form of a piece where its file does not say it: self-similarity of melody, rhythm and chords.

1. Bars are compared with each other: pitch classes that sound together, onsets, chord roots.
2. Every bar line gets the log odds that a section begins there: where stretches of bars begin and end to be
   like others, contrast of what lies before and behind, rests and pickups, entries and ends of the melody.
3. Sections are the best path through the bar lines: the log odds of the lines, and how often people make
   sections of each length. Four and eight bars are the most frequent, and no law.
4. Sections are compared along their bars, in any transposition; each takes the letter of the earlier ones
   that it is most likely to repeat, or a new one.

Weights are fitted to people's labels of POP909's training songs (`fitted/form.json`, by `tools/fit/form.py`):
logistic regressions for 2 and 4, counts for 3. Chords without a melody have weights of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from hrpe_jax.analysis.fitted import read_fitted
from hrpe_jax.score.form import ENDING, INTERLUDE, INTRO, OTHER, Section
from hrpe_jax.score.score import Score

STEP = 3
"""Ticks of a place in a bar: a sixteenth."""
LONGEST = 20
"""Bars of the longest section that is found, if its music does not repeat."""
MAX_BARS = 600
"""A longer piece is one section: to compare its bars takes too long."""
WIDTHS = (2, 4, 8)
"""Bars before and behind a line that are compared."""
SUNG = 0.3
"""Share of a section's bars in which notes begin, if it has a melody."""
SHORT = 3
"""Bars of a section that is too short for a letter of its own."""
LINE_BIAS, LENGTH_WEIGHT = 1.0, 0.75
"""Chosen on validation songs: added to the log odds of a line; factor of the log share of a length."""
LETTERS = "ABCDEFGHJKLMNPQRSTUVWYZ"
"""Of new sections with melody; without those that mean something else."""


@dataclass(frozen=True)
class BarPlaces:
    """What sounds at the sixteenths of every bar.

    Attributes:
        pitch: int64 `[bars, places]`, -1 where the melody is silent.
        onset: bool `[bars, places]`, whether a note begins.
        root: int64 `[bars, places]`, pitch class of the chord's root, -1 where no chord sounds.
    """

    pitch: np.ndarray
    onset: np.ndarray
    root: np.ndarray

    @property
    def sung(self) -> np.ndarray:
        """Whether a note begins in each bar: bool `[bars]`."""
        return np.asarray(self.onset.any(axis=1))


def bar_places(score: Score) -> BarPlaces:
    """The places of a score's bars; those behind the end of a short bar are silent."""
    starts = np.array([*score.bar_starts(), score.end])
    places = -(-score.meter.bar_ticks // STEP)
    shape = (len(starts) - 1, places)
    pitch, root = np.full(shape, -1), np.full(shape, -1)
    onset = np.zeros(shape, bool)
    ticks = starts[:-1, None] + STEP * np.arange(places)
    inside = ticks < starts[1:, None]
    for line, values, table in (
        (score.melody, [note.pitch for note in score.melody], pitch),
        (score.chords, [-1 if span.chord.is_none else span.chord.root for span in score.chords], root),
    ):
        if line:
            onsets = np.array([item.onset for item in line])
            ends = np.array([item.end for item in line])
            # Half a place later, so that triplets fall into the place that they are nearest to.
            at = np.searchsorted(onsets, ticks + STEP // 2, "right") - 1
            sounding = (at >= 0) & (ticks + STEP // 2 < ends[at]) & inside
            table[sounding] = np.array(values)[at[sounding]]
    for note in score.melody:
        bar = int(np.searchsorted(starts, note.onset, "right")) - 1
        onset[bar, min((note.onset - starts[bar]) // STEP, places - 1)] = True
    return BarPlaces(pitch, onset, root)


def find_form(score: Score) -> tuple[Section, ...]:
    """The sections of a score; they fill it.

    Args:
        score: any; its form is not looked at.

    Returns:
        Letters as in `score.form`. A piece without notes and chords has none; one that is very long is one
        section.
    """
    bars = len(score.bar_starts())
    places = bar_places(score)
    if not places.sung.any() and (places.root < 0).all():
        return ()
    if bars > MAX_BARS:
        return (Section(LETTERS[0], 0, bars),)
    weights = FITTED["melody" if places.sung.any() else "chords"]
    alike = similarities(places)
    odds = weighted(line_features(score, places, alike), weights["line"]) + LINE_BIAS
    sung = places.sung if places.sung.any() else np.ones(bars, bool)
    borders = best_borders(odds, sung, np.array(FITTED["lengths"]))
    spans = [(first, end - first) for first, end in pairwise(borders)]
    return name_sections(spans, sung, places, alike, weights["same"])


def weighted(features: Mapping[str, np.ndarray], weights: Mapping[str, float]) -> np.ndarray:
    """Log odds of a logistic regression: the weighted sum of its features and "bias"."""
    total = sum(weights[name] * features[name] for name in weights if name != "bias")
    return np.asarray(total + weights["bias"])


def best_borders(odds: np.ndarray, sung: np.ndarray, lengths: np.ndarray) -> list[int]:
    """The bars at which sections begin, and the end: the best path (a semi-Markov model).

    Args:
        odds: `[bars + 1]` log odds of a section that begins at each line.
        sung: bool `[bars]`, whether the melody has notes.
        lengths: `[2, LONGEST + 1]` log share of each length of sections without and with melody.
    """
    bars = len(sung)
    notes = np.concatenate([[0], np.cumsum(sung)])
    best, back = np.full(bars + 1, -np.inf), np.zeros(bars + 1, np.int64)
    best[0] = 0.0
    for end in range(1, bars + 1):
        first = np.arange(max(0, end - LONGEST), end)
        length = end - first
        kind = ((notes[end] - notes[first]) >= SUNG * length).astype(np.int64)
        totals = best[first] + LENGTH_WEIGHT * lengths[kind, length]
        winner = int(totals.argmax())
        best[end] = totals[winner] + odds[end] * (end < bars)
        back[end] = first[winner]
    borders = [bars]
    while borders[-1]:
        borders.append(int(back[borders[-1]]))
    return borders[::-1]


def name_sections(
    spans: Sequence[tuple[int, int]],
    sung: np.ndarray,
    places: BarPlaces,
    alike: np.ndarray,
    weights: Mapping[str, float],
) -> tuple[Section, ...]:
    """Letters for sections.

    Args:
        spans: (first bar, bars) of each.
        sung: bool `[bars]`.
        places: of the bars.
        alike: `similarities` of the bars.
        weights: of `pair_features`.
    """
    with_notes = [bool(sung[first : first + bars].mean() >= SUNG) for first, bars in spans]
    groups: dict[str, list[tuple[int, int]]] = {}
    sections: list[Section] = []
    for index, span in enumerate(spans):
        if with_notes[index]:
            scores = {
                letter: float(
                    np.mean([weighted(pair_features(places, alike, one, span), weights) for one in group])
                )
                for letter, group in groups.items()
            }
            letter = max(scores, key=scores.__getitem__, default="")
            if not letter or scores[letter] < 0:
                new = LETTERS[min(len(groups), len(LETTERS) - 1)]
                letter = OTHER if span[1] <= SHORT else new
            if letter != OTHER:
                groups.setdefault(letter, []).append(span)
        elif not any(with_notes[:index]):
            letter = INTRO
        elif not any(with_notes[index:]):
            letter = ENDING
        else:
            letter = INTERLUDE
        if sections and letter in (INTRO, ENDING) and sections[-1].letter == letter:
            sections[-1] = Section(letter, sections[-1].first_bar, sections[-1].bars + span[1])
        else:
            sections.append(Section(letter, *span))
    return tuple(sections)


def _either(mask: np.ndarray) -> np.ndarray:
    """How many places either of two bars has, at least 1: `[bars, bars]` of `[bars, places]`."""
    counts = mask.sum(axis=1)
    return np.maximum(counts[:, None] + counts - mask @ mask.T, 1)


def _one_hot(classes: np.ndarray) -> np.ndarray:
    """`[bars, places]` of pitch classes, -1 for none, as float32 `[bars, places * 12]`."""
    return (classes[..., None] == np.arange(12)).reshape(len(classes), -1).astype(np.float32)


def similarities(places: BarPlaces) -> np.ndarray:
    """How similar bars are in melody, rhythm and chords: float32 `[3, bars, bars]`, 0 to 1.

    Melody: of the places in which either sounds, the share with the same pitch class in both.
    """
    sounding = places.pitch >= 0
    hot = _one_hot(np.where(sounding, places.pitch % 12, -1))
    onsets = places.onset.astype(np.float32)
    roots = _one_hot(places.root)
    melody = hot @ hot.T / _either(sounding.astype(np.float32))
    rhythm = onsets @ onsets.T / _either(onsets)
    chords = roots @ roots.T / max(1, places.root.shape[1])
    return np.stack([melody, rhythm, chords])


def transposed_similarities(places: BarPlaces, ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """As the first of `similarities`, for pairs of bars, the second so many semitones higher.

    Args:
        places: of the bars.
        ours: int `[pairs]`, the first bar of each.
        theirs: int `[pairs]`, the second.

    Returns:
        float32 `[12, pairs]`.
    """
    one, other = places.pitch[ours], places.pitch[theirs]
    both = (one >= 0) & (other >= 0)
    either = np.maximum(((one >= 0) | (other >= 0)).sum(axis=1), 1).astype(np.float32)
    steps = np.where(both, (other - one) % 12, -1)
    return (steps == np.arange(12)[:, None, None]).sum(axis=2).astype(np.float32) / either


def pair_features(
    places: BarPlaces, alike: np.ndarray, one: tuple[int, int], other: tuple[int, int]
) -> dict[str, np.ndarray]:
    """What speaks for one letter of two sections.

    Args:
        places: of the bars.
        alike: `similarities` of the bars.
        one: (first bar, bars).
        other: likewise.
    """
    bars = min(one[1], other[1])
    ours, theirs = np.arange(one[0], one[0] + bars), np.arange(other[0], other[0] + bars)
    melody, rhythm, chords = alike[:, ours, theirs]
    half = (bars + 1) // 2
    values = {
        "melody": transposed_similarities(places, ours, theirs).mean(axis=1).max(),
        "median": np.median(melody),
        "beginning": melody[:half].mean(),
        "rest": melody[half:].mean() if bars > half else melody.mean(),
        "equal": (melody > 0.6).mean(),
        "rhythm": rhythm.mean(),
        "chords": chords.mean(),
        "chord_beginning": chords[:half].mean(),
        "length": abs(one[1] - other[1]) / max(one[1], other[1]),
    }
    return {name: np.asarray(value, float) for name, value in values.items()}


def line_features(score: Score, places: BarPlaces, alike: np.ndarray) -> dict[str, np.ndarray]:
    """What speaks for a section that begins at each bar line: `[bars + 1]` by name.

    Names that end in "-" and "+" are of the line before and behind.

    Args:
        score: the piece.
        places: of its bars.
        alike: `similarities` of its bars.
    """
    found: dict[str, np.ndarray] = {}
    melody, rhythm, chords = alike
    for name, table in (("melody", melody), ("chords", chords)):
        for width in WIDTHS:
            found |= {f"{name}{width}_{what}": each for what, each in _repeats(table, width).items()}
    for name, table in (("melody", melody), ("rhythm", rhythm), ("chords", chords)):
        for width in WIDTHS:
            found[f"{name}{width}_contrast"] = _contrast(table, width)
    found |= _gaps(score)
    for name in list(found):
        if not name.endswith(("ahead", "behind")):
            found[f"{name}-"] = np.pad(found[name], (1, 0))[:-1]
            found[f"{name}+"] = np.pad(found[name], (0, 1))[1:]
    return found | _notes_around(places)


def _repeats(table: np.ndarray, width: int) -> dict[str, np.ndarray]:
    """Where stretches of bars begin and end to be like others.

    Args:
        table: `[bars, bars]` likeness.
        width: bars of a stretch.

    Returns:
        Each `[bars + 1]`: how like the stretch `ahead`, and the one `behind` the line, is to its best match;
        how sharply likeness `begins` and `ends` at the line, for the best match; and both summed over all
        clear matches.
    """
    lines = len(table) + 1
    padded = np.zeros((lines + 2 * width,) * 2, np.float32)
    padded[width : width + lines - 1, width : width + lines - 1] = table
    steps = range(width)
    ahead = sum(padded[width + k : width + k + lines, width + k : width + k + lines] for k in steps) / width
    behind = sum(padded[k : k + lines, k : k + lines] for k in steps) / width
    near = np.abs(np.subtract.outer(np.arange(lines), np.arange(lines))) < 2
    ahead, behind = np.where(near, 0, ahead), np.where(near, 0, behind)
    edge = ahead - behind
    return {
        "ahead": ahead.max(axis=1),
        "behind": behind.max(axis=1),
        "begins": edge.max(axis=1),
        "ends": (-edge).max(axis=1),
        "all_begin": np.sqrt(np.maximum(edge - _CLEAR, 0).sum(axis=1)),
        "all_end": np.sqrt(np.maximum(-edge - _CLEAR, 0).sum(axis=1)),
    }


def _contrast(table: np.ndarray, width: int) -> np.ndarray:
    """How much more alike bars are on either side of a line than across it: `[bars + 1]`."""
    bars = len(table)
    sums = np.zeros((bars + 1, bars + 1))
    sums[1:, 1:] = table.cumsum(axis=0, dtype=float).cumsum(axis=1)
    line = np.arange(bars + 1)
    left, right = np.maximum(line - width, 0), np.minimum(line + width, bars)

    def mean(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> np.ndarray:
        total = sums[b, d] - sums[a, d] - sums[b, c] + sums[a, c]
        return np.asarray(total / np.maximum((b - a) * (d - c), 1))

    sides = (mean(left, line, left, line) + mean(line, right, line, right)) / 2
    values = sides - mean(left, line, line, right)
    values[[0, -1]] = 0
    return values


def _gaps(score: Score) -> dict[str, np.ndarray]:
    """The times between onsets around each line, in bars: `[bars + 1]` each.

    `across` it; the longest that ends in the bar before, as a `breath`, and how long before the line it ends
    (a `pickup`); from the line to the `first_note`.
    """
    bar = score.meter.bar_ticks
    lines = np.array([*score.bar_starts(), score.end])
    onsets = np.array([note.onset for note in score.melody], np.int64)
    gaps = np.minimum(np.diff(onsets) / bar, 2)
    found = {name: np.zeros(len(lines)) for name in ("across", "breath", "pickup", "first_note")}
    following = np.searchsorted(onsets, lines)
    since = np.maximum(np.searchsorted(onsets, lines - 0.75 * bar), 1)
    until = np.searchsorted(onsets, lines + 1)
    for line, tick in enumerate(lines.tolist()):
        note = following[line]
        if note < len(onsets):
            found["first_note"][line] = min((onsets[note] - tick) / bar, 2)
            if note:
                found["across"][line] = np.log1p(4 * gaps[note - 1])
        if until[line] > since[line]:
            here = gaps[since[line] - 1 : until[line] - 1]
            found["breath"][line] = np.log1p(4 * here.max())
            found["pickup"][line] = (tick - onsets[since[line] + here.argmax()]) / bar
    return found


def _notes_around(places: BarPlaces) -> dict[str, np.ndarray]:
    """Onsets in the four half bars before and behind each line, and whether the melody enters or stops."""
    bars, half = places.onset.shape[0], places.onset.shape[1] // 2
    counts = np.stack([places.onset[:, :half].sum(axis=1), places.onset[:, half:].sum(axis=1)], axis=1)
    halves = counts.ravel().astype(float)
    typical = halves[halves > 0].mean() if halves.any() else 1.0
    notes = np.pad(np.minimum(halves / typical, 2), 4)
    sung = np.pad(places.sung.astype(float), max(WIDTHS))
    lines = np.arange(bars + 1)
    found = {}
    for step in range(-4, 4):
        found[f"notes{step}"] = notes[2 * lines + 4 + step]
        found[f"silent{step}"] = (found[f"notes{step}"] == 0).astype(float)
    for width in (1, 2, 4):
        around = sung[lines[:, None] + max(WIDTHS) + np.arange(-width, width)]
        change = around[:, width:].mean(axis=1) - around[:, :width].mean(axis=1)
        found[f"enters{width}"] = np.maximum(change, 0)
        found[f"stops{width}"] = np.maximum(-change, 0)
    return found


_CLEAR = 0.3
"""Difference of likeness of a clear beginning or end."""
FITTED = read_fitted("form")
"""For pieces with a "melody" and for "chords" alone: weights of `line` and `same`; `lengths` as in
`best_borders`."""
