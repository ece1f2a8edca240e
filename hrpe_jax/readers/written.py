"""The pieces that `sample` wrote as JSON: with their keys, chords and forms as they were composed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from hrpe_jax.formats.json import score_from_values
from hrpe_jax.score.score import Score


def written_pieces(folder: Path) -> Iterator[tuple[str, Score]]:
    """Names of files and scores of a folder, in order of the names; other JSON files are passed over.

    Args:
        folder: where `python -m hrpe_jax.sample` wrote; anything else gives nothing.
    """
    for file in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        try:
            values = json.loads(file.read_text(encoding="utf-8"))
            if isinstance(values, dict) and isinstance(values.get("score"), dict):
                yield file.name, score_from_values(values["score"])
        except (OSError, ValueError):
            continue
