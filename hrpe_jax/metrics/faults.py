"""What is wrong with tunes, as numbers beside the same numbers of real music.

    table = fault_table(generated, reference)      two sequences of Scores
    table.to_dict()                                rows as plain data

Each measure looks at excerpts of so many bars (`phrasing.excerpts`: they begin where phrases begin), or at
whole pieces. The value of a song is the mean over its excerpts; the value of a set is the mean over its
songs, with a bootstrap interval over songs. No measure is better when higher: the reference is the yardstick.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hrpe_jax.metrics import harmony, phrasing, recurrence
from hrpe_jax.metrics.arrays import Music, Piece, Undefined, common_meter, piece_of
from hrpe_jax.metrics.distances import LEVEL, mean_interval
from hrpe_jax.metrics.phrasing import excerpts
from hrpe_jax.metrics.registry import Metric

WHOLE_PIECE, OPENING = 0, -1
"""`Fault.bars` of what is measured on whole pieces, and of what is measured where pieces begin: those of up
to `LONGEST_PIECE` bars as they are; of songs, which begin with introductions, excerpts of `EXCERPT` bars."""
LONGEST_PIECE, EXCERPT = 48, 16
SUBSETS = 50
"""Draws of half a set, for measures of sets."""


@dataclass(frozen=True)
class Fault:
    """One line of the table.

    Attributes:
        group: what it is about.
        title: for people.
        function: of a piece; of a set, of the runs of notes of its pieces
            (`recurrence.numbered`).
        options: its further arguments.
        bars: lengths of the excerpts on which it is measured, `WHOLE_PIECE` for pieces as they are.
        is_set: whether it measures a set of pieces.
    """

    group: str
    title: str
    function: Callable[..., Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    bars: tuple[int, ...] = (16,)
    is_set: bool = False

    @property
    def definition(self) -> str:
        """First paragraph and formula of its function."""
        return Metric("", self.title, "structure", "piece", self.function).definition


_END, _LAGS = ("note", "chord"), (1, 2, 4, 8)
_BOTH = (16, 32)

FAULTS: tuple[Fault, ...] = (
    Fault("beginning", "melody begins in bar 1, or a pickup to it", phrasing.begins_at_once, {}, (OPENING,)),
    Fault("beginning", "beats before the first note", phrasing.beats_before_melody, {}, (OPENING,)),
    Fault("ending", "last note is the tonic", phrasing.final_note, {"what": ("note",)}, (WHOLE_PIECE,)),
    Fault("ending", "last note is in the tonic triad", phrasing.final_note, {"what": ("triad",)},
          (WHOLE_PIECE,)),
    Fault("ending", "last note is the tonic, over a tonic chord", phrasing.final_note, {"what": _END},
          (WHOLE_PIECE,)),
    Fault("ending", "last note is held two beats", phrasing.final_note, {"what": ("held",)}, (WHOLE_PIECE,)),
    Fault("ending", "all of these", phrasing.final_note, {"what": (*_END, "held")}, (WHOLE_PIECE,)),
    *(Fault("recurrence", f"bar equals the bar {lag} before", recurrence.bar_return, {"lag": lag},
            _BOTH if lag == 8 else (16,)) for lag in _LAGS),
    *(Fault("recurrence", f"rhythm of the bar {lag} before", recurrence.bar_return,
            {"lag": lag, "of": "rhythm"}, _BOTH if lag == 8 else (16,)) for lag in _LAGS),
    Fault("recurrence", "best return of 8 bars", recurrence.best_return, {}, (32,)),
    Fault("recurrence", "later bars that repeat one of the first 8", recurrence.prime_taken_up,
          {"prime_bars": 8}, _BOTH),
    Fault("recurrence", "later bars with a rhythm of the first 8", recurrence.prime_taken_up,
          {"prime_bars": 8, "of": "rhythm"}, _BOTH),
    Fault("recurrence", "a bar or two four times in a row", recurrence.is_stuck, {}, _BOTH),
    Fault("form", "bars of a returning section equal the first time", recurrence.section_return, {},
          (WHOLE_PIECE,)),
    Fault("form", "the same in rhythm", recurrence.section_return, {"of": "rhythm"}, (WHOLE_PIECE,)),
    Fault("form", "the same in chords", recurrence.section_return, {"of": "chords"}, (WHOLE_PIECE,)),
    Fault("form", "a new section is new", recurrence.has_contrast, {}, (WHOLE_PIECE,)),
    Fault("phrases", "more than 8 bars without a breath", phrasing.is_breathless, {}, _BOTH),
    Fault("phrases", "longest phrase, bars", phrasing.longest_phrase, {}, _BOTH),
    Fault("phrases", "phrases end at 2-bar lines", phrasing.ends_at_lines, {"bars": 2}),
    Fault("phrases", "phrases end at 4-bar lines", phrasing.ends_at_lines, {"bars": 4}, _BOTH),
    Fault("phrases", "distinct rhythms, share of bars", phrasing.rhythm_variety, {"bars": 16}),
    Fault("register", "range, semitones", phrasing.range_semitones, {}, _BOTH),
    Fault("register", "two octaves or more", phrasing.is_wide, {}, _BOTH),
    Fault("register", "drift of the register, semitones", phrasing.register_drift, {}),
    Fault("register", "median pitch", phrasing.median_pitch, {}),
    Fault("chords", "chords change on the bar line", harmony.changes_on_bar_line, {}),
    *(Fault("chords", f"chords of the bar {lag} before", harmony.chord_return, {"lag": lag})
      for lag in (4, 8)),
    Fault("chords", "a vamp: one, two or four bars come round", recurrence.is_vamp, {}, _BOTH),
    Fault("harmony", "melody a semitone over a chord tone", harmony.semitone_share, {}),
    Fault("harmony", "chord tones, by duration", harmony.chord_tone_ratio, {"counting": "duration"}),
    Fault("harmony", "chord tones on strong beats", harmony.chord_tone_ratio, {"counting": "strong"}),
    Fault("cadences", "phrases begin over I", phrasing.cadence_share, {"degree": 0, "at": "begin"}),
    *(Fault("cadences", f"phrases end over {name}", phrasing.cadence_share, {"degree": degree, "at": "end"})
      for name, degree in (("I", 0), ("V", 7), ("IV", 5), ("VI", 9))),
    Fault("variety", "distinct runs of 4 notes", recurrence.distinct_grams, {}, _BOTH, True),
    Fault("variety", "runs of 4 notes shared with another piece", recurrence.shared_grams, {}, _BOTH, True),
)  # fmt: skip
"""In the order of the table."""


@dataclass(frozen=True)
class FaultTable:
    """What was found; plain data.

    Attributes:
        settings: meter, draws, seed.
        sets: "generated" and "reference": by bars ("0": whole pieces) how many songs and excerpts.
        rows: one dict for each measure and length: "group", "title", "bars", "definition", and for each set
            "value", "low", "high" (95 %), "songs", "reasons" (why songs have no value). Of sets "n", how many
            pieces each draw has.
    """

    settings: dict[str, Any]
    sets: dict[str, dict[str, dict[str, int]]]
    rows: list[dict[str, Any]]

    def to_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return dict(self.__dict__)

    def row(self, title: str, bars: int | None = None) -> dict[str, Any]:
        """A row by its title, and bars where it has several."""
        return next(row for row in self.rows if row["title"] == title and bars in (None, row["bars"]))


def fault_table(
    generated: Sequence[Music],
    reference: Sequence[Music],
    *,
    meter: str | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> FaultTable:
    """Every measure on generated pieces and on real music.

    Args:
        generated: pieces, as they were written: their first bar is the first bar.
        reference: songs of the kind that they should be.
        meter: such as "4/4"; None: the commonest one of the reference that generated pieces have, "all" any.
        draws: resamples for intervals.
        seed: of the draws.

    Returns:
        The table; where something is not defined, why.
    """
    made, real = [piece_of(item) for item in generated], [piece_of(item) for item in reference]
    meter = meter or common_meter(real, made)
    groups: dict[str, dict[int, list[list[Piece]]]] = {}
    for name, pieces in (("generated", made), ("reference", real)):
        own = [piece for piece in pieces if meter in ("all", str(piece.meter))]
        groups[name] = {bars: excerpts_of(own, bars) for bars in lengths()}
    rows = []
    for fault in FAULTS:
        for bars in fault.bars:
            songs = {name: own[bars] for name, own in groups.items()}
            measured = _of_sets(fault, songs, seed) if fault.is_set else {
                name: _of_songs(fault, own, draws, seed) for name, own in songs.items()
            }  # fmt: skip
            about = {"group": fault.group, "title": fault.title, "bars": bars}
            rows.append({**about, "definition": fault.definition, **measured})
    counts = {
        name: {
            str(bars): {"songs": len(songs), "excerpts": sum(map(len, songs))}
            for bars, songs in own.items()
            if bars != OPENING
        }
        for name, own in groups.items()
    }
    return FaultTable({"meter": meter, "draws": draws, "seed": seed, "interval": LEVEL}, counts, rows)


def lengths() -> tuple[int, ...]:
    """The lengths at which something is measured."""
    return tuple(sorted({bars for fault in FAULTS for bars in fault.bars}))


def excerpts_of(pieces: Sequence[Piece], bars: int) -> list[list[Piece]]:
    """By song its excerpts; songs without any are left out. See `OPENING` and `WHOLE_PIECE`."""
    found = [
        [piece]
        if bars == WHOLE_PIECE or (bars == OPENING and piece.bars <= LONGEST_PIECE)
        else excerpts(piece, EXCERPT if bars == OPENING else bars)
        for piece in pieces
    ]
    return [own for own in found if own]


def _of_songs(fault: Fault, songs: Sequence[Sequence[Piece]], draws: int, seed: int) -> dict[str, Any]:
    """Mean over songs of the means over their excerpts."""
    values, reasons = [], Counter[str]()
    for own in songs:
        known = []
        for piece in own:
            try:
                known.append(float(fault.function(piece, **fault.options)))
            except Undefined as reason:
                why = str(reason)
        if known:
            values.append(float(np.mean(known)))
        else:
            reasons[why] += 1
    if not songs:
        reasons["no piece is long enough"] = 0
    return _measured(np.array(values), dict(reasons), draws, seed)


def _measured(values: np.ndarray, reasons: dict[str, int], draws: int, seed: int) -> dict[str, Any]:
    found: dict[str, Any] = {"value": None, "low": None, "high": None, "songs": len(values)}
    if len(values):
        found["value"] = round(float(values.mean()), 6)
    if len(values) > 1:
        found["low"], found["high"] = (round(end, 6) for end in mean_interval(values, draws, seed))
    return {**found, "reasons": reasons}


def _of_sets(
    fault: Fault, songs: Mapping[str, Sequence[Sequence[Piece]]], seed: int
) -> dict[str, dict[str, Any]]:
    """A measure of sets, at the same number of pieces of both: half of the smaller set, drawn again and
    again, one excerpt of each song."""
    n = min(len(own) for own in songs.values()) // 2
    found = {}
    for name, pieces in songs.items():
        runs = iter(recurrence.numbered([recurrence.grams(piece) for own in pieces for piece in own]))
        own = [[next(runs) for _ in excerpts_] for excerpts_ in pieces]
        rng = np.random.default_rng([seed, len(own)])
        values = []
        for _ in range(SUBSETS if n else 0):
            chosen = rng.permutation(len(own))[:n]
            drawn = [own[index][rng.integers(len(own[index]))] for index in chosen]
            values.append(float(np.mean(fault.function(drawn, **fault.options))))
        low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) if values else (None, None)
        found[name] = {
            "value": round(float(np.mean(values)), 6) if values else None,
            "low": None if low is None else round(float(low), 6),
            "high": None if high is None else round(float(high), 6),
            "songs": len(own),
            "n": n,
            "reasons": {} if values else {"a set has fewer than 2 pieces that are long enough": len(own)},
        }
    return found
