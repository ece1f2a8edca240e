"""Harmony-aware music generation in JAX."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hrpe_jax.utils.version import __version__

if TYPE_CHECKING:
    import os
    from typing import Any

    from hrpe_jax.composer import Composer
    from hrpe_jax.score.score import Score

__all__ = ["Composer", "__version__", "read_score"]


def read_score(path: str | os.PathLike[str]) -> Score:
    """Reads a music file of any kind that `preprocess` reads: the lead sheet it is, or is found to be.

    Args:
        path: MIDI, MusicXML, ABC (its first tune), a chord chart, or a song folder of POP909.

    Returns:
        Its score. `hrpe_jax.readers.read.read_songs` gives all tunes of a book, and what
        was found rather than said.

    Raises:
        UserError: it cannot be read, or is no music; in one line.
    """
    from hrpe_jax.readers.read import read_first

    return read_first(path).score


def __getattr__(name: str) -> Any:
    """`hrpe_jax.Composer` is loaded when it is first asked for, since it starts JAX."""
    if name == "Composer":
        from hrpe_jax.composer import Composer

        return Composer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
