"""Explanations are the model's own: parts of logits add up, and probabilities are those of sampling."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hrpe_jax.models.harmonic_attention
from hrpe_jax.codec import backbone_tokens as tokens
from hrpe_jax.models.backbone import Backbone
from hrpe_jax.models.config import BackboneModelConfig
from hrpe_jax.models.harmonic_attention import EXPLANATION
from hrpe_jax.ops.attention.attention import attention
from hrpe_jax.sampling import explain as explaining
from hrpe_jax.sampling.explain import explain, explain_pieces
from hrpe_jax.sampling.options import OutputOptions, read_outputs
from hrpe_jax.sampling.planner import PiecePlan
from tests.sampling.tiny import pieces_of, planned_model, tiny_model


@pytest.fixture(scope="module")
def ids() -> tuple[int, ...]:
    return pieces_of(tiny_model(), num_pieces=2, bars=4, key="C", meter="4/4", seed=1)[0].backbone_ids


def test_every_event_is_explained(ids: tuple[int, ...]):
    choices = explain(tiny_model(), ids)
    events = [token for token in ids if tokens.KIND[token] == tokens.KIND_EVENT]
    assert len(choices) == len(events)
    for place, (choice, token) in enumerate(zip(choices, events, strict=True)):
        chances = [p for _, p in choice.alternatives]
        assert 0 < choice.probability <= 1
        assert len(chances) == 3
        assert chances == sorted(chances, reverse=True)
        assert sum(chances) + choice.probability <= 1 + 1e-5
        assert tokens.id_chord(token) not in [chord for chord, _ in choice.alternatives]
        assert all(-1 <= link.event < place for link in choice.links)
        assert sum(link.weight for link in choice.links) == pytest.approx(1, abs=0.02 if place < 6 else 1)


def test_probabilities_are_those_that_sampling_draws_from(ids: tuple[int, ...]):
    """The last event must fill the piece, so durations are a part of the grammar that is looked at."""
    model = tiny_model()
    batch, left = explaining._inputs(np.asarray(ids[:-1], np.int32), len(ids) - 1)
    stage = model.stage("backbone")
    logits, _ = jax.jit(Backbone(stage.config.model).apply)({"params": stage.params}, batch)
    query = len(ids) - 3  # that chose the last event
    allowed = explaining.backbone_mask(np.asarray(ids[query]), np.asarray(left[query]))
    scores = np.where(allowed, np.asarray(logits)[0, query].astype(np.float64), -np.inf)
    chances = np.exp(scores - scores.max())
    chances /= chances.sum()
    wanted = chances[tokens.HARMONY[ids[-2]] == tokens.HARMONY].sum()
    assert explain(model, ids)[-1].probability == pytest.approx(wanted, rel=1e-4)


def test_the_plan_of_a_piece_is_explained_with_it() -> None:
    """The likelihood of the chords, teacher-forced, is the one that they were drawn with."""
    model = planned_model()
    (piece,) = pieces_of(model, num_pieces=1, bars=8, key="C", meter="4/4", form="A4B4", seed=3)
    assert len(explain_pieces(model, [piece], read_outputs())[0]) > 0
    assert piece.plan is not None

    def nats(plan: PiecePlan | None) -> float:
        ids = np.asarray(piece.backbone_ids, np.int32)
        batch, _ = explaining._inputs(ids[:-1], len(ids) - 1, plan)
        stage = model.stage("backbone")
        logits, _ = jax.jit(Backbone(stage.config.model).apply)({"params": stage.params}, batch)
        chances = jax.nn.log_softmax(logits[0, : len(ids) - 1].astype(jnp.float32))
        return -float(chances[np.arange(len(ids) - 1), ids[1:]].mean())

    assert nats(piece.plan) == pytest.approx(piece.nats["backbone"], abs=1e-3)
    assert abs(nats(None) - piece.nats["backbone"]) > 0.01


def test_the_parts_add_up_to_the_logits(monkeypatch: pytest.MonkeyPatch, ids: tuple[int, ...]):
    """Against what goes into the attention function itself; scanned layers say the same as unrolled ones."""
    seen = []

    def watched(q: Any, k: Any, v: Any, queries: Any, keys: Any, **rest: Any) -> Any:
        seen.append(jnp.einsum("bhid,bhjd->bhij", q, k) * q.shape[-1] ** -0.5 + rest["bias"])
        return attention(q, k, v, queries, keys, **rest)

    stage = tiny_model().stage("backbone")
    config = replace(stage.config.model, attention="reference")
    params = stage.params
    batch, _ = explaining._inputs(np.asarray(ids[:-1], np.int32), len(ids) - 1)

    def parts_of(config: BackboneModelConfig, params: Any) -> Any:
        _, state = Backbone(config).apply({"params": params}, batch, mutable=[EXPLANATION])
        return explaining._logit_parts(state[EXPLANATION], config), [] if config.scan_layers else seen

    scanned, _ = jax.jit(parts_of, static_argnums=0)(config, params)
    stack = params["stack"]
    layers = {
        f"block_{i}": jax.tree.map(lambda leaf, i=i: leaf[i], stack["blocks"]) for i in range(config.layers)
    }
    unrolled = {**params, "stack": {"final_norm": stack["final_norm"], **layers}}
    monkeypatch.setattr(hrpe_jax.models.harmonic_attention, "attention", watched)
    parts, logits = jax.jit(parts_of, static_argnums=0)(replace(config, scan_layers=False), unrolled)
    parts = np.asarray(parts)
    assert parts.shape == (3, config.layers, config.heads, 64, 64)
    np.testing.assert_allclose(parts, scanned, atol=1e-4)
    np.testing.assert_allclose(parts.sum(0), np.stack(logits)[:, 0], atol=1e-4)
    assert np.abs(np.diagonal(parts[1], axis1=-2, axis2=-1)).max() < 1e-4  # no distance, no rotation
    assert np.abs(parts[2, :, :, :3, :3]).max() == 0  # key and meter have no harmony
    assert np.abs(parts[2]).max() > 0.1


def test_long_pieces_are_explained_from_their_beginning(
    monkeypatch: pytest.MonkeyPatch, ids: tuple[int, ...]
):
    """The same answers for the events that are told, which know how much of the piece is left."""
    whole = explain(tiny_model(), ids)
    monkeypatch.setattr(explaining, "MAX_EVENTS", 3)
    first = explain(tiny_model(), ids)
    assert len(first) == 3
    for ours, theirs in zip(first, whole, strict=False):
        assert ours.probability == pytest.approx(theirs.probability, rel=1e-5)
        assert [link.event for link in ours.links] == [link.event for link in theirs.links]


def test_what_is_not_explained(ids: tuple[int, ...]):
    model = tiny_model()
    assert explain(replace(model, backbone=None), ids) == []
    given = pieces_of(model, num_pieces=2, chords="C | Am F | G7")[:1]
    assert [len(choices) for choices in explain_pieces(model, given, read_outputs())] == [4]
    assert explain_pieces(model, given, read_outputs(OutputOptions(formats="mid"))) == []
    assert explain_pieces(model, given, read_outputs(OutputOptions(explain=False))) == []
