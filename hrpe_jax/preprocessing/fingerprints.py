"""What tells versions of one song, as hashes: the same in every key, rhythm and tempo.

A stretch of melody is a run of intervals between successive notes; a stretch of harmony is a run of chords,
each with its quality and its root's distance from the root before. Runs are hashed to 64 bits, so that songs
are compared without keeping them.

References: windows of intervals as in melodic plagiarism search (Müllensiefen and Pendzich, "Court decisions
on music plagiarism and the predictive value of similarity algorithms", Musicae Scientiae, 2009); hashing by
sums of random multiples (Carter and Wegman, "Universal classes of hash functions", 1979).
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass

import numpy as np

from hrpe_jax.codec.backbone import run_starts
from hrpe_jax.codec.backbone_tokens import NO_QUALITY_CODE, QUALITY_CODE, ROOT
from hrpe_jax.preprocessing.versions import opening_steps
from hrpe_jax.score.score import Score

GROUP_INTERVALS = 20
"""Songs that share so many intervals in a row are versions of one song. On POP909 this joins four pairs of
909: the two known duplicates and two that quote a tune; with 16 intervals unrelated songs meet."""
LEAST_VARIETY = 5
"""Different intervals that such a stretch needs: trills and repeated notes prove nothing."""
SHINGLE_INTERVALS = 14
"""Of the stretches of melody that the leakage report counts."""
SHINGLE_CHORDS = 8
"""Of the stretches of harmony that the leakage report counts, and by which songs of chords alone are
compared."""
LEAST_OPENING = 8
"""Steps of a tune by which its opening is compared at all."""

_ON_BEAT = 0.75  # share of a hymn's notes that begin on beats
_LONGEST_NAME = 200


@dataclass(frozen=True)
class Fingerprint:
    """What a song is compared by.

    Attributes:
        content: 16 bytes, equal for songs whose tokens are equal after transposition; tempo, loudness and
            key signature do not count.
        windows: uint64 [n], sorted, of `GROUP_INTERVALS` intervals each.
        melody: uint64 [n], sorted, of `SHINGLE_INTERVALS` intervals each.
        chords: uint64 [n], sorted, of `SHINGLE_CHORDS` chords each.
        opening: up to 16 int8 steps of a tune that moves with the beat, as hymns do, else b"".
        name: hash of title and source where a song has chords alone, else 0.
    """

    content: bytes
    windows: np.ndarray
    melody: np.ndarray
    chords: np.ndarray
    opening: bytes
    name: int


def fingerprint(
    score: Score, harmony: np.ndarray, stages: tuple[str, ...], content: bytes, hymn: bool = False
) -> Fingerprint:
    """The fingerprint of a score.

    Args:
        score: any score.
        harmony: [beats] one-beat tokens, as `backbone.harmony_of_beats` gives them.
        stages: that the song serves; what it does not serve is not compared.
        content: from `content_digest`.
        hymn: whether it is known to be one; else its rhythm decides.
    """
    steps = melody_steps(score) if "melody" in stages else np.zeros(0, np.int64)
    tune = opening_steps(score) if len(steps) and (hymn or _moves_with_beat(score)) else ()
    return Fingerprint(
        content,
        melody_keys(steps),
        shingles(steps, SHINGLE_INTERVALS),
        chord_shingles(harmony) if "backbone" in stages else np.zeros(0, np.uint64),
        bytes(step % 256 for step in tune) if len(tune) >= LEAST_OPENING else b"",
        name_hash(score.title) if stages == ("backbone",) else 0,
    )


def melody_steps(score: Score) -> np.ndarray:
    """Semitones from each note to the next: int64 [notes - 1]."""
    return np.diff(np.array([note.pitch for note in score.melody], np.int64))


def melody_keys(steps: np.ndarray) -> np.ndarray:
    """Hashes of the stretches of `GROUP_INTERVALS` intervals that vary enough: uint64 [n], sorted.

    A repeated note counts once: a held note in one version is often struck again in another.
    """
    steps = steps[steps != 0]
    if len(steps) < GROUP_INTERVALS:
        return np.zeros(0, np.uint64)
    windows = np.sort(np.lib.stride_tricks.sliding_window_view(steps, GROUP_INTERVALS), axis=1)
    varied = 1 + (np.diff(windows, axis=1) != 0).sum(axis=1) >= LEAST_VARIETY
    return np.unique(_hashes(steps, GROUP_INTERVALS)[varied])


def shingles(values: np.ndarray, length: int) -> np.ndarray:
    """Hashes of all stretches of `length` values: uint64 [n], sorted, each once."""
    return np.unique(_hashes(values, length))


def chord_changes(harmony: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Roots and quality codes of a song's chords, repeats and silence left out: two int64 [changes]."""
    roots, qualities = ROOT[harmony].astype(np.int64), QUALITY_CODE[harmony].astype(np.int64)
    sounding = qualities != NO_QUALITY_CODE
    roots, qualities = roots[sounding], qualities[sounding]
    starts = run_starts(roots * 16 + qualities)
    return roots[starts], qualities[starts]


