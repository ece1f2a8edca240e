"""What sets of pieces are made of: generated pieces, and the songs of a prepared data set.

Pitch classes, durations and chord changes are relative to the key. The songs of a prepared data set are put
together again from both stages, and counted.
"""

from __future__ import annotations

import difflib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from hrpe_jax.codec import backbone, melody
from hrpe_jax.codec.melody import decode_piece
from hrpe_jax.codec.vocabulary import STAGES
from hrpe_jax.data.shards import (
    REJECTS,
    SPLITS,
    Dataset,
    Record,
    Records,
    UseOfCrops,
    open_dataset,
    open_records,
    token_count,
)
from hrpe_jax.errors import UserError
from hrpe_jax.score.form import crop_form, form_from_values
from hrpe_jax.score.score import Score, bar_spans
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter

DEGREES = ("1", "b2", "2", "b3", "3", "4", "#4", "5", "b6", "6", "b7", "7")
"""Names of semitones above the tonic."""
ROOTS = ("I", "bII", "II", "bIII", "III", "IV", "#IV", "V", "bVI", "VI", "bVII", "VII")
"""Names of chord roots by semitones above the tonic, whatever the quality."""
TICKS_PER_QUARTER = 12


def pitch_classes(pieces: Iterable[Score]) -> np.ndarray:
    """Share of the melody's notes on each semitone above the tonic, float64 `[12]`; zeros without notes."""
    counts = np.zeros(12)
    for score in pieces:
        for note in score.melody:
            counts[(note.pitch - score.key.tonic) % 12] += 1
    return counts / max(counts.sum(), 1)


def durations(pieces: Iterable[Score]) -> Counter[int]:
    """How many melody notes last so many ticks (12 to a quarter note)."""
    return Counter(note.duration for score in pieces for note in score.melody)


def duration_shares(*counters: Counter[int], most: int = 12) -> tuple[list[str], list[np.ndarray]]:
    """The commonest durations of several sets, shortest first, and their shares in each.

    Returns:
        Names in quarter notes, the last one "other"; shares `[names]` of each set.
    """
    total = Counter[int]()
    for counter in counters:
        for ticks, count in counter.items():
            total[ticks] += count / max(counter.total(), 1)  # type: ignore[assignment]
    common = sorted(ticks for ticks, _ in total.most_common(most))
    shares = []
    for counter in counters:
        found = [counter[ticks] for ticks in common]
        shares.append(np.asarray([*found, counter.total() - sum(found)]) / max(counter.total(), 1))
    return [*(quarters(ticks) for ticks in common), "other"], shares


def quarters(ticks: int) -> str:
    """Ticks as quarter notes, as a fraction: "1/4" is a sixteenth, "1/3" a triplet eighth, "1" a quarter."""
    whole, rest = divmod(ticks, TICKS_PER_QUARTER)
    if not rest:
        return str(whole)
    divisor = np.gcd(rest, TICKS_PER_QUARTER)
    fraction = f"{rest // divisor}/{TICKS_PER_QUARTER // divisor}"
    return f"{whole} {fraction}" if whole else fraction


def transitions(pieces: Iterable[Score]) -> tuple[np.ndarray, int]:
    """Where chords go: share of each root's changes that lead to each root, by semitones above the tonic.

    Only changes of root count; no-chord is passed over.

    Returns:
        float64 `[12, 12]`, rows sum to one, or zero where a root never comes; and how many changes.
    """
    counts = np.zeros((12, 12))
    for score in pieces:
        roots = [(span.chord.root - score.key.tonic) % 12 for span in score.chords if not span.chord.is_none]
        for before, after in pairwise(roots):
            if before != after:
                counts[before, after] += 1
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), int(counts.sum())


