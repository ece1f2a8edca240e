"""Compiled programs kept in the user's cache folder, so that a new process neither traces nor compiles them.

JAX's own cache spares the compiler, but not tracing and lowering, which are half the time of a command that
composes one piece. A `StoredJit` is `jax.jit` whose compiled program is also a file. The file's name is a
digest of all that the program depends on: this package's source, the versions of jax, jaxlib, flax and
Python, the processor, XLA's flags, JAX's settings, the static arguments, and the shapes of the others. So
a file is never stale: after a change another name is looked for. Parameters are arguments, hence
a program serves every model of the same shapes.

Files are written whole, carry a checksum, and are left out where they are damaged, belong to another user or
do not load. Only CPU programs are kept; other devices use `jax.jit` as it is.
"""

from __future__ import annotations

import functools
import hashlib
import os
import pickle
import platform
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import jax
import jaxlib
import numpy as np
from jax.experimental import serialize_executable

_SETTINGS = (
    "jax_default_device", "jax_default_matmul_precision", "jax_default_prng_impl", "jax_enable_x64",
    "jax_numpy_dtype_promotion", "jax_threefry_partitionable", "jax_disable_most_optimizations",
    "jax_debug_nans", "jax_debug_infs", "jax_enable_checks",
)  # fmt: skip
_OLD = 64
"""So many files are kept, the last used: each is 1 to 4 MB."""
_COMPILER = {"xla_cpu_use_fusion_emitters": False, "xla_backend_optimization_level": 1}
"""Options of XLA's CPU compiler: it takes two thirds of its time for programs that are as quick. What
``XLA_FLAGS`` say comes first."""
_WATCHING: list[Callable[[str], None]] = []


class StoredJit:
    """As `jax.jit`, for calls with positional arguments; see the module."""

    def __init__(
        self, function: Callable[..., Any], static: Sequence[int] = (), donated: Sequence[int] = ()
    ) -> None:
        self._function = function
        self._options = {"static_argnums": tuple(static), "donate_argnums": tuple(donated)}
        self._jit = _jit(function, self._options)
        self._static = frozenset(static)
        self._programs: dict[Any, Any] = {}
        self._locks: dict[Any, threading.Lock] = {}
        functools.update_wrapper(self, function)

    def __call__(self, *args: Any) -> Any:
        """Calls the program of these arguments: stored, compiled, or by `jax.jit`."""
        program = self._program(args)
        if program is None:
            return self._jit(*args)
        return program(*(arg for number, arg in enumerate(args) if number not in self._static))

    def prepare(self, *args: Any) -> None:
        """Loads or compiles the program of a call without running it; arrays may be `ShapeDtypeStruct`."""
        self._program(args)

    def lower(self, *args: Any) -> Any:
        """As `jax.jit(...).lower`."""
        return self._jit.lower(*args)

    def _cache_size(self) -> int:
        """As that of `jax.jit`: how many programs this process has loaded or compiled."""
        return len(self._programs) + self._jit._cache_size()

    def _program(self, args: tuple[Any, ...]) -> Any:
        """The loaded program of a call; None where `jax.jit` itself is to be used."""
        leaves, tree = jax.tree.flatten([arg for n, arg in enumerate(args) if n not in self._static])
        if not _storable(leaves):
            return None
        types = tuple(map(_type, leaves))
        static = tuple(args[number] for number in sorted(self._static))
        settings = tuple(str(getattr(jax.config, name, None)) for name in _SETTINGS)
        key = (static, tree, types, settings)
        program = self._programs.get(key)
        if program is None:
            with self._locks.setdefault(key, threading.Lock()):  # the same one may be asked for twice
                program = self._programs.get(key) or self._load_or_compile(key, args)
                self._programs[key] = program
        return program

    def _load_or_compile(self, key: Any, args: tuple[Any, ...]) -> Any:
        module = self._function.__module__.rpartition(".")[2]
        digest = hashlib.sha256(repr((_surroundings(), key)).encode()).hexdigest()
        path = _folder() / f"{module}.{self._function.__name__}-{digest[:40]}"
        found = _read(path)
        if found is None:
            for tell in _WATCHING:
                tell(module)
            flags = os.environ.get("XLA_FLAGS", "")
            options = {name: value for name, value in _COMPILER.items() if name not in flags}
            named = _jit(self._function, self._options, os.urandom(4).hex())
            found = named.lower(*args).compile(options)
            _write(path, found)
        return found


