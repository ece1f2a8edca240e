"""Whether the files of a checkpoint are still those that were written.

Orbax checks the contents of arrays, but neither JSON nor every file that says how arrays are to be read: some
single flipped bits came back as another value, silently. So a checkpoint carries the SHA-256 of each of its
files. They are written before the folder gets its final name: a whole checkpoint always has them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hrpe_jax.utils.files import checksum, replace_file

DIGESTS = "digests.json"
LATER = ("commit_success.txt", "_CHECKPOINT_METADATA")
"""Orbax writes these, beside the items, when all else is done; nothing is read from them."""
THREADS = 4


def write_digests(folder: Path) -> None:
    """Writes ``digests.json``: the digest of every file below a folder."""
    names = [str(path.relative_to(folder)) for path in sorted(folder.rglob("*")) if path.is_file()]
    names = [name for name in names if name not in (*LATER, DIGESTS)]
    with ThreadPoolExecutor(THREADS) as pool:
        sums = dict(zip(names, pool.map(lambda name: checksum(folder / name), names), strict=True))
    replace_file(folder / DIGESTS, (json.dumps(sums, indent=1) + "\n").encode())


def has_digests(folder: Path) -> bool:
    """Whether a checkpoint says what its files were."""
    return (folder / DIGESTS).is_file()


def damage(folder: Path, items: Sequence[str] = ()) -> str | None:
    """Looks for a file that is not what it was.

    Args:
      folder: of one checkpoint.
      items: look at these folders in it only; () for all.

    Returns:
      "FILE: what is wrong" of the first one found, or None.
    """
    try:
        sums = dict(json.loads((folder / DIGESTS).read_bytes()))
        chosen = {name: sum for name, sum in sums.items() if not items or name.split("/")[0] in items}
    except (OSError, ValueError, TypeError):
        return f"{DIGESTS}: missing or not readable"

    def look(name: str) -> str | None:
        try:
            return None if checksum(folder / name) == chosen[name] else f"{name}: content has changed"
        except OSError as error:
            return f"{name}: {error.strerror or 'not readable'}"

    with ThreadPoolExecutor(THREADS) as pool:
        return next((found for found in pool.map(look, chosen) if found), None)
