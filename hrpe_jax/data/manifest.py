"""What a manifest says of the songs as a whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Summary:
    """Counts over the songs of a data set.

    Attributes:
        formats: songs by format.
        stages: songs by the stages that have them: "backbone+melody", "melody", "backbone".
        found: songs by what was found by analysis because the file does not say it.
        warnings: songs by warning.
        keys: songs by key, as named.
        meters: songs by meter.
        qualities: chords by quality.
        modulating: songs with more than one key.
    """

    formats: Counter[str] = field(default_factory=Counter)
    stages: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    keys: Counter[str] = field(default_factory=Counter)
    meters: Counter[str] = field(default_factory=Counter)
    qualities: Counter[str] = field(default_factory=Counter)
    modulating: int = 0

    def add(self, format: str, tokens: Mapping[str, int], about: Mapping[str, Any]) -> None:
        """Counts a song; `about` is that of `PreparedSong`."""
        self.formats[format] += 1
        self.stages["+".join(sorted(tokens))] += 1
        self.found.update(about["found"])
        self.warnings.update(about["warnings"])
        self.keys[about["key"]] += 1
        self.meters[about["meter"]] += 1
        self.qualities.update(about["qualities"])
        self.modulating += bool(about["modulates"])

    def as_dict(self) -> dict[str, Any]:
        """For JSON: the most frequent first."""
        values = {name: value for name, value in vars(self).items() if isinstance(value, Counter)}
        ordered = {
            name: dict(sorted(value.items(), key=lambda item: (-item[1], item[0])))
            for name, value in values.items()
        }
        return {**ordered, "modulating": self.modulating}
