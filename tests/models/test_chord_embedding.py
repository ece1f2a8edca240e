"""The chord head: scores of targets alone are those of the whole vocabulary."""

from __future__ import annotations

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hrpe_jax.codec import backbone_tokens as tokens
from hrpe_jax.models import chord_embedding
from hrpe_jax.models.chord_embedding import Pointer, both
from hrpe_jax.models.pointers import point
from hrpe_jax.ops import repeats
from hrpe_jax.ops.losses import target_scores
from hrpe_jax.ops.repeats import CANDIDATES
from hrpe_jax.theory.chord import QUALITIES, Chord

ROWS, LENGTH, WIDTH = 2, 7, 8


@functools.cache
def whole(rank: int) -> Any:
    """Targets' scores and gradients, from the scores of the whole vocabulary."""
    head = chord_embedding.ChordEmbedding(WIDTH, residual_rank=rank)

    def loss(params, hidden, ids, tonic, targets, pointer, mask):
        scores = target_scores(head.apply(params, hidden, ids, tonic, pointer, method="logits"), targets)
        return (scores.log_likelihood * mask).sum() + 0.1 * scores.even.sum(), scores

    return jax.jit(jax.value_and_grad(loss, (0, 1), has_aux=True))


@pytest.mark.parametrize("points", [False, True])
@pytest.mark.parametrize(("positions", "rank"), [(1, 2), (4, 2), (6, 2), (14, 2), (14, 0)])
def test_targets_score_the_same_in_parts(
    positions: int, rank: int, points: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few positions at a time, or (rank 0) by factors: as from all scores written out."""
    monkeypatch.setattr(chord_embedding, "CPU_POSITIONS", positions)
    head = chord_embedding.ChordEmbedding(WIDTH, residual_rank=rank)

    def loss(params, hidden, ids, tonic, targets, pointer, mask):
        scores = head.apply(params, hidden, ids, tonic, targets, pointer, method="target_scores")
        return (scores.log_likelihood * mask).sum() + 0.1 * scores.even.sum(), scores

    parts = jax.jit(jax.value_and_grad(loss, (0, 1), has_aux=True))
    for seed in range(3):
        arguments = draw_scored(head, points, seed)
        wanted, found = whole(rank)(*arguments), parts(*arguments)
        np.testing.assert_array_equal(found[0][1].is_top, wanted[0][1].is_top)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5), found, wanted)


def draw_scored(head: chord_embedding.ChordEmbedding, points: bool, seed: int) -> tuple[Any, ...]:
    """Parameters, states, inputs, tonics, targets, a pointer (or none), and which positions count."""
    rng = np.random.default_rng(seed)
    possible = np.flatnonzero(tokens.VALID)
    events = possible[possible >= tokens.NO_CHORD0]
    ids = jnp.asarray(rng.choice(events, (ROWS, LENGTH)))
    targets = rng.choice(events, (ROWS, LENGTH))
    targets[:, :3] = rng.choice(possible[:60], (ROWS, 3))  # key, meter, end, no chord
    expected = rng.choice(possible, (ROWS, LENGTH, CANDIDATES))
    expected[:, 1::2, 1] = expected[:, 1::2, 0] // 8 * 8 + (expected[:, 1::2, 0] + 1) % 8  # only longer
    expected[..., 0] = np.where(rng.random((ROWS, LENGTH)) < 0.5, targets, expected[..., 0])
    expected[..., 1] = np.where(expected[..., 1] == expected[..., 0], repeats.NOTHING, expected[..., 1])
    expected[0, :2] = repeats.NOTHING
    trust = jnp.asarray(3 * rng.normal(size=expected.shape), jnp.float32)
    pointer = Pointer(jnp.asarray(expected), trust, 1 - trust) if points else None
    targets = jnp.asarray(targets)
    tonic = jnp.asarray(rng.integers(0, 12, (ROWS, LENGTH)))
    hidden = jnp.asarray(rng.normal(size=(ROWS, LENGTH, WIDTH)), jnp.float32)
    shapes = jax.eval_shape(lambda: nn.unbox(head.init(jax.random.key(0), ids, tonic, method="embed")))
    params = jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape), jnp.float32), shapes)
    mask = jnp.asarray(rng.random((ROWS, LENGTH)) < 0.7)  # some positions count, as in a loss
    return params, hidden, ids, tonic, targets, pointer, mask


def test_even_is_the_mean_over_what_is_possible() -> None:
    logits = jnp.asarray([[1.0, -1e9, 3.0, 0.5]])
    share = np.exp([1.0, 3.0, 0.5]) / np.exp([1.0, 3.0, 0.5]).sum()
    found = target_scores(logits, jnp.asarray([2]))
    np.testing.assert_allclose(found.even, [np.log(share).mean()], rtol=1e-6)
    np.testing.assert_allclose(found.log_likelihood, [np.log(share[1])], rtol=1e-6)
    assert found.is_top.tolist() == [True]


def test_a_candidate_lifts_its_chord() -> None:
    """Its own score by both, those of the same root and quality by one, all else by nothing."""
    rng = np.random.default_rng(0)
    token = jnp.asarray([[tokens.chord_id(Chord(9, "min7"), 4), tokens.chord_id(None, 2)]])
    head = chord_embedding.ChordEmbedding(WIDTH, residual_rank=2)
    tonic, hidden = jnp.zeros((1, 2), int), jnp.asarray(rng.normal(size=(1, 2, WIDTH)), jnp.float32)
    params = jax.jit(functools.partial(head.init, method="embed"))(jax.random.key(0), token, tonic)
    candidates = jnp.stack([token, jnp.full_like(token, repeats.NOTHING)], axis=-1)
    trust, chord_trust = (jnp.broadcast_to(jnp.asarray(x), (1, 2, 2)) for x in ([2.0, 9.0], [0.5, 9.0]))
    pointer = Pointer(candidates, trust, chord_trust)
    score = jax.jit(functools.partial(head.apply, method="logits"))
    plain, pointed = (score(params, hidden, token, tonic, p) for p in (None, pointer))
    lifted = np.asarray(pointed - plain)[0]
    same = np.asarray(
        [
            (tokens.ROOT == 9) & (QUALITIES.index("min7") == tokens.QUALITY),
            (tokens.KIND == tokens.KIND_EVENT) & (tokens.QUALITY == tokens.NO_QUALITY),
        ]
    )
    wanted = 0.5 * same
    wanted[[0, 1], np.asarray(token)[0]] += 2
    np.testing.assert_allclose(lifted, wanted * tokens.VALID, atol=1e-4)


def test_an_event_that_two_pointers_name_has_the_trust_of_both() -> None:
    """As if each had been added to the logits in turn; and no event is named twice, as `Pointer` promises."""
    rng = np.random.default_rng(0)
    events = rng.integers(-1, 5, (2, 3, 40, 3))
    trusts = [jnp.asarray(rng.normal(size=(2, *events.shape[1:])), jnp.float32) for _ in range(2)]
    first, second = (Pointer(jnp.asarray(e), *t) for e, t in zip(events, trusts, strict=True))
    joined = both(both(None, first), second)
    logits = jnp.zeros((3, 40, 5))
    wanted = point(point(logits, first.event, first.trust), second.event, second.trust)
    np.testing.assert_allclose(point(logits, joined.event, joined.trust), wanted, atol=1e-5)
    for named in np.asarray(joined.event).reshape(-1, 6):
        some = named[named >= 0]
        assert len(set(some)) == len(some)
    wanted = point(point(logits, first.event, first.chord_trust), second.event, second.chord_trust)
    np.testing.assert_allclose(point(logits, joined.event, joined.chord_trust), wanted, atol=1e-5)
