"""The lines of ``metrics.jsonl`` as TensorBoard events (the extra ``tensorboard``)."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType

from hrpe_jax.errors import UserError


def check_tensorboard() -> None:
    """Refuses to go on where TensorBoard was asked for and cannot be written.

    Raises:
      UserError: its package is not installed.
    """
    if find_spec("tensorboardX") is None:
        raise UserError(
            "config.tensorboard: needs the package tensorboardX; pip install 'hrpe_jax[tensorboard]', or "
            "set it to false (metrics.jsonl is always written)"
        )


class TensorBoard:
    """One events file a stage, ``WORKDIR/tensorboard/STAGE``.

    Args:
      folder: of the stage.
      step: the step the run resumes from; later events of an earlier process are hidden.
    """

    def __init__(self, folder: Path, step: int) -> None:
        from tensorboardX import SummaryWriter

        self._writer = SummaryWriter(str(folder), purge_step=step + 1 if step else None)

    def __enter__(self) -> TensorBoard:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    def write(self, split: str, step: int, metrics: Mapping[str, float]) -> None:
        """Adds one line's values as SPLIT/NAME."""
        for name, value in metrics.items():
            self._writer.add_scalar(f"{split}/{name}", value, step)
