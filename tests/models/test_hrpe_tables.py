"""The controls of the ablation, each against what defines it, and heads with relations of their own."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hrpe_jax.models.backbone import Backbone, init_cache
from hrpe_jax.models.config import HarmonyConfig
from hrpe_jax.models.harmonic_attention import PERIOD, SHUFFLED, HarmonicTables, symmetric
from hrpe_jax.ops import hrpe
from hrpe_jax.theory.tonal_space import chord_distances
from tests.models.test_backbone import LENGTH, begun_params, config, draw_batch, noisy_params, run, shown

HEADS, WIDTH, SIZES = 2, 12, (9, 10)


def harmony(**fields: Any) -> HarmonyConfig:
    return HarmonyConfig(**fields)


def drawn(harmonic: HarmonyConfig, seed: int = 0) -> tuple[tuple[hrpe.Relation, ...], ...]:
    """The relations of tables filled with random numbers."""
    module = HarmonicTables(harmonic, HEADS, WIDTH, SIZES)
    leaves, tree = jax.tree.flatten(jax.eval_shape(module.init, jax.random.key(0)))
    rng = np.random.default_rng(seed)
    filled = [jnp.asarray(rng.normal(size=leaf.shape), jnp.float32) for leaf in leaves]
    result: tuple[tuple[hrpe.Relation, ...], ...] = jax.jit(module.apply)(jax.tree.unflatten(tree, filled))
    return result


@pytest.mark.parametrize("variant", ["theory"])
def test_variants_begin_as_rope_bit_for_bit(variant: str) -> None:
    batch = draw_batch()
    model, plain = Backbone(config(variant=variant)), Backbone(config(variant="none"))
    params = begun_params(model)
    without = jax.tree.map(lambda x: x, params)
    del without["stack"]["blocks"]["attention"]["tables"]
    np.testing.assert_array_equal(run(plain, without, batch)[0], run(model, params, batch)[0])


def test_symmetric_tables_hear_both_directions_alike() -> None:
    ((relation,),) = drawn(harmony(variant="symmetric"))
    back = -np.arange(PERIOD) % PERIOD
    np.testing.assert_array_equal(relation.cyclic, relation.cyclic[:, back])
    assert relation.query is not None
    np.testing.assert_array_equal(relation.query, relation.query[:, back])
    for table in relation.categories:
        np.testing.assert_array_equal(table, table.swapaxes(1, 2))
    again = symmetric(relation)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), again, relation)


def test_theory_is_a_weighted_sum_of_distances() -> None:
    ((relation,),) = drawn(harmony(variant="theory"))
    assert relation.joint is not None
    distances = np.stack(list(chord_distances().values()))
    joint = np.asarray(relation.joint[0])
    weights = np.linalg.lstsq(distances.reshape(len(distances), -1).T, joint.ravel(), rcond=None)[0]
    np.testing.assert_allclose(np.tensordot(weights, distances, 1), joint, atol=1e-4)
    assert not np.any(relation.cyclic)


def test_the_placebo_keeps_no_interval() -> None:
    """What was one interval is three or more after shuffling, whichever it was."""
    shuffled = np.array(SHUFFLED)
    assert sorted(shuffled) == list(range(PERIOD))
    for interval in range(1, PERIOD):
        assert len(set((shuffled[(np.arange(PERIOD) + interval) % PERIOD] - shuffled) % PERIOD)) >= 3


def test_head_sets_are_the_full_tables_without_the_relations_that_a_head_lacks() -> None:
    rng = np.random.default_rng(1)
    lags = ((0, 0), (0, 1))
    codes = hrpe.Codes(
        jnp.asarray(rng.integers(0, 12, (1, 6))),
        tuple(jnp.asarray(rng.integers(0, size, (1, 6))) for size in SIZES),
        jnp.ones((1, 6), bool),
    )
    queries = jnp.asarray(rng.normal(size=(1, HEADS, 6, WIDTH)), jnp.float32)
    sets = drawn(harmony(head_sets=(lags[:1], lags[1:])))
    parts, biases = [], []
    for head, (pair, relations) in enumerate(zip(lags, sets, strict=True)):
        assert len(relations) == 1
        assert relations[0].cyclic.shape == (1, PERIOD)
        sides = [hrpe.lag(codes, pair[0])], [hrpe.lag(codes, pair[1])]
        parts.append(hrpe.fold(*sides, relations, queries[:, head : head + 1]))
        biases.append(hrpe.bias(*sides, relations, queries[:, head : head + 1]))
    features = hrpe.join(parts)
    assert features.key.shape == (1, 2, 6, hrpe.width(sets[0]))
    got = jnp.einsum("bhqf,bhkf->bhqk", features.query, features.key)
    np.testing.assert_allclose(got, jnp.concatenate(biases, axis=1), atol=1e-5)


@pytest.mark.parametrize(
    "fields",
    [
        {"variant": "theory"},
        {"variant": "z12"},
        {"head_sets": (((0, 0), (0, 1)), ((1, 2),))},
    ],
    ids=str,
)
def test_variants_run_causally_and_with_a_cache(fields: dict[str, Any]) -> None:
    model, batch = Backbone(config(**fields)), draw_batch()
    params = noisy_params(model)
    whole = run(model, params, batch)[0]
    changed = dict(batch)
    for name in ("input_ids", "root_pc", "quality_code", "function_code"):
        changed[name] = batch[name].at[:, -1].set(batch[name][:, 3])
    np.testing.assert_allclose(run(model, params, changed)[0][:, :-1], whole[:, :-1], atol=1e-4)
    cache, parts = init_cache(model.config, whole.shape[0], LENGTH), []
    for begin in range(0, LENGTH, 7):
        piece = {name: x[:, begin : begin + 7] for name, x in batch.items()}
        part, cache = run(model, params, piece, cache)
        parts.append(part)
    np.testing.assert_allclose(shown(jnp.concatenate(parts, axis=1)), shown(whole), atol=2e-3)
