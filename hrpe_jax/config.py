"""The only schema of a run: what a file in ``configs/`` may say, its defaults, and what must fit together.

A config file (``config_file`` reads it) returns nested plain values. They become the frozen dataclasses
below, and nothing after that point reads an unchecked value. The same dataclasses are stored as JSON in a
workdir, in every checkpoint and in a released model.

This module imports neither JAX nor Flax: configs are read, shown and compared without starting a device.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from hrpe_jax.errors import UserError
from hrpe_jax.models.config import (
    BackboneModelConfig,
    MelodyModelConfig,
    ModelConfig,
    at_least,
    check,
)
from hrpe_jax.utils.schema import build

Stage = Literal["backbone", "melody"]

_WEIGHTS = re.compile(r"[a-z][a-z0-9_-]*=\d+(\.\d+)?(,[a-z][a-z0-9_-]*=\d+(\.\d+)?)*")


@dataclass(frozen=True, kw_only=True)
class BatchConfig:
    """Shape of a batch: ``[segments, rows, length]`` events.

    Attributes:
      rows: songs (backbone: packed rows; melody: streams) side by side.
      length: events of one segment.
      segments: segments per step, scanned with the carry handed on; the gradient is of their sum.
      augment: transpose training songs to a random key.
      accumulate: compute a step in so many parts of the rows, one after the other, where the whole does not
        fit into memory. The update is the same.
    """

    rows: int = 16
    length: int = 256
    segments: int = 1
    augment: bool = True
    accumulate: int = 1

    def __post_init__(self) -> None:
        at_least(self, 1, "rows", "length", "segments", "accumulate")
        rows, parts = self.rows, self.accumulate
        check(rows % parts == 0, f"accumulate: {rows} rows do not split into {parts} parts")


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """AdamW with clipping by global norm, linear warm-up, a schedule, and an average of the parameters.

    Attributes:
      learning_rate: at the end of the warm-up.
      schedule: what follows the warm-up. "cosine": to ``final_fraction`` of the rate at the last step; "wsd"
        (warm-up, stable, decay): constant, then down to ``final_fraction`` over the last part of the steps;
        "constant".
      warmup_steps: steps from 0 to ``learning_rate``.
      decay_fraction: of the steps, at their end, in which "wsd" decays.
      final_fraction: of the learning rate, at the end of "cosine" and "wsd".
      weight_decay: decoupled.
      no_decay: a parameter with one of these words in its path is not decayed. Norms and biases: decay would
        only fight the loss for scale. Harmonic tables (lag_A_B_...): they start at zero, and zero is the
        plain RoPE model, not a prior we hold.
      clip_norm: longest gradient; 0 for no clipping.
      ema_decay: of an exponential moving average of the parameters, which then is what is validated and
        exported; 0 for none.
      b1: decay of the first moment.
      b2: decay of the second moment.
      eps: of the denominator.
    """

    learning_rate: float = 2e-3
    schedule: Literal["cosine", "wsd", "constant"] = "cosine"
    warmup_steps: int = 100
    decay_fraction: float = 0.2
    final_fraction: float = 0.1
    weight_decay: float = 0.05
    no_decay: tuple[str, ...] = ("norm", "scale", "bias", "lag_")
    clip_norm: float = 1.0
    ema_decay: float = 0.0
    b1: float = 0.9
    b2: float = 0.98
    eps: float = 1e-8

    def __post_init__(self) -> None:
        at_least(self, 0, "warmup_steps", "weight_decay", "clip_norm")
        within = {"final_fraction": self.final_fraction, "decay_fraction": self.decay_fraction}
        for name, value in within.items():
            check(0 <= value <= 1, f"{name}: in [0, 1] expected, got {value}")
        check(0 <= self.ema_decay < 1, f"ema_decay: in [0, 1) expected, got {self.ema_decay}")
        check(self.learning_rate > 0, f"learning_rate: above 0 expected, got {self.learning_rate}")
        check(0 <= self.b1 < 1, f"b1: in [0, 1) expected, got {self.b1}")
        check(0 <= self.b2 < 1, f"b2: in [0, 1) expected, got {self.b2}")
        check(self.eps > 0, f"eps: above 0 expected, got {self.eps}")


@dataclass(frozen=True, kw_only=True)
class MeshConfig:
    """Devices as a grid.

    Attributes:
      data: devices over which rows are split; -1 for all that ``model`` leaves.
      model: devices over which heads and MLP are split.
      fsdp: whether parameters and optimizer state are also split over ``data``.
    """

    data: int = -1
    model: int = 1
    fsdp: bool = False

    def __post_init__(self) -> None:
        check(self.data == -1 or self.data >= 1, f"data: -1 (all) or at least 1 expected, got {self.data}")
        at_least(self, 1, "model")


@dataclass(frozen=True, kw_only=True)
class StageConfig:
    """Training of one stage.

    Attributes:
      model: its model; ``BackboneStageConfig`` and ``MelodyStageConfig`` say which.
      batch: shape of its batches.
      steps: optimizer steps in all.
      log_every: steps between lines of metrics; training metrics are means over them.
      eval_every: steps between validations; the last step always validates.
      eval_batches: batches of one validation, 0 for the whole split.
      checkpoint_every: steps between checkpoints; the last step always saves.
      keep: checkpoints kept, beside the best one.
      best_metric: the validation metric whose best checkpoint is kept and exported: a name as it stands in
        ``metrics.jsonl``, such as "chord_accuracy". Accuracies are the better the higher, all else the lower.
        "" for the nll, or the loss of a stage that reports none.
      patience: validations without a better one after which training stops early; 0 for never.
      label_smoothing: share of every target that the training loss (and nothing that is reported as nll)
        spreads over all possible tokens.
      stall_seconds: a line on stderr says so when no step has ended for that long; 0 for never.
      optimizer: its optimizer.
      mesh: its devices.
    """

    model: ModelConfig
    batch: BatchConfig = field(default_factory=BatchConfig)
    steps: int = 1000
    log_every: int = 20
    eval_every: int = 200
    eval_batches: int = 0
    checkpoint_every: int = 200
    keep: int = 2
    best_metric: str = ""
    patience: int = 0
    label_smoothing: float = 0.0
    stall_seconds: float = 300.0
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    mesh: MeshConfig = field(default_factory=MeshConfig)

    def __post_init__(self) -> None:
        at_least(self, 1, "steps", "log_every", "eval_every", "checkpoint_every", "keep")
        at_least(self, 0, "eval_batches", "patience", "stall_seconds")
        check(
            0 <= self.label_smoothing < 1, f"label_smoothing: in [0, 1) expected, got {self.label_smoothing}"
        )
        self._check_schedule()
        validations = (self.steps - 1) // self.eval_every  # before the last step
        check(
            self.patience == 0 or self.patience < validations,
            f"patience: {self.patience} is never used up by {validations} validations before the last step "
            f"(steps={self.steps}, eval_every={self.eval_every}); lower one of the three, or use 0",
        )
        rows, data, parts = self.batch.rows, self.mesh.data, self.batch.accumulate
        check(data == -1 or rows % data == 0, f"batch.rows: {rows} rows do not split over mesh.data={data}")
        check(
            data == -1 or rows // parts % data == 0,
            f"batch.accumulate: a part of {rows // parts} rows does not split over mesh.data={data}",
        )
        heads, parts = self.model.heads, self.mesh.model
        check(heads % parts == 0, f"model.heads: {heads} heads do not split over mesh.model={parts}")

    def _check_schedule(self) -> None:
        optimizer, steps = self.optimizer, self.steps
        warmup = optimizer.warmup_steps
        check(warmup < steps, f"optimizer.warmup_steps: below steps={steps} expected, not {warmup}")
        decay = round(optimizer.decay_fraction * steps)
        check(
            optimizer.schedule != "wsd" or warmup + decay <= steps,
            f"optimizer.decay_fraction: {decay} steps of decay and {warmup} of warm-up do not fit into "
            f"steps={steps}",
        )


@dataclass(frozen=True, kw_only=True)
class BackboneStageConfig(StageConfig):
    """The chord stage: ``StageConfig`` with the backbone's model."""

    model: BackboneModelConfig = field(default_factory=BackboneModelConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self.batch.length > 3, f"batch.length: above 3 expected, got {self.batch.length}")


