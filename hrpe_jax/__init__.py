"""Harmony-aware music generation in JAX."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os

    from hrpe_jax.score.score import Score

__version__ = "0.1.0"


def read_score(path: str | os.PathLike[str]) -> Score:
    """Reads a music file of any kind that `preprocess` reads: the lead sheet it is, or is found to be.

    Args:
        path: MIDI, MusicXML, ABC (its first tune), a chord chart, or a song folder of POP909.

    Returns:
        Its score. `hrpe_jax.songs.read.read_songs` gives all tunes of a book, and what was found rather than
        said.

    Raises:
        UserError: it cannot be read, or is no music; in one line.
    """
    from hrpe_jax.songs.read import read_first

    return read_first(path).score
