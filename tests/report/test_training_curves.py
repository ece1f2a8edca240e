"""The picture of a training is SVG that says what the file of metrics says."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from hrpe_jax.report.training_curves import draw_curves, panels, read_metrics, ticks, value_range

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def metrics(tmp_path: Path) -> Path:
    rows = []
    for step in range(10, 101, 10):
        rows.append({"stage": "melody", "split": "train", "step": step, "nll": 90 / step, "accuracy": 0.5})
        if step % 50 == 0:
            rows.append({"stage": "melody", "split": "valid", "step": step, "nll": 2.0 - step / 100})
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"stage": "mel')
    return path


def test_a_panel_for_every_metric_with_its_best_and_its_baseline(metrics: Path) -> None:
    shown = panels(read_metrics(metrics), {"melody": {"nll": 1.25}}, {"melody": 100})
    assert [(panel.title, len(panel.train), panel.valid) for panel in shown] == [
        ("NLL, nats per token", 10, [(50, 1.5), (100, 1.0)]),
        ("accuracy", 10, []),
    ]
    root = ET.fromstring(draw_curves("a & b", shown))
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert {"a & b", "melody: NLL, nats per token", "melody: accuracy", "1.00 best", "1.25 5-gram"} <= {
        *texts
    }
    curves = [element.get("points", "") for element in root.iter(f"{SVG}polyline")]
    assert [len(points.split()) for points in curves] == [2, 10, 2, 10]
    titles = [element.text for element in root.iter(f"{SVG}title")]
    assert "step 50: 1.50" in titles


def test_the_first_steps_do_not_squash_the_rest(metrics: Path) -> None:
    (loss, accuracy) = panels(read_metrics(metrics), {}, {})
    low, high = value_range(loss)
    assert low < 0.9
    assert 3 < high < 4  # training begins at 9
    low, high = value_range(accuracy)  # flat
    assert low < 0.5 < high


def test_ticks_are_round_and_few() -> None:
    assert ticks(0.13, 0.27) == [0.15, 0.2, 0.25]
    assert ticks(0, 140, 6) == [0, 50, 100]
    assert ticks(0, 1, 1) == [0, 1]
    for low, high in ((0.0, 1e-3), (-5.0, 5.0), (0.65, 1.3), (3.1, 4.2)):
        found = ticks(low, high)
        assert 2 <= len(found) <= 6
        assert all(low - 1e-9 <= tick <= high + 1e-9 for tick in found)


def test_nothing_measured_is_a_picture_too() -> None:
    ET.fromstring(draw_curves("nothing", []))
