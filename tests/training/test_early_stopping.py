"""The best validation, patience, and metrics that are not there."""

from __future__ import annotations

import json

import pytest

from hrpe_jax.errors import UserError
from hrpe_jax.training.early_stopping import EarlyStopping, check_metric
from tests.training import dummy


def test_losses_fall_and_accuracies_rise() -> None:
    losses, hits = EarlyStopping(), EarlyStopping("accuracy")
    for step, nll, accuracy in ((1, 2.0, 0.3), (2, 1.0, 0.2), (3, 1.5, 0.4)):
        scores = {"loss": 0.0, "nll": nll, "accuracy": accuracy}
        assert losses.update(step, scores) == (step in (1, 2))
        assert hits.update(step, scores) == (step in (1, 3))
    assert (losses.step, hits.step) == (2, 3)
    plain = EarlyStopping()
    plain.update(1, {"loss": 2.0})
    assert plain.update(2, {"loss": 1.0})


def test_patience_survives_a_restart() -> None:
    best = EarlyStopping(patience=2)
    assert best.step is None
    best.update(1, {"nll": 1.0})
    best.update(2, {"nll": 1.0})  # no better is not better
    again = EarlyStopping(patience=2, state=json.loads(json.dumps(best.state())))
    assert not again.exhausted
    again.update(3, {"nll": 3.0})
    assert again.exhausted
    assert EarlyStopping(patience=3, state=again.state()).exhausted is False
    assert EarlyStopping(patience=0, state=again.state()).exhausted is False
    assert again.update(4, {"nll": 0.5})
    assert not again.exhausted


def test_a_metric_that_nothing_counted_for_is_never_better() -> None:
    best = EarlyStopping("pitch_nll")
    best.update(1, {"nll": 1.0, "pitch_nll": 2.0})
    assert not best.update(2, {"nll": 0.1})


def test_an_unknown_metric_names_the_nearest() -> None:
    for known in ("", "loss", "accuracy"):
        check_metric("melody", dummy.DummyTask(), known, dummy.batch(0))
    with pytest.raises(UserError, match=r"melody.best_metric: .* 'acuracy'; did you mean 'accuracy'\?"):
        check_metric("melody", dummy.DummyTask(), "acuracy", dummy.batch(0))
