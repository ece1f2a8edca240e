"""Sums over every song of a split: all that tables and paired bootstraps over songs need.

The figures are those of `tasks`, kept apart by song: their sums divided by their counts are what
`hrpe_jax.workflows.evaluate_model` gives for the whole split (a test compares them).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from rows import Calibration, plain
from sequence_places import sequence_places

from hrpe_jax.codec import backbone_tokens, melody_tokens
from hrpe_jax.config import StageConfig
from hrpe_jax.data.loader import Songs, eval_batches
from hrpe_jax.models import melody
from hrpe_jax.ops import losses
from hrpe_jax.tasks.backbone import root_of, root_of_chords, root_quality, root_quality_of


def song_sums(
    task: Any,
    params: Any,
    config: StageConfig,
    dataset: Songs,
    stage: str,
    split: str,
    sequences: bool = False,
) -> dict[str, Any]:
    """Measures every song of a split once, as written.

    Args:
      task: of the stage.
      params: its parameters.
      config: of its training, for the shape of batches.
      dataset: the data set.
      stage: "backbone" or "melody".
      split: which songs.
      sequences: whether chords at sequence places (`sequence_places`) are summed apart, for the backbone.

    Returns:
      songs: columns, one entry a song: id, and sums. Backbone: `events`, `nll`, `hit` over all events and
      the end; `changes`, and at chord changes `token_nll`, `token_hit` (the whole token), `chord_nll`,
      `chord_hit` (root and quality), `root_nll`, `root_hit`, and if asked `sequences`, `sequence_nll`,
      `sequence_hit` of chords. Melody: `events`, `nll`, `hit`; `pitches`,
      `pitch_nll`, `pitch_hit`. calibration: by bin of the probability of the likeliest class (root and
      quality at changes; tokens of the melody) `count`, `confidence` (their sum), `hit`.
    """
    score = _backbone if stage == "backbone" else _melody
    run = jax.jit(lambda params, carry, segment: score(task, params, carry, segment))
    carry = task.init_carry(config.batch.rows)
    sums: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    calibration = Calibration()
    batches = eval_batches(dataset, stage, config.batch, split=split)
    for step in range(len(batches)):
        parts = [
            {name: leaf[i] for name, leaf in batches[step].items()} for i in range(config.batch.segments)
        ]
        scored = []
        for part in parts:
            carry, found = run(params, carry, part)
            found = jax.device_get(found)
            if sequences:
                here = sequence_places(part) * found["changes"]
                moved = {f"sequence_{kind}": found[f"chord_{kind}"] * here for kind in ("nll", "hit")}
                found |= {"sequences": here, **moved}
            scored.append(found)
        for values in scored:
            calibration.add(*(values[f"calibration_{kind}"] for kind in ("confidence", "hit", "count")))
        for piece in batches.describe(step):
            values = scored[piece["segment"]]
            stop = piece["column"] + piece["stop"] - piece["start"]
            for name, value in values.items():
                if not name.startswith("calibration"):
                    here = value[piece["row"], piece["column"] : stop]
                    sums[piece["id"]][name] += float(here.sum(dtype=np.float64))
    names = sorted(sums)
    columns = {name: [plain(sums[song][name]) for song in names] for name in sums[names[0]]}
    return {"songs": {"id": names, **columns}, "calibration": calibration.to_dict()}


def _scores(name: str, logits: Array, targets: Array, weights: Array) -> dict[str, Array]:
    """Of every position: its nats and whether it is right, 0 where it does not count."""
    prefix = f"{name}_" if name else ""
    return {
        f"{prefix}nll": -losses.log_likelihood(logits, targets) * weights,
        f"{prefix}hit": (losses.rank(logits, targets) < 1) * weights,
    }


def _confidence(logits: Array, hit: Array, weights: Array) -> dict[str, Array]:
    top = jnp.exp(jnp.max(logits, axis=-1) - jax.nn.logsumexp(logits, axis=-1))
    return {"calibration_confidence": top, "calibration_hit": hit, "calibration_count": weights}


def _backbone(
    task: Any, params: Any, carry: None, segment: Mapping[str, Array]
) -> tuple[None, dict[str, Array]]:
    logits, _ = task.module.apply({"params": params}, segment)
    targets, weights = segment["target_ids"], segment["weights"]
    events = weights * (segment["positions"] >= backbone_tokens.PREFIX_LENGTH - 1)
    chords, target = root_quality(logits), root_quality_of(targets)
    changes = events * (target > 0) * (target != root_quality_of(segment["input_ids"]))
    found = {"events": events, **_scores("", logits, targets, events), "changes": changes}
    found |= _scores("token", logits, targets, changes)
    found |= _scores("chord", chords, target, changes)
    found |= _scores("root", root_of_chords(chords), root_of(target), changes)
    return carry, found | _confidence(chords, found["chord_hit"], changes)


def _melody(task: Any, params: Any, carry: Any, segment: Mapping[str, Array]) -> tuple[Any, dict[str, Array]]:
    carry = melody.forget(carry, segment["reset"] > 0)
    logits, carry = task.module.apply({"params": params}, segment, carry)
    targets, weights = segment["target_ids"], segment["weights"]
    pitches = weights * (targets < melody_tokens.PITCHES)
    found = {"events": weights, **_scores("", logits, targets, weights), "pitches": pitches}
    found |= _scores("pitch", logits, targets, pitches)
    return carry, found | _confidence(logits, found["hit"], weights)
