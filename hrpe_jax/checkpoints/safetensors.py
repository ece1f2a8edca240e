"""Parameters in a safetensors file: nested dicts of float32 arrays here, float32 or bfloat16 on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hrpe_jax.errors import UserError
from hrpe_jax.utils.files import replace_file

Precision = Literal["float32", "bfloat16"]


def read_weights(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Reads a file.

    Returns:
        Nested dicts of float32 arrays, and what the header says.

    Raises:
        UserError: it is not there, or damaged.
    """
    from safetensors import SafetensorError, deserialize, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
        flat = {name: _array(**entry) for name, entry in deserialize(path.read_bytes())}
    except (OSError, SafetensorError, KeyError) as error:
        raise UserError(f"{path}: not readable ({error}); export the model again") from None
    return nested(flat), header


def write_weights(
    path: Path, params: Mapping[str, Any], header: Mapping[str, str], precision: Precision = "float32"
) -> None:
    """Writes a file, whole or not at all. bfloat16 keeps eight bits of each mantissa, in half the space.

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
    replace_file(path, save(flat, dict(header)))


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
