"""Scores as files of any kind, told by the suffix."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from hrpe_jax.errors import UserError
from hrpe_jax.formats.abc.write import write_abc
from hrpe_jax.formats.audio import AUDIO_FORMATS, write_audio
from hrpe_jax.formats.charts.write import write_chord_grid, write_chordpro, write_irealb
from hrpe_jax.formats.engrave import write_pdf, write_svg
from hrpe_jax.formats.json import write_score_json
from hrpe_jax.formats.midi.write import write_midi
from hrpe_jax.formats.musicxml.write import write_musicxml
from hrpe_jax.score.score import Score

_WRITERS: dict[str, Callable[[Score, Path], None]] = {
    ".mid": write_midi,
    ".midi": write_midi,
    ".musicxml": write_musicxml,
    ".xml": write_musicxml,
    ".abc": write_abc,
    ".json": write_score_json,
    ".txt": write_chord_grid,
    ".cho": write_chordpro,
    ".irealb": write_irealb,
    ".svg": write_svg,
    ".pdf": write_pdf,
    **{f".{kind}": write_audio for kind in AUDIO_FORMATS},
}


def write_score(score: Score, path: str | os.PathLike[str]) -> Path:
    """Writes a score: .mid, .musicxml, .abc, .json, .wav, chord charts as .txt, .cho (ChordPro) and .irealb;
    with the extra `engrave` .svg and .pdf, with the extra `audio` .ogg, .mp3 and .opus.

    Args:
        score: what to write.
        path: the file; its folder must exist. One that is there is replaced, whole or not at all.

    Returns:
        The path.

    Raises:
        UserError: a suffix that says nothing, a folder that cannot be written, or a missing extra.

    Example:
        >>> import tempfile
        >>> from hrpe_jax.theory.key import Key
        >>> from hrpe_jax.theory.meter import Meter
        >>> from hrpe_jax.score.score import Note, Score
        >>> score = Score("a", "A", Key.parse("C major"), Meter(4, 4), 120.0, (Note(0, 48, 60),), ())
        >>> write_score(score, Path(tempfile.mkdtemp(), "a.musicxml")).name
        'a.musicxml'
    """
    path = Path(path)
    writer = _WRITERS.get(path.suffix.lower())
    if writer is None:
        raise UserError(f"{path}: the suffix says no format; expected one of {', '.join(_WRITERS)}")
    beside = path.with_name(f".{os.getpid()}-{path.name}")  # the suffix still says the format
    try:
        writer(score, beside)
        os.replace(beside, path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror or error})") from None
    finally:
        beside.unlink(missing_ok=True)
    return path
