"""Excerpts of equal length, so that a piece of sixteen bars is compared with sixteen bars of a song.

Generated pieces begin with their first bar and so must the excerpts of songs: each begins where a section or
a phrase begins. All bars of an excerpt are as long as the meter says.
"""

from __future__ import annotations

import numpy as np

from hrpe_jax.metrics.arrays import Music, Piece, cut, piece_of
from hrpe_jax.metrics.phrases import first_bars

WHOLE = 1.5
"""A piece of fewer than so many windows is taken for one, from its first full bar on."""


def excerpts(music: Music, bars: int) -> list[Piece]:
    """Excerpts of so many bars of a piece, one behind the other, none overlapping.

    A piece that is hardly longer than the window gives one, from its first full bar. Of a longer one, each
    begins at the first section with melody (where the form is not known, the first phrase,
    `phrases.first_bars`) from which so many full bars follow.

    Args:
        music: the piece.
        bars: of each excerpt.

    Returns:
        Pieces of `bars` bars with a note in at least half of them; none where the piece is too short.
    """
    piece = piece_of(music)
    full = piece.lengths == piece.meter.bar_ticks
    if not full.any():
        return []
    if full.sum() < WHOLE * bars:
        first = int(np.argmax(full))
        return [cut(piece, first, bars)] if piece.bars - first >= bars else []
    heard = np.bincount(piece.bar, minlength=piece.bars) > 0
    found, behind = [], 0
    sections = [section.first_bar for section in piece.form if section.has_melody]
    for first in sections or first_bars(piece).tolist():
        stop = first + bars
        if first < behind or stop > piece.bars or not full[first:stop].all():
            continue
        if 2 * heard[first:stop].sum() < bars:
            continue
        found.append(cut(piece, first, bars))
        behind = stop
    return found
