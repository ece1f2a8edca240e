"""The backbone codec: a score's chords as one sequence `BOS KEY METER event... EOS`, and back.

An event is a change of harmony with its duration in beats. Onsets go to the nearest beat, gaps become no
chord, equal neighbours become one, a foreign bass becomes the root position; whatever is longer than 8 beats
is said as 8-beat events and a remainder. The events cover whole bars. Bars that a reset cuts short have fewer
beats and are not marked in the sequence: `decode` takes the resets from the melody, or puts all beats on
regular bars.

`Harmony` has the chords on the tick axis, as the melody stage sees them at every event.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from hrpe_jax.codec.backbone_tokens import (
    BEATS,
    BOS,
    EOS,
    HARMONY,
    KEY0,
    MAX_BEATS,
    METER0,
    NO_CHORD0,
    PREFIX_LENGTH,
    QUALITY_CODE,
    ROOT,
    SIZE,
    VALID,
    chord_id,
    function_table,
    id_chord,
    id_meter,
    key_id,
    meter_id,
    transpose_table,
)
from hrpe_jax.score.form import Section, crop_form, form_values
from hrpe_jax.score.score import BeatGrid, ChordSpan, Note, Score, bar_spans, beat_ticks
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter

_DEFAULT_KEY, _DEFAULT_METER = Key(0, "major"), Meter(4, 4)


def harmony_of_beats(score: Score) -> tuple[BeatGrid, np.ndarray]:
    """The beats of a score, and the harmony on each as its one-beat token: int64 [beats]."""
    grid = BeatGrid.of_bars(bar_spans(score), score.meter)
    harmony = np.full(len(grid.ticks) - 1, NO_CHORD0)
    if score.chords:
        starts = grid.nearest(np.array([span.onset for span in score.chords]))
        stops = grid.nearest(np.array([span.onset + span.duration for span in score.chords]))
        for span, start, stop in zip(score.chords, starts.tolist(), stops.tolist(), strict=True):
            harmony[start:stop] = chord_id(span.chord)
    return grid, harmony


def run_starts(values: np.ndarray) -> np.ndarray:
    """Indices at which a run of equal values begins."""
    return np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]])[: len(values)])


def _event_ids(harmony: np.ndarray) -> list[int]:
    """Tokens of the runs in a harmony per beat; runs longer than MAX_BEATS are split."""
    starts = run_starts(harmony)
    ids: list[int] = []
    for base, beats in zip(harmony[starts].tolist(), np.diff([*starts, len(harmony)]).tolist(), strict=True):
        full, rest = divmod(beats, MAX_BEATS)
        ids += [base + MAX_BEATS - 1] * full
        if rest:
            ids.append(base + rest - 1)
    return ids


def encode_ids(score: Score) -> list[int]:
    """The whole token sequence of a score, BOS to EOS.

    Example:
        >>> from hrpe_jax.score.score import ChordSpan
        >>> from hrpe_jax.theory.chord import parse_lead_sheet
        >>> chords = (ChordSpan(0, 48, parse_lead_sheet("C")), ChordSpan(48, 48, parse_lead_sheet("G7")))
        >>> score = Score("a", "A", Key.parse("C major"), Meter(4, 4), 120.0, (), chords)
        >>> ids = encode_ids(score)  # BOS, key, meter, C, G7, EOS
        >>> len(ids), [str(span.chord) for span in decode(ids).chords]
        (6, ['C:maj', 'G:7'])
    """
    _, harmony = harmony_of_beats(score)
    return [BOS, key_id(score.key), meter_id(score.meter), *_event_ids(harmony), EOS]


def encode(score: Score, beats: tuple[BeatGrid, np.ndarray] | None = None) -> dict[str, Any]:
    """The record of a score: the whole song, which the loader cuts.

    Args:
        score: any score.
        beats: what `harmony_of_beats(score)` returned, where it is at hand.

    Returns:
        `id`; `input_ids`, all tokens but the last; `target_id`, the last (EOS); `root_pc`, `quality_code`,
        `function_code` of the input ids; `bar_phase`, for each input id the beat of the bar at which the next
        token's event begins; `form`, a list of [letter, first bar, bars], empty where it is not known. All
        are plain lists and integers.
    """
    grid, harmony = harmony_of_beats(score) if beats is None else beats
    ids = np.array([BOS, key_id(score.key), meter_id(score.meter), *_event_ids(harmony)])
    return {
        "id": score.id,
        "input_ids": ids.tolist(),
        "target_id": EOS,
        "root_pc": ROOT[ids].tolist(),
        "quality_code": QUALITY_CODE[ids].tolist(),
        "function_code": function_table()[score.key.index, ids].tolist(),
        "bar_phase": grid.phases[np.cumsum(BEATS[ids], dtype=np.int64)].tolist(),
        "form": form_values(score.form),
    }


def _content(ids: Iterable[int]) -> list[int]:
    """The tokens before EOS, without what is no token."""
    tokens = [token for token in map(int, ids) if 0 <= token < SIZE]
    return tokens[: tokens.index(EOS)] if EOS in tokens else tokens


def prefix_of(ids: Iterable[int]) -> tuple[Key, Meter]:
    """The key and meter that a sequence names first; C major and 4/4 where it does not."""
    key, meter = _DEFAULT_KEY, _DEFAULT_METER
    for token in _content(ids)[:PREFIX_LENGTH]:
        if KEY0 <= token < METER0:
            key = Key.from_index(token - KEY0)
        elif METER0 <= token < NO_CHORD0 and VALID[token]:
            meter = id_meter(token)
    return key, meter


def decode(
    ids: Iterable[int],
    *,
    bar_resets: Sequence[int] | None = None,
    melody: Sequence[Note] = (),
    tempo_bpm: float = 120.0,
    id: str = "",
    title: str = "",
    form: Iterable[Section] = (),
) -> Score:
    """A score from backbone tokens. Never raises on any sequence of integers.

    Events are read in order up to EOS, everything else (out of place or out of range) is passed over.

    Args:
        ids: tokens.
        bar_resets: increasing ticks above 0 where a bar begins off the grid; None puts all beats in regular
            bars, the last one short where they do not fill it.
        melody: notes to put over the chords.
        tempo_bpm: quarter notes a minute.
        id: the score's id.
        title: the score's title.
        form: its sections; those beyond the last bar are left out.
    """
    tokens = _content(ids)
    key, meter = prefix_of(tokens)
    events = np.array([token for token in tokens if token >= NO_CHORD0], np.int64)
    harmony, beats = HARMONY[events], BEATS[events].astype(np.int64)
    count = int(beats.sum())
    if bar_resets is None:
        short = count % meter.beats_per_bar
        bar_resets = (count * meter.beat_ticks,) if short else ()
    ticks = beat_ticks(meter, bar_resets, count)
    starts = run_starts(harmony)
    edges = [0, *np.cumsum(beats).tolist()]
    chords = []
    for first, last in pairwise([*starts.tolist(), len(harmony)]):
        onset, end = ticks[edges[first]], ticks[edges[last]]
        chords.append(ChordSpan(onset, end - onset, id_chord(int(harmony[first]))))
    score = Score(
        id, title, key, meter, tempo_bpm, tuple(melody), tuple(chords), bar_resets=tuple(bar_resets)
    )
    return replace(score, form=crop_form(form, 0, len(score.bar_starts())))


def transpose_record(record: dict[str, Any], semitones: int) -> dict[str, Any]:
    """The record of the song so many semitones higher: equal to encoding the transposed score."""
    ids = transpose_table()[semitones % 12][np.asarray(record["input_ids"])]
    return {**record, "input_ids": ids.tolist(), "root_pc": ROOT[ids].tolist()}


NO_CHORD_ID = NO_CHORD0  # conditioning ids name a harmony only: always the one-beat token
MAX_TICKS_TO_NEXT = 95


@dataclass(frozen=True)
class Harmony:
    """The chords of a song on the tick axis, as the melody stage sees them.

    Attributes:
        ticks: int64 [changes], where each harmony begins; the first is 0.
        ids: int64 [changes], its backbone token for one beat.
        end: the tick behind the last.
    """

    ticks: np.ndarray
    ids: np.ndarray
    end: int

    @classmethod
    def of_beats(cls, grid: BeatGrid, harmony: np.ndarray) -> Harmony:
        """From a harmony per beat, as `backbone.harmony_of_beats` returns them."""
        starts = run_starts(harmony)
        return cls(grid.ticks[starts], harmony[starts], int(grid.ticks[-1]))

    def at(self, ticks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What sounds at each tick: chord id, id of the next harmony, ticks until that begins.

        No chord sounds from the end on; where nothing follows, the next is no chord in MAX_TICKS_TO_NEXT
        ticks.
        """
        changes = np.append(self.ticks, np.iinfo(np.int64).max)
        ids = np.append(self.ids, NO_CHORD_ID)
        index = np.searchsorted(self.ticks, ticks, "right")
        now = np.where(ticks < self.end, ids[index - 1], NO_CHORD_ID)
        return now, ids[index], np.minimum(changes[index] - ticks, MAX_TICKS_TO_NEXT)
