"""Batches as a pure function of the step, prefetched by Grain.

`train_batches` and `eval_batches` join a plan (which stretch of which song goes where), a cache of decoded
songs and the layout of a batch into something that answers `batches[step]`. Grain reads it ahead in threads;
the state of its iterator is the number of the next step, so a checkpoint stores one integer, and a run may go
on with another number of hosts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol, cast

import numpy as np

from hrpe_jax.data.balance import NATURAL, times_per_epoch
from hrpe_jax.data.batches import (
    Batch,
    BatchShape,
    Piece,
    Plan,
    Song,
    SongCache,
    backbone_batch,
    backbone_song,
    melody_batch,
    melody_song,
)
from hrpe_jax.data.rows import EvalPacking, EvalStreams, TrainPacking, TrainStreams
from hrpe_jax.data.shards import UseOfCrops
from hrpe_jax.errors import UserError

Stage = Literal["backbone", "melody"]

_DESCRIBED = ("segment", "row", "column", "start", "stop", "shift")

DEFAULT_CACHE_BYTES = 512 * 2**20
"""Decoded songs kept in memory: about 100,000 backbone songs or 12,000 melodies of pop length."""


class Songs(Protocol):
    """What batches and baselines need of a data set; `shards.Dataset` is one."""

    def records(self, stage: str, split: str) -> Sequence[Mapping[str, Any]]:
        """The songs of a split as records, by random access."""
        ...

    def lengths(self, stage: str, split: str) -> np.ndarray:
        """Tokens of each song, start and end included, int `[songs]`."""
        ...


class SongsByStyle(Songs, Protocol):
    """What is needed besides where crops are used or styles balanced; `shards.Dataset` is one."""

    def records(self, stage: str, split: str, *, crops: UseOfCrops = "none") -> Sequence[Mapping[str, Any]]:
        """The songs themselves, by random access.

        Args:
            stage: "backbone" or "melody".
            split: "train", "valid" or "test".
            crops: whether crops of songs are added or taken instead.
        """
        ...

    def lengths(self, stage: str, split: str, *, crops: UseOfCrops = "none") -> np.ndarray:
        """Tokens of each song, start and end included, int `[songs]`.

        Args:
            stage: "backbone" or "melody".
            split: "train", "valid" or "test".
            crops: whether crops of songs are added or taken instead.
        """
        ...

    def styles(self, stage: str, split: str, *, crops: UseOfCrops = "none") -> list[str]:
        """The style of each song; "" where it has none.

        Args:
            stage: "backbone" or "melody".
            split: "train", "valid" or "test".
            crops: whether crops of songs are added or taken instead.
        """
        ...


class ShapeLike(Protocol):
    """Anything that says how large a batch is, such as the `batch` section of a config."""

    @property
    def rows(self) -> int:
        """Of a batch."""
        ...

    @property
    def length(self) -> int:
        """Events of a row."""
        ...

    @property
    def segments(self) -> int:
        """Pieces of a row that are trained one after the other."""
        ...


class Batches:
    """Batches by step, each made when asked for; iterating starts anew every time.

    Args:
        plan: Which stretch of which song goes where.
        songs: Decoded songs.
        stage: Whose batches.
        shape: Size of the whole batch over all hosts.
        rows: The rows this host reads.
        num_steps: How many batches there are.
    """

    def __init__(
        self,
        plan: Plan,
        songs: SongCache,
        stage: Stage,
        shape: BatchShape,
        rows: Sequence[int],
        num_steps: int,
    ) -> None:
        self._plan, self._songs, self._shape, self._rows = plan, songs, shape, rows
        self._layout: Callable[[list[Piece], SongCache, BatchShape, Sequence[int]], Batch]
        self._layout = backbone_batch if stage == "backbone" else melody_batch
        self._num_steps = num_steps

    def __len__(self) -> int:
        return self._num_steps

    def __iter__(self) -> Iterator[Batch]:
        return map(self.__getitem__, range(self._num_steps))

    def describe(self, step: int) -> list[dict[str, Any]]:
        """Which songs this host's rows of a batch hold: one object for each stretch of one.

        Returns:
            By stretch its `id`, `segment`, `row` (of the whole batch), `column`, `start` and `stop` (events
            of the song) and `shift` (semitones it is transposed by).
        """
        return [
            {
                "id": self._songs.record(piece.song).get("id"),
                **{name: int(getattr(piece, name)) for name in _DESCRIBED},
            }
            for piece in self._plan.pieces(step, self._rows)
        ]

    def __getitem__(self, step: int) -> Batch:
        if not 0 <= step < self._num_steps:
            raise IndexError(f"step {step} is not in 0..{self._num_steps - 1}")
        return self._layout(self._plan.pieces(step, self._rows), self._songs, self._shape, self._rows)


class BatchIterator(Iterator[Batch]):
    """Reads batches ahead of their use. Its state is the number of the batch that comes next.

    Args:
        batches: The batches by step.
        threads: Grain's reading threads; 0 reads when asked.
        prefetch: How many batches are read ahead.
    """

    def __init__(self, batches: Batches, threads: int = 1, prefetch: int = 8) -> None:
        import grain

        options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=prefetch if threads else 0)
        self._iterator = iter(grain.MapDataset.source(batches).to_iter_dataset(options))
        self.batches = batches

    def __next__(self) -> Batch:
        return next(self._iterator)

    def get_state(self) -> int:
        """The step whose batch comes next."""
        return int(self._iterator.get_state()["next_index"])

    def describe(self, step: int) -> list[dict[str, Any]]:
        """See `Batches`."""
        return self.batches.describe(step)

    def set_state(self, step: int) -> None:
        """Goes on with the batch of `step`."""
        self._iterator.set_state({"next_index": int(step)})


def _songs(
    dataset: Songs | SongsByStyle, stage: Stage, split: str, limit: int, crops: UseOfCrops = "none"
) -> tuple[SongCache, np.ndarray]:
    more: dict[str, Any] = {} if crops == "none" else {"crops": crops}
    records = dataset.records(stage, split, **more)
    decode: Callable[[Mapping[str, Any]], Song] = backbone_song if stage == "backbone" else melody_song
    # The manifest counts tokens; the last one is only ever predicted.
    lengths = np.asarray(dataset.lengths(stage, split, **more), np.int64) - 1
    return SongCache(records.__getitem__, decode, limit), lengths


def train_batches(
    dataset: Songs | SongsByStyle,
    stage: Stage,
    batch: ShapeLike,
    *,
    seed: int,
    num_steps: int,
    split: str = "train",
    crops: UseOfCrops = "none",
    balance: str = NATURAL,
    rows: Sequence[int] | None = None,
    augment: bool = True,
    threads: int = 1,
    prefetch: int = 8,
    cache_bytes: int = DEFAULT_CACHE_BYTES,
) -> BatchIterator:
    """Training batches: `num_steps` of them, epoch after epoch, every song once in each by default.

    Args:
        dataset: What `open_dataset` returned.
        stage: "backbone" or "melody".
        batch: Rows (over all hosts), length and segments of a batch.
        seed: Seed of order, stretches and transpositions.
        num_steps: The step after the last.
        split: Split to read.
        crops: Whether training pieces cut from songs are read too, or alone.
        balance: How often each style is played (see `balance.style_shares`); "" as often as it is there.
        rows: The rows that this host reads, ascending; all of them by default.
        augment: Whether every song is transposed to a random key in every epoch.
        threads: Grain's reading threads.
        prefetch: Batches read ahead.
        cache_bytes: Memory for decoded songs.

    Returns:
        An iterator of batches (see `batches`) over this host's rows, with `get_state() -> int` and
        `set_state(int)`.

    Raises:
        UserError: The split has no song, or `balance` names a style that it has not.
    """
    shape = BatchShape(batch.rows, batch.length, batch.segments)
    rows = range(shape.rows) if rows is None else rows
    songs, lengths = _songs(dataset, stage, split, cache_bytes, crops)
    if not len(lengths):
        raise UserError(
            f"the data set has no {stage} crop: prepare it with preprocess --crops"
            if crops == "only"
            else f"the data set has no {stage} song in its {split} split; preprocess more files"
        )
    times = None
    if balance != NATURAL:
        styles = cast(SongsByStyle, dataset).styles(stage, split, crops=crops)
        times = times_per_epoch(styles, lengths, balance)
    plan = (TrainPacking if stage == "backbone" else TrainStreams)(lengths, shape, seed, augment, times)
    return BatchIterator(Batches(plan, songs, stage, shape, rows, num_steps), threads, prefetch)


def eval_batches(
    dataset: Songs,
    stage: Stage,
    batch: ShapeLike,
    *,
    split: str = "valid",
    rows: Sequence[int] | None = None,
    cache_bytes: int = DEFAULT_CACHE_BYTES,
) -> Batches:
    """Evaluation batches: every song of a split exactly once, as written, in a fixed order.

    Args:
        dataset: What `open_dataset` returned.
        stage: "backbone" or "melody".
        batch: Rows (over all hosts), length and segments of a batch.
        split: Split to read.
        rows: The rows that this host reads, ascending; all of them by default.
        cache_bytes: Memory for decoded songs.

    Returns:
        A sequence of batches over this host's rows, as many on every host; empty for an empty split.
    """
    shape = BatchShape(batch.rows, batch.length, batch.segments)
    rows = range(shape.rows) if rows is None else rows
    songs, lengths = _songs(dataset, stage, split, cache_bytes)
    plan = (EvalPacking if stage == "backbone" else EvalStreams)(lengths, shape)
    return Batches(plan, songs, stage, shape, rows, plan.num_batches)