@dataclass(frozen=True, kw_only=True)
class MelodyStageConfig(StageConfig):
    """The melody stage: ``StageConfig`` with the melody's model."""

    model: MelodyModelConfig = field(default_factory=MelodyModelConfig)


@dataclass(frozen=True, kw_only=True)
class StagesConfig:
    """The stages to train, in this order; one left out is not trained."""

    backbone: BackboneStageConfig | None = None
    melody: MelodyStageConfig | None = None

    def __post_init__(self) -> None:
        check(any(True for _ in self.items()), "backbone: neither it nor melody is set; set at least one")

    def items(self) -> Iterator[tuple[Stage, StageConfig]]:
        """Yields (name, config) of the stages that are set, in training order."""
        if self.backbone is not None:
            yield "backbone", self.backbone
        if self.melody is not None:
            yield "melody", self.melody


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where songs come from.

    Attributes:
      path: folder of prepared shards; "" for ``data`` in the workdir.
      corpus: what to prepare there if it holds none: "chorales", "pop909", or "" for nothing.
      input: folder of the corpus, where it does not come with a package ("pop909").
      splits: JSON file that assigns songs to train, valid and test; "" to split by hash.
      workers: processes that read and prepare songs.
      crops: whether training pieces that begin at sung sections are trained on: "none", "also" beside the
        songs, or "only" instead of them (``preprocess --crops`` makes them).
      balance: how much of training each style is: "" as much as of the data, "sqrt" in proportion to the
        square root of its events, "equal", or weights such as "pop=2,folk=1", which leave out other styles.
    """

    path: str = ""
    corpus: Literal["", "chorales", "pop909"] = ""
    input: str = ""
    splits: str = ""
    workers: int = 2
    crops: Literal["none", "also", "only"] = "none"
    balance: str = ""

    def __post_init__(self) -> None:
        at_least(self, 0, "workers")
        balance = self.balance
        check(
            balance in ("", "sqrt", "equal") or bool(_WEIGHTS.fullmatch(balance)),
            f'balance: "sqrt", "equal", weights such as pop=2,folk=1, or nothing expected, got {balance!r}',
        )


@dataclass(frozen=True, kw_only=True)
class SampleConfig:
    """Pieces written after training, and while it goes on.

    Attributes:
      every: steps between pieces that are written during training, so that one can hear it learn; 0 for none.
      num_pieces: how many.
      bars: length of each.
      temperature: of the logits.
      top_k: keep the k likeliest tokens; 0 for all.
      top_p: keep the likeliest tokens up to this probability; 1 for all.
      seed: of the sampling alone.
    """

    every: int = 0
    num_pieces: int = 4
    bars: int = 16
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, 1, "num_pieces", "bars")
        at_least(self, 0, "every", "top_k", "seed")
        check(self.temperature > 0, f"temperature: above 0 expected, got {self.temperature}")
        check(0 < self.top_p <= 1, f"top_p: in (0, 1] expected, got {self.top_p}")


@dataclass(frozen=True, kw_only=True)
class Config:
    """One run.

    Attributes:
      name: of the run; the default workdir is ``runs/NAME``. The config file's name where it gives none.
      seed: of initialisation, dropout, shuffling and augmentation.
      init_from: what the stages start from: a released model, the workdir of a training that ended, or
        "pretrained", the model of the package; "" to start anew. What ``stages.NAME.model`` leaves
        unsaid is then what that model is.
      data: where songs come from.
      stages: what is trained.
      sample: what is written at the end; None for nothing.
      tensorboard: whether TensorBoard events are written too (the extra ``tensorboard``).
    """

    name: str
    stages: StagesConfig
    seed: int = 0
    init_from: str = ""
    data: DataConfig = field(default_factory=DataConfig)
    sample: SampleConfig | None = None
    tensorboard: bool = False

    def __post_init__(self) -> None:
        check(0 <= self.seed < 2**31, f"seed: from 0 to 2**31 - 1 expected, got {self.seed}")
        check(
            self.name not in ("", ".", "..") and "/" not in self.name, f"name: no folder name: {self.name!r}"
        )


def to_json(config: Any, indent: int | None = 2) -> str:
    """Any of the dataclasses here as JSON text, keys in field order."""
    return json.dumps(dataclasses.asdict(config), indent=indent)


def from_json(text: str, cls: type = Config) -> Any:
    """Reads what ``to_json`` wrote; as strict as for a file.

    Raises:
      UserError: no JSON object, or one that does not fit ``cls``.
    """
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"config JSON: not readable ({error}); write it with to_json") from None
    if not isinstance(values, dict):
        raise UserError(f"config JSON: an object expected, got {type(values).__name__}")
    return build(cls, values)
