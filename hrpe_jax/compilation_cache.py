"""XLA's compiled programs, kept between runs, so that the second start of a command takes seconds."""

from __future__ import annotations

import os
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
