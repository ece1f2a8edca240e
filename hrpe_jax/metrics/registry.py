"""All metrics by name: what they are, whether the project recommends them, and why not.

What a metric is stands in its function's docstring, on lines that begin with Formula, Range, Direction and
Source; reports take it from there.

`Values` holds the number that each metric gives each piece, with the reasons where it gives none.
"""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from hrpe_jax.metrics import harmony, recurrence, rhythm, structure
from hrpe_jax.metrics.arrays import Piece, Undefined
from hrpe_jax.metrics.structure import paired_ssmds

Kind = Literal["piece", "pair", "set"]
Group = Literal["structure", "rhythm", "pitch", "harmony", "chords"]


@dataclass(frozen=True)
class Metric:
    """One metric of a report.

    Attributes:
        name: short and unique.
        title: for people.
        group: "structure" metrics look at windows of equal length and are never shown without controls.
        kind: "piece": `function(piece)`; "pair": `function(piece, target)`; "set": a distance between the
            SSMs of two sets of pieces, `function(ssms, ssms)`.
        function: it.
        options: its further arguments, as stated in the report.
        recommended: whether this project recommends it for evaluating generated music.
        remark: what to know, or why it is not recommended.
    """

    name: str
    title: str
    group: Group
    kind: Kind
    function: Callable[..., Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    recommended: bool = True
    remark: str = ""

    def _section(self, name: str) -> str:
        text = inspect.getdoc(self.function) or ""
        match = re.search(rf"^{name}: (.*?)(?=^\S|^$|\Z)", text, re.MULTILINE | re.DOTALL)
        return " ".join(match[1].split()) if match else ""

    @property
    def definition(self) -> str:
        """Its first paragraph and its formula, on one line."""
        first = (inspect.getdoc(self.function) or "").partition("\n\n")[0]
        return f"{' '.join(first.split())} Formula: {self._section('Formula')}"

    @property
    def range(self) -> str:
        """What values it can have."""
        return self._section("Range")

    @property
    def direction(self) -> str:
        """What is better: never higher or lower, always closer to real music."""
        return self._section("Direction")

    @property
    def source(self) -> str:
        """Who defined it."""
        return self._section("Source")

    def describe(self) -> dict[str, Any]:
        """All of it but the function, as plain data."""
        return {
            "name": self.name,
            "title": self.title,
            "group": self.group,
            "kind": self.kind,
            "definition": self.definition,
            "range": self.range,
            "direction": self.direction,
            "source": self.source,
            "options": dict(self.options),
            "recommended": self.recommended,
            "remark": self.remark,
        }


_BLIND = "blind to the order of bars: shuffled bars have the same"
_PAIRED = "rewards silence: an empty piece is closer to its target than another real piece is"
_SILENT = "cannot tell one bar looped from silence, since two empty bars are alike"
_EXTREMES = "varied bars look less structured than shuffled ones, and one bar looped as structured as silence"

METRICS: tuple[Metric, ...] = (
    Metric("ssmd_silence", "SSMD, statistical, with an empty bar", "structure", "set",
           structure.statistical_ssmd, {"silence": True},
           remark="the headline: SSMD with an empty bar after the others, which tells a loop from silence"),
    Metric("energy_silence", "energy distance of SSMs, with an empty bar", "structure", "set",
           structure.energy_distance, {"silence": True},
           remark="sees the spread of the SSMs, not only their mean"),
    Metric("se_silence", "similarity error over lags, with an empty bar", "structure", "set",
           structure.similarity_error, {"silence": True}, remark="the empty bar counts as one more lag"),
    Metric("ssmd", "SSMD, statistical", "structure", "set", structure.statistical_ssmd, {"silence": False},
           False, _SILENT),
    Metric("energy", "energy distance of SSMs", "structure", "set", structure.energy_distance,
           {"silence": False}, False, _SILENT),
    Metric("se", "similarity error over lags", "structure", "set", structure.similarity_error,
           {"silence": False}, False, _SILENT),
    Metric("structureness_short", "structureness (symbolic), 1 to 3 bars", "structure", "piece",
           recurrence.structureness, {"shortest": 1, "longest": 3}, False, _EXTREMES),
    Metric("structureness_mid", "structureness (symbolic), 4 to 7 bars", "structure", "piece",
           recurrence.structureness, {"shortest": 4, "longest": 7}, False, _EXTREMES),
    Metric("structureness_long", "structureness (symbolic), 8 bars and more", "structure", "piece",
           recurrence.structureness, {"shortest": 8, "longest": None}, False, _EXTREMES),
    Metric("ssmd_paired_l1", "SSMD, paired, l1", "structure", "pair", structure.paired_ssmd,
           {"norm": "l1"}, False, _PAIRED),
    Metric("ssmd_paired_l2", "SSMD, paired, l2", "structure", "pair", structure.paired_ssmd,
           {"norm": "l2"}, False, _PAIRED),
    Metric("gs_histogram", "GS as used with paired SSMD", "structure", "pair", rhythm.gs_histogram,
           {}, False, "says how many onsets there are, not where; bars in any order have 1"),
    Metric("gs16", "GS, 16 positions to a bar", "rhythm", "piece", rhythm.grooving_similarity,
           {"positions": 16}, remark=f"for rhythm, not for structure: {_BLIND}"),
    Metric("gs64", "GS, 64 positions to a bar", "rhythm", "piece", rhythm.grooving_similarity,
           {"positions": 64}, False, "mostly counts positions where no note begins; to compare with MusDr"),
    Metric("gc", "groove consistency, 16 positions to a bar", "rhythm", "piece", rhythm.groove_consistency,
           {"positions": 16}, remark="for rhythm, not for structure"),
    Metric("full_bars", "bars as long as the meter says", "rhythm", "piece", rhythm.full_bar_share),
    Metric("h1", "pitch-class entropy of 1 bar", "pitch", "piece", harmony.pitch_class_entropy, {"bars": 1}),
    Metric("h4", "pitch-class entropy of 4 bars", "pitch", "piece", harmony.pitch_class_entropy, {"bars": 4}),
    Metric("ook", "out-of-key share", "pitch", "piece", harmony.out_of_key_share, {"of": "all"},
           remark="silence has 0"),
    Metric("cpi", "chord progression irregularity", "chords", "piece", harmony.chord_progression_irregularity,
           {"drop_last": False, "as_written": False}),
    Metric("che", "chord histogram entropy, bits", "chords", "piece", harmony.chord_histogram_entropy),
    Metric("cc", "chord coverage", "chords", "piece", harmony.chord_coverage),
    Metric("ctd", "chord tonal distance", "chords", "piece", harmony.chord_tonal_distance),
    Metric("ctr", "chord-tone ratio by notes", "harmony", "piece", harmony.chord_tone_ratio,
           {"counting": "notes"}),
    Metric("ctr_duration", "chord-tone ratio by duration", "harmony", "piece", harmony.chord_tone_ratio,
           {"counting": "duration"}),
    Metric("ctr_strong", "chord-tone ratio on strong beats", "harmony", "piece", harmony.chord_tone_ratio,
           {"counting": "strong"}),
    Metric("ctr_gain", "chord-tone ratio above chance", "harmony", "piece", harmony.chord_tone_gain,
           {"counting": "notes"}),
    Metric("ctnctr", "CTnCTR, any next note", "harmony", "piece", harmony.ctnctr, {"resolution": "step"}),
    Metric("ctnctr_tone", "CTnCTR, next note a chord tone", "harmony", "piece", harmony.ctnctr,
           {"resolution": "chord tone"}),
    Metric("pcs", "pitch consonance score", "harmony", "piece", harmony.pitch_consonance),
    Metric("mctd", "melody-chord tonal distance", "harmony", "piece", harmony.melody_chord_tonal_distance),
)  # fmt: skip
"""In the order of the report."""

BY_NAME = {metric.name: metric for metric in METRICS}


NO_MELODY = "it has no melody"
_BATCH = 32


@dataclass(frozen=True)
class Values:
    """One metric on one set.

    Attributes:
        number: float64 `[pieces]`, 0 where it has none.
        defined: bool `[pieces]`.
        reasons: why not, and for how many pieces.
    """

    number: np.ndarray
    defined: np.ndarray
    reasons: Mapping[str, int]

    @property
    def known(self) -> np.ndarray:
        """The numbers of those pieces that have one, `[defined pieces]`."""
        return self.number[self.defined]

    def among(self, places: Sequence[int], pieces: int, reason: str) -> Values:
        """The values of a larger set, in which these pieces have these places and the others no value.

        Args:
            places: of these pieces in the larger set.
            pieces: of the larger set.
            reason: why the others have no value.
        """
        number, defined = np.zeros(pieces), np.zeros(pieces, np.bool_)
        number[places], defined[places] = self.number, self.defined
        others = {reason: pieces - len(places)} if pieces > len(places) else {}
        return Values(number, defined, {**self.reasons, **others})


def measure(
    metric: Metric, pieces: Sequence[Piece], targets: Sequence[Piece] | None = None, silent: bool = False
) -> Values:
    """A metric of kind "piece", or "pair" with a target for each piece.

    Args:
        metric: one of the registry.
        pieces: windows.
        targets: as many, for kind "pair".
        silent: whether pieces without melody are meant to be (the control): rhythm and structure, which
            silence has too, are then measured.
    """
    number, defined, reasons = np.zeros(len(pieces)), np.zeros(len(pieces), np.bool_), Counter[str]()
    for index, piece in enumerate(pieces):
        try:
            if not (len(piece.onset) or silent) and metric.group in ("rhythm", "structure"):
                raise Undefined(NO_MELODY)
            arguments = (piece,) if targets is None else (piece, targets[index])
            number[index] = metric.function(*arguments, **metric.options)
            defined[index] = True
        except Undefined as reason:
            reasons[str(reason)] += 1
    return Values(number, defined, dict(reasons))


class PairedSsmds:
    """Paired SSMD of sets of pieces, both norms in one pass."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], tuple[float, float]] = {}

    def __call__(self, piece: Piece, target: Piece, norm: str) -> float:
        """`structure.paired_ssmd`; the pieces must outlive this."""
        key = id(piece), id(target)
        if key not in self._known:
            self._known[key] = paired_ssmds(piece, target)
        return self._known[key][("l1", "l2").index(norm)]


class Scapes:
    """Fitness scape plots of sets of pieces, each matrix once: looped bars, say, have all the same.

    Args:
        workers: threads.
    """

    def __init__(self, workers: int = 2) -> None:
        self._workers = workers
        self._known: dict[bytes, np.ndarray] = {}

    def measure(self, metric: Metric, pieces: Sequence[Piece], silent: bool = False) -> Values:
        """`fitness.structureness` of pieces of equally many bars.

        Args:
            metric: which number.
            pieces: of equally many bars.
            silent: whether the empty bar is appended.
        """
        shortest, longest = metric.options["shortest"], metric.options["longest"]
        heard = np.array([bool(len(piece.onset)) or silent for piece in pieces], np.bool_)
        if pieces and pieces[0].bars < shortest:
            why = f"it has fewer than {shortest} bars"
            return Values(np.zeros(len(pieces)), np.zeros(len(pieces), np.bool_), {why: len(pieces)})
        ssms = [recurrence.chroma_ssm(piece) for piece in pieces]
        keys = [ssm.tobytes() for ssm in ssms]
        new = {key: ssm for key, ssm in zip(keys, ssms, strict=True) if key not in self._known}
        batches = [list(new)[first : first + _BATCH] for first in range(0, len(new), _BATCH)]
        with ThreadPoolExecutor(self._workers) as pool:
            found = pool.map(
                lambda batch: recurrence.fitness_by_length(np.stack([new[key] for key in batch])), batches
            )
            for batch, rows in zip(batches, found, strict=True):
                self._known.update(zip(batch, rows, strict=True))
        number = np.array([self._known[key][shortest - 1 : longest].max() for key in keys])
        missing = int((~heard).sum())
        return Values(number, heard, {NO_MELODY: missing} if missing else {})
