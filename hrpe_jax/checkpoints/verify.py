"""Whether a released model is what was written: digests, sizes, values. All before anything large is made.

The config of a model carries the SHA-256 of each file of weights and of all the rest of what it says, so one
flipped bit anywhere is found. Models of earlier versions have none and are read without; what their config
says is compared with the tensors all the same.

Parameters in a safetensors file are nested dicts of float32 arrays here, float32 or bfloat16 on disk.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hrpe_jax.config import StageConfig
from hrpe_jax.errors import UserError
from hrpe_jax.utils.files import replace_file

Precision = Literal["float32", "bfloat16"]


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of all tensors of a file, from its header alone. Raises as `read_weights`."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, error) from None


def read_weights(path: Path) -> tuple[dict[str, Any], dict[str, str], str]:
    """Reads a file.

    Returns:
        Nested dicts of float32 arrays, what the header says, and the SHA-256 of the file.

    Raises:
        UserError: it is not there, or damaged.
    """
    from safetensors import SafetensorError, deserialize, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
        content = path.read_bytes()
        flat = {name: _array(**entry) for name, entry in deserialize(content)}
        return nested(flat), header, hashlib.sha256(content).hexdigest()
    except (OSError, SafetensorError, KeyError, TypeError, IndexError) as error:
        raise _unreadable(path, error) from None


def write_weights(
    path: Path, params: Mapping[str, Any], header: Mapping[str, str], precision: Precision = "float32"
) -> str:
    """Writes a file, whole or not at all. bfloat16 keeps eight bits of each mantissa, in half the space.

    The same parameters give the same bytes.

    Args:
        path: of the file.
        params: nested dicts of arrays.
        header: texts that the file says of itself.
        precision: of the numbers.

    Returns:
        The SHA-256 of the file.

    Raises:
        OSError: it cannot be written.
    """
    from safetensors.numpy import save

    if precision == "bfloat16":
        from ml_dtypes import bfloat16

        kind: Any = bfloat16
    else:
        kind = np.float32
    flat = {name: np.ascontiguousarray(value, kind) for name, value in flatten(params)}
    content = _in_order(save(flat, dict(header)))
    replace_file(path, content)
    return hashlib.sha256(content).hexdigest()


def _in_order(content: bytes) -> bytes:
    """A safetensors file with its header in the order of the names; the library's changes from call to call.

    Format: 8 bytes length of the header, little-endian; the header, JSON filled up with spaces to a multiple
    of 8 bytes; the numbers.
    """
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8:start]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + content[start:]


def _unreadable(path: Path, error: Exception) -> UserError:
    said = str(error).replace("\n", " ")[:200]
    return UserError(f"{path}: not readable ({said}); export the model again")


def flatten(tree: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """Yields ("a.b.c", array) of nested dicts, in the order of their names."""
    for key in sorted(tree):
        value, name = tree[key], f"{path}{key}"
        if isinstance(value, Mapping):
            yield from flatten(value, f"{name}.")
        else:
            yield name, np.asarray(value)


def nested(flat: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """What `flatten` took apart."""
    tree: dict[str, Any] = {}
    for name, value in flat.items():
        *parents, last = name.split(".")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        if last in node:
            raise KeyError(f"{name} is an array and a group of arrays")
        node[last] = value
    return tree


def digest(params: Mapping[str, Any]) -> str:
    """Sixteen hexadecimal digits that stand for these parameters."""
    found = hashlib.sha256()
    for name, value in flatten(params):
        found.update(f"{name} {value.shape} ".encode() + np.ascontiguousarray(value, "<f4").tobytes())
    return found.hexdigest()[:16]


def _array(dtype: str, shape: list[int], data: bytes) -> np.ndarray:
    """float32 of either kind; NumPy has no bfloat16, which is the upper half of a float32."""
    if dtype == "BF16":
        halves = np.frombuffer(data, "<u2").astype(np.uint32)
        return (halves << 16).view(np.float32).reshape(shape)
    kind = {"F32": "<f4"}[dtype]
    return np.frombuffer(data, kind).astype(np.float32).reshape(shape)


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

    Args:
        path: of the weights.
        about: the config of the model, which may hold `digests`.
        found: hexadecimal SHA-256 of the file.

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
        "model.harmony.lags": model.harmony.reach,
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

    Args:
        path: of the file, for messages.
        stage: "backbone" or "melody".
        config: of the stage.
        params: nested arrays that were read.

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
