"""What goes wrong while pieces are written does not stop a training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hrpe_jax.config import Config, SampleConfig, StagesConfig
from hrpe_jax.workflows import sample
from tests.sampling import tiny


@pytest.fixture
def config() -> Config:
    stages = StagesConfig(backbone=tiny.BACKBONE, melody=tiny.MELODY)
    return Config(name="tiny", stages=stages, sample=SampleConfig(every=5, num_pieces=1, bars=2))


def test_without_the_other_stage_it_says_so_once(tmp_path: Path, config: Config) -> None:
    said: list[str] = []
    listener = sample.PiecePreview("melody", config, tmp_path)
    assert listener.every == 5
    for step in (5, 10):
        listener(step, tiny.noisy_params("melody", tiny.MELODY), said.append)
    assert len(said) == 1
    assert said[0].startswith("no pieces at step 5 (")
    assert "no checkpoint of stage 'backbone'" in said[0]
    assert said[0].endswith("; training goes on")
    assert list(tmp_path.iterdir()) == []


def test_whatever_fails_is_one_line(tmp_path: Path, config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **keywords: Any) -> None:
        raise RuntimeError("out of memory\nand more")

    said: list[str] = []
    monkeypatch.setattr(sample.Composer, "pieces", fail)
    monkeypatch.setattr(sample.PiecePreview, "_trained_other", lambda self: None)
    listener = sample.PiecePreview("melody", config, tmp_path)
    for step in (5, 10):
        listener(step, {}, said.append)
    assert said == [f"no pieces at step {step} (out of memory); training goes on" for step in (5, 10)]
