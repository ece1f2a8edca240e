"""Which song belongs to training, validation and test, and what these share.

Leakage is how much of what is tested was trained on: stretches of melody and harmony that splits share. A
stretch is `SHINGLE_INTERVALS` intervals in a row, or `SHINGLE_CHORDS` chords in a row by root motion and
quality; both are the same in every key. Melodies share few unless songs are versions of one another. Pop
harmony is made of commonplaces, so much of it is shared by songs that are not.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from hrpe_jax.data.shards import SPLITS
from hrpe_jax.errors import UserError, WrongUse
from hrpe_jax.preprocessing.fingerprints import SHINGLE_CHORDS, SHINGLE_INTERVALS
from hrpe_jax.preprocessing.versions import Spool

HELD_OUT = 0.1  # part of the songs in each of validation and test


AMBIGUOUS = "ambiguous"
"""In place of a split, where a file lists an id in two of them."""


def load_splits(path: str | Path) -> dict[str, str]:
    """Reads a split file, {"train": [ids], "valid": [ids], "test": [ids]}, as id -> split.

    An id that is in two splits, as numbers of tunes are that a book uses twice, is `AMBIGUOUS`.

    Raises:
        UserError: if it is missing or something else.
    """
    path = Path(path)
    expected = 'expected JSON like {"train": [ids], "valid": [ids], "test": [ids]}'
    try:
        lists = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot read the split file: {error.strerror}; {expected}") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not JSON ({error}); {expected}") from None
    if not isinstance(lists, dict) or set(lists) != set(SPLITS):
        raise UserError(f"{path}: {expected}")
    splits: dict[str, str] = {}
    for split in SPLITS:
        if not isinstance(lists[split], list) or not all(isinstance(song, str) for song in lists[split]):
            raise UserError(f"{path}: {split}: {expected}")
        for song in map(_plain, lists[split]):
            splits[song] = split if splits.get(song, split) == split else AMBIGUOUS
    return splits


class GivenSplits:
    """Split files, each for a part of the input.

    Args:
        options: "FILE" for the whole input, or "FOLDER:FILE" for what is below a folder of it.

    Raises:
        UserError: a file is none, or two are for the same folder.
    """

    def __init__(self, options: Sequence[str | Path] = ()) -> None:
        self._scopes: dict[str, tuple[str, dict[str, str]]] = {}
        self._found: dict[str, set[str]] = {}
        for option in map(str, options):
            folder, colon, file = option.rpartition(":")
            if not colon or Path(option).is_file():
                folder, file = "", option
            folder = plain_folder(folder)
            if folder in self._scopes:
                raise WrongUse(f"--splits={option}: a second split file for {folder or 'the whole input'}")
            self._scopes[folder] = (file, load_splits(file))
            self._found[folder] = set()

    def __bool__(self) -> bool:
        return bool(self._scopes)

    def of(self, id: str, file: str, format: str, tune: str = "") -> tuple[str, str] | None:
        """Which split a song is given.

        A file lists songs by id, by path or by the end of a path, with or without suffix; charts of Billboard
        by their folder too, and tunes of a book as "book#tune" or by the tune alone.

        Args:
            id: of the song.
            file: as the user knows it.
            format: whose reader reads it.
            tune: which tune of the file.

        Returns:
            (split, split file), where the split is AMBIGUOUS or "" if the file does not say; None where no
            file is for this part of the input.
        """
        name = _plain(file)
        folder = nearest_folder(name, self._scopes)
        if folder is None:
            return None
        file_, listed = self._scopes[folder]
        for candidate in _names(_plain(id), name, format, _plain(tune)):
            if candidate in listed:
                self._found[folder].add(candidate)
                return listed[candidate], file_
        return "", file_

    def missing(self) -> dict[str, list[str]]:
        """Split file -> ids that it lists and `of` was not asked about."""
        return {
            file: [song for song in listed if song not in self._found[folder]]
            for folder, (file, listed) in self._scopes.items()
        }


def plain_folder(folder: str) -> str:
    """A folder of the input as options name it, such as "./pop/"; "" is the whole input."""
    return _plain(folder).strip("/").removeprefix("./")


def nearest_folder(file: str, folders: Iterable[str]) -> str | None:
    """Of some folders of the input, the innermost that a file lies in; None where it lies in none.

    Args:
        file: as the user knows it.
        folders: as `plain_folder` gives them.
    """
    name = _plain(file)
    above = [at for at in folders if not at or name == at or name.startswith(f"{at}/")]
    return max(above, key=len, default=None)


def _plain(text: str) -> str:
    """Accents in one of the two ways that file systems write them."""
    return unicodedata.normalize("NFC", text)


def _names(id: str, file: str, format: str, tune: str) -> Iterator[str]:
    """What a split file may call a song, the most exact name first."""
    yield id
    parts = file.split("/")
    ends = ["/".join(parts[at:]) for at in range(len(parts))]
    without = [] if format == "pop909" else [end[: -len(s)] for end in ends if (s := PurePath(end).suffix)]
    folders = ["/".join(parts[at:-1]) for at in range(len(parts) - 1)] if format == "billboard" else []
    if tune:
        yield from (f"{end}#{tune}" for end in (*ends, *without))
        yield tune
    yield from (*ends, *without, *folders)


def split_songs(
    ids: Sequence[str], groups: Sequence[str], given: Sequence[str]
) -> tuple[list[str], dict[int, str]]:
    """The split of every song: as given, else that of its group, else by hash.

    Args:
        ids: of the songs.
        groups: of the songs.
        given: of the songs, a split or "".

    Returns:
        The splits, and for songs that can be in none, because their group is given to several, the reason.
    """
    of_group: dict[str, set[str]] = {}
    for group, split in zip(groups, given, strict=True):
        if split:
            of_group.setdefault(group, set()).add(split)
    free = {
        song: group for song, group, split in zip(ids, groups, given, strict=True) if group not in of_group
    }
    by_hash = hash_splits(free)
    splits, between = list(given), {}
    for index, (song, group) in enumerate(zip(ids, groups, strict=True)):
        if splits[index]:
            continue
        known = of_group.get(group)
        if known and len(known) > 1:
            between[index] = f"versions of it are given to {', '.join(sorted(known))}"
        splits[index] = min(known) if known else by_hash[song]
    return splits, between


def held_out_elsewhere(groups: Sequence[str], given: Sequence[str], files: Sequence[str]) -> dict[int, str]:
    """Training songs of which another collection holds out a version.

    Every split file keeps the versions of its own songs as it will. Two files know nothing of each other: a
    tune may be a training hymn in one and a test standard in the other. The training song is then left out,
    so that every file's validation and test songs stay as they are.

    Args:
        groups: of the songs.
        given: of the songs, a split or "".
        files: of the songs, the split file that gave it, or "".

    Returns:
        The songs to leave out, by index, and the reason.
    """
    holders: dict[str, set[str]] = {}
    for group, split, file in zip(groups, given, files, strict=True):
        if split in ("valid", "test"):
            holders.setdefault(group, set()).add(file)
    left_out = {}
    for index, (group, split, file) in enumerate(zip(groups, given, files, strict=True)):
        others = holders.get(group, set()) - {file}
        if split == "train" and others:
            names = ", ".join(sorted(PurePath(other).name for other in others))
            left_out[index] = f"a training song, of which {names} holds out a version"
    return left_out


def hash_splits(groups: Mapping[str, str]) -> dict[str, str]:
    """Splits songs 80:10:10, groups in the order of their hash: the same songs are always split the same way.

    Validation and test each take the groups that still fit into a tenth of the songs, so large groups go to
    training. In a small collection they take the smallest group where none fits, as long as training keeps
    one.

    Args:
        groups: song id -> group; a group is never divided.

    Returns:
        Song id -> split.
    """
    sizes = Counter(groups.values())
    room = max(1, round(len(groups) * HELD_OUT))
    training = sorted(sizes, key=lambda group: hashlib.sha256(group.encode()).digest())
    split_of: dict[str, str] = {}
    for split in ("valid", "test"):
        taken, left = [], room
        for group in training:
            if sizes[group] <= left:
                taken.append(group)
                left -= sizes[group]
        if not taken and training:
            taken = [min(training, key=sizes.__getitem__)]
        taken = taken[: len(training) - 1]
        split_of |= dict.fromkeys(taken, split)
        training = [group for group in training if group not in split_of]
    return {song: split_of.get(group, "train") for song, group in groups.items()}


WORST = 10


def leakage(
    melody: Spool, chords: Spool, ids: Sequence[str], split_of: Sequence[str]
) -> dict[str, dict[str, dict[str, Any]]]:
    """The leakage report of a data set.

    Args:
        melody: the songs' stretches of melody, each once a song.
        chords: the songs' stretches of harmony.
        ids: of the songs.
        split_of: of the songs, "train", "valid" or "test".

    Returns:
        For "melody" and "chords", for "valid" and "test": `shingles`, how many different ones its songs have,
        counted song by song; `in_train`, how many of them occur in training; `share`, the part; `worst`, the
        songs with the largest part, as {id, share, shingles}.
    """
    return {
        "melody": {"intervals": SHINGLE_INTERVALS, **_report(melody, ids, split_of)},
        "chords": {"chords": SHINGLE_CHORDS, **_report(chords, ids, split_of)},
    }


def _report(spool: Spool, ids: Sequence[str], split_of: Sequence[str]) -> dict[str, Any]:
    train = np.array([split == "train" for split in split_of], bool)
    total, shared = np.zeros(len(ids), np.int64), np.zeros(len(ids), np.int64)
    for hashes, songs in spool.buckets():
        trained = hashes[train[songs]]  # sorted, as all of them are
        place = np.searchsorted(trained, hashes)
        known = np.zeros(len(hashes), bool)
        inside = place < len(trained)
        known[inside] = trained[place[inside]] == hashes[inside]
        total += np.bincount(songs, minlength=len(ids))
        shared += np.bincount(songs[known], minlength=len(ids))
    report: dict[str, Any] = {}
    for split in ("valid", "test"):
        mine = np.flatnonzero((np.array(split_of, object) == split) & (total > 0))
        share = shared[mine] / total[mine]
        worst = mine[np.lexsort((mine, -shared[mine], -share))[:WORST]]
        seen, known_ones = int(total[mine].sum()), int(shared[mine].sum())
        report[split] = {
            "shingles": seen,
            "in_train": known_ones,
            "share": round(known_ones / seen, 4) if seen else 0.0,
            "worst": [
                {
                    "id": ids[song],
                    "share": round(float(shared[song] / total[song]), 4),
                    "shingles": int(total[song]),
                }
                for song in worst.tolist()
                if shared[song]
            ],
        }
    return report
