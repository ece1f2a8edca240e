"""From the results of all files to one data set: duplicates, groups, splits, leakage, and writing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from hrpe_jax.data.shards import SPLITS
from hrpe_jax.errors import UserError
from hrpe_jax.preprocessing import versions as grouping
from hrpe_jax.preprocessing.journal import Entry, Journal
from hrpe_jax.preprocessing.prepare import code_version
from hrpe_jax.preprocessing.splits import AMBIGUOUS, GivenSplits, held_out_elsewhere, leakage, split_songs
from hrpe_jax.preprocessing.versions import Spool, alike
from hrpe_jax.preprocessing.writer import Prepared, Reject, Summary, write_dataset
from hrpe_jax.readers.find import Found, SongFile


class NoSongsError(UserError):
    """Not one song can be used."""


@dataclass(frozen=True)
class Choices:
    """What a data set is made of besides the files; all of it stands in the manifest.

    Attributes:
        format: what was asked for.
        splits: split files as given.
        keep_duplicates: whether equal songs are kept.
        limit: how many files were read at most.
        styles: as given, each "STYLE" or "FOLDER:STYLE".
        form: whether people's labels of the form were given.
        crops: training pieces cut from each training song, at most.
    """

    format: str = "auto"
    splits: tuple[str, ...] = ()
    keep_duplicates: bool = False
    limit: int | None = None
    styles: tuple[str, ...] = ()
    form: bool = False
    crops: int = 0


class _Records(Mapping[str, bytes]):
    """The records of a song, or of a crop of one, read from the journal when asked for."""

    def __init__(self, journal: Journal, entry: Entry, crop: int | None = None) -> None:
        self._journal, self._entry, self._crop = journal, entry, crop
        self._tokens = entry.tokens if crop is None else entry.crops[crop][2]

    def __getitem__(self, stage: str) -> bytes:
        if self._crop is None:
            return self._journal.record(self._entry, stage)
        return self._journal.crop_record(self._entry, self._crop, stage)

    def __iter__(self) -> Iterator[str]:
        return iter(self._tokens)

    def __len__(self) -> int:
        return len(self._tokens)


def assemble(
    output: Path,
    journal: Journal,
    found: Found,
    songs: Sequence[SongFile],
    keys: Sequence[Sequence[bytes]],
    choices: Choices,
    given: GivenSplits,
    *,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Writes the data set of the files whose results are in a journal.

    Args:
        output: its folder.
        journal: with the results of every file.
        found: what the input holds.
        songs: the files that were read, in order.
        keys: of the parts of every file, in the journal.
        choices: see `Choices`.
        given: the split files.
        overwrite: replace a data set that is there.

    Returns:
        The manifest.

    Raises:
        NoSongsError: not one song can be used.
        UserError: the output may not be written.
    """
    rejects: list[Reject] = []
    entries: list[Entry] = []
    for song, parts_of_it in zip(songs, keys, strict=True):
        for result in chain.from_iterable(map(journal.results, parts_of_it)):
            if isinstance(result, Entry):
                entries.append(replace(result, about={"style": result.about["style"]}))
            else:
                rejects.append(result)
                given.of(song.id, result.file, song.format, result.tune)  # it is there, though of no use
    entries, splits, files = _listed(entries, given, rejects)
    if not choices.keep_duplicates:
        firsts = _without_duplicates(entries, splits, rejects)
        entries, splits = [entries[at] for at in firsts], [splits[at] for at in firsts]
        files = [files[at] for at in firsts]
    ids = [entry.id for entry in entries]
    with ExitStack() as stack:
        spools = {
            name: stack.enter_context(Spool(journal.folder / f"{name}.spool"))
            for name in ("windows", "melody", "chords")
        }
        sizes = np.zeros(len(entries), np.int64)
        for number, entry in enumerate(entries):
            for name, spool in spools.items():
                hashes = journal.array(entry, name)
                spool.add(number, hashes)
                sizes[number] = len(hashes)  # in the end those of the chords
        names = _groups(entries, spools, sizes).names(ids)
        held_out = held_out_elsewhere(names, splits, files)
        splits, between = split_songs(ids, names, splits)
        between |= held_out
        report = _leakage(spools, ids, splits, between)
    for number, detail in between.items():
        rejects.append(_reject(entries[number], "between_splits", detail))
    parts: dict[str, list[Prepared]] = {split: [] for split in SPLITS}
    crops: list[Prepared] = []
    used: dict[str, Entry] = {}
    for number, entry in enumerate(entries):
        if number not in between:
            used[entry.id] = entry
            origin = {"file": entry.file, "format": entry.format}
            if entry.about["style"]:
                origin["style"] = entry.about["style"]
            stored = Prepared(entry.id, names[number], entry.tokens, _Records(journal, entry), origin)
            parts[splits[number]].append(stored)
            if splits[number] == "train":
                crops += _crops(journal, entry, stored)
    if not used:
        first = f"{rejects[0].file}: {rejects[0].reason}: {rejects[0].detail}"
        raise NoSongsError(f"none of {len(songs)} songs can be used; the first, {first}")
    kept = [number for number in range(len(entries)) if number not in between]
    formats = sorted({entry.format for entry in used.values()})
    ignored = [Reject(file.name, file.reason, file.detail) for file in found.passed]
    rejects.sort(key=lambda reject: reject.file)
    with_songs = {entry.file for entry in used.values()}
    more = {
        "counts": {
            "files": {
                "seen": found.files,
                "with_songs": len(with_songs),
                "rejected": len(songs) - len(with_songs),
                "not_read": len(found.songs) - len(songs),
                "companions": found.companions,
                "ignored": len(ignored),
            },
            **_summary(journal, chain.from_iterable(keys), used).as_dict(),
        },
        "groups": grouping.summary([names[n] for n in kept], [entries[n].format for n in kept]),
        "leakage": report,
        "settings": {
            **vars(choices),
            "splits": list(map(_short, choices.splits)),
            "styles": list(choices.styles),
            "code": code_version(),
        },
    }
    about = {
        "format": formats[0] if len(formats) == 1 else "mixed",
        "formats": formats,
        "splits": "given" if given else "hash of group",
    }
    return write_dataset(
        output, parts, rejects, about, crops=crops, ignored=ignored, more=more, overwrite=overwrite
    )