def _jit(function: Callable[..., Any], options: dict[str, Any], name: str = "") -> Any:
    """`jax.jit` of a function, whose program has a name of its own where one is given.

    JAX's cache knows no program of that name, so it does not answer: XLA cannot write what it has read.
    """

    def renamed(*args: Any) -> Any:
        return function(*args)

    renamed.__name__ = f"{function.__name__}_{name}" if name else function.__name__
    return jax.jit(renamed, **options)


def stored_jit(static: Sequence[int] = (), donated: Sequence[int] = ()) -> Callable[..., StoredJit]:
    """`StoredJit` as a decorator; numbers of static and donated arguments."""
    return lambda function: StoredJit(function, static, donated)


@contextmanager
def watch(tell: Callable[[str], None]) -> Iterator[None]:
    """Within the block, calls `tell` with the module of each program that has to be compiled."""
    _WATCHING.append(tell)
    try:
        yield
    finally:
        _WATCHING.remove(tell)


@contextmanager
def beside(prepare: Callable[[], Any]) -> Iterator[None]:
    """Calls a function in a thread of its own while the block runs, so that its programs are there in time.

    What it raises is dropped: the call that it prepares raises the same where it is made.
    """
    with ThreadPoolExecutor(1) as thread:
        thread.submit(prepare)
        yield


def _type(leaf: Any) -> tuple[tuple[int, ...], str, bool]:
    """Shape, dtype, and whether the dtype gives way to others."""
    found = leaf if isinstance(leaf, jax.ShapeDtypeStruct) else jax.typeof(leaf)
    return found.shape, str(found.dtype), bool(getattr(found, "weak_type", False))


def _storable(leaves: Sequence[Any]) -> bool:
    """Whether files can be used for a call: on the first CPU device, outside of transformations."""
    config: Any = jax.config
    if not config.jax_compilation_cache_dir or not config.jax_enable_compilation_cache:
        return False
    if jax.default_backend() != "cpu" or config.jax_disable_jit:
        return False
    first = jax.devices()[0]
    for leaf in leaves:
        if isinstance(leaf, jax.core.Tracer):
            return False
        if isinstance(leaf, jax.Array) and leaf.sharding.device_set != {first}:
            return False
    return True


def _folder() -> Path:
    config: Any = jax.config
    return Path(config.jax_compilation_cache_dir) / "programs"


@functools.cache
def _surroundings() -> tuple[str, ...]:
    """What a program depends on beside its arguments."""
    import flax

    source = hashlib.sha256()
    package = Path(__file__).resolve().parents[1]
    for file in sorted(package.rglob("*.py")):
        source.update(file.relative_to(package).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    versions = (jax.__version__, jaxlib.__version__, flax.__version__, np.__version__, sys.version)
    flags = tuple(os.environ.get(name, "") for name in ("XLA_FLAGS", "JAX_CPU_ENABLE_ASYNC_DISPATCH"))
    devices = f"{len(jax.devices())} {jax.devices()[0].client.platform_version}"
    return (source.hexdigest(), *versions, *flags, devices, _processor())


def _processor() -> str:
    """Names the processor with what it can do: programs are machine code."""
    parts = [platform.machine(), platform.processor(), str(os.cpu_count())]
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        wanted = ("model name", "flags", "Features", "CPU part")
        parts += sorted({line for line in lines if line.startswith(wanted)})
    return "\n".join(parts)


def _read(path: Path) -> Any:
    """The program of a file; None where there is none that can be used."""
    try:
        if hasattr(os, "getuid") and path.stat().st_uid != os.getuid():
            return None
        content = path.read_bytes()
        if hashlib.sha256(content[32:]).digest() != content[:32]:
            return None
        payload, arguments, results = pickle.loads(content[32:])
        program = serialize_executable.deserialize_and_load(
            payload, arguments, results, execution_devices=jax.devices()[:1]
        )
    except Exception:  # whatever it is, the program can be compiled
        return None
    with suppress(OSError):
        os.utime(path)
    return program


def _write(path: Path, program: Any) -> None:
    """Keeps a program, whole or not at all; where that cannot be, it is compiled again the next time."""
    try:
        content = pickle.dumps(serialize_executable.serialize(program))
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(content).digest() + content)
            os.replace(beside, path)
        finally:
            Path(beside).unlink(missing_ok=True)
        files = sorted(path.parent.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        for old in files[_OLD:]:
            if old != path:  # after the clock was set back, the newest file looks oldest
                old.unlink(missing_ok=True)
    except Exception:
        return
