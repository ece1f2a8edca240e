"""How much of what is tested was trained on: stretches of melody and harmony that splits share.

A stretch is `SHINGLE_INTERVALS` intervals in a row, or `SHINGLE_CHORDS` chords in a row by root motion and
quality; both are the same in every key. Melodies share few unless songs are versions of one another. Pop
harmony is made of commonplaces, so much of it is shared by songs that are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hrpe_jax.preprocessing.fingerprints import SHINGLE_CHORDS, SHINGLE_INTERVALS
from hrpe_jax.preprocessing.spool import Spool

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
