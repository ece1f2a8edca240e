"""Fixtures shared by all tests: where real data is, and a made-up data set in memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# Tests run small programs a few times: one that compiles quickly is worth more than a quick one. The flags
# must stand before JAX starts; processes that tests start inherit them.
HURRY = "--xla_cpu_use_fusion_emitters=false --xla_backend_optimization_level=0"
os.environ["XLA_FLAGS"] = f"{HURRY} {os.environ.get('XLA_FLAGS', '')}".strip()

import jax  # noqa: E402
import numpy as np  # noqa: E402
from hypothesis import settings  # noqa: E402

from hrpe_jax.codec import backbone_tokens as bt  # noqa: E402
from hrpe_jax.codec import melody_tokens as mt  # noqa: E402

# First calls compile, which a deadline would take for slowness. Before a commit fewer examples do than
# Hypothesis draws by itself, and the same in each run, so that a change fails for what it changed.
# HYPOTHESIS_PROFILE=thorough draws more, and others each time.
settings.register_profile("quick", deadline=None, max_examples=40, derandomize=True)
settings.register_profile("thorough", deadline=None, max_examples=100)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
# GPUs and TPUs round the factors of float32 products unless told not to; a CPU does not.
jax.config.update("jax_default_matmul_precision", "highest")


@pytest.fixture(scope="session", autouse=True)
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A compilation cache for the session, in processes that tests start too; never the user's."""
    names = {
        "jax_compilation_cache_dir": str(tmp_path_factory.mktemp("cache")),
        "jax_persistent_cache_min_compile_time_secs": 0.1,
        "jax_persistent_cache_min_entry_size_bytes": 0,
    }
    before = {name: getattr(jax.config, name) for name in names}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in names.items():
            jax.config.update(name, value)
            patch.setenv(name.upper(), str(value))
        yield
    for name, value in before.items():
        jax.config.update(name, value)


def find_shared_data() -> Path | None:
    """The folder of real data sets (`HRPE_DATA`, or `../shared/data` beside the project), or None."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("HRPE_DATA", default))
    return folder if folder.is_dir() else None


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real data sets; the test is skipped where they are absent."""
    folder = find_shared_data()
    if folder is None:
        pytest.skip("real data sets are not here (set HRPE_DATA)")
    return folder


class FakeDataset:
    """Random songs of the documented shape, with no reader or codec behind them.

    Song i of a split is the same in both stages only in name.
    """

    def __init__(self, songs: int = 23, seed: int = 0, longest: int = 60) -> None:
        rng = np.random.default_rng(seed)
        self._records = {
            "backbone": [self._backbone(rng, i, longest) for i in range(songs)],
            "melody": [self._melody(rng, i, longest) for i in range(songs)],
        }

    @staticmethod
    def _backbone(rng: np.random.Generator, index: int, longest: int) -> dict[str, Any]:
        possible = bt.NO_CHORD0 + np.flatnonzero(bt.VALID[bt.NO_CHORD0 :])
        events = rng.choice(possible, rng.integers(1, longest)).tolist()
        ids = [bt.BOS, int(rng.integers(bt.KEY0, bt.METER0)), bt.METER0 + 4 * 3 + 1, *events]
        return {
            "id": f"song{index}",
            "input_ids": ids,
            "target_id": bt.EOS,
            "root_pc": bt.ROOT[ids].tolist(),
            "quality_code": bt.QUALITY_CODE[ids].tolist(),
            "function_code": bt.function_table()[ids[1] - bt.KEY0, ids].tolist(),
            "bar_phase": rng.integers(0, 4, len(ids)).tolist(),
        }

    @staticmethod
    def _melody(rng: np.random.Generator, index: int, longest: int) -> dict[str, Any]:
        body = np.where(
            rng.random(rng.integers(1, longest)) < 0.5, rng.integers(0, 128), rng.integers(mt.DUR0, mt.SIZE)
        ).tolist()
        events = [mt.BOS, *body, mt.EOS]
        chords = bt.HARMONY[rng.integers(bt.NO_CHORD0, bt.SIZE, len(events))].tolist()
        return {
            "id": f"song{index}",
            "metadata": {
                "key_signature_root": int(rng.integers(12)),
                "key_signature_mode": str(rng.choice(["major", "minor"])),
                "time_signature_num": 3,
                "time_signature_den": 4,
                "tempo_bpm": float(rng.uniform(50, 200)),
            },
            "event_ids": events,
            "conditioning_chord_ids": chords,
            "conditioning_root_pc": bt.ROOT[chords].tolist(),
            "conditioning_quality_code": bt.QUALITY_CODE[chords].tolist(),
            "conditioning_function_code": bt.function_table()[0, chords].tolist(),
            "next_chord_ids": bt.HARMONY[rng.integers(bt.NO_CHORD0, bt.SIZE, len(events))].tolist(),
            "ticks_to_next": rng.integers(0, 96, len(events)).tolist(),
            "bar_phase": rng.integers(0, 36, len(events)).tolist(),
        }

    def records(self, stage: str, split: str) -> list[dict[str, Any]]:
        return self._records[stage]

    def lengths(self, stage: str, split: str) -> np.ndarray:
        extra = 1 if stage == "backbone" else 0
        key = "input_ids" if stage == "backbone" else "event_ids"
        return np.asarray([len(record[key]) + extra for record in self._records[stage]])


@pytest.fixture(scope="session")
def fake_dataset() -> FakeDataset:
    return FakeDataset()


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workdir of an uninterrupted training of the dummy; copy it before you change it."""
    from tests.training import dummy  # starts a training, which few tests need

    workdir = tmp_path_factory.mktemp("whole")
    result = dummy.train(workdir)
    assert (result.step, result.resumed) == (12, 0)
    return workdir
