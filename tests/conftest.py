"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# First calls compile, which a deadline would take for slowness.
settings.register_profile("hrpe", deadline=None)
settings.load_profile("hrpe")


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
