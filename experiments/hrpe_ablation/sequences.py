"""Songs that a literal search cannot follow: one progression again and again, each time by another interval.

    python experiments/hrpe_ablation/sequences.py --steps=0              searches and tables set by hand
    python experiments/hrpe_ablation/sequences.py [--only=motions,control] trained models too

Every song is made here. A pattern of four to six major triads, each a bar long, whose inner steps are all
different, is stated from one root after another, and no root twice. So what followed a chord before never
follows it again, and what stood so many bars ago never comes: repeats and phrases can only say what does not.
The steps of the pattern come back, so from its third statement on each chord but the first can be known, and
in the second, where it is not yet clear that the pattern has begun again, each but the first two. Measured
there, on songs of another seed.

First without learning: what the longest match of each search expects, and what one attention head reads whose
tables are set by hand to "the same" at four lags, over roots and over motions. Then models, trained with
`--steps`. One line for each, and a JSON file.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from hrpe_jax.codec import backbone_tokens as tokens
from hrpe_jax.config import BackboneModelConfig
from hrpe_jax.errors import UserError
from hrpe_jax.models import transposed_search
from hrpe_jax.models.harmonic_attention import PERIOD
from hrpe_jax.ops import hrpe, losses, repeats
from hrpe_jax.tasks import build_task
from hrpe_jax.tasks.backbone import root_of, root_of_chords, root_quality, root_quality_of
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter
from hrpe_jax.utils import cli
from hrpe_jax.utils.files import replace_file
from hrpe_jax.utils.schema import build

HERE = Path(__file__).parent
CHORDS, PATTERN, BEATS = 29, (4, 5, 6), 4
ROWS, TEST_SONGS, TEST_SEED = 16, 256, 1_000_000
RATE, STRENGTH = 3e-3, 6.0

SIZE = {"width": 48, "layers": 2, "heads": 3, "head_width": 16, "residual_rank": 0, "dropout": 0.0}
PLAIN = {"token_shift": False, "motion_input": True}
SEARCH = {"repeats": 64, "phrases": (2, 4, 8, 16)}
NOT_TOLD = {"motion_input": False}
FOUR = ((0, 1), (1, 2), (2, 3), (3, 4))
NONE, ROOTS = {"variant": "none"}, {"variant": "lagged", "lags": ((0, 0), *FOUR)}
MOTIONS = {"variant": "lagged", "lags": (), "motions": FOUR}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "control": ("control, repeats and phrases", {"harmony": NONE, **SEARCH}),
    "lags": ("and lags over roots", {"harmony": ROOTS, **SEARCH}),
    "motions": ("and lags over motions", {"harmony": MOTIONS, **SEARCH}),
    "transposed": (
        "and transposed search",
        {"harmony": NONE, **SEARCH, "transposed_repeats": 64, "transposed_phrases": SEARCH["phrases"]},
    ),
    "motions_alone": ("lags over motions, no search", {"harmony": MOTIONS}),
    "not_told": ("control, the motion not at the input", {"harmony": NONE, **SEARCH, **NOT_TOLD}),
    "motions_not_told": (
        "lags over motions, the motion not at the input",
        {"harmony": MOTIONS, **SEARCH, **NOT_TOLD},
    ),
}
"""What each model has; the motion into every chord is at the input of all but the last two."""


def songs(rng: np.random.Generator, count: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Draws songs.

    Returns:
      The columns of a batch, `[count, 2 + CHORDS]` each, and where the next chord follows from the pattern:
      bool, the same shape.
    """
    prefix = [tokens.BOS, tokens.key_id(Key.from_index(0)), tokens.meter_id(Meter(4, 4))]
    ids, known = np.empty((count, len(prefix) + CHORDS), np.int64), np.zeros((count, 2 + CHORDS), bool)
    ids[:, : len(prefix)] = prefix
    major = tokens.chord_id(tokens.id_chord(tokens.CHORD0), BEATS)
    of_one_root = (tokens.SIZE - tokens.CHORD0) // 12
    for row in range(count):
        length = int(rng.choice(PATTERN))
        pattern = np.cumsum([0, *rng.choice(np.arange(1, 12), length - 1, replace=False)])
        starts = rng.permutation(12)
        roots = (starts[:, None] + pattern).ravel()[:CHORDS] % 12
        ids[row, len(prefix) :] = major + of_one_root * roots
        statement, place = np.divmod(np.arange(CHORDS), length)
        known[row, len(prefix) - 1 :] = (place > 0) & ((statement > 1) | (statement == 1) & (place > 1))
    inputs = ids[:, :-1]
    shape = inputs.shape
    columns = {
        "input_ids": inputs,
        "target_ids": ids[:, 1:],
        "root_pc": tokens.ROOT[inputs],
        "quality_code": tokens.QUALITY_CODE[inputs],
        "function_code": tokens.function_table()[0][inputs],
        "bar_phase": np.cumsum(tokens.BEATS[inputs].astype(int), 1) % 4,
        "key": np.zeros(shape),
        "beats_per_bar": np.full(shape, 4),
        "positions": np.tile(np.arange(shape[1]), (count, 1)),
        "segment_ids": np.ones(shape),
        "weights": np.ones(shape),
    }
    return {name: np.asarray(x, np.int32) for name, x in columns.items()}, known


