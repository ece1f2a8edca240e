from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from hrpe_jax.utils.jax_setup import keep_freed_memory

SCRIPT = """
import resource, sys, threading
import numpy as np
from hrpe_jax.utils.jax_setup import keep_freed_memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def fill():
    np.empty(64 << 20, np.uint8).fill(1)

assert keep_freed_memory()
counts = []
for _ in range(2):
    before = faults()
    thread = threading.Thread(target=fill)
    thread.start()
    thread.join()
    counts.append(faults() - before)
print(*counts)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's malloc")
def test_pages_come_once() -> None:
    """A large block that is freed and asked for again, by another thread, is there already."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=True,
    )
    first, second = map(int, done.stdout.split())
    assert second < first / 10


@pytest.mark.parametrize("platforms", ["cuda", "tpu,cpu"])
def test_a_driver_keeps_its_own_memory(platforms: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAX_PLATFORMS", platforms)
    assert not keep_freed_memory()
