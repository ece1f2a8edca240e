"""Reads damaged music files, many of them, and tells what became of each.

    python tests/stress/fuzz_readers.py --input=FOLDER [--per_kind=10000] [--seed=0] [--kinds=midi,abc,...]
        [--first=N] [--keep=DIR] [--seconds_limit=20] [--megabytes_limit=1024] [--workers=1] [--no_hostile]

Real files of every kind are looked for under FOLDER. Kinds that no folder of real music holds (iReal Pro,
ChordPro, text grids, Humdrum, numbers for `--chords`) are written from some of its songs (see
`fuzz_sources`). Mutation n of a kind depends on the seed, n and these files only, so `--first=N
--per_kind=1` makes it again. Each is made and read in a guarded process by what `preprocess` reads with: it
is identified, prepared as its kind (and as what it was identified as); "nashville" by what `--chords` reads
with. The records of what is accepted must be accepted by the codecs' grammars. Before that comes a fixed
folder of hostile files, in which three good songs must come through and every file be accounted for.

A finding is a crash, more time or memory than the limits, an exception that no reader meant (anything but a
UserError), a warning, a reject without a reason or detail, or a record that no grammar allows. Its file and a
line in findings.jsonl are kept in --keep, and the exit status is 1. --keep also remembers how far a run has
come: the same command goes on from there. Prints progress, a table of outcomes per kind, and one JSON line.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from fuzz_hostile import GOOD, write_hostile
from fuzz_mutations import mutate
from fuzz_sources import SUFFIXES as WRITTEN
from fuzz_sources import write_sources

from hrpe_jax.codec.vocabulary import accepts_backbone, accepts_melody
from hrpe_jax.data.shards import from_bytes
from hrpe_jax.errors import UserError
from hrpe_jax.preprocessing.pool import map_files
from hrpe_jax.preprocessing.prepare import PreparedSong, prepare_file
from hrpe_jax.readers.abc import book_parts
from hrpe_jax.readers.find import Found, SongFile, find_songs
from hrpe_jax.readers.identify import identify
from hrpe_jax.readers.read import read_songs
from hrpe_jax.readers.song import Song
from hrpe_jax.sampling.chord_input import read_chords, reading_notes
from hrpe_jax.score.score import Score
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter
from hrpe_jax.utils import cli

KINDS = ("midi", "musicxml", "chorales", "abc", "billboard", "lab", "pop909", *WRITTEN)
SUFFIXES = {
    "midi": ".mid", "musicxml": ".musicxml", "chorales": ".musicxml", "abc": ".abc", "lab": ".lab",
} | WRITTEN  # fmt: skip
BATCH = 2_500
"""Mutations for which processes are started once."""
WRITTEN_SONGS = 60
"""Songs that are written in the kinds of which there are no real files."""
_NOT_MEANT = ("error_", "bad_score", "bad_file", "too_deep", "unreadable")
_LABELS = ("chord_midi.txt", "beat_midi.txt", "key_audio.txt")


@dataclass
class Outcome:
    """What became of a file: counts of reasons ("ok" for songs), what is wrong, processor seconds."""

    reasons: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0
    songs: tuple[str, ...] = ()


def read(song: SongFile) -> Outcome:
    """Reads a file as preprocessing does, and checks what comes out."""
    outcome, start = Outcome(), time.process_time()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        _read(song, outcome)
    outcome.wrong += sorted({f"warning: {w.filename}:{w.lineno}: {w.message}" for w in said})
    outcome.seconds = time.process_time() - start
    return outcome


def _read(song: SongFile, outcome: Outcome) -> None:
    if song.format == "nashville":
        _read_numbers(song, outcome)
        return
    formats = [song.format]
    if song.format != "pop909":
        try:
            found = identify(song.path)
        except OSError:
            found = ""
        except Exception:
            found = ""
            outcome.wrong.append("identify: " + _place(traceback.format_exc()))
        if found not in ("", song.format) and not (song.format == "chorales" and found == "musicxml"):
            formats.append(found)
    for format in formats:
        _read_as(replace(song, format=format), outcome)


def _read_as(song: SongFile, outcome: Outcome) -> None:
    for result in prepare_file(song):
        if isinstance(result, PreparedSong):
            outcome.reasons["ok"] += 1
            outcome.songs += (result.file,)
            outcome.wrong += _wrong_records(result)
            continue
        outcome.reasons[result.reason] += 1
        if not result.reason or not result.detail or result.file != song.name:
            outcome.wrong.append(f"a reject that does not say what and why: {result}")
        if result.reason.startswith(_NOT_MEANT):
            outcome.wrong.append(f"{result.reason}: {result.detail[:200]} {_trace(song)}")


def _read_numbers(song: SongFile, outcome: Outcome) -> None:
    """As `--chords` is read: whole bars, or an error of one line that is not long."""
    text = Path(song.path).read_text("utf-8", "replace")
    for meter, key in ((Meter(4, 4), Key.parse("Eb major")), (Meter(6, 8), None)):
        try:
            timed, _ = read_chords(text, meter, key)
            notes = reading_notes(text, [chord for chord, _ in timed])
        except UserError as error:
            outcome.reasons["refused"] += 1
            if not str(error) or "\n" in str(error) or len(str(error)) > 2000:
                outcome.wrong.append(f"an error that is not one line: {str(error)[:200]!r}")
        except Exception:
            outcome.reasons["error"] += 1
            outcome.wrong.append(_place(traceback.format_exc()))
        else:
            outcome.reasons["ok"] += 1
            if sum(beats for _, beats in timed) % meter.beats_per_bar:
                outcome.wrong.append(f"bars of {meter} that are not full: {timed[:20]}")
            outcome.wrong += [f"a note that is not short: {note[:200]}" for note in notes if len(note) > 2000]


def _wrong_records(song: PreparedSong) -> Iterator[str]:
    records = {stage: from_bytes(data) for stage, data in song.records.items()}
    if "backbone" in records:
        record = records["backbone"]
        if why := accepts_backbone([*record["input_ids"], record["target_id"]]):
            yield f"backbone: {why}"
    if "melody" in records:
        record = records["melody"]
        about = record["metadata"]
        meter = Meter(about["time_signature_num"], about["time_signature_den"])
        if why := accepts_melody(record["event_ids"], meter):
            yield f"melody: {why}"


def _trace(song: SongFile) -> str:
    """Where the exception came from, that preprocessing made a reject of."""
    try:
        read_songs(song)
    except UserError:
        return ""
    except Exception:
        return _place(traceback.format_exc())
    return ""


def _place(trace: str) -> str:
    return " ".join(trace.split())[-600:]


def failed(song: SongFile, reason: str, detail: str) -> Outcome:
    """The outcome of a file that met a limit."""
    return Outcome(Counter({reason: 1}), [f"{reason}: {detail}"])


# --- real files --------------------------------------------------------------------------------------------


def sources(folder: Path, kinds: Sequence[str], room: Path | None = None) -> dict[str, list[str]]:
    """Real files (for "pop909": folders) of every kind, sorted.

    Label files stand in for .lab files where there are none, chorales are MusicXML, and the MIDI files of
    POP909 are MIDI, too.

    Args:
        folder: of real music.
        kinds: wanted.
        room: a folder for the kinds that are written (see `fuzz_sources`); None for none of them.
    """
    found: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for song in find_songs(folder).songs:
        found[song.format].append(song.path)
    found["chorales"] = found["chorales"] or found["musicxml"]
    songs = [Path(song) for song in found["pop909"]]
    found["midi"] += [
        str(song / f"{song.name}.mid") for song in songs if (song / f"{song.name}.mid").is_file()
    ]
    found["lab"] = found["lab"] or [str(song / _LABELS[0]) for song in songs if (song / _LABELS[0]).is_file()]
    if room is not None and set(kinds) & set(WRITTEN):
        for kind, written in write_sources(room, _some_songs(found)).items():
            found[kind] += written
    return {kind: sorted(found[kind]) for kind in kinds if found[kind]}


def _some_songs(found: dict[str, list[str]]) -> list[Score]:
    """Songs of the lead sheets and charts that were found, evenly from all of them."""
    scores = []
    for kind in ("musicxml", "billboard"):
        for path in found[kind][:: max(1, len(found[kind]) * 2 // WRITTEN_SONGS)]:
            with contextlib.suppress(UserError):
                songs = read_songs(SongFile(Path(path).stem, kind, path, Path(path).name))
                scores += [song.score for song in songs if isinstance(song, Song) and song.score.chords]
    return scores[:WRITTEN_SONGS]


@cache
def _bytes(path: str) -> bytes:
    return Path(path).read_bytes()


@cache
def _tunes(path: str) -> list[int]:
    """Where the tunes of a book begin."""
    return [match.start() for match in re.finditer(rb"(?:^|(?<=[\r\n]))X:", _bytes(path))]


def _piece(kind: str, path: str, random: Random) -> bytes:
    """The file, or a few tunes of a book: a whole one would be read for seconds each time."""
    data, tunes = _bytes(path), _tunes(path) if kind == "abc" else []
    if len(tunes) < 4:
        return data
    at = random.randrange(len(tunes) - 3)
    return data[tunes[at] : tunes[at + random.randint(1, 3)]]


def make(kind: str, number: int, seed: int, files: Sequence[str], room: Path) -> SongFile:
    """Writes mutation `number` of a kind into a folder and says how to read it."""
    random = Random(f"{seed} {kind} {number}")
    source, donor = random.choice(files), random.choice(files)
    name = f"{kind}-{number:06d}"
    if kind != "pop909":
        data = mutate(kind, _piece(kind, source, random), _piece(kind, donor, random), random)
        suffix = ".mxl" if source.endswith(".mxl") and data[:2] == b"PK" else SUFFIXES.get(kind, ".txt")
        path = room / f"{name}{suffix}"
        path.write_bytes(data)
        return SongFile(name, kind, str(path), path.name)
    path = room / name
    path.mkdir()
    parts = [f"{Path(source).name}.mid", *_LABELS]
    broken = random.sample(parts, random.choice((1, 1, 1, 2, 4)))
    for part in parts:
        data = _bytes(f"{source}/{part}")
        if part in broken:
            other = _bytes(f"{donor}/{Path(donor).name}.mid" if part.endswith(".mid") else f"{donor}/{part}")
            data = mutate("midi" if part.endswith(".mid") else "lab", data, other, random)
            if random.random() < 0.02:
                continue  # it is not there
        (path / part.replace(Path(source).name, name)).write_bytes(data)
    return SongFile(name, kind, str(path), name)


# --- runs --------------------------------------------------------------------------------------------------


class Log:
    """Findings and progress, in a folder."""

    def __init__(self, keep: Path, settings: dict[str, Any]) -> None:
        self.keep, self.settings = keep, settings
        self.state: dict[str, Any] = {
            "settings": settings,
            "done": {},
            "outcomes": {},
            "findings": 0,
            "slowest": [],
        }
        keep.mkdir(parents=True, exist_ok=True)
        if (keep / "state.json").is_file():
            state = json.loads((keep / "state.json").read_text("utf-8"))
            if state["settings"] == settings:
                self.state = state

    def add(self, kind: str, song: SongFile, outcome: Outcome) -> None:
        """Counts an outcome and keeps the file where something is wrong."""
        counts = self.state["outcomes"].setdefault(kind, {})
        for reason, count in outcome.reasons.items():
            counts[reason] = counts.get(reason, 0) + count
        slowest = [*self.state["slowest"], [round(outcome.seconds, 2), song.name]]
        self.state["slowest"] = sorted(slowest, reverse=True)[:5]
        if not outcome.wrong:
            return
        self.state["findings"] += 1
        line = {"kind": kind, "file": song.name, "seed": self.settings["seed"], "wrong": outcome.wrong[:5]}
        with (self.keep / "findings.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
        path = Path(song.path)
        if path.is_dir():
            shutil.copytree(path, self.keep / path.name, dirs_exist_ok=True)
        elif path.is_file() and path.stat().st_size < 50_000_000:
            shutil.copy(path, self.keep)
        cli.say(f"finding: {song.name}: {outcome.wrong[0][:300]}")

    def save(self) -> None:
        """Writes down how far it has come."""
        (self.keep / "state.part").write_text(json.dumps(self.state), "utf-8")
        (self.keep / "state.part").replace(self.keep / "state.json")


@dataclass(frozen=True)
class Mutations:
    """Those of a kind, made and read where they are called for by number.

    Attributes:
        kind: one of `KINDS`.
        files: real ones.
        seed: see `make`.
        room: an empty folder.
    """

    kind: str
    files: Sequence[str]
    seed: int
    room: str

    def make(self, number: int) -> SongFile:
        """Writes a mutation into a folder of its own."""
        folder = Path(self.room, str(number))
        folder.mkdir()
        return make(self.kind, number, self.seed, self.files, folder)

    def read(self, number: int) -> Outcome:
        """Makes a mutation, reads it, and takes it away."""
        song, outcome = self.make(number), Outcome()
        parts = [song] if self.kind == "nashville" else list(book_parts(song))
        # The limits are those of a part of a book; where there are many, two stand for all.
        for part in parts if len(parts) <= 2 else Random(number).sample(parts, 2):
            one = read(part)
            outcome.reasons += one.reasons
            outcome.wrong += one.wrong
            outcome.songs += one.songs
            outcome.seconds += one.seconds
        shutil.rmtree(Path(self.room, str(number)))
        return outcome


def fuzz(kind: str, files: Sequence[str], args: Namespace, log: Log) -> None:
    """All mutations of a kind that are not done."""
    last = args.first + args.per_kind
    begin = at = max(args.first, log.state["done"].get(kind, 0))
    start = time.monotonic()
    while at < last:
        numbers = range(at, min(last, at + BATCH))
        with tempfile.TemporaryDirectory() as room:
            mutations = Mutations(kind, files, args.seed, room)
            for index, outcome in _guarded(mutations.read, numbers, failed_mutation, args):
                song = SongFile(f"{kind}-{numbers[index]:06d}", kind, "", "")
                if outcome.wrong:
                    shutil.rmtree(Path(room, str(numbers[index])), ignore_errors=True)
                    song = mutations.make(numbers[index])
                log.add(kind, replace(song, name=song.id), outcome)
        at = numbers.stop
        log.state["done"][kind] = at
        log.save()
        seconds = time.monotonic() - start
        cli.say(
            f"{kind}: {at - args.first} of {args.per_kind}, {(at - begin) / seconds:.0f} a second, "
            f"{seconds / (at - begin) * (last - at) / 60:.1f} minutes left of this kind, "
            f"{log.state['findings']} findings"
        )


def failed_mutation(number: int, reason: str, detail: str) -> Outcome:
    """The outcome of a mutation that met a limit."""
    return Outcome(Counter({reason: 1}), [f"{reason}: {detail}"])


def _guarded(
    function: Callable[[Any], Outcome], items: Sequence[Any], failed: Any, args: Namespace
) -> Iterator[tuple[int, Outcome]]:
    return map_files(
        function,
        items,
        workers=args.workers,
        failed=failed,
        seconds=args.seconds_limit,
        megabytes=args.megabytes_limit,
    )


def find_all(folder: SongFile) -> Found:
    """What a folder holds, for a guarded process."""
    return find_songs(folder.path)


def hostile(args: Namespace, log: Log) -> None:
    """The fixed list: found, accounted for and read."""
    if log.state["done"].get("hostile"):
        return
    with tempfile.TemporaryDirectory() as room:
        folder = write_hostile(Path(room, "hostile"))
        item = SongFile("hostile", "folder", str(folder), "hostile")
        nothing = Found()
        limits = {"seconds": args.seconds_limit, "megabytes": args.megabytes_limit}
        [(_, found)] = map_files(find_all, [item], workers=1, failed=lambda *_: nothing, **limits)
        if found is nothing:
            log.add("hostile", item, Outcome(wrong=["looking through the folder met a limit"]))
            return
        there = sum(not path.is_dir() or path.is_symlink() for path in folder.rglob("*"))
        if found.files < there:
            log.add("hostile", item, Outcome(wrong=[f"{there} files and links, {found.files} accounted for"]))
        for passed in found.passed:
            log.add("hostile", SongFile("", "", "", passed.name), Outcome(Counter({passed.reason: 1})))
        good: set[str] = set()
        songs = [part for song in found.songs for part in book_parts(song)]
        for index, outcome in _guarded(read, songs, failed, args):
            log.add("hostile", songs[index], outcome)
            good.update(name.rpartition("/")[2] for name in outcome.songs)
        if missing := sorted(set(GOOD) - good):
            log.add("hostile", item, Outcome(wrong=[f"good songs that did not come through: {missing}"]))
    log.state["done"]["hostile"] = 1
    log.save()


def main(args: Namespace) -> int:
    """Runs everything and prints the table."""
    kinds = args.kinds.split(",")
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise UserError(f"--kinds: {unknown[0]!r}: expected some of {','.join(KINDS)}")
    settings = {
        name: getattr(args, name) for name in ("input", "seed", "first", "seconds_limit", "megabytes_limit")
    }
    with tempfile.TemporaryDirectory() as room:
        written = Path(room, "written")
        written.mkdir()
        files = sources(Path(args.input), kinds, written)
        if missing := [kind for kind in kinds if kind not in files]:
            cli.say(f"{args.input} holds no files of {', '.join(missing)}")
        log = Log(Path(args.keep or room), settings)
        if not args.no_hostile:
            hostile(args, log)
        for kind in files:
            fuzz(kind, files[kind], args, log)
        for kind, counts in log.state["outcomes"].items():
            ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
            print(f"{kind:10} " + ", ".join(f"{reason} {count}" for reason, count in ordered))
        state = log.state
        print("slowest    " + ", ".join(f"{name} {seconds} s" for seconds, name in state["slowest"]))
        mutations = sum(done - args.first for kind, done in state["done"].items() if kind != "hostile")
        cli.print_result(
            {"mutations": mutations, "findings": state["findings"], "outcomes": state["outcomes"]}
        )
        return 1 if state["findings"] else 0


def parser() -> Any:
    """The options."""
    options = cli.make_parser("fuzz", __doc__)
    options.prog = "python tests/stress/fuzz_readers.py"
    options.add_argument("--input", required=True, metavar="FOLDER", help="real files, at any depth")
    options.add_argument(
        "--per_kind", type=cli.at_least(0), default=10_000, metavar="N", help="mutations of each kind"
    )
    options.add_argument("--kinds", default=",".join(KINDS), help="some of these")
    options.add_argument("--seed", type=int, default=0, help="another one gives other mutations")
    options.add_argument(
        "--first", type=cli.at_least(0), default=0, metavar="N", help="number of the first mutation"
    )
    options.add_argument(
        "--keep", default="", metavar="DIR", help="for findings, and how far the run has come"
    )
    options.add_argument(
        "--seconds_limit", type=float, default=20, metavar="S", help="processor time for a file"
    )
    options.add_argument("--megabytes_limit", type=int, default=1024, metavar="MB", help="memory for a file")
    options.add_argument("--workers", type=cli.at_least(1), default=1, help="processes")
    options.add_argument("--no_hostile", action="store_true", help="leave out the fixed list")
    return options


if __name__ == "__main__":
    sys.exit(cli.run(main, parser()))
