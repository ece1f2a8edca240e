"""A step that went wrong, kept so that one can look at it.

WORKDIR/failures/STAGE-STEP/batch.npz      this host's rows of the batch, as the step got them
                          /failure.json    which value, all metrics, the songs and stretches of every row, and
                                           the checkpoint from which the same batches lead here again
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from hrpe_jax.files import replace_file

WATCHED = ("loss", "grad_norm")


def find_failure(metrics: Mapping[str, tuple[Any, Any]]) -> str | None:
    """The first watched metric that is not finite, None where all are."""
    return next((name for name in WATCHED if not math.isfinite(metrics[name][0])), None)


def keep_failure(
    workdir: str | Path,
    stage: str,
    step: int,
    metrics: Mapping[str, tuple[Any, Any]],
    batch: Mapping[str, np.ndarray],
    songs: Sequence[Mapping[str, Any]],
    checkpoint: int | None,
) -> Path:
    """Writes what is needed to look at a failed step; every host writes its own rows.

    Args:
      workdir: of the training.
      stage: its name.
      step: the step that failed.
      metrics: its metrics, (sum, weight).
      batch: this host's rows.
      songs: where its songs lie, from ``BatchIterator.describe``.
      checkpoint: the latest one, None if there is none.

    Returns:
      The folder.
    """
    folder = Path(workdir) / "failures" / f"{stage}-{step}"
    host = f"-{jax.process_index()}" if jax.process_count() > 1 else ""
    folder.mkdir(parents=True, exist_ok=True)
    rows: dict[str, Any] = {name: np.asarray(value) for name, value in batch.items()}
    np.savez_compressed(folder / f"batch{host}.npz", **rows)
    means = {name: float(total) / max(float(weight), 1e-9) for name, (total, weight) in metrics.items()}
    about = {
        "stage": stage,
        "step": step,
        "batch": step - 1,
        "not_finite": find_failure(metrics),
        "metrics": {name: mean if math.isfinite(mean) else str(mean) for name, mean in means.items()},
        "checkpoint": checkpoint,
        "replay": f"batches {checkpoint or 0} to {step - 1} from "
        + ("the beginning" if checkpoint is None else f"checkpoint {checkpoint}"),
        "songs": [dict(song) for song in songs],
    }
    replace_file(folder / f"failure{host}.json", (json.dumps(about, indent=1) + "\n").encode())
    return folder
