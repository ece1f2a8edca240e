"""The name of a song in a MIDI file."""

from __future__ import annotations

import re
from pathlib import Path

from hrpe_jax.score.midi import MidiFile

_EMPTY = re.compile(
    r"[\W\d_]*(untitled|no title|track|seq|sequence|song|new|midi|standard midi file|conductor|tempo|piano|"
    r"grand piano|acoustic grand piano|soft karaoke|words|lyrics|control track|setup|right|left|melody|"
    r"chords|treble|bass|drums|vocals?|unnamed|staff|instrument)[\W\d_]*"
)
_KARAOKE = re.compile(r"[-_. ]*kar(?=$|[-_. ])[-_. ]?\w{0,4}$|\.kar$", re.IGNORECASE)


def song_title(midi: MidiFile, path: str | Path) -> tuple[str, str]:
    """(id, title) of a song: the file's stem, and the title that the file gives, else its stem in words."""
    stem = Path(path).stem
    if len(midi.title) > 1 and not _EMPTY.fullmatch(midi.title.lower()):
        return stem, midi.title
    words = re.sub(r"[_\s]+", " ", _KARAOKE.sub("", stem)).strip()
    return stem, words or stem
