"""Tables that were fitted on songs: a JSON file each, read and written here.

| file | what it holds | fitted by |
|---|---|---|
| `form.json` | weights of `form`, lengths of sections | `tools/fit/form.py` |
| `chords.json` | weights of the chord finder, `chords.find_chords.POP` | `tools/fit/chords.py` |
| `keys.json` | evidence for keys, `keys` | `tools/fit/keys.py` |
| `melody_notes.json` | networks that pick melody notes, `melody.line` | `tools/fit/melody.py` |
| `melody_chords.json` | chords under melodies, `harmonize` | `tools/fit/melody_chords.py` |
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

_WIDTH = 108


def read_fitted(name: str) -> dict[str, Any]:
    """The tables of `NAME.json`: lists of numbers, nested as the arrays are."""
    tables: dict[str, Any] = json.loads(files(__name__).joinpath(f"{name}.json").read_text(encoding="utf-8"))
    return tables


def write_fitted(path: Path, tables: Mapping[str, Any]) -> None:
    """Writes tables as JSON.

    Args:
        path: such as `hrpe_jax/analysis/fitted/keys.json`.
        tables: by name arrays of already rounded numbers, lists, or tables of these.
    """
    path.write_text(_text(tables, "") + "\n", encoding="utf-8")


def _text(value: Any, indent: str) -> str:
    """JSON with a line for each innermost row."""
    value = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
    line = json.dumps(value if not isinstance(value, Mapping) else dict.fromkeys(value, 0))
    inner = indent + " "
    if isinstance(value, Mapping):
        rows = [f"{inner}{json.dumps(key)}: {_text(each, inner)}" for key, each in value.items()]
        return "{\n" + ",\n".join(rows) + f"\n{indent}}}"
    nested = isinstance(value, list | tuple) and any(isinstance(each, list | tuple) for each in value)
    if nested and len(indent + line) > _WIDTH:
        return "[\n" + ",\n".join(inner + _text(each, inner) for each in value) + f"\n{indent}]"
    return line
