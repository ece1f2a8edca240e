"""The critic: it prefers what songs have, keeps itself as text, and weighs by importance."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hrpe_jax.errors import UserError
from hrpe_jax.metrics.critic import LIMIT, Critic, fit_critic, read_critics, to_json
from hrpe_jax.score.score import Score

from .music import tune


def thinned(own: Score) -> Score:
    return replace(own, melody=own.melody[::3])


@pytest.fixture(scope="module")
def critic() -> Critic:
    tunes = [tune(seed, bars=16) for seed in range(40)]
    return fit_critic([thinned(own) for own in tunes[:20]], tunes[20:])


def test_what_songs_have_is_preferred(critic: Critic) -> None:
    later = [tune(seed, bars=16) for seed in range(40, 46)]
    real, made = critic.log_odds(later), critic.log_odds([thinned(own) for own in later])
    assert real.min() > 0 > made.max()
    assert np.abs([*real, *made]).max() <= LIMIT


def test_any_length_has_odds_and_order_plays_no_part(critic: Critic) -> None:
    pieces = [tune(1, bars=4), tune(2, bars=40), replace(tune(3, bars=16), melody=()), tune(4, bars=16)]
    odds = critic.log_odds(pieces)
    assert np.isfinite(odds).all()
    assert odds[2] == -LIMIT
    np.testing.assert_allclose(critic.log_odds(pieces[::-1])[::-1], odds)


def test_features_without_a_value_take_the_usual_one(critic: Critic) -> None:
    piece = replace(tune(5, bars=16), chords=())
    families = np.array([family for family, _ in critic.names])
    assert np.isin(["harmony", "melody over chords"], families).all()
    assert np.isfinite(critic.log_odds([piece])).all()


def test_kept_as_text(critic: Critic, tmp_path: Path) -> None:
    path = tmp_path / "critic.json"
    path.write_text(to_json({"pop": critic}))
    again = read_critics(path)["pop"]
    pieces = [tune(seed, bars=16) for seed in range(50, 54)]
    np.testing.assert_allclose(again.log_odds(pieces), critic.log_odds(pieces), atol=1e-2)


@pytest.mark.parametrize("change", [{"format": 9}, {"bars": 8}, {"styles": [1]}, {"styles": {"pop": {}}}])
def test_a_damaged_file_is_one_line(critic: Critic, tmp_path: Path, change: dict) -> None:
    path = tmp_path / "critic.json"
    path.write_text(json.dumps({**json.loads(to_json({"pop": critic})), **change}))
    with pytest.raises(UserError, match="no critics"):
        read_critics(path)