def _crops(journal: Journal, entry: Entry, song: Prepared) -> Iterator[Prepared]:
    """The training pieces cut from a song."""
    for number, (first_bar, bars, tokens) in enumerate(entry.crops):
        origin = {name: song.origin[name] for name in ("style",) if name in song.origin}
        origin |= {"song": entry.id, "first_bar": first_bar, "bars": bars}
        records = _Records(journal, entry, number)
        yield Prepared(f"{entry.id}#bar={first_bar}", song.group, tokens, records, origin)


def _short(option: str) -> str:
    """A split option without the place of its file on this machine."""
    folder, colon, file = option.rpartition(":")
    return f"{folder if colon and not Path(option).is_file() else ''}{colon}{Path(file).name}"


def _reject(entry: Entry, reason: str, detail: str) -> Reject:
    return Reject(entry.file, reason, detail, entry.tune)


def _listed(
    entries: Sequence[Entry], given: GivenSplits, rejects: list[Reject]
) -> tuple[list[Entry], list[str], list[str]]:
    """The songs that split files list, or that none is about, with the split given to each or "", and the
    file that gave it or ""."""
    kept, splits, files = [], [], []
    for entry in entries:
        asked = given.of(entry.id, entry.file, entry.format, entry.tune)
        split, file = asked if asked else ("", "")
        if asked and not split:
            rejects.append(_reject(entry, "not_in_splits", f"{file} does not list {entry.id!r}"))
        elif split == AMBIGUOUS:
            rejects.append(_reject(entry, "ambiguous_split", f"{file} lists {entry.id!r} in several splits"))
        else:
            kept.append(entry)
            splits.append(split)
            files.append(file)
    return kept, splits, files


def _without_duplicates(entries: Sequence[Entry], splits: Sequence[str], rejects: list[Reject]) -> list[int]:
    """One song of each content, by index: those that split files list, else the first."""
    first: dict[bytes, str] = {}
    for entry, split in zip(entries, splits, strict=True):
        if split:
            first.setdefault(entry.content, entry.id)
    kept = []
    for index, (entry, split) in enumerate(zip(entries, splits, strict=True)):
        same = first.setdefault(entry.content, entry.id)
        if same == entry.id or split:
            kept.append(index)
        else:
            rejects.append(
                _reject(entry, "duplicate", f"equal to {same}, note by note, in the same or another key")
            )
    return kept


def _groups(entries: Sequence[Entry], spools: Mapping[str, Spool], sizes: np.ndarray) -> grouping.Groups:
    groups = grouping.Groups(len(entries))
    groups.join_pairs(grouping.sharing(spools["windows"]))
    openings = [np.frombuffer(entry.opening, np.int8).tolist() for entry in entries]
    groups.join_pairs(alike(openings))
    alone = np.array(["melody" not in entry.tokens for entry in entries], bool)
    if alone.any():
        groups.join_pairs(grouping.similar(spools["chords"], sizes, alone))
        groups.join_pairs(grouping.equal(entry.name for entry in entries))
    return groups


def _leakage(
    spools: Mapping[str, Spool], ids: Sequence[str], splits: Sequence[str], between: Mapping[int, str]
) -> dict[str, Any]:
    used = ["" if number in between else split for number, split in enumerate(splits)]
    return leakage(spools["melody"], spools["chords"], ids, used)


def _summary(journal: Journal, keys: Iterable[bytes], used: Mapping[str, Entry]) -> Summary:
    summary = Summary()
    for key in keys:
        for result in journal.results(key):
            if isinstance(result, Entry) and result.id in used:
                summary.add(result.format, result.tokens, result.about)
    return summary
