"""The pieces of a folder, whatever wrote them, with an account of every file.

A folder of any readable files is read through the pool of processes that preprocessing uses, so that a file
that hangs or crashes its reader costs only itself. A prepared data set is read from its shards. Nothing is
left out without being counted.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from hrpe_jax.analysis.harmony_hmm import find_melody_chords, too_little
from hrpe_jax.codec import backbone_tokens
from hrpe_jax.codec.melody import decode_piece
from hrpe_jax.data.shards import SPLITS, Dataset, open_dataset, read_manifest
from hrpe_jax.errors import UserError
from hrpe_jax.metrics.arrays import Music, piece_of
from hrpe_jax.preprocessing.clean import trim
from hrpe_jax.preprocessing.pool import map_files
from hrpe_jax.readers.find import SongFile, find_songs, show
from hrpe_jax.readers.read import read_songs
from hrpe_jax.readers.song import written_pieces
from hrpe_jax.score.form import form_from_values
from hrpe_jax.score.score import Score
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter
from hrpe_jax.utils.schema import suggestion

FOUND = "found"


def with_chords(score: Score) -> tuple[Score, str]:
    """A score with chords found where it has a melody and no chord.

    Returns:
        The score, and "" where it had chords or has no melody, `FOUND`, or why none were found.
    """
    if not score.melody or has_chords(score):
        return score, ""
    reason = too_little(score.melody)
    return (score, reason) if reason else (replace(score, chords=find_melody_chords(score)), FOUND)


def has_chords(score: Score) -> bool:
    """Whether any chord of it sounds."""
    return any(not span.chord.is_none for span in score.chords)


def melody_chords_text(about: Mapping[str, Any]) -> str:
    """Of a set's counts (`collect.Collection.about`), how often chords were found, "" where none lacked
    them."""
    found = about["chords_from_melody"]
    if not found["pieces"]:
        return ""
    why = "; ".join(f"{count}: {reason}" for reason, count in found["not_found"].items())
    return f"{found['found']} of {found['pieces']} pieces that have none" + (f" ({why})" if why else "")


def melody_chords_notes(about: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What a reader must know before numbers of chords and harmony that rest on chords so found."""
    lines = []
    sets = ("generated", "reference")
    found = {name: about[name]["chords_from_melody"]["found"] for name in sets}
    for name in sets:
        if melody_chords_text(about[name]):
            lines.append(f"{name}: chords found from the melody alone in {melody_chords_text(about[name])}")
    if any(found.values()):
        lines.append(
            "chords found from a melody follow from it: the numbers of chords and harmony then say how it "
            "can be harmonised, not how anyone did"
        )
    mixed = [name for name in sets if found[name] and 2 * found[name] >= about[name]["pieces"]]
    if len(mixed) == 1:
        lines.append(
            f"half of the {mixed[0]} pieces or more have chords found from the melody, fewer of the others: "
            "distances of chords and harmony compare two kinds of chords"
        )
    return lines


FILE_SECONDS, FILE_MEGABYTES = 20.0, 1024
NOTATION_FIRST = ("pop909", "chorales", "musicxml", "abc", "midi", "billboard", "lab")
"""Of one piece written in several formats side by side, the first of these is read."""


class LeftOut(NamedTuple):
    """A file, or a tune of one, that is not among the pieces."""

    name: str
    reason: str
    detail: str


class Read(NamedTuple):
    """A piece, what its reader had to find (see `songs.song.FOUND`), and of a piece that has no chords what
    `with_chords` says."""

    score: Score
    found: tuple[str, ...]
    from_melody: str = ""


