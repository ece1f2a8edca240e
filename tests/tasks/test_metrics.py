"""The figures of a validation against loops in numpy, and against those of the counting baselines."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hrpe_jax.baselines.measure import measure, song_sequences
from hrpe_jax.codec import backbone_tokens as bt
from hrpe_jax.codec import melody_tokens as mt
from hrpe_jax.config import BatchConfig
from hrpe_jax.data.loader import eval_batches
from hrpe_jax.models.config import BackboneModelConfig, MelodyModelConfig
from hrpe_jax.tasks import build_task

CONFIGS = {"backbone": BackboneModelConfig(), "melody": MelodyModelConfig(memory=2)}
SIZES = {"backbone": bt.SIZE, "melody": mt.SIZE}
INPUTS = {"backbone": "input_ids", "melody": "event_ids"}


def table_of(size: int) -> np.ndarray:
    """Scores that depend on the token before alone (and are the same for every 64th), `[64, size]`."""
    return np.random.default_rng(0).normal(size=(64, size)).astype(np.float32)


def evaluated(fake_dataset: Any, stage: str) -> dict[str, float]:
    """What the task says of a model that scores by `table_of`, over all batches of a split."""
    task: Any = build_task(stage, CONFIGS[stage])
    table = jnp.asarray(table_of(SIZES[stage]))

    def apply(variables: Any, batch: Any, carry: Any = None, **_: Any) -> Any:
        return table[batch[INPUTS[stage]] % 64], carry

    task.module = SimpleNamespace(apply=apply)
    call = jax.jit(lambda c, s: task.segment_loss({}, c, s, jax.random.key(0), False))
    sums: dict[str, np.ndarray] = {}
    for batch in eval_batches(fake_dataset, stage, BatchConfig(rows=3, length=64), split="valid"):
        segment = {name: jnp.asarray(value[0]) for name, value in batch.items()}
        for name, pair in call(task.init_carry(3), segment)[2].items():
            sums[name] = sums.get(name, 0) + np.asarray(pair, float)
    return {name: total / weight for name, (total, weight) in sums.items()}


def loops(fake_dataset: Any, stage: str) -> dict[str, float]:
    """The same figures, event by event."""
    table, sums = table_of(SIZES[stage]).astype(float), {}

    def add(name: str, probability: np.ndarray, truth: int) -> None:
        better = sum(p > probability[truth] for p in probability)
        values = {"nll": -np.log(probability[truth]), "accuracy": better < 1, "top3": better < 3}
        for kind, value in (values | {"top5": better < 5}).items():
            sums.setdefault(f"{name}{kind}", []).append(float(value))

    names = [(int(bt.ROOT[t]), int(bt.QUALITY[t])) for t in range(bt.SIZE)]
    changes = bars = notes = 0.0
    for record in fake_dataset.records(stage, "valid"):
        tokens = [*record["input_ids"], record["target_id"]] if stage == "backbone" else record["event_ids"]
        for before, token in list(pairwise(tokens))[2 if stage == "backbone" else 0 :]:
            weights = np.exp(table[before % 64])
            probability = weights / weights.sum()
            add("", probability, token)
            if stage == "melody":
                bars += token == mt.BAR
                if token < 128:
                    notes += 1
                    add("pitch_", probability, token)
                continue
            bars += bt.BEATS[token] / bt.id_meter(tokens[2]).beats_per_bar
            if bt.KIND[token] != bt.KIND_EVENT or (
                bt.KIND[before] == bt.KIND_EVENT and names[before] == names[token]
            ):
                continue
            changes += 1
            chords: dict[Any, float] = {}
            roots: dict[Any, float] = {}
            for t, p in enumerate(probability):
                event = bt.KIND[t] == bt.KIND_EVENT
                chords[names[t] if event else None] = chords.get(names[t] if event else None, 0) + p
                root = (names[t][0] if names[t][1] < bt.NO_QUALITY else "N") if event else None
                roots[root] = roots.get(root, 0) + p
            root = names[token][0] if names[token][1] < bt.NO_QUALITY else "N"
            for name, found, truth in (("chord_", chords, names[token]), ("root_", roots, root)):
                add(name, np.asarray(list(found.values())), list(found).index(truth))
    means = {name: float(np.mean(values)) for name, values in sums.items()}
    total = sum(sums["nll"])
    per = {"nll_per_chord": changes} if stage == "backbone" else {"nll_per_note": notes}
    return means | {name: total / weight for name, weight in (per | {"nll_per_bar": bars}).items() if weight}


@pytest.mark.parametrize("stage", list(CONFIGS))
def test_figures_equal_loops_and_those_of_the_baselines(fake_dataset: Any, stage: str) -> None:
    dataset = type(fake_dataset)(songs=4, longest=20)
    for record in dataset.records("melody", "valid"):
        record["event_ids"][1:-1:5] = [mt.BAR] * len(record["event_ids"][1:-1:5])
    found = evaluated(dataset, stage)
    expected = loops(dataset, stage)
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-4), name
    table = np.exp(table_of(SIZES[stage]).astype(float))
    table /= table.sum(axis=1, keepdims=True)
    counted = measure(
        lambda song: (table[before % 64] for before in [0, *song.tokens[:-1]]),
        song_sequences(dataset, stage, "valid", normalise_key=False),
        stage,
    )
    assert set(expected) <= set(counted)
    for name, value in expected.items():
        assert counted[name] == pytest.approx(value, rel=1e-6), name
