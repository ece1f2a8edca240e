"""Which songs are versions of the same music, so that no split is tested on what another was trained on."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from hrpe_jax.score.score import Score

WINDOW = 20
LEAST_VARIETY = 5


def melody_keys(score: Score) -> set[bytes]:
    """Every stretch of WINDOW melodic intervals, as bytes; the same in every transposition and rhythm.

    On POP909 sharing one joins four pairs of 909 songs: the two known duplicates and two that quote a tune.
    With 16 intervals unrelated songs meet. Stretches of fewer than LEAST_VARIETY different intervals (trills,
    repeated notes) prove nothing and are left out, and so are melodies of up to WINDOW notes.
    """
    pitches = [note.pitch for note in score.melody]
    line = bytes((after - before) % 256 for before, after in pairwise(pitches))
    windows = {line[at : at + WINDOW] for at in range(len(line) - WINDOW + 1)}
    return {window for window in windows if len(set(window)) >= LEAST_VARIETY}


def join_groups(songs: Iterable[tuple[str, Iterable[bytes]]]) -> dict[str, str]:
    """Puts songs that share any key into one group.

    Args:
        songs: (id, keys) of each.

    Returns:
        Song id -> group, named after the least id in it.
    """
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    first: dict[bytes, str] = {}
    for song, keys in songs:
        parent[song] = song
        for key in keys:
            other = root(first.setdefault(key, song))
            mine = root(song)
            low, high = sorted((other, mine))
            parent[high] = low
    return {song: root(song) for song in parent}