@dataclass
class Collection:
    """Pieces to compare together.

    Attributes:
        name: of the set, as a person knows it: a folder, or a data set with its split.
        pieces: scores, trimmed of silence at their ends as for training, but for those that `sample` wrote;
            where there is only a melody, with chords found from it.
        found: how many pieces had this found by analysis, by what was found.
        chordless: of the pieces that have only a melody, by name, `FOUND` or why no chords were
            found.
        left_out: what is not among the pieces, and why.
        files: how many files were looked at; of a data set, songs.
    """

    name: str
    pieces: list[Score] = field(default_factory=list)
    found: Counter[str] = field(default_factory=Counter)
    chordless: dict[str, str] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)
    files: int = 0

    def music(self) -> list[Music]:
        """The pieces as metrics take them: those without chords know why."""
        why = {name: reason for name, reason in self.chordless.items() if reason != FOUND}
        return [
            replace(piece_of(score), no_chords=f"it has no chords, and none were found: {why[score.id]}")
            if score.id in why and not has_chords(score)
            else score
            for score in self.pieces
        ]

    def about(self) -> dict[str, Any]:
        """Counts for the report, as JSON."""
        bars = [len(score.bar_starts()) for score in self.pieces]
        chordless = Counter(self.chordless.values())
        return {
            "name": self.name,
            "files": self.files,
            "pieces": len(self.pieces),
            "left_out": dict(Counter(item.reason for item in self.left_out)),
            "left_out_examples": [item._asdict() for item in self.left_out[:20]],
            "found_by_analysis": {what: self.found[what] for what in sorted(self.found)},
            "chords_from_melody": {
                "pieces": chordless.total(),
                "found": chordless.pop(FOUND, 0),
                "not_found": dict(chordless.most_common()),
            },
            "without_chords": sum(not has_chords(score) for score in self.pieces),
            "without_melody": sum(not score.melody for score in self.pieces),
            "meters": dict(Counter(str(score.meter) for score in self.pieces).most_common()),
            "modes": dict(Counter(score.key.mode for score in self.pieces).most_common()),
            "bars": {"median": median(bars), "least": min(bars), "most": max(bars)} if bars else {},
            "notes": sum(len(score.melody) for score in self.pieces),
            "chords": sum(len(score.chords) for score in self.pieces),
        }


def collect(
    source: str | Path,
    *,
    split: str = "",
    style: str = "",
    workers: int | None = None,
    limit: int | None = None,
    option: str = "--generated",
    on_progress: Callable[[int, int, int], None] | None = None,
) -> Collection:
    """Reads all pieces of a folder, a file or a prepared data set.

    Args:
        source: which.
        split: of a data set: "train", "valid", "test", or several as "valid+test"; "" means "test".
        style: of a data set, only songs of this style; "" takes all.
        workers: processes; 0 works in this one, None takes one for every processor.
        limit: read only the first so many files, or songs.
        option: how the user gave it, for messages.
        on_progress: called with (files done, files in all, files left out).

    Raises:
        UserError: there is nothing, or nothing of it can be read.
    """
    path = Path(source)
    if not str(source) or not path.exists():
        raise UserError(f"{option}={source}: no such folder; expected one that holds pieces, or a data set")
    if read_manifest(path) is not None:
        return _of_dataset(open_dataset(path), split or "test", style, limit, option, on_progress)
    if split:
        raise UserError(f"{option}={source}: is no prepared data set and has no split {split}; leave it out")
    written = list(written_pieces(path))[:limit]
    if written:
        return _of_written(path, written, on_progress)
    try:
        found = find_songs(path)
    except UserError as error:
        raise UserError(f"{option}: {error}") from None
    songs, renderings = one_of_each(found.songs)
    songs = songs[:limit]
    collection = Collection(show(source), files=len(songs) + len(renderings))
    collection.left_out += renderings
    results: list[list[Read | LeftOut]] = [[] for _ in songs]
    failed = 0
    arriving = map_files(
        read_file,
        songs,
        workers=(os.cpu_count() or 1) if workers is None else workers,
        failed=_failed,
        seconds=FILE_SECONDS,
        megabytes=FILE_MEGABYTES,
    )
    for done, (number, read) in enumerate(arriving, 1):
        results[number] = read
        failed += all(isinstance(item, LeftOut) for item in read)
        if on_progress:
            on_progress(done, len(songs), failed)
    for item in (item for read in results for item in read):
        _add(collection, item)
    if not collection.pieces:
        reasons = Counter(item.reason for item in collection.left_out)
        first = next(item for item in collection.left_out if item.reason != "other_rendering")
        raise UserError(
            f"{option}={source}: none of {len(songs)} files gives a piece "
            f"({', '.join(f'{count} {reason}' for reason, count in reasons.most_common(4))}); "
            f"the first is {first.name}: {first.detail}"
        )
    return collection


def _of_written(
    path: Path,
    written: Sequence[tuple[str, Score]],
    on_progress: Callable[[int, int, int], None] | None,
) -> Collection:
    """Pieces with their own keys and forms; the same pieces in other formats stand beside them.

    They are not trimmed: silence at their beginning was composed.
    """
    collection = Collection(show(path), files=len(written))
    for done, (name, score) in enumerate(written, 1):
        score, how = with_chords(replace(score, id=Path(name).stem))
        _add(collection, Read(score, (), how))
        if on_progress:
            on_progress(done, len(written), 0)
    return collection


