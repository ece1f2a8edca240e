"""What a model carries beside its weights to plan pieces: counts and tables of its training pieces.

    attributes.json   tempo, range, density and entry of training pieces, together (`data.attribute_table`)
    outline.json      what melodies do with the bars of their form, as counts (`data.outline_model`)
    endings.json      how pieces end, as counts (`data.outline_model`)
    chords.json       notes of melodies over each chord, as counts (`data.chord_counts`)
    critic.json       how real a piece of each style looks (`metrics.critic`)

Each may be missing; what it would draw is then unknown to the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hrpe_jax.data import attribute_table, chord_counts, outline_model
from hrpe_jax.data.attribute_table import AttributeTable, read_table, table_of_records
from hrpe_jax.data.batches import melody_outline
from hrpe_jax.data.chord_counts import ChordCounts, fit_chord_counts, read_chord_counts
from hrpe_jax.data.outline_model import (
    EndingModel,
    OutlineModel,
    fit_endings,
    fit_outlines,
    read_ending_model,
    read_outline_model,
)
from hrpe_jax.metrics import critic
from hrpe_jax.metrics.critic import Critic, read_critics
from hrpe_jax.theory.meter import Meter

if TYPE_CHECKING:
    from hrpe_jax.data.shards import Dataset


@dataclass(frozen=True)
class PlanTables:
    """The tables of a model.

    Attributes:
        attributes: of training pieces.
        outlines: what bars do.
        endings: how pieces end.
        chords: notes of melodies over each chord.
        critics: by style, how real a piece looks.
    """

    attributes: AttributeTable | None = None
    outlines: OutlineModel | None = None
    endings: EndingModel | None = None
    chords: ChordCounts | None = None
    critics: Mapping[str, Critic] = field(default_factory=dict)

    def files(self) -> Iterator[tuple[str, str]]:
        """Yields the names and the text of the files that are there."""
        if self.attributes is not None:
            yield attribute_table.FILE, self.attributes.to_json()
        if self.outlines is not None:
            yield outline_model.FILE, self.outlines.to_json()
        if self.endings is not None:
            yield outline_model.ENDINGS_FILE, self.endings.to_json()
        if self.chords is not None:
            yield chord_counts.FILE, self.chords.to_json()
        if self.critics:
            yield critic.FILE, critic.to_json(self.critics)


NO_TABLES = PlanTables()
PLAN_FILES = (
    attribute_table.FILE,
    outline_model.FILE,
    outline_model.ENDINGS_FILE,
    chord_counts.FILE,
    critic.FILE,
)


def read_plan_tables(folder: Path) -> PlanTables:
    """The tables of a model's folder.

    Raises:
        UserError: one of them is damaged.
    """
    attributes, outlines = folder / attribute_table.FILE, folder / outline_model.FILE
    endings, critics = folder / outline_model.ENDINGS_FILE, folder / critic.FILE
    chords = folder / chord_counts.FILE
    return PlanTables(
        read_table(attributes) if attributes.is_file() else None,
        read_outline_model(outlines) if outlines.is_file() else None,
        read_ending_model(endings) if endings.is_file() else None,
        read_chord_counts(chords) if chords.is_file() else None,
        read_critics(critics) if critics.is_file() else {},
    )


def plan_tables_of(dataset: Dataset) -> PlanTables:
    """The tables of a data set's training pieces: its crops, or its songs where it has none.

    Args:
        dataset: with a melody stage; without one there are no tables.
    """
    records = dataset.records("melody", "train", crops="only")
    if not len(records):
        records = dataset.records("melody", "train")
    if not len(records):
        return NO_TABLES
    pieces = [records[number] for number in range(len(records))]
    songs = dataset.records("melody", "train")
    return PlanTables(
        table_of_records(pieces),
        fit_outlines((str(record.get("style", "")), record_outline(record)) for record in pieces),
        fit_endings(pieces),
        fit_chord_counts(songs[number] for number in range(len(songs))),
    )


def record_outline(record: Mapping[str, Any]) -> np.ndarray:
    """The plan of a melody record bar by bar, int32 `[bars, columns]`; see `codec.plan`."""
    about = record["metadata"]
    meter = Meter(int(about["time_signature_num"]), int(about["time_signature_den"]))
    ids, clocks = np.asarray(record["event_ids"]), np.asarray(record["bar_phase"])
    return melody_outline(record.get("form", ()), ids, clocks, meter.bar_ticks)
