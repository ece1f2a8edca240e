"""Progressions that a model writes, beside those of real songs and the controls of `hrpe_jax.metrics`.

For structure a bar is the set of its chords with their places and lengths, so that SSMD compares how
progressions repeat themselves; melodies play no part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from hrpe_jax.checkpoints.release import Model, StageModel
from hrpe_jax.codec.backbone import decode
from hrpe_jax.composer import Composer
from hrpe_jax.config import StageConfig
from hrpe_jax.data.loader import Songs
from hrpe_jax.metrics.arrays import Piece, piece_of
from hrpe_jax.metrics.compare import compare
from hrpe_jax.sampling.options import ComposeOptions
from hrpe_jax.score.score import Score

PIECES, BARS, METER, SEED, DRAWS = 64, 32, "4/4", 0, 300
FIGURES = ("ssmd_silence", "cpi", "ctd")
KEPT = ("set", "n", "value", "low", "high", "distance", "distance_low", "distance_high")


def compare_progressions(
    config: StageConfig, params: Any, dataset: Songs, pieces: int = PIECES
) -> dict[str, Any]:
    """Lets a model write progressions and compares them with the test split.

    Args:
      config: of its training.
      params: its parameters.
      dataset: whose test split is real music.
      pieces: how many.

    Returns:
      By name of `FIGURES` the rows of `compare` (generated, real against real, controls), and `settings`.
    """
    arrays = _numpy(params)
    model = Model("ablation", backbone=StageModel(config, arrays, 0, 0))
    draws: dict[str, Any] = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "candidates": 1}
    options = ComposeOptions(stage="backbone", num_pieces=pieces, bars=BARS, meter=METER, seed=SEED, **draws)
    written = list(Composer(model).pieces(options))
    records = dataset.records("backbone", "test")
    real = [
        decode([*r["input_ids"], r["target_id"]], id=str(r["id"]))
        for r in map(records.__getitem__, range(len(records)))
    ]
    found = compare(
        [chords_as_notes(piece.score) for piece in written],
        [chords_as_notes(score) for score in real],
        bars=BARS,
        meter=METER,
        seed=SEED,
        draws=DRAWS,
        workers=1,
    )
    rows: dict[str, Any] = {
        name: [
            {key: row[key] for key in KEPT if row.get(key) is not None} for row in found.metric(name)["rows"]
        ]
        for name in FIGURES
    }
    return {"settings": {"pieces": pieces, "bars": BARS, "meter": METER, **draws}, **_plain(rows)}


def chords_as_notes(score: Score) -> Piece:
    """The piece with its chords, cut at bar lines, in the place of its notes."""
    piece = piece_of(score)
    cut: list[tuple[int, int, int]] = []
    for onset, end, chord in zip(piece.chord_onset, piece.chord_end, piece.chord, strict=True):
        lines = [int(line) for line in piece.starts if onset < line < end]
        times = [int(onset), *lines, int(end)]
        cut += [(a, b - a, int(chord)) for a, b in pairwise(times)]
    notes = np.array(cut, np.int64).reshape(-1, 3)
    return replace(piece, onset=notes[:, 0], duration=notes[:, 1], pitch=notes[:, 2])


def _numpy(tree: Any) -> Any:
    return {k: _numpy(v) for k, v in tree.items()} if hasattr(tree, "items") else np.asarray(tree)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value
