"""What a transposed search can still add to a model that is trained already.

    python experiments/hrpe_ablation/transposed_trust.py --data=NAME=DIR [--data=NAME=DIR] [--model=DIR]

The model (the pretrained one by default) has repeats, phrases and lags over roots. At every chord change it
gives probabilities of root and quality. The chord that followed the longest transposed agreement, moved to
the present root, gets a score added to its own, as a pointer adds it: one number for each length of that
agreement, at places where the longest literal one is shorter than three chords. The numbers are fitted on
validation songs of all corpora together and measured on test songs once. Writes a record.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from rows import DRAWS, LEVEL, RECORDS, SEED, add_record
from sequence_places import CHORDS, agreements, changes_of
from train import commit, device, versions

from hrpe_jax.checkpoints.release import load_model
from hrpe_jax.codec import backbone_tokens as tokens
from hrpe_jax.config import BatchConfig
from hrpe_jax.data.loader import eval_batches
from hrpe_jax.data.shards import open_dataset
from hrpe_jax.errors import UserError
from hrpe_jax.tasks import build_task
from hrpe_jax.tasks.backbone import root_quality, root_quality_of
from hrpe_jax.utils import cli

BATCH = BatchConfig(rows=4, length=256)
BINS = (1, 2, 3, 4, 6)
"""Lengths of agreements that are told apart: 1, 2, 3, 4 and 5, 6 and more."""
SCORES = np.linspace(-4.0, 8.0, 241)
COLUMNS = ("song", "length", "place", "log_chance", "nll", "hit", "top_hit")


def candidates(ids: np.ndarray) -> np.ndarray:
    """What a transposed search expects after the chords of a song.

    Args:
      ids: tokens of one song, int `[length]`.

    Returns:
      int `[chords, 3]`: the index in `ids` where the chord is left, how many chords agree in another key (0
      where the literal agreement has three or nothing agrees), and the class of the chord expected
      (`tasks.backbone.root_quality`).
    """
    last, root, quality = changes_of(ids)
    literal, transposed, following = agreements(root, quality)
    after = np.maximum(following, 1)
    known = (transposed > 0) & (literal < CHORDS) & (following < len(root)) & (following > 0)
    after = np.minimum(after, max(len(root) - 1, 0))
    known &= quality[after] != tokens.NO_QUALITY
    moved = (root[after] - root[after - 1] + root) % 12
    expected = 2 + moved * tokens.NO_QUALITY + quality[after]
    return np.stack([last, np.where(known, transposed, 0), np.where(known, expected, 0)], axis=-1)


def looked_at(task: Any, params: Any, dataset: Any, split: str) -> dict[str, np.ndarray]:
    """All chord changes of a split as columns (`COLUMNS`).

    song; length of the transposed agreement, 0 where there is no candidate; whether it is a sequence place;
    the log of the candidate's probability; NLL of the chord that comes; whether the candidate comes; whether
    the model's first choice does.
    """

    @jax.jit
    def chances(batch: Any) -> tuple[jax.Array, jax.Array, jax.Array]:
        logits, _ = task.module.apply({"params": params}, batch)
        logs = jax.nn.log_softmax(root_quality(logits))
        target = root_quality_of(batch["target_ids"])
        return logs, target, jnp.argmax(logs, axis=-1) == target

    rows: list[tuple[Any, ...]] = []
    batches = eval_batches(dataset, "backbone", BATCH, split=split)
    for step in range(len(batches)):
        batch = {name: leaf[0] for name, leaf in batches[step].items()}
        logs, target, right = (np.asarray(x) for x in chances(batch))
        for piece in batches.describe(step):
            start, row = piece["column"], piece["row"]
            stop = start + piece["stop"] - piece["start"]
            columns = slice(start, stop)
            for index, length, expected in candidates(np.asarray(batch["input_ids"])[row, columns]):
                at = start + int(index)
                comes = int(target[row, at])
                if comes == 0:  # the song ends
                    continue
                of = logs[row, at]
                rows.append(
                    (
                        piece["id"],
                        length,
                        length >= CHORDS,
                        of[expected] if length else -np.inf,
                        -of[comes],
                        bool(length) and comes == expected,
                        right[row, at],
                    )
                )
    return {name: np.array(column) for name, column in zip(COLUMNS, zip(*rows, strict=True), strict=True)}


def bin_of(length: np.ndarray) -> np.ndarray:
    """Which of `BINS`, -1 for none."""
    return np.searchsorted(BINS, length, side="right") - 1


def rescored(found: dict[str, np.ndarray], score: np.ndarray) -> np.ndarray:
    """NLL at each change after `score` was added to the candidate's."""
    total = np.log1p(np.exp(found["log_chance"]) * np.expm1(score))
    return found["nll"] - score * found["hit"] + np.where(found["length"] > 0, total, 0.0)


