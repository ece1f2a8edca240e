"""Bach's chorales from the installed `music21` wheel: the corpus that a fresh machine can have with pip
alone.

Only the files of its `corpus/bach` folder are used, through our own MusicXML reader; music21 itself is never
imported (its parser is some hundred times slower). The files carry no chord symbols: chords are found from
the four voices.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from hrpe_jax.analysis.chords.find_chords import CHORALE, ChordParams
from hrpe_jax.errors import UserError
from hrpe_jax.formats.musicxml.read import MusicXmlDocument, XmlNote, read_musicxml
from hrpe_jax.readers.part_songs import find_voice_chords, find_voice_key
from hrpe_jax.score.score import Note, Score, resets_from_bars

SOURCE = "music21 corpus"
LICENSE = "BSD-3-Clause (music21); the music is in the public domain"
TEMPO_BPM = 80.0
"""The files' own tempos are defaults of the programs that wrote them."""

_VOICES = ("soprano", "alto", "tenor", "bass")


class ChoraleError(UserError):
    """A file that is no four-voice chorale.

    Attributes:
        reason: short code for reject lists: "not_four_voices", "format", "meter" or "silent_voices".
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ChoraleFiles(NamedTuple):
    """Files to read, and (file, reason code, detail) of those left out; both sorted by name."""

    files: tuple[Path, ...]
    skipped: tuple[tuple[Path, str, str], ...]


def chorale_folder() -> Path:
    """The folder of Bach's works in the installed music21 package, which is not imported.

    Raises:
        UserError: if the package is not installed.
    """
    spec = find_spec("music21")
    for location in (spec.submodule_search_locations or ()) if spec is not None else ():
        folder = Path(location) / "corpus" / "bach"
        if folder.is_dir():
            return folder
    raise UserError(
        "the chorales come with the music21 package (extra `corpus`), which is not installed: "
        "run  pip install music21"
    )


def list_chorales(folder: str | Path | None = None) -> ChoraleFiles:
    """The chorales' MusicXML files, judged by name: reading may still reject some.

    Args:
        folder: where to look; the installed music21 package where not given.

    Raises:
        UserError: if music21 is not installed, or the folder holds no MusicXML files.
    """
    folder = chorale_folder() if folder is None else Path(folder)
    files: list[Path] = []
    skipped: list[tuple[Path, str, str]] = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.suffix in (".mxl", ".xml", ".musicxml"):
            files.append(path)
        elif path.is_file():
            skipped.append(
                (path, "format", f"{path.suffix or 'no'} suffix: expected .mxl, .xml or .musicxml")
            )
    if not files:
        raise UserError(
            f"{folder}: no MusicXML files: expected the chorales (.mxl, .xml) of music21's corpus/bach"
        )
    return ChoraleFiles(tuple(files), tuple(skipped))


def read_chorale(path: str | Path, *, params: ChordParams = CHORALE, play_repeats: bool = True) -> Score:
    """Read a four-voice chorale.

    The soprano is the melody; chords are found beat by beat from soprano, alto, tenor and bass (instruments
    are left out). Pickups and other short bars become `bar_resets`; bars split by a repeat sign are whole
    again. Fermatas change nothing.

    Args:
        path: a MusicXML file with parts named soprano, alto, tenor and bass.
        params: of the chord finder.
        play_repeats: whether repeated sections are heard twice.

    Raises:
        ChoraleError: if it is no such file (has `.reason`).
        MusicXmlError: if the file cannot be read (has `.reason`).
    """
    path = Path(path)
    document = read_musicxml(path, play_repeats=play_repeats)
    meter = document.meter
    if not meter.is_supported:
        raise ChoraleError("meter", f"{path}: meter {meter}: expected at most six quarters a bar")
    voices = _find_voices(document, path)
    _check_sound(voices, document.end, path)

    resets = resets_from_bars(document.bar_starts(), meter.bar_ticks)
    chords = find_voice_chords(voices, meter, resets, params=params)
    return Score(
        id=path.stem,
        title=_title(document.title, path.stem),
        key=find_voice_key(voices, document.measures[0].fifths, chords),
        meter=meter,
        tempo_bpm=TEMPO_BPM,
        melody=tuple(Note(note.onset, note.duration, note.pitch) for note in voices[0]),
        chords=chords,
        source=SOURCE,
        license=LICENSE,
        bar_resets=resets,
    )


def _title(title: str, stem: str) -> str:
    """The work's number in Schmieder's catalogue where the title is none: half of them are file names."""
    return title if title and not title.endswith((".mxl", ".xml")) else f"BWV {stem.removeprefix('bwv')}"


def _find_voices(document: MusicXmlDocument, path: Path) -> list[tuple[XmlNote, ...]]:
    """The sung voices from the top down, each as one line."""
    lines = []
    for voice in _VOICES:
        part = next((p for p in document.parts if p.name.lower().startswith(voice) and p.notes), None)
        if part is None:
            names = ", ".join(p.name or "?" for p in document.parts)[:80]
            raise ChoraleError(
                "not_four_voices", f"{path}: no part named {voice} among {names}: expected four voices"
            )
        lines.append(part.top_line())
    return lines


def _check_sound(voices: Sequence[Sequence[XmlNote]], end: int, path: Path) -> None:
    """Refuse movements in which the voices pause for interludes."""
    for name, voice in zip(_VOICES, voices, strict=True):
        sung = sum(note.duration for note in voice)
        if sung < 0.7 * end:
            raise ChoraleError(
                "silent_voices", f"{path}: the {name} rests {100 - 100 * sung // end} % of the time"
            )
