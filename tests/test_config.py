"""The schema: defaults, strictness, overrides, and JSON both ways."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hrpe_jax.checkpoints import release as models
from hrpe_jax.checkpoints.release import write_released
from hrpe_jax.config import Config, from_json, to_json
from hrpe_jax.errors import UserError
from hrpe_jax.models.config import BackboneModelConfig, HarmonyConfig, MelodyHarmonyConfig
from hrpe_jax.workflows.load_config import load_config
from tests.sampling.tiny import tiny_model

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.py"))
QUICKSTART = Path(__file__).parents[1] / "configs" / "quickstart.py"


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_loads_and_survives_json(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "PRETRAINED_FOLDER", write_released(tiny_model(), tmp_path))  # for finetune
    config = load_config(path)
    assert config.name == path.stem
    assert from_json(to_json(config)) == config
    assert isinstance(from_json(to_json(config)).seed, int)
    for _, stage in config.stages.items():
        assert from_json(to_json(stage), type(stage)) == stage
        hash(stage)  # a jitted function may take it as static


def test_overrides_are_read_by_the_type_of_their_field() -> None:
    config = load_config(
        QUICKSTART,
        [
            "seed=7",
            "stages.backbone.model.dropout=0",
            "stages.backbone.model.harmony.lags=((0,0),(0,1))",
            "stages.backbone.mesh.fsdp=true",
            "stages.melody=none",
            "data.path=12",
        ],
    )
    assert config.seed == 7
    assert config.stages.backbone is not None
    assert config.stages.backbone.model.dropout == 0.0
    assert config.stages.backbone.model.harmony.lags == ((0, 0), (0, 1))
    assert config.stages.backbone.mesh.fsdp is True
    assert config.stages.melody is None
    assert [name for name, _ in config.stages.items()] == ["backbone"]
    assert config.data.path == "12"


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        (
            "stages.backbone.model.widht=3",
            "config.stages.backbone.model.widht: no such key; did you mean 'width'?",
        ),
        ("stagse.backbone=3", "config.stagse: no such key; did you mean 'stages'?"),
        ("seed=x", "config.seed: int expected, got 'x' (str)"),
        ("seed=1.5", "config.seed: int expected, got 1.5 (float)"),
        ("seed=true", "config.seed: int expected, got 'true' (str)"),
        ("stages.melody.mesh.fsdp=7", "config.stages.melody.mesh.fsdp: bool expected"),
        ("stages.melody.model=3", "config.stages.melody.model: a section with keys was expected"),
        ("seed.x=3", "config.seed: is 0 here, not a section"),
        ("stages.backbone.model.harmony.variant=querry", "did you mean 'query'?"),
        (
            "stages.backbone.model.harmony.lags=((0,-1),)",
            "config.stages.backbone.model.harmony.lags: no lag looks ahead",
        ),
        ("stages.backbone.model.harmony.lags=((0,0,0),)", "harmony.lags[0]: "),
        ("stages.backbone.model.head_width=7", "config.stages.backbone.model.head_width: even expected"),
        (
            "stages.backbone.steps=10",
            "config.stages.backbone.optimizer.warmup_steps: below steps=10 expected",
        ),
        (
            "stages.backbone.mesh.data=3",
            "config.stages.backbone.batch.rows: 1 rows do not split over mesh.data=3",
        ),
        ("stages.backbone.mesh.model=3", "config.stages.backbone.model.heads: 4 heads do not split"),
        ("stages.backbone.batch.length=3", "config.stages.backbone.batch.length: above 3 expected"),
        (
            "stages.melody.optimizer.ema_decay=1",
            "melody.optimizer.ema_decay: in [0, 1) expected",
        ),
        ("stages.melody.optimizer.final_fraction=2", "final_fraction: in [0, 1] expected, got 2"),
        ("stages.melody.optimizer.schedule=wds", "'wds' is not a choice; did you mean 'wsd'?"),
        ("stages.melody.label_smoothing=1", "config.stages.melody.label_smoothing: in [0, 1) expected"),
        ("stages.melody.patience=3", "patience: 3 is never used up by 3 validations before the last step"),
        ("stages.melody.model.remat=true", "config.stages.melody.model.remat: 'true' is not a choice"),
        ("stages.melody.model.attention=cudnn", "attention: cudnn computes in bfloat16, not in float32"),
        ("sample.top_p=1.5", "config.sample.top_p: in (0, 1] expected"),
        ("nothing", "--config.nothing: expected --config.KEY=VALUE"),
    ],
)
def test_a_wrong_override_is_one_line_naming_the_key(override: str, expected: str) -> None:
    with pytest.raises(UserError) as caught:
        load_config(QUICKSTART, [override])
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_schedules_that_do_not_fit_are_refused() -> None:
    wsd = ["stages.melody.optimizer.schedule=wsd", "stages.melody.optimizer.decay_fraction=0.9"]
    with pytest.raises(UserError, match="decay_fraction: 252 steps of decay and 30 of warm-up do not fit"):
        load_config(QUICKSTART, wsd)
    load_config(QUICKSTART, wsd[1:])  # cosine asks for no such part


def test_configs_of_earlier_versions_are_understood() -> None:
    for old, new in ((True, "full"), (False, "none")):
        text = to_json(BackboneModelConfig(remat="dots")).replace('"dots"', str(old).lower())
        assert from_json(text, BackboneModelConfig).remat == new


def test_a_wrong_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such config file"):
        load_config(tmp_path / "absent.py")
    for text, expected in [
        ("x = 1", "has no get_config"),
        ("def get_config(:", ":1: "),
        ("x\0 = 1", "expected a Python file with get_config()"),
        ("import no_such_module", ":1: fails with ModuleNotFoundError: No module named 'no_such_module'"),
        ("import os\ndef get_config():\n  return os.nothing", ":3: fails with AttributeError: "),
        ("def get_config():\n  raise SystemExit", ":2: fails with SystemExit"),
        ("get_config = 3", "has no get_config"),
        ("def get_config():\n  return 3", "must return a ConfigDict or dict, not int"),
        ("def get_config():\n  return {}", "config.stages: missing"),
        ("def get_config():\n  return {'stages': {}}", "config.stages.backbone: neither"),
    ]:
        path = tmp_path / "config.py"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(UserError) as caught:
            load_config(path)
        assert expected in str(caught.value)
    for text in ["{", "[]", '{"name": "x"}']:
        with pytest.raises(UserError):
            from_json(text)


def test_variants_say_which_relations_are_in_force() -> None:
    lags = ((0, 0), (0, 1))
    of = {v: HarmonyConfig(variant=v, lags=lags) for v in ("none", "tables", "query", "lagged")}  # type: ignore[arg-type]
    assert [c.relations for c in of.values()] == [(), ((0, 0),), ((0, 0),), lags]
    split = HarmonyConfig(head_sets=(((0, 0),), ((0, 1), (0, 0))))
    assert (split.sets, split.relations) == ((((0, 0),), ((0, 1), (0, 0))), ((0, 0), (0, 1)))
    assert HarmonyConfig(variant="z12").relations == ()
    with pytest.raises(UserError, match="head_sets"):
        HarmonyConfig(variant="tables", head_sets=(((0, 0),),))
    assert [c.query_dependent for c in of.values()] == [False, False, True, True]
    moving = HarmonyConfig(lags=(), motions=((0, 1), (2, 3)))
    assert (moving.sets, moving.relations, moving.motions_in_force) == (((),), (), ((0, 1), (2, 3)))
    assert [HarmonyConfig(lags=lags).reach, moving.reach, HarmonyConfig(variant="none").reach] == [1, 4, 0]
    assert HarmonyConfig(variant="none", motions=((0, 1),)).motions_in_force == ()
    with pytest.raises(UserError, match="lags: at least one pair"):
        HarmonyConfig(lags=())
    with pytest.raises(UserError, match="motions: only the variant lagged"):
        HarmonyConfig(variant="query", motions=((0, 1),))
    with pytest.raises(UserError, match="motions: no lag looks ahead"):
        HarmonyConfig(motions=((0, -1),))
    assert MelodyHarmonyConfig().relations == ()
    assert MelodyHarmonyConfig(codes="chord").relations == ((0, 0),)
    assert BackboneModelConfig().harmony.relations[-1] == (3, 4)
    assert Config.__dataclass_fields__["seed"].default == 0


def test_phrases_are_different_numbers_of_bars_in_order() -> None:
    assert BackboneModelConfig(phrases=(2, 4)).phrases == (2, 4)
    for bars in ((0, 2), (4, 2), (2, 2)):
        with pytest.raises(UserError, match="phrases: different numbers of bars in ascending order"):
            BackboneModelConfig(phrases=bars)


def test_configs_are_read_without_starting_jax() -> None:
    code = (
        "import sys; from hrpe_jax.workflows.load_config import load_config; "
        f"load_config({str(QUICKSTART)!r}); "
        "sys.exit(any(m in sys.modules for m in ('jax', 'flax', 'numpy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
