"""Whether a released model is what was written: digests, sizes, values. All before anything large is made.

The config of a model carries the SHA-256 of each file of weights and of all the rest of what it says, so one
flipped bit anywhere is found. Models of earlier versions have none and are read without; what their config
says is compared with the tensors all the same.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hrpe_jax.checkpoints.safetensors import flatten
from hrpe_jax.config import StageConfig
from hrpe_jax.errors import UserError

DIGESTS = "digests"
"""In `config.json`: {"config": SHA-256 of the rest, "backbone.safetensors": of the file, ...}."""
WITHOUT_DIGESTS = {"format", "version", "vocabulary_version", "vocabulary", "stages", "seen"}
"""All that configs said before they had digests; with anything else, the digests have been lost."""
MOST_CONFIG_BYTES = 2**20
MOST_EVENTS = 2**20
"""That a model may look back or take at once; the sampler reserves memory for them."""


def read_strict(path: Path) -> Any:
    """JSON of a file that may be anything: small, not too deep, numbers all finite.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no such JSON.
    """
    with path.open("rb") as file:
        content = file.read(MOST_CONFIG_BYTES + 1)
    if len(content) > MOST_CONFIG_BYTES:
        raise ValueError(f"more than {MOST_CONFIG_BYTES} bytes")
    try:
        return json.loads(content, parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is too large")
    return value


def config_digest(about: Mapping[str, Any]) -> str:
    """SHA-256 of what a config says, apart from its digests."""
    said = {name: value for name, value in about.items() if name != DIGESTS}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def check_config(path: Path, about: Mapping[str, Any]) -> None:
    """Compares a config with its own digest, where it has one.

    Raises:
        UserError: they differ.
    """
    digests = about.get(DIGESTS)
    if digests is None and set(about) <= WITHOUT_DIGESTS:
        return
    if not isinstance(digests, dict) or digests.get("config") != config_digest(about):
        raise UserError(
            f"{path}: its content has changed since it was written; copy or export the model again"
        )


def check_file(path: Path, about: Mapping[str, Any], found: str) -> None:
    """Compares the SHA-256 of a file of weights with the digest in the config, where it has any.

    Raises:
        UserError: they differ.
    """
    if DIGESTS in about and about[DIGESTS].get(path.name) != found:
        raise UserError(
            f"{path}: its content has changed since it was written; copy or export the model again"
        )


def check_sizes(
    config_path: Path, stage: str, config: StageConfig, path: Path, shapes: Mapping[str, tuple[int, ...]]
) -> None:
    """Compares the sizes that a config names with the shapes in the header of its weights.

    Args:
        config_path: for messages.
        stage: its name.
        config: what the config says of it.
        path: of the weights, for messages.
        shapes: of all tensors, by name.

    Raises:
        UserError: they differ, or the model would reserve memory without bounds.
    """
    model: Any = config.model
    where = f"{config_path}: stages.{stage}.config"
    found = _sizes(shapes)
    for name, size in found.items():
        said = getattr(model, name)
        if said != size:
            raise UserError(
                f"{where}.model.{name}: is {said}, but the tensors of {path.name} have {size}; the files do "
                "not belong together: copy or export the model again"
            )
    if not found:
        raise UserError(f"{path}: holds no Transformer ({len(shapes)} tensors); export the model again")
    events = {
        "model.repeats": model.repeats,
        "model.memory": getattr(model, "memory", 0),
        "model.phrases": max(getattr(model, "phrases", ()), default=0),
        "model.harmony.lags": max((max(pair) for pair in model.harmony.relations), default=0),
        "batch.length": config.batch.length,
    }
    for name, count in events.items():
        if count > MOST_EVENTS:
            raise UserError(f"{where}.{name}: at most {MOST_EVENTS} expected, got {count}")


def _sizes(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """What the shapes of the tensors say a config must say; {} where they are of no model of ours."""
    apart = [name for name in shapes if re.fullmatch(r"stack\.block_\d+\.attention\.query", name)]
    block = apart[0].removesuffix("attention.query") if apart else "stack.blocks."  # a layer, or all in one
    try:
        query, gate = shapes[f"{block}attention.query"], shapes[f"{block}mlp.gate"]
        width, heads, head_width = query[-3:]
        sizes = {"layers": len(apart) or query[0], "width": width, "heads": heads, "head_width": head_width}
        rank = {"residual_rank": shapes["factors.residual"][-1]} if "factors.residual" in shapes else {}
        return {**sizes, "mlp_width": gate[-1], **rank}
    except (KeyError, ValueError, IndexError):
        return {}


def check_values(path: Path, params: Mapping[str, Any]) -> None:
    """Refuses parameters that no training leaves: not finite, or all zero.

    Raises:
        UserError: there are some; the first tensor is named.
    """
    alive = False
    for name, value in flatten(params):
        if not np.isfinite(value).all():
            raise UserError(
                f"{path}: {name} holds values that are not finite; export or train the model again"
            )
        alive = alive or bool(value.any())
    if not alive:
        raise UserError(f"{path}: all parameters are zero; export or train the model again")


def check_shapes(path: str | Path, stage: str, config: StageConfig, params: Mapping[str, Any]) -> None:
    """Compares every tensor with what the config makes. Traces the model, which takes a second.

    Raises:
        UserError: one is missing, left over or of another shape; the first is named.
    """
    import jax

    from hrpe_jax.tasks import build_task

    made = jax.eval_shape(build_task(stage, config.model).init_params, jax.random.key(0))
    wanted = {jax.tree_util.keystr(at, simple=True, separator="."): leaf.shape
              for at, leaf in jax.tree_util.tree_leaves_with_path(made)}  # fmt: skip
    found = {name: value.shape for name, value in flatten(params)}
    for name in [*wanted, *found]:
        if wanted.get(name) != found.get(name):
            said = [f"{list(shapes[name])}" if name in shapes else "nothing" for shapes in (found, wanted)]
            raise UserError(
                f"{path}: {name}: the weights have {said[0]}, the config asks for {said[1]}; the files do "
                "not belong together: copy or export the model again"
            )
