"""What comes back in a tune: bars, phrases and sections that return, and loops that never stop.

Bars are equal where notes of the same pitches begin at the same places, however long they are held; equal in
rhythm where notes begin at the same places. Nothing here is better when higher: a tune in which every bar
returns is a loop.
"""

from __future__ import annotations

import numpy as np

from hrpe_jax.metrics.arrays import Music, Piece, Undefined, piece_of, sung
from hrpe_jax.metrics.bars import Content, bar_ids
from hrpe_jax.score.form import Section


def bar_return(music: Music, lag: int, of: Content = "pitches") -> float:
    """How many bars are equal to the bar so many bars before.

    Formula: bars b >= lag with notes that equal bar b - lag / bars b >= lag with notes
    Range: 0..1; not defined where no bar after the first `lag` has notes.
    Direction: closest to real music.
    Source: this project, after the bar similarity of Yu et al., "Museformer", NeurIPS 2022.

    Args:
        music: the melody.
        lag: bars.
        of: "notes": onset, duration and pitch; "pitches": onset and pitch; "rhythm": onsets alone.
    """
    ids = bar_ids(sung(music), of)
    heard = ids[lag:] >= 0
    if not heard.any():
        raise Undefined(f"no bar after the first {lag} has notes")
    return float((ids[lag:] == ids[: max(len(ids) - lag, 0)])[heard].mean())


def best_return(music: Music, length: int = 8) -> float:
    """How well the stretch of bars that returns best equals what it returns to.

    Formula: the maximum over bars a and b >= a + length of the share of i < length for which bar b + i has
        notes and equals bar a + i
    Range: 0..1; not defined with fewer than 2 length bars, or without melody.
    Direction: closest to real music.
    Source: this project.

    Args:
        music: the melody.
        length: bars of a stretch.
    """
    piece = sung(music)
    if piece.bars < 2 * length:
        raise Undefined(f"it is shorter than {2 * length} bars")
    ids = bar_ids(piece, "pitches")
    best = 0
    for lag in range(length, piece.bars - length + 1):
        equal = (ids[lag:] == ids[:-lag]) & (ids[lag:] >= 0)
        total = np.concatenate([[0], np.cumsum(equal)])
        best = max(best, int((total[length:] - total[:-length]).max()))
    return best / length


def section_return(music: Music, of: Content = "pitches") -> float:
    """How many bars of a section that comes again equal the same bar of its first time.

    Formula: bars with notes in sections whose letter was there before, and not marked as varied, that equal
        the bar at the same place of the first section of that letter / such bars
    Range: 0..1; not defined where the form is not known or no section comes again.
    Direction: closest to real music.
    Source: this project.

    Args:
        music: the melody, or chords, and the form.
        of: as of `bar_return`; or "chords".
    """
    ids = bar_ids(piece_of(music), of)
    equal = [ids[first] == ids[again] for first, again in _returning_bars(piece_of(music)) if ids[again] >= 0]
    if not equal:
        raise Undefined("no section of it comes again" if piece_of(music).form else "its form is not known")
    return float(np.mean(equal))


def has_contrast(music: Music) -> float:
    """Whether sections with another letter differ from those before in melody or chords.

    Formula: 0 where all bars of a section with a new letter equal, in notes and chords, the bars at the same
        places of an earlier section with melody, else 1
    Range: 0 or 1; the mean over pieces is a share. Not defined where there is one letter only.
    Direction: closest to real music: a bridge that is the verse again is none.
    Source: this project.
    """
    piece = piece_of(music)
    notes, chords = bar_ids(piece, "pitches"), bar_ids(piece, "chords")
    sections = [section for section in piece.form if section.has_melody]
    new = [
        (index, section)
        for index, section in enumerate(sections)
        if index and section.name not in {other.name for other in sections[:index]}
    ]
    if not new:
        raise Undefined("it has one section only" if piece.form else "its form is not known")
    for index, section in new:
        own = slice(section.first_bar, section.end_bar)
        for other in sections[:index]:
            if other.bars < section.bars:
                continue
            same = slice(other.first_bar, other.first_bar + section.bars)
            if (notes[own] == notes[same]).all() and (chords[own] == chords[same]).all():
                return 0.0
    return 1.0


def _returning_bars(piece: Piece) -> list[tuple[int, int]]:
    """Pairs of a bar of the first section of a letter and the bar at its place in a literal return."""
    first: dict[str, Section] = {}
    pairs = []
    for section in piece.form:
        known = first.setdefault(section.name, section)
        if known is not section and not section.is_varied and section.has_melody:
            bars = min(known.bars, section.bars)
            pairs += [(known.first_bar + bar, section.first_bar + bar) for bar in range(bars)]
    return pairs


def loop_length(ids: np.ndarray, lag: int) -> int:
    """How many bars in a row, at most, equal the bar `lag` before; empty bars break it. `ids`: `bar_ids`."""
    best = current = 0
    for index in range(lag, len(ids)):
        current = current + 1 if ids[index] >= 0 and ids[index] == ids[index - lag] else 0
        best = max(best, current)
    return best


def is_stuck(music: Music, times: int = 4) -> float:
    """Whether a bar, or two bars, are heard so many times in a row without any change.

    Formula: 1 where times - 1 bars in a row equal the bar before them, or 2 (times - 1) bars in a row the bar
        two before, else 0
    Range: 0 or 1; the mean over pieces is a share. Not defined without melody.
    Direction: closest to real music.
    Source: this project.

    Args:
        music: the melody.
        times: how often they are heard.
    """
    ids = bar_ids(sung(music), "pitches")
    return float(loop_length(ids, 1) >= times - 1 or loop_length(ids, 2) >= 2 * (times - 1))


def prime_taken_up(music: Music, prime_bars: int, of: Content = "pitches") -> float:
    """How many bars of a continuation repeat a bar of what it goes on from.

    Formula: bars b >= prime_bars with notes that equal any bar before prime_bars / bars b >= prime_bars with
        notes
    Range: 0..1; not defined where the continuation has no notes.
    Direction: closest to real music, whose first bars are taken for the prime.
    Source: this project.

    Args:
        music: prime and continuation as one piece.
        prime_bars: bars of the prime.
        of: as of `bar_return`.
    """
    ids = bar_ids(sung(music), of)
    after = ids[prime_bars:][ids[prime_bars:] >= 0]
    if not len(after):
        raise Undefined("the continuation has no notes")
    return float(np.isin(after, ids[:prime_bars]).mean())
