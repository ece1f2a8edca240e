"""Candidates: endings as planned come first, among them the critic weighs; pieces do not see each other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hrpe_jax.checkpoints.release import Model
from hrpe_jax.data.outline_model import OTHER, TONIC, TRIAD, Ending, EndingModel
from hrpe_jax.data.plan_tables import PlanTables
from hrpe_jax.metrics.critic import Critic
from hrpe_jax.metrics.two_sample import Logistic
from hrpe_jax.sampling import candidates
from hrpe_jax.sampling.candidates import misses, write_candidates
from hrpe_jax.sampling.melody_loop import run_melody
from tests.sampling.tiny import controls_of, pieces_of, planned_model

ASKED = {"bars": 4, "key": "C", "meter": "4/4", "seed": 5}
NOTES = Critic(
    (("rhythm", "notes a bar"),),
    np.zeros(1),
    Logistic(np.zeros(1), np.ones(1), np.array([4.0]), -16.0),
)
"""A critic to whom the busier melody is the more real one."""


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four candidates of a piece say what sixteen do."""
    monkeypatch.setattr(candidates, "TAKES", 2)
    monkeypatch.setattr(candidates, "CANDIDATES", 4)


def with_tables(note: int = TONIC, critics: dict[str, Critic] | None = None) -> Model:
    endings = EndingModel({"pop": {Ending(1, note, 1): 1}})
    return replace(planned_model(), tables=PlanTables(endings=endings, critics=critics or {}))


def test_no_candidate_ends_nearer_to_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[int]] = []

    def watched(model: Model, controls: object, number: int, rows: list) -> object:
        kept = keep(model, controls, number, rows)
        seen.append([misses(row.chords, row.events, row.plan.ending) for row in (kept, *rows)])
        return kept

    keep = candidates._keep
    monkeypatch.setattr(candidates, "_keep", watched)
    list(write_candidates(with_tables(), controls_of(num_pieces=2, **ASKED), [0, 1]))
    assert [len(row) for row in seen] == [1 + candidates.CANDIDATES] * 2
    for kept, *all_of_them in seen:
        assert kept == min(all_of_them) < max(all_of_them)


def test_the_critic_weighs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Busier on the whole, and not always the busiest."""
    monkeypatch.setattr(candidates, "MISS", 0.0)
    plain = pieces_of(with_tables(), num_pieces=2, **ASKED)
    weighed = pieces_of(with_tables(critics={"pop": NOTES}), num_pieces=2, **ASKED)
    notes = [sum(len(piece.score.melody) for piece in pieces) for pieces in (plain, weighed)]
    assert notes[1] > notes[0]


def test_pieces_do_not_see_each_other() -> None:
    model = with_tables(critics={"pop": NOTES})
    one, two = (pieces_of(model, num_pieces=count, **ASKED) for count in (1, 2))
    assert one[0].score == two[0].score


def test_the_program_that_is_prepared_is_the_one_that_melodies_need(monkeypatch: pytest.MonkeyPatch) -> None:
    """One serves all their calls, also those behind the first."""
    sizes, prepare = [], candidates._prepare_melodies

    def prepared(*arguments: Any) -> None:
        prepare(*arguments)
        sizes.append(run_melody._cache_size())

    monkeypatch.setattr(candidates, "_prepare_melodies", prepared)
    pieces_of(planned_model(), num_pieces=1, **ASKED)
    assert sizes == [run_melody._cache_size()]


def test_how_far_an_ending_is_from_the_plan() -> None:
    (piece,) = pieces_of(planned_model(), num_pieces=1, chords="G7 | C", key="C", meter="4/4", bars=2)
    for note in (TONIC, TRIAD, OTHER):
        for held in (0, 1):
            apart = misses(piece.backbone_ids, piece.event_ids, Ending(1, note, held))
            assert apart in (0, 1, 2, 3, 4, 5)
    assert misses(piece.backbone_ids, piece.event_ids, None) == 0
