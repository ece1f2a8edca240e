"""Metrics that merge, and a file in which no step stands twice."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from hrpe_jax.errors import UserError
from hrpe_jax.training.progress import Meter, MetricsFile


def test_uneven_batches_average_by_weight() -> None:
    meter = Meter()
    meter.add({"loss": (6.0, 3.0), "empty": (0.0, 0.0)})
    meter.add({"loss": (1.0, 1.0), "empty": (0.0, 0.0)})
    assert meter.means() == {"loss": 1.75, "perplexity": pytest.approx(math.exp(1.75))}
    again = Meter(json.loads(json.dumps(meter.sums)))
    assert again.means() == meter.means()
    assert again.weight("loss") == 4.0
    assert again.weight("absent") == 0.0
    assert Meter().means() == {}


def test_resuming_drops_later_lines_of_the_stage_and_a_torn_one(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "metrics.jsonl"
    with MetricsFile(path, "backbone", 0) as lines:
        for step in (2, 4, 6):
            lines.write("train", step, {"loss": 1.0})
    with MetricsFile(path, "melody", 0) as lines:
        lines.write("train", 8, {"loss": 2.0})
    path.write_text(path.read_text() + '{"stage": "mel')
    with MetricsFile(path, "backbone", 4) as lines:
        lines.write("train", 6, {"loss": 3.0})
    found = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["stage"], line["step"], line["loss"]) for line in found] == [
        ("backbone", 2, 1.0),
        ("backbone", 4, 1.0),
        ("melody", 8, 2.0),
        ("backbone", 6, 3.0),
    ]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    with (
        MetricsFile(tmp_path / "metrics.jsonl", "melody", 0) as lines,
        Path("/dev/full").open("ab", buffering=0) as full,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(lines, "_file", full)
        with pytest.raises(UserError, match=r"/dev/full: cannot be written \(No space left on device\)"):
            lines.write("train", 2, {"loss": 1.0})