def read_file(song: SongFile) -> list[Read | LeftOut]:
    """The pieces of a file, or why there are none; what the processes of the pool do."""
    try:
        songs = read_songs(song)
    except Exception as error:  # one bad file among many must not stop the others
        if isinstance(error, MemoryError):
            raise
        return [_left_out(song.name, error)]
    read: list[Read | LeftOut] = []
    for tune in songs:
        if isinstance(tune, Exception):
            read.append(_left_out(f"{song.name}#{show(tune.tune)}", tune))
            continue
        name = f"{song.id}#{show(tune.tune)}" if tune.tune else song.id
        score = trim(replace(tune.score, id=name))
        if score.melody or has_chords(score):
            score, how = with_chords(score)
            read.append(Read(score, tuple(tune.found), how))
        else:
            read.append(LeftOut(name, "empty", "neither a melody note nor a chord"))
    return read or [LeftOut(song.name, "no_tunes", "it holds no tune")]


def one_of_each(songs: Sequence[SongFile]) -> tuple[list[SongFile], list[LeftOut]]:
    """Where files of one folder have one name but for the suffix, one of them, and the others as left out."""
    best: dict[str, SongFile] = {}
    for song in songs:
        stem = os.path.splitext(song.path)[0] if os.path.isfile(song.path) else song.path
        other = best.get(stem)
        if other is None or _preference(song) < _preference(other):
            best[stem] = song
    kept = {song.path for song in best.values()}
    renderings = [
        LeftOut(song.name, "other_rendering", "the same piece as a file of this name in another format")
        for song in songs
        if song.path not in kept
    ]
    return [song for song in songs if song.path in kept], renderings


def _preference(song: SongFile) -> int:
    return NOTATION_FIRST.index(song.format) if song.format in NOTATION_FIRST else len(NOTATION_FIRST)


def _failed(song: SongFile, reason: str, detail: str) -> list[Read | LeftOut]:
    return [LeftOut(song.name, reason, detail)]


def _left_out(name: str, error: Exception) -> LeftOut:
    reason = getattr(error, "reason", "")
    if not isinstance(reason, str) or not reason:
        known = isinstance(error, UserError | OSError)
        reason = "unreadable" if known else f"error_{type(error).__name__}"
    return LeftOut(show(name), reason, " ".join(show(str(error)).split())[:300])


def _add(collection: Collection, item: Read | LeftOut) -> None:
    if isinstance(item, LeftOut):
        collection.left_out.append(item)
    else:
        collection.pieces.append(item.score)
        collection.found.update(item.found)
        if item.from_melody:
            collection.chordless[item.score.id] = item.from_melody


def _of_dataset(
    dataset: Dataset,
    split: str,
    style: str,
    limit: int | None,
    option: str,
    on_progress: Callable[[int, int, int], None] | None,
) -> Collection:
    names = split.split("+")
    songs = {}
    for name in names:
        if name not in SPLITS:
            raise UserError(f"split {name!r}: expected one of {', '.join(SPLITS)}")
        songs[name] = dataset.songs(name)
        if not songs[name]:
            raise UserError(f"{option}={dataset.path}: the data set has no song in its {name} split")
    styles = Counter(song.get("style", "") for own in songs.values() for song in own)
    if style and style not in styles:
        known = suggestion(style, [name for name in styles if name]) if any(styles) else "its songs have none"
        raise UserError(f"--style={style}: no song of {dataset.path}, {split} split; {known}")
    total = styles[style] if style else styles.total()
    total = total if limit is None else min(total, limit)
    of = f" of style {style}" if style else ""
    collection = Collection(f"{show(dataset.path)}, {split} split{of}", files=total)
    for name in names:
        records = {stage: iter(dataset.records(stage, name)) for stage in ("backbone", "melody")}
        for song in songs[name]:
            if len(collection.pieces) == total:
                break
            record = {stage: next(left) for stage, left in records.items() if stage in song}
            if style and song.get("style") != style:
                continue
            score, how = with_chords(score_of(record))
            _add(collection, Read(score, tuple(next(iter(record.values())).get("found", ())), how))
            if on_progress:
                on_progress(len(collection.pieces), total, 0)
    return collection


def score_of(records: Mapping[str, Mapping[str, Any]]) -> Score:
    """The score that the records of a song say, one or both stages of it."""
    backbone, melody = records.get("backbone"), records.get("melody")
    about = melody["metadata"] if melody else {}
    if backbone:
        ids: Iterator[int] = iter([*backbone["input_ids"], backbone["target_id"]])
    else:
        key = Key(int(about["key_signature_root"]), about["key_signature_mode"])
        meter = Meter(int(about["time_signature_num"]), int(about["time_signature_den"]))
        ids = iter([backbone_tokens.BOS, backbone_tokens.key_id(key), backbone_tokens.meter_id(meter)])
    return decode_piece(
        ids,
        melody["event_ids"] if melody else (),
        tempo_bpm=float(about.get("tempo_bpm", 120.0)),
        id=str((backbone or melody or {})["id"]),
        form=form_from_values((backbone or melody or {}).get("form", ())),
    )