def searched(batch: Mapping[str, Any], transposed: bool) -> np.ndarray:
    """The root that what followed the longest earlier agreement has: int `[rows, length]`, -1 for none."""
    ids = jnp.asarray(batch["input_ids"])
    events = transposed_search.as_motions(ids, motions(batch)) if transposed else ids
    beats, fresh = jnp.asarray(tokens.BEATS)[ids], jnp.asarray(batch["positions"] == 0)
    empty = repeats.empty(len(ids), ids.shape[1])
    event = repeats.follow(empty, events, jnp.asarray(batch["bar_phase"]), beats, fresh)[1].event[..., 0]
    event = transposed_search.from_motions(event, ids) if transposed else event
    return np.where(np.asarray(event) < tokens.CHORD0, -1, tokens.ROOT[np.maximum(event, 0)].astype(int))


def codes_of(batch: Mapping[str, Any]) -> hrpe.Codes:
    """Roots alone."""
    return hrpe.Codes(jnp.asarray(batch["root_pc"]), (), jnp.asarray(batch["input_ids"] >= tokens.CHORD0))


def motions(batch: Mapping[str, Any]) -> hrpe.Codes:
    """The motion into each chord."""
    return hrpe.motion(codes_of(batch), PERIOD)


def by_hand(batch: Mapping[str, Any], over_motions: bool) -> np.ndarray:
    """The root that one head expects whose tables are `STRENGTH` for "the same" at `FOUR`, and 0 elsewhere.

    It reads the motion into every key and adds the one it reads most of to the present root: int
    `[rows, length]`.
    """
    step = motions(batch)
    codes = step if over_motions else codes_of(batch)
    same = hrpe.Relation(jnp.zeros((1, PERIOD)).at[0, 0].set(STRENGTH), ())
    sides = [[hrpe.lag(codes, pair[side]) for pair in FOUR] for side in (0, 1)]
    logits = hrpe.bias(*sides, [same] * len(FOUR))[:, 0]
    length = logits.shape[-1]
    seen = jnp.tril(jnp.ones((length, length), bool)) & step.present[:, None]
    weights = jax.nn.softmax(jnp.where(seen, logits, -1e9), axis=-1) * seen
    read = jnp.einsum("bqk,bkm->bqm", weights, jax.nn.one_hot(step.cyclic, PERIOD))
    return np.asarray((batch["root_pc"] + jnp.argmax(read, axis=-1)) % PERIOD)


def without_learning() -> dict[str, float]:
    """Accuracy of roots where the next chord follows from the pattern, by what says it."""
    batch, known = songs(np.random.default_rng(TEST_SEED), TEST_SONGS)
    target = tokens.ROOT[batch["target_ids"]].astype(int)
    said = {
        "literal search": searched(batch, transposed=False),
        "transposed search": searched(batch, transposed=True),
        "attention by hand over roots": by_hand(batch, over_motions=False),
        "attention by hand over motions": by_hand(batch, over_motions=True),
    }
    return {name: float((root == target)[known].mean()) for name, root in said.items()}


