"""From songs on disk to a prepared data set: read, encode, group, split, write."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hrpe_jax.data.groups import join_groups, melody_keys
from hrpe_jax.data.pool import map_files
from hrpe_jax.data.records import records_of, to_bytes, token_count
from hrpe_jax.data.shards import SPLITS
from hrpe_jax.data.sources import SongFile, find_songs, read_song
from hrpe_jax.data.splits import hash_splits, load_splits
from hrpe_jax.data.tunes import group_tunes
from hrpe_jax.data.writer import Prepared, Reject, check_target, write_dataset
from hrpe_jax.errors import UserError
from hrpe_jax.score.score import Score, ScoreError


@dataclass(frozen=True)
class _Read:
    """A song that was read: what is stored, and what tells its versions.

    Attributes:
        id: of the song.
        keys: `melody_keys`.
        tokens: per stage, how many.
        records: per stage, the stored bytes.
        hymn: the score where tunes are to be compared, which needs all of them together.
    """

    id: str
    keys: frozenset[bytes]
    tokens: dict[str, int]
    records: dict[str, bytes]
    hymn: Score | None


def prepare_song(song: SongFile) -> _Read | Reject:
    """Reads and encodes one song; whatever is wrong with it becomes a reject with a reason code."""
    try:
        score = read_song(song)
        if not score.melody:
            return Reject(song.name, "no_melody", "no melody note was found")
        if all(span.chord.is_none for span in score.chords):
            return Reject(song.name, "no_chords", "no chord was found")
        records = records_of(score)
        for record in records.values():
            record["id"] = song.id
        tokens = {stage: token_count(stage, record) for stage, record in records.items()}
        stored = {stage: to_bytes(record) for stage, record in records.items()}
        hymn = replace(score, id=song.id) if song.format == "chorales" else None
        return _Read(song.id, frozenset(melody_keys(score)), tokens, stored, hymn)
    except Exception as error:  # one bad file among many must not stop the others
        return Reject(song.name, _reason(error), " ".join(f"{error}".split()))


def _groups(read: Sequence[_Read]) -> dict[str, str]:
    """Song id -> group: songs that share a stretch of melody, and hymns that open alike."""
    hymns = [song.hymn for song in read if song.hymn is not None]
    tunes = dict(zip((hymn.id for hymn in hymns), group_tunes(hymns), strict=True))
    return join_groups(
        (song.id, song.keys | {f"tune {tunes[song.id]}".encode()} if song.hymn else song.keys)
        for song in read
    )


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    if isinstance(reason, str) and reason:
        return reason
    if isinstance(error, ScoreError):
        return "bad_score"
    if isinstance(error, UserError):
        return "bad_file"
    return "unreadable" if isinstance(error, OSError) else f"error_{type(error).__name__}"


def _crashed(song: SongFile) -> _Read | Reject:
    return Reject(song.name, "crash", "reading this file crashed its process")


def build_dataset(
    source: str | Path,
    output: str | Path,
    *,
    format: str = "auto",
    splits: str | Path | None = None,
    workers: int = 2,
    limit: int | None = None,
    overwrite: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Prepares a data set of both stages.

    Args:
        source: a folder or file of songs, or "chorales" (see `data.sources`).
        output: the folder to make; it appears whole or not at all.
        format: "pop909", "chorales" or "auto".
        splits: a split file; songs it does not list are rejected. None splits about 80:10:10 by a hash, songs
            with the same melody together.
        workers: processes; 0 works in this one.
        limit: read only the first so many songs.
        overwrite: replace a data set that is there.
        on_progress: called with (songs done, songs in all).

    Returns:
        The counts: `output`, `found`, `songs`, `rejects`, songs per split, tokens per stage, `seconds`, and
        `missing`, how many songs of the split file were not found.

    Raises:
        UserError: if there are no songs, not one can be read, or the output may not be written.
    """
    began, output = time.monotonic(), Path(output)
    check_target(output, overwrite)
    given = load_splits(splits) if splits else None
    songs = find_songs(source, format)[:limit]
    results: list[_Read | Reject | None] = [None] * len(songs)
    arriving = map_files(prepare_song, songs, workers=workers, crashed=_crashed)
    for done, (index, result) in enumerate(arriving, 1):
        results[index] = result
        if on_progress:
            on_progress(done, len(songs))
    rejects = [result for result in results if isinstance(result, Reject)]
    read = [result for result in results if isinstance(result, _Read)]
    groups = _groups(read)
    split_of = hash_splits(groups) if given is None else given
    files = {song.id: song.name for song in songs}
    for song in read:
        if song.id not in split_of:
            rejects.append(Reject(files[song.id], "not_in_splits", f"{splits} does not list {song.id!r}"))
    parts = {
        split: [
            Prepared(song.id, groups[song.id], song.tokens, song.records)
            for song in read
            if split_of.get(song.id) == split
        ]
        for split in SPLITS
    }
    if not any(parts.values()):
        first = f"{rejects[0].file}: {rejects[0].reason}: {rejects[0].detail}"
        raise UserError(f"{source}: none of {len(songs)} songs can be used; the first, {first}")
    origin = {"format": songs[0].format, "splits": "given" if given else "hash of group"}
    manifest = write_dataset(output, parts, rejects, origin, overwrite=overwrite)
    tokens = manifest["counts"]["tokens"]
    return {
        "output": str(output),
        "found": len(songs),
        "songs": sum(map(len, parts.values())),
        "rejects": len(rejects),
        **{split: len(part) for split, part in parts.items()},
        **{f"{stage}_tokens": sum(counts.values()) for stage, counts in tokens.items()},
        "missing": len(set(given) - {song.id for song in songs}) if given else 0,
        "seconds": round(time.monotonic() - began, 2),
    }