def typical_order(values: dict[str, np.ndarray], reference: dict[str, np.ndarray]) -> list[int]:
    """Pieces from the most to the least like the reference.

    The distance of a piece is the mean over metrics of |value - median| / spread, where median and spread
    (half the distance of the 10th and 90th percentile) are those of the reference, each term at most 5.

    Args:
        values: of each metric, `[pieces]`, nan where it has none.
        reference: likewise for the reference.

    Returns:
        Indices of pieces; those without any value are left out.
    """
    terms: list[np.ndarray] = []
    for name, own in values.items():
        real = reference.get(name, np.zeros(0))
        real = real[np.isfinite(real)]
        if len(real) < 3:
            continue
        low, middle, high = np.quantile(real, [0.1, 0.5, 0.9])
        if high > low:
            terms.append(np.minimum(np.abs(own - middle) / ((high - low) / 2), 5))
    if not terms:
        return []
    stacked = np.stack(terms)
    known = np.isfinite(stacked)
    distance = np.where(known, stacked, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return [int(i) for i in np.argsort(distance, kind="stable") if known[:, i].any()]


def places(order: Sequence[int]) -> list[tuple[str, int]]:
    """The first, the middle and the last of an order with their names; each piece once."""
    if not order:
        return []
    names = {len(order) // 2: "in the middle"}
    names[len(order) - 1] = "furthest"
    names[0] = "nearest to real music"
    return [(name, order[place]) for place, name in sorted(names.items())]


@dataclass(frozen=True)
class Song:
    """A song as it is stored.

    Attributes:
        id: its name.
        split: which it is in; empty where a shard alone is read.
        records: by stage.
        listed: what the manifest says of it.
    """

    id: str
    split: str
    records: dict[str, Record]
    listed: dict[str, Any] = field(default_factory=dict)

    @property
    def about(self) -> Record:
        """The record that holds what is said of the song as a whole."""
        return self.records.get("melody") or self.records["backbone"]

    def score(self) -> Score:
        """What its tokens say.

        Raises:
            UserError: a record lacks what every record has.
        """
        try:
            return self._score()
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            what = f"{type(error).__name__}: {error}"
            raise UserError(
                f"song {self.id!r}: damaged record ({what}); prepare the data set again"
            ) from None

    def _score(self) -> Score:
        title = self.about.get("title") or ""
        chords, line = self.records.get("backbone"), self.records.get("melody")
        tempo = line["metadata"]["tempo_bpm"] if line else 120.0
        form = form_from_values(self.about.get("form", ()))
        if chords and line:
            ids = [*chords["input_ids"], chords["target_id"]]
            return decode_piece(ids, line["event_ids"], tempo_bpm=tempo, id=self.id, title=title, form=form)
        if chords:
            ids = [*chords["input_ids"], chords["target_id"]]
            return backbone.decode(ids, id=self.id, title=title, form=form)
        assert line is not None
        about = line["metadata"]
        meter = Meter(about["time_signature_num"], about["time_signature_den"])
        key = Key(about["key_signature_root"], about["key_signature_mode"])
        notes = melody.decode(line["event_ids"], meter)
        score = Score(self.id, title, key, meter, tempo, notes.notes, (), bar_resets=notes.bar_resets)
        return replace(score, form=crop_form(form, 0, len(score.bar_starts())))


class Shelf:
    """The songs of a data set, or of one shard of it, that were asked for.

    Args:
        path: a data set's folder, or a shard.
        split: one of `SPLITS`, or "" for all of them.
        stage: one of `STAGES`, or "" for both.
        style: songs of this style only, or "" for all of them.
        crops: the training pieces cut from songs, in place of the songs.

    Raises:
        UserError: there is no such data set or shard, or it is damaged.
    """

    def __init__(
        self, path: Path, split: str = "", stage: str = "", style: str = "", crops: bool = False
    ) -> None:
        self.path, self.stage = path, stage
        self.dataset: Dataset | None = None
        self._index: list[
            tuple[str, str, dict[str, int]]
        ] = []  # id, split, place in the records of each stage
        self._records: dict[tuple[str, str], Records] = {}
        self._listed: dict[tuple[str, str], dict[str, Any]] = {}
        if path.is_file():
            self._open_shard(path)
            return
        self.dataset = open_dataset(path)
        use: UseOfCrops = "only" if crops else "none"
        for part in ["train"] if crops else [split] if split else SPLITS:
            places = Counter[str]()
            for song in self.dataset.songs(part, crops=use):
                here = {}
                for name in STAGES:
                    if name in song:
                        here[name] = places[name]
                        places[name] += 1
                if (not stage or stage in here) and style in ("", song.get("style", "")):
                    self._index.append((song["id"], part, {stage: here[stage]} if stage else here))
                    self._listed[part, song["id"]] = song
            for name in STAGES:
                self._records[part, name] = self.dataset.records(name, part, crops=use)
        if style and not self._index:
            styles = ", ".join(self.dataset.manifest["counts"].get("styles", {})) or "none"
            raise UserError(f"{path}: no {'crop' if crops else 'song'} of style {style!r}; it has {styles}")
        if crops and not self._index:
            raise UserError(f"{path}: no crops; prepare the data set with preprocess --crops")

    def _open_shard(self, path: Path) -> None:
        try:
            count = len(open_records([str(path)]))
        except (RuntimeError, ValueError, OSError) as error:
            if isinstance(error, UserError):
                raise
            detail = str(error).partition(";")[0][:120]
            raise UserError(f"{path}: expected a shard or a data set's folder ({detail})") from None
        records = Records([path], count)
        for at in range(count):
            record = records[at]
            name = "backbone" if "input_ids" in record else "melody"
            if not self.stage or name == self.stage:
                self._index.append((str(record.get("id", at)), "", {name: at}))
                self._records["", name] = records

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, at: int) -> Song:
        name, split, places = self._index[at]
        records = {stage: self._records[split, stage][place] for stage, place in places.items()}
        return Song(name, split, records, self._listed.get((split, name), {}))

    def __iter__(self) -> Iterator[Song]:
        return (self[at] for at in range(len(self)))

    @property
    def ids(self) -> list[str]:
        """Names of the songs, in order."""
        return [name for name, _, _ in self._index]

    def named(self, name: str) -> Song:
        """The song of that name.

        Raises:
            UserError: there is none; names the nearest.
        """
        ids = self.ids
        if name in ids:
            return self[ids.index(name)]
        near = difflib.get_close_matches(name, ids, 5, 0.4) or ids[:5]
        raise UserError(
            f"{self.path}: no song {name!r} among {len(ids)}; expected one such as {', '.join(near)}"
        )

    def numbered(self, index: int) -> Song:
        """The song of that number, from 0.

        Raises:
            UserError: there is none.
        """
        if not 0 <= index < len(self):
            raise UserError(f"{self.path}: no song {index}: expected 0 to {len(self) - 1}")
        return self[index]

    def rejects(self) -> list[dict[str, str]]:
        """The lines of rejects.jsonl; none where it is missing."""
        try:
            lines = (self.path / REJECTS).read_text("utf-8").splitlines()
            return [json.loads(line) for line in lines]
        except OSError:
            return []
        except ValueError as error:
            raise UserError(f"{self.path / REJECTS}: damaged ({error}); prepare the data set again") from None


@dataclass
class Counts:
    """Counts over songs: how many have, or how many chords are, what each name says."""

    songs: int = 0
    styles: Counter[str] = field(default_factory=Counter)
    formats: Counter[str] = field(default_factory=Counter)
    stages: Counter[str] = field(default_factory=Counter)
    keys: Counter[str] = field(default_factory=Counter)
    meters: Counter[str] = field(default_factory=Counter)
    qualities: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    modulating: int = 0
    chord_beats: list[float] = field(default_factory=list)
    bars: list[int] = field(default_factory=list)
    notes: list[int] = field(default_factory=list)
    tempos: list[float] = field(default_factory=list)
    pitches: list[int] = field(default_factory=list)
    tokens: dict[str, list[int]] = field(default_factory=lambda: {stage: [] for stage in STAGES})

    def add(self, song: Song) -> None:
        """Counts a song."""
        score, about = song.score(), song.about
        self.songs += 1
        if about.get("style"):
            self.styles[about["style"]] += 1
        self.formats[song.listed.get("format") or about.get("source") or "unknown"] += 1
        self.stages["both" if len(song.records) == 2 else f"{next(iter(song.records))} only"] += 1
        self.keys[str(score.key)] += 1
        self.meters[str(score.meter)] += 1
        self.found.update(about.get("found") or ())
        self.warnings.update(about.get("warnings") or ())
        self.modulating += len({key for _, key in about.get("keys") or ()}) > 1
        sounding = [span for span in score.chords if not span.chord.is_none]
        self.qualities.update(span.chord.quality for span in sounding)
        self.chord_beats += [span.duration / score.meter.beat_ticks for span in sounding]
        self.bars.append(len(bar_spans(score)))
        for stage, record in song.records.items():
            self.tokens[stage].append(token_count(stage, record))
        if "melody" in song.records:
            self.tempos.append(score.tempo_bpm)
            self.notes.append(len(score.melody))
            self.pitches += [note.pitch for note in score.melody]


def count(shelf: Shelf, most: int) -> Counts:
    """Counts over the songs of a shelf: all, or every n-th so that they are at most so many."""
    counts = Counts()
    step = max(1, -(-len(shelf) // most))
    for at in range(0, len(shelf), step):
        counts.add(shelf[at])
    return counts


def chosen(shelf: Shelf, names: Sequence[str], index: int | None, limit: int) -> list[Song]:
    """The songs that were named or numbered, else the first.

    Args:
        shelf: of the data set.
        names: ids of songs.
        index: number of a song, or None.
        limit: most songs.
    """
    songs = [shelf.named(name) for name in names]
    if index is not None:
        songs.append(shelf.numbered(index))
    return songs or list(islice(shelf, limit))
