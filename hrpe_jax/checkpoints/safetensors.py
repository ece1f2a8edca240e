"""Parameters in a safetensors file: nested dicts of float32 arrays here, float32 or bfloat16 on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

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
