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

import numpy as np

from hrpe_jax.analysis.chords import CHORALE, ChordParams, find_chords
from hrpe_jax.analysis.voices import ornament_weights
from hrpe_jax.errors import UserError
from hrpe_jax.score.bars import resets_from_bars
from hrpe_jax.score.musicxml import MusicXmlDocument, XmlNote, read_musicxml
from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.theory.key import Key, key_scores

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
    grid, beat_of_bar = _beat_grid(resets, meter.bar_ticks, meter.beat_ticks, max(v[-1].end for v in voices))
    chords = find_chords(
        **_all_notes(voices, grid),
        grid=grid,
        strong=_strong_beats(beat_of_bar, meter.beats_per_bar),
        params=params,
    )
    chords = _through_rests(chords, meter.bar_ticks)
    return Score(
        id=path.stem,
        title=_title(document.title, path.stem),
        key=find_chorale_key(voices, document.measures[0].fifths, chords),
        meter=meter,
        tempo_bpm=TEMPO_BPM,
        melody=tuple(Note(note.onset, note.duration, note.pitch) for note in voices[0]),
        chords=chords,
        source=SOURCE,
        license=LICENSE,
        bar_resets=resets,
    )


def find_chorale_key(
    voices: Sequence[Sequence[XmlNote]], fifths: int | None, chords: Sequence[ChordSpan]
) -> Key:
    """The key: profiles judge, the signature and the last chord weigh in.

    Chorale signatures are often modal: D minor with none (Dorian), G major with none (Mixolydian). So four
    keys agree with a signature, the plain ones a little more. A minor piece may end with a major chord.

    Args:
        voices: notes of all voices.
        fifths: sharps (positive) or flats of the signature; None if there is none.
        chords: of the whole piece.

    Returns:
        The best of the 24 keys.
    """
    sounding = np.zeros(12)
    for voice in voices:
        for note in voice:
            sounding[note.pitch % 12] += note.duration
    scores = key_scores(sounding)
    if fifths is not None:
        tonic = 7 * fifths % 12
        for key, bonus in (
            (Key(tonic, "major"), 0.12),
            (Key((tonic + 9) % 12, "minor"), 0.12),
            (Key((tonic + 2) % 12, "minor"), 0.08),
            (Key((tonic + 7) % 12, "major"), 0.04),
        ):
            scores[key.index] += bonus
    last = next((span.chord for span in reversed(chords) if not span.chord.is_none), None)
    if last is not None:
        scores[Key(last.root, "major").index] += 0.1 if last.quality.startswith("maj") else 0.0
        scores[Key(last.root, "minor").index] += 0.1
        scores[Key((last.root + 5) % 12, "minor").index] += 0.06  # Phrygian close, heard as a dominant
    return Key.from_index(int(np.argmax(scores)))


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


def _through_rests(chords: Sequence[ChordSpan], longest: int) -> tuple[ChordSpan, ...]:
    """Chords that last through short general rests: a breath between phrases is no change of harmony."""
    spans: list[ChordSpan] = []
    for span in chords:
        last = spans[-1] if spans else None
        if span.chord.is_none and last is not None and not last.chord.is_none and span.duration <= longest:
            span = ChordSpan(last.onset, span.end - last.onset, last.chord)
            spans.pop()
        elif last is not None and last.chord == span.chord:
            span = ChordSpan(last.onset, span.end - last.onset, span.chord)
            spans.pop()
        spans.append(span)
    return tuple(spans)


def _beat_grid(resets: Sequence[int], bar: int, beat: int, end: int) -> tuple[np.ndarray, np.ndarray]:
    """[slots + 1] beat places up to `end` (beats restart at every bar), and [slots] their number in the
    bar."""
    starts = [0, *(tick for tick in resets if tick < end)]
    places: list[int] = []
    numbers: list[int] = []
    for index, start in enumerate(starts):
        limit = starts[index + 1] if index + 1 < len(starts) else end
        # Beats of a pickup are counted from the bar line that it leads to.
        shift = -(limit - start) % bar if index == 0 and len(starts) > 1 else 0
        for tick in range(start, limit, beat):
            places.append(tick)
            numbers.append((tick - start + shift) % bar // beat)
    return np.array([*places, end]), np.array(numbers)


def _strong_beats(beat_of_bar: np.ndarray, beats_per_bar: int) -> np.ndarray:
    """[slots] whether each beat is strong: the first, and the middle one of bars that halve."""
    half = beats_per_bar // 2 if beats_per_bar % 2 == 0 and beats_per_bar > 2 else beats_per_bar
    return beat_of_bar % half == 0


def _all_notes(voices: Sequence[Sequence[XmlNote]], grid: np.ndarray) -> dict[str, np.ndarray]:
    """Arguments of `find_chords`: the notes of all voices, ornaments weighing less."""
    columns: dict[str, list[np.ndarray]] = {"onsets": [], "durations": [], "pitches": [], "weights": []}
    for voice in voices:
        onset, duration, pitch = np.array([(n.onset, n.duration, n.pitch) for n in voice]).T
        columns["onsets"].append(onset)
        columns["durations"].append(duration)
        columns["pitches"].append(pitch)
        columns["weights"].append(ornament_weights(onset, duration, pitch, np.isin(onset, grid)))
    return {name: np.concatenate(parts) for name, parts in columns.items()}
