"""Balanced styles: how often each piece is played, and that batches stay a function of their step."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrpe_jax.data.balance import Plays, style_shares, times_per_epoch
from hrpe_jax.data.batches import BatchShape
from hrpe_jax.data.loader import train_batches
from hrpe_jax.errors import UserError

STYLES = ["pop"] * 4 + ["folk"] * 6
LENGTHS = np.array([100] * 4 + [10, 20] * 3 + [])
LENGTHS[9] = 10  # 400 events of pop, 80 of folk


def test_shares_of_events():
    assert style_shares(STYLES, LENGTHS, "") == {"folk": 80 / 480, "pop": 400 / 480}
    assert style_shares(STYLES, LENGTHS, "equal") == {"folk": 0.5, "pop": 0.5}
    roots = style_shares(STYLES, LENGTHS, "sqrt")
    assert roots["pop"] / roots["folk"] == pytest.approx((400 / 80) ** 0.5)
    assert style_shares(STYLES, LENGTHS, "pop=3,folk=1") == {"folk": 0.25, "pop": 0.75}
    assert style_shares(STYLES, LENGTHS, "folk=2.5") == {"folk": 1.0, "pop": 0.0}


@pytest.mark.parametrize(
    ("balance", "said"),
    [
        ("most", 'expected "sqrt", "equal", weights'),
        ("pop=1,,folk=2", "weights such as"),
        ("jazz=1", "no training piece of style jazz; its styles are folk, pop"),
        ("pop=0", "expected one weight above 0"),
    ],
)
def test_wrong_weights_are_named(balance: str, said: str):
    with pytest.raises(UserError, match=said):
        style_shares(STYLES, LENGTHS, balance)
    with pytest.raises(UserError, match=r"its styles are none: give preprocess --style"):
        style_shares(["", ""], np.array([1, 2]), "pop=1")


@given(st.sampled_from(["sqrt", "equal", "pop=3,folk=1"]), st.integers(0, 5))
def test_plays_give_every_style_its_share_and_an_epoch_its_size(balance: str, seed: int):
    times = times_per_epoch(STYLES, LENGTHS, balance)
    assert (times * LENGTHS).sum() == pytest.approx(LENGTHS.sum())
    plays, epochs = Plays(times, seed), 60
    counts = np.zeros(len(STYLES), int)
    for epoch in range(epochs):
        of_epoch = np.bincount(plays.of(epoch), minlength=len(STYLES))
        assert (abs(of_epoch - times) < 1).all()
        counts += of_epoch
    assert (abs(counts - epochs * times) < 1.001).all()


def test_a_natural_epoch_plays_all_once():
    assert (times_per_epoch(STYLES, LENGTHS, "") == 1).all()
    assert Plays(np.ones(5), 3).of(7).tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(UserError, match="no song to train on"):
        Plays(np.zeros(5), 3)


class _WithStyles:
    """The songs of a data set, every third of which is folk."""

    def __init__(self, songs: Any) -> None:
        self._songs = songs

    def styles(self, stage: str, split: str, *, crops: str = "none") -> list[str]:
        return ["folk" if at % 3 == 0 else "pop" for at in range(len(self._songs.lengths(stage, split)))]

    def lengths(self, stage: str, split: str, *, crops: str = "none") -> np.ndarray:
        return np.asarray(self._songs.lengths(stage, split))

    def records(self, stage: str, split: str, *, crops: str = "none") -> Any:
        return self._songs.records(stage, split)


@pytest.mark.parametrize("stage", ["backbone", "melody"])
def test_balanced_batches(fake_dataset: Any, stage: Any):
    songs = _WithStyles(fake_dataset)
    shape, more = BatchShape(rows=4, length=32, segments=2), {"seed": 3, "num_steps": 120}
    stream = train_batches(songs, stage, shape, balance="folk=9,pop=1", **more)
    played: Counter[str] = Counter()
    style_of = dict(
        zip((r["id"] for r in songs.records(stage, "train")), songs.styles(stage, "train"), strict=True)
    )
    for step in range(120):
        for piece in stream.describe(step):
            played[style_of[piece["id"]]] += piece["stop"] - piece["start"]
    assert played["folk"] / played.total() == pytest.approx(0.9, abs=0.03)
    # A function of the step, that goes on where it was.
    later = train_batches(songs, stage, shape, balance="folk=9,pop=1", **more)
    later.set_state(70)
    for _ in range(70):
        next(stream)
    for _ in range(3):
        one, other = next(stream), next(later)
        for name, leaf in one.items():
            np.testing.assert_array_equal(leaf, other[name], err_msg=name)
    # A song that is played twice in an epoch is heard in different keys.
    shifts: dict[str, set[int]] = {}
    for step in range(40):
        for piece in later.describe(step):
            shifts.setdefault(piece["id"], set()).add(piece["shift"])
    assert len(shifts["song0"]) > 1


@pytest.mark.parametrize("stage", ["backbone", "melody"])
def test_styles_in_their_natural_shares_change_nothing(fake_dataset: Any, stage: Any):
    shape = BatchShape(rows=4, length=32, segments=2)
    plain = train_batches(fake_dataset, stage, shape, seed=3, num_steps=30).batches
    songs = _WithStyles(fake_dataset)
    styles, lengths = songs.styles(stage, "train"), songs.lengths(stage, "train") - 1
    natural = ",".join(f"{name}={100 * share}" for name, share in style_shares(styles, lengths, "").items())
    for balance in ("", natural):
        same = train_batches(songs, stage, shape, seed=3, num_steps=30, balance=balance).batches
        assert [same.describe(step) for step in range(30)] == [plain.describe(step) for step in range(30)]
