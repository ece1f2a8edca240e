from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrpe_jax.codec import backbone_tokens
from hrpe_jax.data import batches


def test_draws_depend_on_seed_and_epoch_only() -> None:
    first = batches.draw_shifts(3, 5, 1000)
    np.testing.assert_array_equal(first, batches.draw_shifts(3, 5, 1000))
    assert (first != batches.draw_shifts(3, 6, 1000)).any()
    assert (first != batches.draw_shifts(4, 5, 1000)).any()
    assert set(first.tolist()) == set(range(-5, 7))


@pytest.mark.parametrize("tonic", range(12))
def test_shift_to_c(tonic: int) -> None:
    shift = batches.shift_to_c(tonic)
    assert -5 <= shift <= 6
    assert (tonic + shift) % 12 == 0


@given(st.lists(st.integers(0, 259), min_size=1), st.integers(-5, 6))
def test_melody_pitches_stay_in_range_and_keep_their_class(ids: list[int], shift: int) -> None:
    before = np.asarray(ids, np.int32)
    after = batches.transpose_melody_ids(before, shift)
    pitch = before < 128
    assert after.dtype == np.int32
    np.testing.assert_array_equal(after[~pitch], before[~pitch])
    assert ((after[pitch] >= 0) & (after[pitch] < 128)).all()
    np.testing.assert_array_equal(after[pitch] % 12, (before[pitch] + shift) % 12)


def test_roots_and_keys_follow_the_tokens() -> None:
    ids = np.arange(backbone_tokens.SIZE)
    roots = backbone_tokens.ROOT[ids].astype(np.int32)
    codes = backbone_tokens.QUALITY_CODE[ids]
    for shift in range(-5, 7):
        moved = batches.transpose_backbone_ids(ids, shift)
        np.testing.assert_array_equal(
            batches.transpose_roots(roots, codes, shift), backbone_tokens.ROOT[moved]
        )
        keys = np.arange(24)
        expected = moved[backbone_tokens.KEY0 : backbone_tokens.METER0] - backbone_tokens.KEY0
        np.testing.assert_array_equal(batches.transpose_keys(keys, shift), expected)
