"""The grid as plain values: what is trained, in which order.

A rung is one line of `BACKBONE` or `MELODY`: its title in the tables and what its model has other than
`STAGES` says. `mlp_width` is set so that all rungs of a stage have the same number of parameters within
`TOLERANCE`; `run.py` and a test refuse a rung that has not, and say which width would.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Stage = Literal["backbone", "melody"]

TOLERANCE = 0.01
"""Largest difference in parameters from the first rung of a stage, as a share."""
SEEDS = {"backbone": 5, "melody": 3}

SIZE = {"width": 96, "heads": 4, "head_width": 24, "residual_rank": 0}
# A constant rate, an average of the parameters and patience: each rung goes on as long as it gets better,
# which no schedule that ends at a given step would let it.
SCHEDULE = {"schedule": "constant", "ema_decay": 0.995, "warmup_steps": 100}
STAGES: dict[Stage, dict[str, Any]] = {
    "backbone": {
        "model": {**SIZE, "layers": 4, "dropout": 0.2, "token_shift": False},
        "batch": {"rows": 2, "length": 256},
        "steps": 10_000,
        "eval_every": 250,
        "checkpoint_every": 250,
        "log_every": 250,
        "keep": 1,
        "patience": 4,
        "optimizer": {"learning_rate": 2e-3, "weight_decay": 0.1, **SCHEDULE},
    },
    "melody": {
        "model": {**SIZE, "layers": 3, "dropout": 0.1},
        "batch": {"rows": 8, "length": 128},
        "steps": 3000,
        "eval_every": 250,
        "checkpoint_every": 250,
        "log_every": 250,
        "keep": 1,
        "patience": 3,
        "optimizer": {"learning_rate": 2e-3, "weight_decay": 0.05, **SCHEDULE},
    },
}
"""What all rungs of a stage share; `PILOT` chose it on validation songs, for all alike."""


Rung = tuple[str, dict[str, Any]]
Lag = tuple[int, int]


def rung(title: str, mlp_width: int, harmony: Mapping[str, Any], **model: Any) -> Rung:
    """A title, and what a model has other than those of its stage."""
    return title, {"harmony": dict(harmony), "mlp_width": mlp_width, **model}


def hrpe(variant: str, *lags: Lag, **more: Any) -> dict[str, Any]:
    """A section `harmony` of a model."""
    return {"variant": variant, **({"lags": lags} if lags else {}), **more}


NONE = hrpe("none")
HERE, ONE = (0, 0), ((0, 1),)
TWO, FOUR = (*ONE, (1, 2)), (*ONE, (1, 2), (2, 3), (3, 4))
LAG4 = hrpe("lagged", HERE, *FOUR)
PHRASES = (2, 4, 8, 16, 32)

BACKBONE: dict[str, Rung] = {
    "control": rung("RoPE, harmonic features at the input: **the control**", 268, NONE),
    "lag4": rung("H-RPE, lags 0 to 4", 256, LAG4),
    "shift": rung("control and token shift (the chord before, at the input)", 260, NONE, token_shift=True),
    "query": rung("H-RPE, query-dependent", 261, hrpe("query")),
    "lag4_shift": rung("H-RPE, lags 0 to 4, and token shift", 248, LAG4, token_shift=True),
    "control_repeats": rung("control and repeats", 213, NONE, repeats=256),
    "lag4_repeats": rung("H-RPE, lags 0 to 4, and repeats", 201, LAG4, repeats=256),
    "control_phrases": rung("control, repeats and phrases", 172, NONE, repeats=256, phrases=PHRASES),
    "lag4_phrases": rung("H-RPE, lags 0 to 4, repeats and phrases", 160, LAG4, repeats=256, phrases=PHRASES),
    "lag1": rung("H-RPE, lags 0 and 1", 260, hrpe("lagged", HERE, *ONE)),
    "placebo": rung("placebo: query-dependent, roots permuted", 261, hrpe("placebo")),
    "tables": rung("H-RPE, tables", 265, hrpe("tables")),
    "rope": rung("RoPE alone", 275, NONE, input_features=False),
    "lag2": rung("H-RPE, lags 0 to 2", 259, hrpe("lagged", HERE, *TWO)),
    "lag4_only": rung("H-RPE, lags 1 to 4, without (0, 0)", 263, hrpe("lagged", *FOUR)),
    "symmetric": rung("query-dependent, tables symmetric", 261, hrpe("symmetric")),
    "theory": rung("theory distances only", 268, hrpe("theory")),
    "z12": rung("Z12 rotary", 268, hrpe("z12")),
}
"""Repeats: what followed the longest earlier match of the last events, as an input and as a pointer. Phrases:
what stood so many bars ago, as another."""

MOTIONS = hrpe("lagged", lags=(), motions=FOUR)
MOVED = {"transposed_repeats": 256, "transposed_phrases": PHRASES}


def moving_rung(title: str, mlp_width: int, harmony: Mapping[str, Any], **model: Any) -> Rung:
    """A smaller model for smaller sets, with repeats, phrases and the motion into each chord as inputs."""
    size = {"width": 64, "layers": 3, "heads": 4, "head_width": 16}
    searches = {"motion_input": True, "repeats": 256, "phrases": PHRASES}
    return rung(title, mlp_width, harmony, **size, **searches, **model)


MOVING: dict[str, Rung] = {
    "moving_control": moving_rung("control, repeats and phrases", 256, NONE),
    "moving_lags": moving_rung("and lags over roots", 240, LAG4),
    "moving_motions": moving_rung("and lags over motions", 248, MOTIONS),
    "moving_started": moving_rung("and lags over motions, one head set by hand at the start", 248, MOTIONS),
    "moving_transposed": moving_rung("and transposed search", 139, NONE, **MOVED),
    "moving_both": moving_rung("and lags over motions, and transposed search", 132, MOTIONS, **MOVED),
}
"""What a model can know of progressions that come back in another key; for the conditions of `moving`."""
STARTED = ("moving_started",)
"""Rungs of which one head of the first layer begins with tables for "the same motion" at every lag, as in
`sequences.py`: whether training keeps and uses what it may not find."""

PLAIN = hrpe("query", codes="none")
PITCH_LAG2 = hrpe("lagged", HERE, *TWO, codes="melody")
CHORD_LAG4 = hrpe("lagged", HERE, *FOUR, codes="chord")
MELODY: dict[str, Rung] = {
    "chords": rung("chords and look-ahead, memory 256: **the control**", 384, PLAIN),
    "no_chords": rung("without chords", 384, PLAIN, conditioning="none"),
    "present": rung("chords without look-ahead", 384, PLAIN, conditioning="present"),
    "pitch_lag2": rung("relations of pitch, lags 0 to 2", 206, PITCH_LAG2),
    "chord_lag4": rung("relations of chords, lags 0 to 4", 372, CHORD_LAG4),
    "memory_0": rung("memory 0", 384, PLAIN, memory=0),
    "memory_1024": rung("memory 1,024", 384, PLAIN, memory=1024),
    "repeats": rung("control and repeats", 327, PLAIN, repeats=1024),
    "pitch_lag2_repeats": rung("relations of pitch, and repeats", 149, PITCH_LAG2, repeats=1024),
}

RUNGS: dict[Stage, dict[str, Rung]] = {"backbone": BACKBONE, "melody": MELODY}
"""Rungs that are trained on all songs of POP909."""


DECISIVE = ("control", "shift", "query", "lag4")
WRITING = (*DECISIVE, "control_repeats", "lag4_repeats", "control_phrases", "lag4_phrases")
"""Rungs whose progressions are judged, trained on all songs."""
LONGER = ("chords", "no_chords", "pitch_lag2", "repeats")


@dataclass(frozen=True)
class Condition:
    """How models are trained other than all rungs are ("full").

    Attributes:
      title: in the tables.
      data: name of the data set.
      songs: share of the training songs.
      augment: whether they are transposed to random keys.
      stage: whose rungs.
      rungs: which.
      seeds: how many.
      values: other values of the stage's config.
      model: other values of the model's.
    """

    title: str
    data: str = "pop909"
    songs: float = 1.0
    augment: bool = True
    stage: Stage = "backbone"
    rungs: tuple[str, ...] = DECISIVE
    seeds: int = SEEDS["backbone"]
    values: Mapping[str, Any] = field(default_factory=dict)
    model: Mapping[str, Any] = field(default_factory=dict)

    @property
    def moving(self) -> bool:
        """Whether its rungs are those of `MOVING`, and sequence places are measured."""
        return self.rungs == tuple(MOVING)


# Few songs are learned, and overlearned, in fewer steps: look more often.
FEW = {"eval_every": 40, "checkpoint_every": 40}
CONDITIONS = {
    "full": Condition("all songs"),
    "no_augment": Condition("no transposition", augment=False, seeds=3),
    "songs_10": Condition(
        "10 % of the songs", songs=0.1, values={"eval_every": 100, "checkpoint_every": 100}
    ),
    "songs_1": Condition("1 % of the songs", songs=0.01, values=FEW),
    "billboard": Condition("Billboard", data="billboard", seeds=3),
    "openewld": Condition("OpenEWLD", data="openewld", rungs=tuple(MOVING), values={"eval_every": 100}),
    "billboard_moving": Condition("Billboard", data="billboard", rungs=tuple(MOVING), seeds=3),
    "pop909_moving": Condition("POP909", rungs=tuple(MOVING), seeds=1),
    "nottingham_moving": Condition("Nottingham", data="nottingham", rungs=tuple(MOVING), seeds=1),
    "form_told": Condition(
        "the form told",
        data="pop909_form",
        rungs=("control_phrases", "lag4_phrases"),
        seeds=1,
        model={"plan": True},
    ),
    "longer": Condition("up to 9,000 steps", stage="melody", rungs=LONGER, seeds=1, values={"steps": 9000}),
}


@dataclass(frozen=True)
class Cell:
    """One run.

    Attributes:
      stage: of the model.
      rung: which model.
      condition: what it is trained on.
      seed: of parameters, dropout, order and transposition.
      changes: other values of the stage's config; a pilot is measured on validation songs.
    """

    stage: Stage
    rung: str
    condition: str
    seed: int
    changes: tuple[tuple[str, float], ...] = ()

    @property
    def name(self) -> str:
        """Of its record."""
        changed = [f"{key}={value:g}" for key, value in self.changes]
        return "-".join([self.stage, self.rung, self.condition, str(self.seed), *changed])


def cells() -> Iterator[Cell]:
    """The whole grid, in its order: round by round, so that tables mean something at any time."""
    for seed in range(max(SEEDS.values())):
        for stage, rungs in RUNGS.items():
            if seed < SEEDS[stage]:
                for rung in rungs:
                    yield Cell(stage, rung, "full", seed)
            for condition, about in CONDITIONS.items():
                if condition != "full" and about.stage == stage and seed < about.seeds:
                    for rung in about.rungs:
                        yield Cell(stage, rung, condition, seed)


SHORT = (("steps", 1000), ("patience", 0))
PILOT = [
    Cell("backbone", rung, "full", 0, (*SHORT, ("learning_rate", rate)))
    for rate in (2e-3, 4e-3)
    for rung in ("control", "lag4")
]
"""How `STAGES` was chosen: one value changed at a time, measured on validation songs only."""


def stage_values(cell: Cell) -> dict[str, Any]:
    """The stage's section of a config."""
    common, condition = STAGES[cell.stage], CONDITIONS[cell.condition]
    values = {**common, **condition.values}
    rungs = MOVING if condition.moving else RUNGS[cell.stage]
    values["model"] = {**common["model"], **rungs[cell.rung][1], **condition.model}
    values["batch"] = {**common["batch"], "augment": condition.augment}
    values["optimizer"] = dict(common["optimizer"])
    for key, value in cell.changes:
        section = next((s for s in ("model", "batch", "optimizer") if key in values[s]), None)
        (values[section] if section else values)[key] = value
    return values
