from __future__ import annotations

import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hrpe_jax.baselines.ngram import NGram

VOCABULARY = 5
SEQUENCES = st.lists(st.lists(st.integers(0, VOCABULARY - 1), max_size=12), min_size=1, max_size=5)
SMOOTHINGS = ("witten-bell", "kneser-ney")


def witten_bell(sequences: list[list[int]], order: int, history: list[int], token: int) -> float:
    """Counted with dictionaries, one formula per line."""
    following: dict[tuple, Counter] = defaultdict(Counter)
    for sequence in sequences:
        for i, word in enumerate(sequence):
            for length in range(min(i, order - 1) + 1):
                following[tuple(sequence[i - length : i])][word] += 1
    probability = 1 / VOCABULARY
    for length in range(min(len(history), order - 1) + 1):
        seen = following.get(tuple(history[len(history) - length :]), Counter())
        if seen:
            probability = (seen[token] + len(seen) * probability) / (seen.total() + len(seen))
    return probability


@settings(max_examples=60, deadline=None)
@given(SEQUENCES, st.lists(st.integers(0, VOCABULARY - 1), max_size=8), st.integers(1, 5))
def test_witten_bell_against_brute_force(sequences: list[list[int]], sequence: list[int], order: int) -> None:
    found = NGram(order, VOCABULARY).fit(sequences).log_probs(sequence)
    expected = [math.log(witten_bell(sequences, order, sequence[:i], w)) for i, w in enumerate(sequence)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@settings(max_examples=60, deadline=None)
@given(
    SEQUENCES,
    st.lists(st.integers(0, VOCABULARY - 1), max_size=8),
    st.integers(1, 5),
    st.sampled_from(SMOOTHINGS),
)
def test_distributions_sum_to_one_and_agree(
    sequences: list[list[int]], sequence: list[int], order: int, smoothing: str
) -> None:
    model = NGram(order, VOCABULARY, smoothing).fit(sequences)
    log_probs = model.log_probs(sequence)
    count = 0
    for probability, token, log_prob in zip(model.distributions(sequence), sequence, log_probs, strict=True):
        assert probability.sum() == pytest.approx(1)
        assert (probability > 0).all()
        assert math.log(probability[token]) == pytest.approx(log_prob)
        count += 1
    assert count == len(sequence)


def test_kneser_ney_counts_neighbours_below_the_highest_order() -> None:
    # "1" is frequent but always after 0, "2" follows three tokens: as a continuation 2 is the likelier one.
    sequences = [[0, 1], [0, 1], [0, 1], [0, 1], [0, 2], [3, 2], [4, 2]]
    model = NGram(2, VOCABULARY, "kneser-ney").fit(sequences)
    after_zero, after_one = ([p.copy() for p in model.distributions([token, 0])][1] for token in (0, 1))
    assert after_zero[1] > after_zero[2]  # after 0, "1" by its own counts
    assert after_one[2] > after_one[1]  # after a context never seen, "2" by its neighbours


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
def test_repetition_is_learned(smoothing: str) -> None:
    model = NGram(3, 100, smoothing).fit([list(range(10)) * 5] * 3)
    assert model.log_probs(list(range(10)) * 2)[5:].mean() > math.log(0.8)


def test_token_outside_the_vocabulary() -> None:
    with pytest.raises(ValueError, match=r"expected 0\.\.4"):
        NGram(2, 5).fit([[0, 5]])


@pytest.mark.slow
def test_probabilities_of_a_million_tokens_sum_to_one() -> None:
    tokens = np.random.default_rng(0).zipf(1.3, 1_000_000) % 12_000
    model = NGram(5, 12_000, "kneser-ney").fit(np.split(tokens, 1000))
    for row in model.distributions(tokens[:5]):
        np.testing.assert_allclose(row.sum(), 1.0, rtol=1e-9)
