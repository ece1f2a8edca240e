"""Pieces written while a stage trains, so that one can hear it learn: ``WORKDIR/pieces/STAGE/step-N``."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from hrpe_jax.checkpoints.format import checkpoint_folder, load_stage, whole_steps
from hrpe_jax.checkpoints.release import Model, StageModel
from hrpe_jax.composer import Composer
from hrpe_jax.config import Config, StageConfig
from hrpe_jax.errors import UserError
from hrpe_jax.sampling.options import ComposeOptions
from hrpe_jax.sampling.write import write_pieces

OTHER = {"backbone": "melody", "melody": "backbone"}


class PiecePreview:
    """Writes the pieces that ``config.sample`` asks for, by the model as it is now; see ``loop.Listener``.

    The other stage is its best checkpoint in the same workdir; while there is no melody yet, pieces are
    chords alone. Nothing that goes wrong here stops a training.

    Args:
      stage: which is trained.
      config: the run; ``config.sample.every`` is above 0.
      workdir: of the run.
    """

    def __init__(self, stage: str, config: Config, workdir: Path) -> None:
        assert config.sample is not None
        self.every = config.sample.every
        self._stage, self._workdir = stage, workdir
        self._config: StageConfig = getattr(config.stages, stage)
        self._options = options_of(config)
        self._other: StageModel | None = None
        self._silent = False

    def __call__(self, step: int, params: Any, say: Callable[[str], None]) -> None:
        """Writes the pieces of a step, and says where they are, or why there are none."""
        if self._silent:
            return
        try:
            own = StageModel(self._config, jax.tree.map(np.asarray, jax.device_get(params)), step, step)
            other = self._trained_other()
            backbone, melody = (own, other) if self._stage == "backbone" else (other, own)
            options = self._options if other else replace(self._options, stage="backbone")
            folder = self._workdir / "pieces" / self._stage / f"step-{step}"
            composer = Composer(Model(str(self._workdir), backbone, melody))
            # The mesh of a training belongs to its thread. In another one the sampler is what it always is, a
            # program for one device, and is compiled once for all pieces of a run.
            with ThreadPoolExecutor(max_workers=1) as thread:
                pieces = thread.submit(lambda: list(composer.pieces(options))).result()
            write_pieces(pieces, folder)
            say(f"{len(pieces)} pieces of step {step}: {folder}")
        except Exception as error:
            self._silent = isinstance(error, UserError)  # it will not be otherwise next time
            detail = (str(error).splitlines() or [""])[0][:160] or type(error).__name__
            say(f"no pieces at step {step} ({detail}); training goes on")

    def _trained_other(self) -> StageModel | None:
        """None where the backbone trains and there is no melody yet."""
        folder = checkpoint_folder(self._workdir, OTHER[self._stage])
        if self._stage == "backbone" and not whole_steps(folder):
            return None
        if self._other is None:
            trained = load_stage(self._workdir, OTHER[self._stage])
            params = jax.tree.map(np.asarray, jax.device_get(trained.params))
            self._other = StageModel(trained.config, params, trained.step, trained.step)
        return self._other


def options_of(config: Config) -> ComposeOptions:
    """The options of a config's pieces."""
    assert config.sample is not None
    return ComposeOptions(**{name: value for name, value in asdict(config.sample).items() if name != "every"})