def chord_shingles(harmony: np.ndarray) -> np.ndarray:
    """Hashes of all stretches of `SHINGLE_CHORDS` chords by root motion and quality: uint64 [n], sorted."""
    roots, qualities = chord_changes(harmony)
    if len(roots) < SHINGLE_CHORDS:
        return np.zeros(0, np.uint64)
    motions = np.diff(roots) % 12
    moved = _hashes(motions * 16 + qualities[1:], SHINGLE_CHORDS - 1)
    return np.unique(moved ^ _mix(qualities[: len(moved)].astype(np.uint64)))


def content_digest(score: Score, harmony: np.ndarray, event_ids: list[int], stages: tuple[str, ...]) -> bytes:
    """16 bytes that are equal for songs with the same tokens in any key.

    Args:
        score: any score.
        harmony: [beats] one-beat tokens.
        event_ids: of the melody record.
        stages: that the song serves.
    """
    from hrpe_jax.codec.backbone_tokens import transpose_table
    from hrpe_jax.codec.melody_tokens import CLASS_OF, CLASS_PITCH, CLASS_VEL

    digest = hashlib.sha256(",".join(stages).encode())
    sounding = np.flatnonzero(QUALITY_CODE[harmony] != NO_QUALITY_CODE)
    down = int(ROOT[harmony[sounding[0]]]) if len(sounding) else 0
    if "melody" in stages:
        events = np.array(event_ids, np.int64)
        kinds = CLASS_OF[events]
        first = score.melody[0].pitch
        down = first % 12
        events = np.where(kinds == CLASS_PITCH, events - first, events + 1000)[kinds != CLASS_VEL]
        digest.update(events.astype("<i4").tobytes())
    if "backbone" in stages:
        digest.update(transpose_table()[-down % 12, harmony].astype("<i4").tobytes())
    return digest.digest()[:16]


def name_hash(title: str) -> int:
    """64 bits of a title, whatever its case, accents and punctuation; 0 of none."""
    plain = unicodedata.normalize("NFKD", title).casefold()
    words = re.sub(r"[^\w]+", " ", "".join(c for c in plain if not unicodedata.combining(c))).split()
    if not words:
        return 0
    text = " ".join(words)[:_LONGEST_NAME]
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:8], "little") or 1


def _moves_with_beat(score: Score) -> bool:
    """Whether nearly every note begins on a beat: then the tune as heard on the beats is the tune."""
    onsets = np.array([note.onset for note in score.melody], np.int64)
    resets = np.array([0, *score.bar_resets], np.int64)
    bar = resets[np.searchsorted(resets, onsets, "right") - 1]
    on_beat = (onsets - bar) % score.meter.bar_ticks % score.meter.beat_ticks == 0
    return float(on_beat.mean()) >= _ON_BEAT


def _mix(values: np.ndarray) -> np.ndarray:
    """Bijective scrambling of 64 bits (the finaliser of SplitMix64; Steele et al., OOPSLA 2014)."""
    mixed = values.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def _hashes(values: np.ndarray, length: int) -> np.ndarray:
    """A hash of every stretch of `length` values: uint64 [values - length + 1]."""
    count = len(values) - length + 1
    if count <= 0:
        return np.zeros(0, np.uint64)
    scrambled = _mix(values.astype(np.int64).view(np.uint64))
    factors = _mix(np.arange(length, dtype=np.uint64) + np.uint64(length << 32)) | np.uint64(1)
    total = np.zeros(count, np.uint64)
    for place in range(length):
        total += scrambled[place : place + count] * factors[place]
    return _mix(total)
