"""Figures of a model that was loaded; that they are those of its training is told in test_train."""

from __future__ import annotations

import pytest

from hrpe_jax.errors import UserError
from hrpe_jax.workflows.evaluate_model import evaluate_model
from tests.sampling.tiny import tiny_model


def test_what_is_not_there_is_one_clear_line(tmp_path) -> None:
    with pytest.raises(UserError, match=r"split 'vaild': no such split; did you mean 'valid'\?"):
        evaluate_model(tiny_model(), tmp_path, "vaild")
    with pytest.raises(UserError, match=r"stage 'melodie': no such stage; did you mean 'melody'\?"):
        evaluate_model(tiny_model(), tmp_path, stages=["melodie"])  # type: ignore[list-item]
    with pytest.raises(UserError, match="no prepared data set"):
        evaluate_model(tiny_model(), tmp_path)
