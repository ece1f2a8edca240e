"""A released model is what was written: what is not is refused in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hrpe_jax.checkpoints import verify
from hrpe_jax.checkpoints.release import PRETRAINED_FOLDER, StageModel, load_model, write_released
from hrpe_jax.checkpoints.verify import flatten, nested, read_shapes
from hrpe_jax.errors import UserError
from tests.sampling.tiny import BACKBONE, MELODY, tiny_model

FILES = ("config.json", "backbone.safetensors", "melody.safetensors")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_released(tiny_model(), tmp_path / "model")


def refused(folder: Path) -> str:
    """The one line that a folder is refused with."""
    with pytest.raises(UserError) as caught:
        load_model(folder)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600
    return str(caught.value)


def change_config(folder: Path, change: Callable[[Any], Any], *, sign: bool = False) -> None:
    """Changes a config; signed anew as by hostile hands, or without digests as by an earlier version."""
    path = folder / "config.json"
    about = json.loads(path.read_text())
    change(about)
    if sign:
        about["digests"]["config"] = verify.config_digest(about)
    else:
        del about["digests"]
    path.write_text(json.dumps(about))


@pytest.mark.parametrize("name", FILES)
def test_every_flipped_bit_is_found(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    rng = np.random.default_rng(0)
    for at in {0, len(content) - 1, *rng.integers(0, len(content), 40).tolist()}:
        changed = bytearray(content)
        changed[at] ^= 1 << int(rng.integers(8))
        (folder / name).write_bytes(changed)
        said = json.loads(content) if name == "config.json" else None
        try:
            same = said is not None and json.loads(changed) == said  # a blank became another one
        except ValueError:
            same = False
        if not same:
            refused(folder)
    (folder / name).write_bytes(content)
    load_model(folder)


def test_without_digests_every_tensor_is_compared(folder: Path) -> None:
    def change(about: Any) -> None:
        about["stages"]["backbone"]["config"]["model"]["harmony"]["variant"] = "query"

    change_config(folder, change)
    assert "backbone.safetensors: stack.blocks.attention.tables.lag_0_1_" in refused(folder)


def test_lost_digests_are_missed(folder: Path) -> None:
    path = folder / "config.json"
    path.write_text(path.read_text().replace('"digests"', '"dicests"'))
    assert "config.json: its content has changed" in refused(folder)


def test_weights_of_another_training_are_refused(folder: Path, tmp_path: Path) -> None:
    model = tiny_model()
    doubled = nested({name: 2 * value for name, value in flatten(model.stage("melody").params)})
    other = write_released(
        type(model)("other", model.backbone, StageModel(MELODY, doubled, 5, 5)), tmp_path / "other"
    )
    (folder / "melody.safetensors").write_bytes((other / "melody.safetensors").read_bytes())
    assert "melody.safetensors: its content has changed since it was written" in refused(folder)


def test_models_of_before_there_were_digests_are_read(folder: Path) -> None:
    change_config(folder, lambda about: None)
    assert load_model(folder).stage("melody").step == 5


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_parameters_that_are_not_finite_are_refused(tmp_path: Path, value: float, precision: Any) -> None:
    flat = {name: leaf.copy() for name, leaf in flatten(tiny_model().stage("backbone").params)}
    flat["stack.final_norm.scale"][3] = value
    model = type(tiny_model())("", backbone=StageModel(BACKBONE, nested(flat), 7, 9))
    folder = write_released(model, tmp_path, precision)
    assert "backbone.safetensors: stack.final_norm.scale holds values that are not finite" in refused(folder)


def test_parameters_that_are_all_zero_are_refused(tmp_path: Path) -> None:
    zeros = nested({name: 0 * leaf for name, leaf in flatten(tiny_model().stage("backbone").params)})
    folder = write_released(type(tiny_model())("", backbone=StageModel(BACKBONE, zeros, 7, 9)), tmp_path)
    assert "backbone.safetensors: all parameters are zero" in refused(folder)


@pytest.mark.parametrize("sign", [True, False])
@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (
            ("model", "layers"),
            10**9,
            "model.layers: is 1000000000, but the tensors of melody.safetensors have 2",
        ),
        (
            ("model", "width"),
            10**9,
            "model.width: is 1000000000, but the tensors of melody.safetensors have 16",
        ),
        (("model", "heads"), 4, "model.heads: is 4, but the tensors"),
        (("model", "head_width"), 10**6, "model.head_width: is 1000000, but"),
        (("model", "mlp_width"), 10**9, "model.mlp_width: is 1000000000, but"),
        (("model", "memory"), 10**12, "model.memory: at most 1048576 expected, got 1000000000000"),
        (("model", "repeats"), 10**12, "model.repeats: at most 1048576 expected"),
        (("model", "harmony", "lags"), [[0, 10**9]], "model.harmony.lags: at most 1048576 expected"),
        (("batch", "length"), 10**12, "batch.length: at most 1048576 expected"),
        (("model", "layers"), "two", "int expected, got 'two'"),
        (("model", "rope_base"), float("inf"), "not the config of a released model"),
        (("model",), [], "a section with keys was expected"),
    ],
)
def test_sizes_are_compared_before_anything_is_made(
    folder: Path, monkeypatch: pytest.MonkeyPatch, keys: tuple[str, ...], value: Any, message: str, sign: bool
) -> None:
    def change(about: Any) -> None:
        node = about["stages"]["melody"]["config"]
        for key in keys[:-1]:
            node = node[key]
        node[keys[-1]] = value

    def never(path: Path) -> None:
        assert path.name != "melody.safetensors", "the weights were read"

    change_config(folder, change, sign=sign)
    read = verify.check_values
    monkeypatch.setattr(verify, "check_values", lambda path, params: (never(path), read(path, params)))
    assert message in refused(folder)


def test_layers_of_their_own_are_counted_too() -> None:
    shapes = {f"stack.block_{i}.attention.query": (16, 2, 8) for i in range(3)}
    shapes["stack.block_0.mlp.gate"] = (16, 24)
    model = BACKBONE.model.__class__(width=16, layers=3, heads=2, head_width=8, mlp_width=24)
    config = type(BACKBONE)(model=model)
    verify.check_sizes(Path("c"), "backbone", config, Path("w"), shapes)
    more = {**shapes, "stack.block_3.attention.query": (16, 2, 8)}
    with pytest.raises(UserError, match=r"model\.layers: is 3, but the tensors of w have 4"):
        verify.check_sizes(Path("c"), "backbone", config, Path("w"), more)
    with pytest.raises(UserError, match=r"w: holds no Transformer \(1 tensors\)"):
        verify.check_sizes(Path("c"), "backbone", config, Path("w"), {"x": (1,)})


def test_tensors_that_the_config_does_not_make_are_named() -> None:
    params = tiny_model().stage("backbone").params
    verify.check_shapes("model", "backbone", BACKBONE, params)
    flat = dict(flatten(params))
    lost = {name: leaf for name, leaf in flat.items() if name != "key_in"}
    with pytest.raises(UserError, match="model: key_in: the weights have nothing, the config asks for"):
        verify.check_shapes("model", "backbone", BACKBONE, nested(lost))
    with pytest.raises(UserError, match="model: more: the weights have"):
        verify.check_shapes("model", "backbone", BACKBONE, nested({**flat, "more": np.zeros(2)}))


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    folders = [write_released(tiny_model(), tmp_path / str(at)) for at in range(4)]
    for name in FILES:
        assert len({(folder / name).read_bytes() for folder in folders}) == 1


def test_names_that_contradict_each_other_are_one_line(folder: Path) -> None:
    from safetensors.numpy import save_file

    shapes = read_shapes(folder / "melody.safetensors")
    flat = {name: np.ones(shape, np.float32) for name, shape in shapes.items()}
    save_file({**flat, "events.below": np.ones(1, np.float32)}, folder / "melody.safetensors")
    assert "melody.safetensors: not readable" in refused(folder)


def test_the_model_of_the_package_has_digests() -> None:
    if not (PRETRAINED_FOLDER / "config.json").is_file():
        pytest.skip("no weights in this checkout")
    digests = json.loads((PRETRAINED_FOLDER / "config.json").read_text())["digests"]
    parts = {path.name for path in PRETRAINED_FOLDER.iterdir() if path.suffix in (".safetensors", ".json")}
    assert set(digests) == {"config"} | parts - {"config.json", "forms.json"}
    load_model()