def model_config(name: str) -> BackboneModelConfig:
    """The config of one of `MODELS`."""
    return build(BackboneModelConfig, {**SIZE, "mlp_width": 96, **PLAIN, **MODELS[name][1]})


def train(name: str, steps: int, seed: int) -> tuple[Any, Any]:
    """Trains one model on songs drawn anew at every step; returns its task and parameters."""
    task = build_task("backbone", model_config(name))
    optimizer = optax.adam(optax.cosine_decay_schedule(RATE, steps))
    params = task.init_params(jax.random.key(seed))

    @jax.jit
    def step(params: Any, state: Any, batch: Mapping[str, jax.Array], key: jax.Array) -> tuple[Any, Any]:
        def loss(params: Any) -> jax.Array:
            (total, count), _, _ = task.segment_loss(params, None, batch, key, True)
            return total / count

        updates, state = optimizer.update(jax.grad(loss)(params), state)
        return optax.apply_updates(params, updates), state

    state, rng = optimizer.init(params), np.random.default_rng(seed)
    for number in range(steps):
        batch, _ = songs(rng, ROWS)
        params, state = step(params, state, batch, jax.random.key(number))
    return task, params


def measure(task: Any, params: Any) -> dict[str, float]:
    """Root NLL in nats and accuracy where the next chord follows from the pattern, on other songs."""

    @jax.jit
    def score(batch: Mapping[str, jax.Array]) -> tuple[jax.Array, jax.Array]:
        logits, _ = task.module.apply({"params": params}, batch)
        roots, target = root_of_chords(root_quality(logits)), root_of(root_quality_of(batch["target_ids"]))
        return -losses.log_likelihood(roots, target), losses.rank(roots, target) < 1

    rng, found = np.random.default_rng(TEST_SEED), []
    for _ in range(TEST_SONGS // ROWS):
        batch, known = songs(rng, ROWS)
        found.append([np.asarray(x)[known] for x in score(batch)])
    nll, hit = (np.concatenate(x) for x in zip(*found, strict=True))
    return {"places": len(nll), "root_nll": float(nll.mean()), "root_accuracy": float(hit.mean())}


def main(args: argparse.Namespace) -> int:
    """Trains, measures and writes."""
    names = args.only.split(",") if args.only else list(MODELS)
    if unknown := [name for name in names if name not in MODELS]:
        raise UserError(f"--only={args.only}: {unknown[0]} is none of {', '.join(MODELS)}")
    path = Path(args.output)
    rows = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    print(f"chance: nll {np.log(PERIOD):.3f}, accuracy {1 / PERIOD:.3f}")
    rows["without learning"] = without_learning()
    for name, accuracy in rows["without learning"].items():
        print(f"{name}: accuracy {accuracy:.3f}", flush=True)
    replace_file(path, (json.dumps(rows, indent=1) + "\n").encode())
    for name in names if args.steps else ():
        began = time.process_time()
        task, params = train(name, args.steps, args.seed)
        found = measure(task, params)
        count = sum(leaf.size for leaf in jax.tree.leaves(params))
        spent = round(time.process_time() - began)
        rows[f"{name}, {args.steps} steps"] = {
            "steps": args.steps,
            "seed": args.seed,
            "parameters": count,
            **found,
            "seconds": spent,
        }
        replace_file(path, (json.dumps(rows, indent=1) + "\n").encode())
        print(
            f"{MODELS[name][0]}: nll {found['root_nll']:.3f}, accuracy {found['root_accuracy']:.3f} "
            f"({found['places']} places, {count:,} parameters, {spent} s)",
            flush=True,
        )
    return 0


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = options.add_argument
    add("--steps", type=cli.at_least(0), default=3000, metavar="N", help="of training; 3000 by default")
    add("--seed", type=int, default=0, metavar="N", help="of parameters and songs")
    add("--only", metavar="NAMES", help=f"of {', '.join(MODELS)}; all by default")
    add("--output", default=str(HERE / "sequences.json"), metavar="FILE", help="results, added to")
    add("--debug", action="store_true", help="show the traceback of an error")
    return options


if __name__ == "__main__":
    sys.exit(cli.run(main, parser()))
