"""Memory that the C library keeps between steps, so that a step does not fetch it anew from the kernel."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import platform

M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8  # names and numbers of malloc.h


def keep_freed_memory() -> bool:
    """Tells glibc to keep what is freed. To be called before JAX starts its threads.

    XLA's CPU client allocates one block for all temporaries of a program at every call and frees it behind
    it. glibc maps so large a block from the kernel each time, which hands it over page by page, zeroed: a
    quarter of the processor time of a training step (``tools/bench_step.py``). From one heap that never
    shrinks the pages come once. The process then holds its largest size until it ends.

    Returns:
      Whether that worked: False where the C library is another, or JAX may compute on an accelerator, whose
      driver maps memory of its own.
    """
    if platform.libc_ver()[0] != "glibc" or not _on_cpu_alone():
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    # One arena, since those of threads cannot hold large blocks; no block of its own mapping; no trimming.
    settings = ((M_ARENA_MAX, 1), (M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, -1))
    return mallopt is not None and all(mallopt(name, value) == 1 for name, value in settings)


def _on_cpu_alone() -> bool:
    """Whether JAX will find no other platform; starts none."""
    platforms = os.environ.get("JAX_PLATFORMS")
    if platforms:
        return platforms == "cpu"
    return not any(importlib.util.find_spec(name) for name in ("jax_plugins", "libtpu"))
