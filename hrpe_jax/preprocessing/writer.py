"""Writing a prepared data set so that no folder is ever half a data set.

Everything goes into a hidden folder beside the target, the manifest last; one rename makes it the data set. A
run that is killed leaves the hidden folder, which no reader looks at and the next run removes.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from hrpe_jax.codec.vocabulary import STAGES, VERSION, vocabulary_hashes
from hrpe_jax.data.shards import (
    ARRAYS,
    CROPS,
    FORMAT_VERSION,
    LINES,
    MANIFEST,
    REJECTS,
    SPLITS,
    manifest_checksum,
    read_manifest,
)
from hrpe_jax.errors import UserError
from hrpe_jax.utils.files import check_output, checksum, unwritable


@dataclass
class Summary:
    """Counts over the songs of a data set.

    Attributes:
        formats: songs by format.
        stages: songs by the stages that have them: "backbone+melody", "melody", "backbone".
        found: songs by what was found by analysis because the file does not say it.
        warnings: songs by warning.
        keys: songs by key, as named.
        meters: songs by meter.
        qualities: chords by quality.
        forms: songs by where their form comes from: "labels" (people's, beside the song), "file", "found" (by
            analysis) or "none".
        modulating: songs with more than one key.
    """

    formats: Counter[str] = field(default_factory=Counter)
    stages: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    keys: Counter[str] = field(default_factory=Counter)
    meters: Counter[str] = field(default_factory=Counter)
    qualities: Counter[str] = field(default_factory=Counter)
    forms: Counter[str] = field(default_factory=Counter)
    modulating: int = 0

    def add(self, format: str, tokens: Mapping[str, int], about: Mapping[str, Any]) -> None:
        """Counts a song; `about` is that of `PreparedSong`.

        Args:
            format: of its file.
            tokens: of each stage that it serves.
            about: as in `PreparedSong`.
        """
        self.formats[format] += 1
        self.stages["+".join(sorted(tokens))] += 1
        self.found.update(about["found"])
        self.warnings.update(about["warnings"])
        self.keys[about["key"]] += 1
        self.meters[about["meter"]] += 1
        self.qualities.update(about["qualities"])
        self.forms[about["form"] or "none"] += 1
        self.modulating += bool(about["modulates"])

    def as_dict(self) -> dict[str, Any]:
        """For JSON: the most frequent first."""
        values = {name: value for name, value in vars(self).items() if isinstance(value, Counter)}
        ordered = {
            name: dict(sorted(value.items(), key=lambda item: (-item[1], item[0])))
            for name, value in values.items()
        }
        return {**ordered, "modulating": self.modulating}


SONGS_PER_SHARD = 2048


@dataclass(frozen=True)
class Prepared:
    """A song that is ready to be stored.

    Attributes:
        id: unique in the data set.
        group: songs of one group are the same music and belong into one split.
        tokens: per stage that it serves, how many.
        records: per stage that it serves, the stored bytes; asked for once, when they are written.
        origin: what else the manifest says of it: `file`, `format`, and `style` where it has one; of a crop
            `song`, `first_bar` and `bars`.
    """

    id: str
    group: str
    tokens: dict[str, int]
    records: Mapping[str, bytes]
    origin: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Reject:
    """A song left out: its file as the user knows it, a short code, what was wrong, and which tune it was."""

    file: str
    reason: str
    detail: str
    tune: str = ""


def check_target(target: Path, overwrite: bool) -> None:
    """Clears what killed runs left behind, and makes sure that `target` may be written.

    Raises:
        UserError: if it exists and may not be replaced, or cannot be written.
    """
    check_output(target.parent)
    _clean(target)
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    if read_manifest(target) is None:  # whatever it is, we did not make it
        raise UserError(
            f"{target}: exists and is not a prepared data set; choose another --output or remove it"
        )
    if not overwrite:
        raise UserError(
            f"{target}: holds a data set already; choose another --output, or --overwrite to replace it"
        )


def write_dataset(
    target: Path,
    splits: Mapping[str, Sequence[Prepared]],
    rejects: Sequence[Reject],
    origin: Mapping[str, Any],
    *,
    crops: Sequence[Prepared] = (),
    ignored: Sequence[Reject] = (),
    more: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Writes a data set in one step: afterwards `target` is whole, or what it was before.

    Args:
        target: its folder.
        splits: songs of train, valid and test, in the order they are stored in.
        rejects: what was left out.
        origin: where the songs come from, for the manifest.
        crops: training pieces cut from songs of train, in the order they are stored in.
        ignored: files that are no songs; listed with the rejects and counted apart.
        more: what else the manifest says; its `counts` go with the others.
        overwrite: replace a data set that is there.

    Returns:
        The manifest.

    Raises:
        UserError: if the target exists and may not be replaced, or cannot be written.
    """
    check_target(target, overwrite)
    partial = _beside(target, "partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.mkdir()
        shards = {
            stage: {split: _write_shards(partial, stage, split, splits[split]) for split in SPLITS}
            for stage in STAGES
        }
        if crops:
            for stage in STAGES:
                shards[stage][CROPS] = _write_shards(partial, stage, CROPS, crops)
        (partial / REJECTS).write_text("".join(map(_reject_line, (*rejects, *ignored))), "utf-8")
        more = dict(more or {})
        manifest = {
            "format_version": FORMAT_VERSION,
            "vocabulary": {"version": VERSION, **vocabulary_hashes()},
            "origin": dict(origin),
            "counts": {
                **_counts(splits),
                "styles": {
                    style: _counts(splits, style) for style in _styles(chain.from_iterable(splits.values()))
                },
                **({"crops": _crop_counts(crops)} if crops else {}),
                "rejects": dict(Counter(reject.reason for reject in rejects).most_common()),
                "ignored": dict(Counter(file.reason for file in ignored).most_common()),
                **more.pop("counts", {}),
            },
            **more,
            "shards": shards,
            "songs": {
                split: [
                    {"id": song.id, "group": song.group, **song.origin, **song.tokens}
                    for song in splits[split]
                ]
                for split in SPLITS
            },
        }
        if crops:
            manifest[CROPS] = [{"id": crop.id, **crop.origin, **crop.tokens} for crop in crops]
        manifest["sha256"] = manifest_checksum(manifest)
        with (partial / MANIFEST).open("w", encoding="utf-8") as stream:
            json.dump(manifest, stream, indent=1, ensure_ascii=False)
            stream.flush()
            os.fsync(stream.fileno())
        _put_in_place(partial, target)
    except OSError as error:
        raise unwritable(target, error) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return manifest


def _counts(splits: Mapping[str, Sequence[Prepared]], style: str | None = None) -> dict[str, Any]:
    """Songs, and tokens of each stage, by split; of all songs or of those of a style."""
    chosen = {
        split: [song for song in splits[split] if style in (None, song.origin.get("style"))]
        for split in SPLITS
    }
    tokens = {
        stage: {split: sum(song.tokens.get(stage, 0) for song in songs) for split, songs in chosen.items()}
        for stage in STAGES
    }
    return {"songs": {split: len(songs) for split, songs in chosen.items()}, "tokens": tokens}


def _crop_counts(crops: Sequence[Prepared]) -> dict[str, Any]:
    """Crops, their tokens of each stage, and crops by style."""
    return {
        "pieces": len(crops),
        "tokens": {stage: sum(crop.tokens.get(stage, 0) for crop in crops) for stage in STAGES},
        "styles": {
            style: sum(crop.origin.get("style") == style for crop in crops) for style in _styles(crops)
        },
    }


def _styles(songs: Iterable[Prepared]) -> list[str]:
    return sorted({song.origin["style"] for song in songs if "style" in song.origin})


def _reject_line(reject: Reject) -> str:
    line = {"file": reject.file, "tune": reject.tune, "reason": reject.reason, "detail": reject.detail}
    return json.dumps(line, ensure_ascii=False) + "\n"


def _write_shards(folder: Path, stage: str, split: str, songs: Sequence[Prepared]) -> list[dict[str, Any]]:
    (folder / stage).mkdir(exist_ok=True)
    songs = [song for song in songs if stage in song.tokens]
    count = -(-len(songs) // SONGS_PER_SHARD)
    suffix = shard_suffix()
    shards = []
    for number in range(count):
        name = f"{stage}/{split}-{number:05d}-of-{count:05d}{suffix}"
        part = songs[number * SONGS_PER_SHARD : (number + 1) * SONGS_PER_SHARD]
        file = folder / name
        write_records(file, (song.records[stage] for song in part))
        shards.append(
            {"file": name, "records": len(part), "bytes": file.stat().st_size, "sha256": checksum(file)}
        )
    return shards


def shard_suffix() -> str:
    """Of the shards that this machine writes: array_record has no wheels for Windows."""
    try:
        import array_record  # noqa: F401
    except ImportError:
        return LINES
    return ARRAYS


def write_records(file: Path, records: Iterable[bytes]) -> None:
    """Writes a shard of either kind, by its suffix. A record is JSON in one line."""
    if file.suffix == LINES:
        with file.open("wb") as stream:
            for record in records:
                stream.write(record + b"\n")
        return
    from array_record.python.array_record_module import ArrayRecordWriter

    writer = ArrayRecordWriter(str(file), "group_size:1")  # so that one record is read alone
    for record in records:
        writer.write(record)
    writer.close()


def _put_in_place(partial: Path, target: Path) -> None:
    old = _beside(target, "old")
    if target.exists():
        target.rename(old)
    try:
        partial.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def journal_folder(target: Path) -> Path:
    """The hidden folder that keeps what has been prepared until the data set is whole."""
    return target.with_name(f".{target.name}.journal")


def _beside(target: Path, what: str) -> Path:
    return target.with_name(f".{target.name}.{what}-{os.getpid()}")


def _leftovers(target: Path) -> Iterable[tuple[Path, str]]:
    """Hidden folders of runs that are over, as (folder, what)."""
    if not target.parent.is_dir():
        return
    for entry in sorted(target.parent.iterdir()):
        match = re.fullmatch(rf"\.{re.escape(target.name)}\.(partial|old)-(\d+)", entry.name)
        if match and not (int(match[2]) != os.getpid() and _is_running(int(match[2]))):
            yield entry, match[1]


def _clean(target: Path) -> None:
    for entry, what in list(_leftovers(target)):
        if what == "old" and not target.exists() and read_manifest(entry):  # killed between the two renames
            entry.rename(target)
        else:
            shutil.rmtree(entry, ignore_errors=True)


def _is_running(pid: int) -> bool:
    import psutil  # on Windows signal 0 is Ctrl-C, so os.kill cannot be asked

    return psutil.pid_exists(pid)
