"""Memory that the C library keeps between steps, so that a step does not fetch it anew from the kernel."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import platform
from pathlib import Path


def cache_folder() -> Path:
    """``hrpe_jax/xla`` in the user's cache folder (``XDG_CACHE_HOME``, else ``~/.cache``)."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "hrpe_jax" / "xla"


def enable_compilation_cache() -> None:
    """Turns the persistent cache on, unless ``JAX_COMPILATION_CACHE_DIR`` or the program has set one.

    ``JAX_ENABLE_COMPILATION_CACHE=false`` turns it off. A folder that cannot be made means no cache, never
    a failure.
    """
    import jax

    if getattr(jax.config, "jax_compilation_cache_dir", None):
        return
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.3)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)


M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8  # names and numbers of malloc.h


def keep_freed_memory() -> bool:
    """Tells glibc to keep what is freed. To be called before JAX starts its threads.

    XLA's CPU client allocates one block for all temporaries of a program at every call and frees it behind
    it. glibc maps so large a block from the kernel each time, which hands it over page by page, zeroed: a
    quarter of the processor time of a training step (``tools/bench/step.py``). From one heap that never
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
