"""Versions of a song are one group: by melody, by harmony, by opening, by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hrpe_jax.codec import backbone, melody
from hrpe_jax.preprocessing import fingerprints, versions
from hrpe_jax.preprocessing.splits import leakage
from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter


def _score(pitches: list[int], roots: list[int] = (), ticks: int = 6, title: str = "") -> Score:
    notes = tuple(Note(at * ticks, ticks, pitch) for at, pitch in enumerate(pitches))
    chords = tuple(
        ChordSpan(at * 48, 48, Chord(root % 12, "min" if root % 5 else "maj"))
        for at, root in enumerate(roots)
    )
    return Score("x", title, Key(0, "major"), Meter(4, 4), 100.0, notes, chords)


TUNE = [60 + (i * i) % 11 for i in range(30)]
OTHER = [60 + (i * i * i) % 13 for i in range(30)]
CHORDS = np.random.default_rng(7).integers(0, 12, 40).tolist()


def _keys(pitches: list[int], ticks: int = 6) -> set[int]:
    return set(fingerprints.melody_keys(fingerprints.melody_steps(_score(pitches, ticks=ticks))).tolist())


def _shingles(score: Score) -> np.ndarray:
    return fingerprints.chord_shingles(backbone.harmony_of_beats(score)[1])


def test_versions_of_a_tune_share_keys_and_other_tunes_do_not():
    quoted = [*OTHER[:10], *(pitch + 3 for pitch in TUNE), *OTHER[10:]]
    assert _keys(TUNE) & _keys(quoted, ticks=9)
    assert not _keys(TUNE) & _keys(OTHER)
    assert not _keys([60] * 50)
    assert not _keys([60, 127, 0])


def test_hashes_are_those_of_the_stretches():
    values = np.array([3, 1, 4, 1, 5, 3, 1, 4, 1, 5])
    hashes = fingerprints._hashes(values, 5)
    assert len(set(hashes.tolist())) == 5
    assert hashes[0] == hashes[5]
    assert len(fingerprints.shingles(values, 5)) == 5
    assert len(fingerprints.shingles(values, 11)) == 0


def test_harmony_is_compared_in_any_key_and_rhythm():
    score = _score([], CHORDS)
    up = score.transpose(7)
    assert len(_shingles(score)) > 20
    assert _shingles(up).tolist() == _shingles(score).tolist()
    assert not set(_shingles(score).tolist()) & set(_shingles(_score([], CHORDS[::-1])).tolist())
    assert len(_shingles(_score([], [0, 1]))) == 0


def _content(score: Score, stages: tuple[str, ...] = ("backbone", "melody")) -> bytes:
    beats = backbone.harmony_of_beats(score)
    return fingerprints.content_digest(score, beats[1], melody.encode(score, beats)["event_ids"], stages)


def test_equal_songs_have_equal_content_in_every_key():
    score = _score(TUNE, CHORDS)
    assert _content(score) == _content(score.transpose(5)) == _content(score.transpose(-7))
    assert _content(score) != _content(_score(OTHER, CHORDS))
    assert _content(score) != _content(_score(TUNE, CHORDS[1:]))
    assert _content(_score(TUNE, CHORDS), ("melody",)) == _content(_score(TUNE, CHORDS[::-1]), ("melody",))
    assert _content(score, ("backbone",)) == _content(score.transpose(3), ("backbone",))
    assert _content(score, ("backbone",)) != _content(score)


def test_names_are_compared_as_people_do():
    name = fingerprints.name_hash("Déjà Vu!")
    assert name == fingerprints.name_hash("deja  vu") != fingerprints.name_hash("deja vue")
    assert fingerprints.name_hash(" ... ") == 0


@pytest.mark.parametrize("most", [10_000, 7])
def test_songs_that_share_are_joined_in_any_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
):
    monkeypatch.setattr(versions, "MOST_PAIRS", most)
    rng = np.random.default_rng(0)
    common = rng.integers(0, 2**63, 5).astype(np.uint64)
    with versions.Spool(tmp_path / "spool") as pairs:
        for song in range(6):
            own = rng.integers(0, 2**63, 8).astype(np.uint64)
            mine = {0: own, 2: common[:2], 3: common[1:4], 5: common[3:]}.get(song, own)
            pairs.add(song, np.concatenate([own, mine]))
        joined = versions.Groups(6)
        joined.join_pairs(versions.sharing(pairs))
    assert joined.roots() == [0, 1, 2, 2, 4, 2]
    assert joined.names(["f", "e", "d", "c", "b", "a"]) == ["f", "e", "a", "a", "b", "a"]
    assert not (tmp_path / "spool").exists()


def test_songs_of_chords_alone_are_joined_by_most_of_their_harmony(tmp_path: Path):
    rng = np.random.default_rng(1)
    a = rng.integers(0, 2**63, 30).astype(np.uint64)
    b = np.concatenate([a[:25], rng.integers(0, 2**63, 5).astype(np.uint64)])
    c = np.concatenate([a[:10], rng.integers(0, 2**63, 20).astype(np.uint64)])
    with versions.Spool(tmp_path / "spool") as pairs:
        for song, hashes in enumerate((a, b, c)):
            pairs.add(song, hashes)
        sizes, alone = np.array([30, 30, 30]), np.array([True, False, True])
        assert versions.similar(pairs, sizes, alone).tolist() == [[0, 1]]
        found, counts = versions.shared_counts(pairs, alone)
        assert dict(zip(map(tuple, found.tolist()), counts.tolist(), strict=True)) == {
            (0, 1): 25,
            (0, 2): 10,
            (1, 2): 10,
        }
        assert versions.similar(pairs, sizes, np.zeros(3, bool)).tolist() == []


def test_equal_values_are_pairs():
    assert versions.equal([0, 5, 0, 5, 7]).tolist() == [[1, 1], [1, 3], [4, 4]]


def test_leakage_counts_what_training_has(tmp_path: Path):
    with versions.Spool(tmp_path / "m") as tunes, versions.Spool(tmp_path / "c") as chords:
        tunes.add(0, np.array([1, 2, 3], np.uint64))
        tunes.add(1, np.array([2, 3, 4, 5], np.uint64))
        tunes.add(2, np.array([9], np.uint64))
        chords.add(2, np.array([1, 2], np.uint64))
        report = leakage(tunes, chords, ["a", "b", "c"], ["train", "test", "valid"])
    assert report["melody"]["test"] == {
        "shingles": 4,
        "in_train": 2,
        "share": 0.5,
        "worst": [{"id": "b", "share": 0.5, "shingles": 4}],
    }
    assert report["melody"]["valid"]["share"] == 0.0
    assert report["chords"]["test"] == {"shingles": 0, "in_train": 0, "share": 0.0, "worst": []}
