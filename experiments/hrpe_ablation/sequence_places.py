"""Sequence places: chord changes where a progression comes back, but in another key.

    python experiments/hrpe_ablation/sequence_places.py --data=NAME=DIR [--data=NAME=DIR]

A chord change is one where the last three chords have not stood so before in the song, but have in another
transposition: a literal search has no agreement of three chords and a transposed one has. Chords are roots
and qualities, whatever their lengths and inversions. Counts these places by corpus and split, and how often
what followed the latest longest transposed agreement comes. Writes a record beside those of the runs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rows import RECORDS, add_record

from hrpe_jax.codec import backbone_tokens as tokens
from hrpe_jax.data.shards import SPLITS, open_dataset
from hrpe_jax.errors import UserError
from hrpe_jax.utils import cli

CHORDS = 3
"""Chords that have to agree."""


def agreements(root: np.ndarray, quality: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For how many chords the past of each chord agrees with that of an earlier one.

    Args:
      root: int `[chords]`, pitch classes; of no two neighbours both root and quality are equal.
      quality: int `[chords]`, `tokens.NO_QUALITY` where there is no chord.

    Returns:
      Two counts `[chords]`, of the longest literal and the longest transposed agreement; and the index of the
      chord after the latest longest transposed one, -1 for none.
    """
    count = len(root)
    literal, transposed = np.zeros(count, int), np.zeros(count, int)
    following = np.full(count, -1)
    same = np.zeros((count, count), int)  # [i, j]: chords up to i that equal those up to j, one by one
    moved = np.zeros((count, count), int)
    sounds = quality != tokens.NO_QUALITY
    for i in range(count):
        before = np.arange(i)
        alike = quality[before] == quality[i]
        previous = same[i - 1, before - 1] * (before > 0) if i else np.zeros(0, int)
        same[i, before] = np.where(alike & (~sounds[i] | (root[before] == root[i])), previous + 1, 0)
        previous = moved[i - 1, before - 1] * (before > 0) if i else np.zeros(0, int)
        step = (root[before] - root[before - 1] - root[i] + root[i - 1]) % 12 == 0 if i else previous > 0
        # The first chord of an agreement may have any root.
        moved[i, before] = np.where(alike & sounds[i], np.where(step, previous, 0) + 1, 0)
        if i and moved[i].any():
            transposed[i], literal[i] = moved[i].max(), same[i].max()
            following[i] = np.flatnonzero(moved[i] == transposed[i])[-1] + 1
        elif i:
            literal[i] = same[i].max()
    return literal, transposed, following


def changes_of(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The chords of a song, without their repetitions.

    Args:
      ids: tokens of one song, int `[length]`, its start among them or not.

    Returns:
      Index in `ids` of the last event of each chord, its root, and its quality: int `[chords]` each.
    """
    events = np.flatnonzero(ids >= tokens.NO_CHORD0)
    root, quality = tokens.ROOT[ids[events]].astype(int), tokens.QUALITY[ids[events]].astype(int)
    last = np.ones(len(events), bool)
    last[:-1] = (root[1:] != root[:-1]) | (quality[1:] != quality[:-1])
    return events[last], root[last], quality[last]


def sequence_places(batch: Mapping[str, np.ndarray]) -> np.ndarray:
    """Where the chord that stands is the last of three that came before in another key only.

    Args:
      batch: `input_ids` and `segment_ids`, int `[rows, length]`.

    Returns:
      bool `[rows, length]`.
    """
    ids, segments = np.asarray(batch["input_ids"]), np.asarray(batch["segment_ids"])
    found = np.zeros(ids.shape, bool)
    for row, songs in enumerate(segments):
        for song in np.unique(songs[songs > 0]):
            columns = np.flatnonzero(songs == song)
            last, root, quality = changes_of(ids[row, columns])
            literal, transposed, _ = agreements(root, quality)
            found[row, columns[last]] = (literal < CHORDS) & (transposed >= CHORDS)
    return found


def count(records: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Songs of a split, their chord changes, their sequence places, and where the search is right there."""
    found = dict.fromkeys(("songs", "changes", "places", "songs_with_places", "chord_hit", "root_hit"), 0)
    for record in records:
        _, root, quality = changes_of(np.asarray(record["input_ids"]))
        literal, transposed, following = agreements(root, quality)
        here = np.flatnonzero((literal < CHORDS) & (transposed >= CHORDS))
        here = here[here < len(root) - 1]  # the last chord changes to none
        after = following[here]
        moved = (root[after] - root[after - 1] + root[here]) % 12
        right = (moved == root[here + 1]) & (quality[after] != tokens.NO_QUALITY)
        right &= quality[here + 1] != tokens.NO_QUALITY
        found["songs"] += 1
        found["changes"] += max(len(root) - 1, 0)
        found["places"] += len(here)
        found["songs_with_places"] += bool(len(here))
        found["root_hit"] += int(right.sum())
        found["chord_hit"] += int((right & (quality[after] == quality[here + 1])).sum())
    return found


def main(args: argparse.Namespace) -> int:
    """Counts and writes the record."""
    corpora = {}
    for entry in args.data:
        name, found, folder = entry.partition("=")
        if not found:
            raise UserError(f"--data={entry}: NAME=DIR expected, as --data=openewld=data/openewld")
        dataset = open_dataset(folder, verify=True)
        corpora[name] = {split: count(dataset.records("backbone", split)) for split in SPLITS}
        for split, of in corpora[name].items():
            share = of["places"] / max(of["changes"], 1)
            right = of["chord_hit"] / max(of["places"], 1)
            print(
                f"{name} {split}: {of['places']} of {of['changes']} changes ({share:.1%}), in "
                f"{of['songs_with_places']} of {of['songs']} songs; transposed search right: {right:.3f}"
            )
    record = {"name": "sequence_places", "stage": "backbone", "condition": "sequence_places"}
    record |= {"rung": "", "split": "", "corpora": corpora}
    add_record(Path(args.records), record)
    return 0


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = options.add_argument
    add("--data", action="append", required=True, metavar="NAME=DIR", help="a corpus, prepared; repeat")
    add("--records", default=str(RECORDS), metavar="FILE", help="where the record goes")
    add("--debug", action="store_true", help="show the traceback of an error")
    return options


if __name__ == "__main__":
    sys.exit(cli.run(main, parser()))