def fit(found: dict[str, np.ndarray]) -> list[float]:
    """For each of `BINS` the score with the lowest NLL; 0 where nothing was found."""
    bins, scores = bin_of(found["length"]), []
    for number in range(len(BINS)):
        here = {name: column[bins == number] for name, column in found.items()}
        losses = [float(rescored(here, np.full(len(here["nll"]), s)).sum()) for s in SCORES]
        scores.append(float(SCORES[int(np.argmin(losses))]) if len(here["nll"]) else 0.0)
    return scores


def summary(found: dict[str, np.ndarray], scores: list[float]) -> dict[str, Any]:
    """Before and after, at all changes and at sequence places, with intervals over songs."""
    bins = bin_of(found["length"])
    score = np.where(bins >= 0, np.array(scores)[np.maximum(bins, 0)], 0.0)
    gained = rescored(found, score) - found["nll"]
    names, song = np.unique(found["song"], return_inverse=True)
    drawn = np.random.default_rng(SEED).integers(0, len(names), (DRAWS, len(names)))
    result = {}
    for title, here in (("changes", np.ones(len(gained), bool)), ("places", found["place"].astype(bool))):
        if not here.any():
            continue
        apart = np.bincount(song[here], gained[here], len(names))
        counts = np.bincount(song[here], minlength=len(names))
        totals = counts[drawn].sum(axis=1)
        means = apart[drawn].sum(axis=1)[totals > 0] / totals[totals > 0]
        low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        result[title] = {
            "count": int(here.sum()),
            "nll": float(found["nll"][here].mean()),
            "accuracy": float(found["top_hit"][here].mean()),
            "search_accuracy": float(found["hit"][here].mean()),
            "less": float(gained[here].mean()),
            "low": float(low),
            "high": float(high),
        }
    return result


def splits_of(args: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """Names and folders of the corpora."""
    for entry in args.data:
        name, found, folder = entry.partition("=")
        if not found:
            raise UserError(f"--data={entry}: NAME=DIR expected, as --data=openewld=data/openewld")
        yield name, folder


def main(args: argparse.Namespace) -> int:
    """Fits, measures and writes the record."""
    corpora = dict(splits_of(args))
    stage = load_model(args.model).stage("backbone")
    task = build_task("backbone", stage.config.model)
    params = jax.tree.map(jnp.asarray, stage.params)
    found: dict[str, dict[str, dict[str, np.ndarray]]] = {"valid": {}, "test": {}}
    for split, by_corpus in found.items():
        for name, folder in corpora.items():
            by_corpus[name] = looked_at(task, params, open_dataset(folder, verify=True), split)
            cli.say(f"{name}, {split}: {len(by_corpus[name]['nll']):,} chord changes")
    joined = {
        name: np.concatenate([columns[name] for columns in found["valid"].values()]) for name in COLUMNS
    }
    scores = fit(joined)
    print("scores by length of agreement:", dict(zip(BINS, scores, strict=True)))
    results = {
        split: {name: summary(columns, scores) for name, columns in by_corpus.items()}
        for split, by_corpus in found.items()
    }
    for name, of in results["test"].items():
        for title, part in of.items():
            print(
                f"{name} test, {title}: {part['count']}, nll {part['nll']:.3f}, "
                f"accuracy {part['accuracy']:.3f}, search right {part['search_accuracy']:.3f}, "
                f"with it {part['less']:+.4f} "
                f"[{part['low']:+.4f}, {part['high']:+.4f}]"
            )
    record = {"name": "transposed_trust", "stage": "backbone", "rung": "", "condition": "transposed_trust"}
    record |= {"split": "", "commit": commit(), "device": device(), "versions": versions()}
    record |= {"scores": dict(zip(map(str, BINS), scores, strict=True)), "results": results}
    add_record(Path(args.records), record)
    return 0


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = options.add_argument
    add("--data", action="append", required=True, metavar="NAME=DIR", help="a corpus, prepared; repeat")
    add(
        "--model", default="pretrained", metavar="DIR", help="a released model; the pretrained one by default"
    )
    add("--records", default=str(RECORDS), metavar="FILE", help="where the record goes")
    add("--debug", action="store_true", help="show the traceback of an error")
    return options


if __name__ == "__main__":
    sys.exit(cli.run(main, parser()))
