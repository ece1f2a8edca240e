"""Beam gives what the pool gives."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from hrpe_jax.errors import UserError
from hrpe_jax.preprocessing.build import build_dataset
from tests.preprocessing.songs import write_songs


@pytest.mark.skipif(find_spec("apache_beam") is None, reason="the extra `beam` is not installed")
@pytest.mark.filterwarnings("ignore")  # of Beam and of what it imports
def test_beam_and_pool_write_the_same(tmp_path: Path):
    root = write_songs(tmp_path / "songs", 9)
    (root / "002" / "002.mid").write_bytes(b"MThd but nothing behind it")
    pool = build_dataset(root, tmp_path / "pool", workers=0)
    beam = build_dataset(root, tmp_path / "beam", runner="beam", beam_options="--runner=DirectRunner")
    for name in ("songs", "rejects", "found"):
        assert beam[name] == pool[name]
    for file in ("manifest.json", "rejects.jsonl"):
        assert (tmp_path / "beam" / file).read_bytes() == (tmp_path / "pool" / file).read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["beam", "pool", "songs"]


def test_without_beam_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    with pytest.raises(UserError, match=r"pip install \"hrpe_jax\[beam\]\""):
        build_dataset(write_songs(tmp_path / "songs", 1), tmp_path / "set", runner="beam")
    assert [path.name for path in tmp_path.iterdir()] == ["songs"]
