"""Compares our readers of MusicXML and ABC with music21: the notes that they read, and the time they take.

    python tools/measure/readers.py --musicxml=OPENEWLD --files=60
    python tools/measure/readers.py --abc=NOTTINGHAM/ABC_cleaned --midi=NOTTINGHAM/MIDI --files=101

MusicXML: every note of a file as (tick, ticks, pitch), with repeats played out, ties joined and grace notes
left out; a file counts as the same where both programs give the same notes. ABC: the pitches of a tune in
order, beside those of the first track of its MIDI file, which another program made from the same source (some
of these play no repeats). Files are taken evenly from the folder. Times are processor time of reading and
playing out, after one file that does not count. Needs music21 (extra corpus).
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from hrpe_jax.errors import UserError
from hrpe_jax.formats.abc.book import AbcText, read_abc_book
from hrpe_jax.formats.abc.read import read_abc_tune
from hrpe_jax.formats.musicxml.read import read_musicxml
from hrpe_jax.theory.meter import TICKS_PER_QUARTER
from hrpe_jax.utils import cli

Notes = list[tuple[int, int, int]]
Item = TypeVar("Item")


def our_musicxml(path: Path) -> Notes:
    """(tick, ticks, pitch) of every note, sorted."""
    parts = read_musicxml(path).parts
    return sorted((note.onset, note.duration, note.pitch) for part in parts for note in part.notes)


def music21_musicxml(path: Path) -> Notes:
    """The same by music21."""
    from music21 import converter

    return _notes(converter.parse(str(path), forceSource=True))


def our_abc(text: AbcText) -> list[int]:
    """The pitches of the first voice, in order."""
    return [note.pitch for note in read_abc_tune(text, "tune").voices[0].notes]


def music21_abc(text: AbcText) -> list[int]:
    """The same by music21."""
    from music21 import converter

    return [pitch for *_, pitch in _notes(converter.parse("X:1\n" + "\n".join(text.lines), format="abc"))]


def _notes(stream: Any) -> Notes:
    """All notes of a stream of music21, repeats played out and ties joined."""
    from music21 import harmony

    found: Notes = []
    for part in stream.parts if hasattr(stream, "parts") and stream.parts else [stream]:
        for event in part.expandRepeats().flatten().stripTies().notes:
            if isinstance(event, harmony.Harmony) or event.duration.isGrace:
                continue
            onset = round(float(event.offset) * TICKS_PER_QUARTER)
            ticks = round(float(event.quarterLength) * TICKS_PER_QUARTER)
            found += [(onset, ticks, pitch.midi) for pitch in event.pitches]
    return sorted(found)


def pitches_of_midi(path: Path) -> list[int]:
    """The pitches of a MIDI file's first track with notes."""
    import pretty_midi

    warnings.simplefilter("ignore")  # of meter changes outside of the first track
    notes = pretty_midi.PrettyMIDI(str(path)).instruments[0].notes
    return [note.pitch for note in sorted(notes, key=lambda note: (note.start, note.pitch))]


def read_all(read: Callable[[Item], Any], items: Sequence[Item]) -> tuple[list[Any], float]:
    """What a reader gives for each item, an exception where it fails; and seconds of processor time."""
    results: list[Any] = []
    for warm in (True, False):
        begin = time.process_time()
        for item in items[:1] if warm else items:
            try:
                result = read(item)
            except Exception as error:  # a library may fail in any way: that is what is counted
                result = error
            if not warm:
                results.append(result)
    return results, time.process_time() - begin


def evenly(items: Sequence[Item], count: int) -> list[Item]:
    """So many of them, from all over."""
    return [items[i * len(items) // count] for i in range(count)] if count < len(items) else list(items)


def compare_musicxml(folder: Path, files: int) -> dict[str, Any]:
    """Both readers on the files of a folder."""
    suffixes = (".mxl", ".musicxml", ".xml")
    paths = evenly(sorted(path for path in folder.rglob("*") if path.suffix in suffixes), files)
    if not paths:
        raise UserError(f"--musicxml={folder}: no MusicXML file; expected {', '.join(suffixes)}")
    ours, seconds = read_all(our_musicxml, paths)
    theirs, their_seconds = read_all(music21_musicxml, paths)
    failed = [str(error) for error in theirs if isinstance(error, Exception)]
    return {
        "files": len(paths),
        "ours_failed": sum(isinstance(notes, Exception) for notes in ours),
        "music21_failed": len(failed),
        "music21_errors": sorted({" ".join(text.split())[:80] for text in failed}),
        "same_notes": sum(a == b for a, b in zip(ours, theirs, strict=True) if isinstance(b, list)),
        **_times(seconds, their_seconds),
    }


def compare_abc(folder: Path, midi: Path, files: int) -> dict[str, Any]:
    """Both readers on the tunes of a folder that have a MIDI file: `BOOK` and `X:` name it."""
    tunes = []
    for book in sorted(folder.glob("*.abc")):
        for text in read_abc_book(book):
            played = midi / f"{book.stem}{text.number}.mid"
            if played.is_file():
                tunes.append((text, played))
    if not tunes:
        raise UserError(
            f"--abc={folder}, --midi={midi}: no tune with a MIDI file; expected BOOK.abc and BOOK1.mid"
        )
    chosen = evenly(tunes, files)
    ours, seconds = read_all(our_abc, [text for text, _ in chosen])
    theirs, their_seconds = read_all(music21_abc, [text for text, _ in chosen])
    played = [pitches_of_midi(path) for _, path in chosen]
    return {
        "tunes": len(chosen),
        "ours_as_midi": sum(a == b for a, b in zip(ours, played, strict=True)),
        "music21_as_midi": sum(a == b for a, b in zip(theirs, played, strict=True)),
        "music21_failed": sum(isinstance(notes, Exception) for notes in theirs),
        **_times(seconds, their_seconds),
    }


def _times(seconds: float, theirs: float) -> dict[str, float]:
    return {
        "ours_seconds": round(seconds, 2),
        "music21_seconds": round(theirs, 2),
        "times_as_long": round(theirs / max(seconds, 1e-9), 1),
    }


def main(args: argparse.Namespace) -> None:
    """Prints what was asked for as JSON."""
    result: dict[str, Any] = {}
    if args.musicxml:
        result["musicxml"] = compare_musicxml(Path(args.musicxml), args.files)
    if args.abc:
        result["abc"] = compare_abc(Path(args.abc), Path(args.midi), args.files)
    if not result:
        parser().error("give --musicxml=DIR, or --abc=DIR and --midi=DIR")
    cli.print_result(result)


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = cli.make_parser("readers", __doc__)
    options.prog = "python tools/measure/readers.py"
    add = options.add_argument
    add("--musicxml", default="", metavar="DIR", help="folder of MusicXML files, at any depth")
    add("--abc", default="", metavar="DIR", help="folder of tune books")
    add(
        "--midi",
        default="",
        metavar="DIR",
        help="folder of their MIDI files, BOOK1.mid for tune 1 of BOOK.abc",
    )
    add("--files", type=cli.at_least(1), default=60, metavar="N", help="files, or tunes, of each")
    return options


if __name__ == "__main__":
    sys.exit(cli.run(main, parser()))
