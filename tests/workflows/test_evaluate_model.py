"""Figures of a model that was loaded; that they are those of its training is told in test_train."""

from __future__ import annotations

from pathlib import Path

import pytest

from hrpe_jax.errors import UserError
from hrpe_jax.workflows.evaluate_model import evaluate_model
from tests.sampling.tiny import planned_model, tiny_model


def test_what_is_not_there_is_one_clear_line(tmp_path) -> None:
    with pytest.raises(UserError, match=r"split 'vaild': no such split; did you mean 'valid'\?"):
        evaluate_model(tiny_model(), tmp_path, "vaild")
    with pytest.raises(UserError, match=r"stage 'melodie': no such stage; did you mean 'melody'\?"):
        evaluate_model(tiny_model(), tmp_path, stages=["melodie"])  # type: ignore[list-item]
    with pytest.raises(UserError, match="no prepared data set"):
        evaluate_model(tiny_model(), tmp_path)


def test_a_plan_can_be_hidden(tmp_path: Path) -> None:
    """A model that reads plans predicts otherwise without one; to a model that reads none it is the same."""
    from hrpe_jax.preprocessing.build import build_dataset
    from tests.preprocessing.songs import write_songs

    (tmp_path / "splits.json").write_text('{"train": [], "valid": [], "test": ["001", "002"]}')
    data = tmp_path / "data"
    build_dataset(write_songs(tmp_path / "songs", 2), data, splits=tmp_path / "splits.json", workers=0)
    for model, reads in ((planned_model(), True), (tiny_model(), False)):
        seen, hidden = (evaluate_model(model, data, "test", limit=0, plan=plan) for plan in (True, False))
        for stage, row in seen.items():
            assert (row["nll"] != hidden[stage]["nll"]) == reads
