"""How pieces end, as counts: whether on the tonic, over the tonic chord, on a long note.

A model that writes one event after the other knows how songs end, but loses that in its own approach to the
end: too few of its pieces end on the tonic. So an ending is drawn as songs have them, and among several
candidates one that has it is kept. `endings.json` beside the weights of a model holds the counts.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hrpe_jax.codec import melody_tokens as tokens
from hrpe_jax.codec.plan import HELD
from hrpe_jax.errors import UserError

FILE = "endings.json"
FORMAT = 1
TONIC, TRIAD, OTHER = 0, 1, 2
"""The last note: the tonic, another note of the tonic triad, any other."""


class Ending(NamedTuple):
    """An ending.

    Attributes:
        over_tonic: 1 where the root of the chord under the last note is the tonic, else 0.
        note: `TONIC`, `TRIAD` or `OTHER`.
        held: 1 where the last note lasts a half note or longer, else 0.
    """

    over_tonic: int
    note: int
    held: int


def ending(root: int, pitch: int, ticks: int, tonic: int, is_minor: bool) -> Ending:
    """The ending of a piece.

    Args:
        root: pitch class of the chord under the last note; anything else where there is no chord.
        pitch: of the last note.
        ticks: how long it lasts.
        tonic: pitch class.
        is_minor: mode of the key.
    """
    degree = (pitch - tonic) % 12
    note = TONIC if degree == 0 else TRIAD if degree in (3 if is_minor else 4, 7) else OTHER
    return Ending(int(root == tonic), note, int(ticks >= HELD))


def record_ending(record: Mapping[str, Any]) -> Ending | None:
    """The ending of a melody record; None where it has no note."""
    ids = np.asarray(record["event_ids"])
    sung = np.flatnonzero(ids < tokens.PITCHES)
    if not len(sung):
        return None
    last = int(sung[-1])
    lengths = ids[last:]
    ticks = int(tokens.DURATION[lengths].sum())
    about = record["metadata"]
    is_minor = about["key_signature_mode"] in ("minor", 1)
    root = int(record["conditioning_root_pc"][last])
    return ending(root, int(ids[last]), ticks, int(about["key_signature_root"]), is_minor)


class EndingModel:
    """Counts of endings by style.

    Args:
        counts: by style, how often each ending came; none of them empty.
    """

    def __init__(self, counts: Mapping[str, Mapping[Ending, int]]) -> None:
        self.counts = {style: dict(seen) for style, seen in counts.items()}

    def draw(self, style: str, rng: np.random.Generator) -> Ending | None:
        """An ending as pieces of a style have them; None for an unknown style."""
        seen = self.counts.get(style)
        if not seen:
            return None
        endings = sorted(seen)
        number = np.array([seen[each] for each in endings], np.float64)
        return endings[int(rng.choice(len(endings), p=number / number.sum()))]

    def to_json(self) -> str:
        """The counts as text."""
        values = {
            style: [[*each, count] for each, count in sorted(seen.items())]
            for style, seen in sorted(self.counts.items())
        }
        return json.dumps({"format": FORMAT, "counts": values}) + "\n"


def fit_endings(records: Iterable[Mapping[str, Any]]) -> EndingModel:
    """Counts the endings of melody records."""
    counts: dict[str, Counter[Ending]] = {}
    for record in records:
        found = record_ending(record)
        if found is not None:
            counts.setdefault(str(record.get("style", "")), Counter())[found] += 1
    return EndingModel(counts)


def read_ending_model(path: str | Path) -> EndingModel:
    """Reads a file of counts.

    Raises:
        UserError: it cannot be read, or is no such file.
    """
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
        if values["format"] != FORMAT:
            raise ValueError(f"format {values['format']}, this program reads {FORMAT}")
        return EndingModel(
            {
                style: {Ending(int(a), int(b), int(c)): int(count) for a, b, c, count in rows}
                for style, rows in values["counts"].items()
            }
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        problem = f"no counts of endings ({error}); take the file of a released model"
        raise UserError(f"{path}: {problem}") from None
