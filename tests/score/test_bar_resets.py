"""Bar lines to resets."""

from __future__ import annotations

from hrpe_jax.score.score import most_common, resets_from_bars


def test_only_what_counting_would_miss_is_a_reset() -> None:
    assert resets_from_bars([0, 48, 96], 48) == ()
    assert resets_from_bars([0, 48, 120, 168], 48) == (120,)  # a bar of six beats: 4 + 2
    assert resets_from_bars([0, 96, 144], 48) == ()  # a bar of eight: 4 + 4
    assert resets_from_bars([12, 60, 84, 132], 48) == (12, 84)  # a pickup, a bar of two


def test_most_common() -> None:
    assert most_common([4, 4, 6]) == 4
    assert most_common([4, 6]) == 6
    assert most_common([]) == 0
